#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The arithmetic of the tables, on runs made up by hand."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "macro"))

import machine  # noqa: E402
import report  # noqa: E402
import summary  # noqa: E402
from allocators import Allocator  # noqa: E402
from programs import Program  # noqa: E402
from runner import Run, figures_and_digest  # noqa: E402


def run(seconds, kib, faults=0, cpu=None, output="same", **state):
    return Run(seconds, cpu if cpu is not None else seconds, 0.0, kib, kib, faults, {}, output, **state)


NAMES = ("xalloc", "glibc", "glibc again", "lean", "quick", "xalloc-old")


def result(rows, fault_us=10.0, benchmarks=None):
    """rows: {benchmark: {allocator: Run or [Run, ...]}}"""
    runs = {b: {a: r if isinstance(r, list) else [r] for a, r in by.items()} for b, by in rows.items()}
    return summary.summarize(benchmarks or [Program(b, []) for b in rows], [Allocator(n) for n in NAMES], runs, {}, fault_us, 2)


class Envelope(unittest.TestCase):
    ROWS = {"one": {"xalloc": run(1, 100), "glibc": run(4, 100), "lean": run(2, 50), "quick": run(1, 400), "xalloc-old": run(0.1, 1)},
            "two": {"xalloc": run(1, 100), "glibc": run(1, 100), "lean": run(4, 50), "quick": run(4, 400), "glibc again": run(0.5, 10)}}

    def test_takes_the_best_peer_of_each_row_and_of_each_column(self):
        found = result(self.ROWS)
        self.assertEqual(found["rows"]["one"]["best"]["time"], "quick")
        self.assertEqual(found["rows"]["two"]["best"]["time"], "glibc")
        self.assertEqual(found["rows"]["one"]["best"]["rss"], "lean")
        self.assertAlmostEqual(found["field"]["xalloc"]["envelope"]["time"], 1.0)
        self.assertAlmostEqual(found["field"]["xalloc"]["envelope"]["rss"], 2.0)
        self.assertAlmostEqual(found["envelope"]["time"], 0.5)

    def test_knows_no_variant_of_the_subject_and_no_noise(self):
        self.assertEqual(result(self.ROWS)["peers"], ["glibc", "lean", "quick"])

    def test_means_are_geometric(self):
        self.assertAlmostEqual(result(self.ROWS)["against"]["xalloc"]["glibc"]["time"], 0.5)
        self.assertAlmostEqual(result(self.ROWS)["noise"]["time"]["geomean"], 0.5)


class Kinds(unittest.TestCase):
    """Ten times slower than glibc and half as fat on the made-up program, twice as fast and fatter on two real ones; another kind is neither."""
    BENCHMARKS = [Program("made", [], suite="macro"), Program("first", [], suite="real"), Program("second", [], suite="real"), Program("else", [])]
    ROWS = {"made": {"xalloc": run(10, 50), "glibc": run(1, 100), "lean": run(5, 25)}, "else": {"xalloc": run(99, 99), "glibc": run(1, 1)},
            "first": {"xalloc": run(1, 200), "glibc": run(1, 100)}, "second": {"xalloc": run(1, 200), "glibc": run(4, 100), "lean": run(2, 100)}}

    def test_one_does_not_hide_the_other(self):
        found = result(self.ROWS, benchmarks=self.BENCHMARKS)["by_kind"]
        self.assertEqual(list(found), ["made-up programs", "real programs"])
        made, real = (found[kind]["against"]["xalloc"]["glibc"] for kind in found)
        self.assertAlmostEqual(made["time"], 10)
        self.assertAlmostEqual(made["rss"], 0.5)
        self.assertAlmostEqual(real["time"], 0.5)
        self.assertAlmostEqual(real["priced"], 0.5)
        self.assertAlmostEqual(real["rss"], 2)
        self.assertEqual((made["rows"], real["rows"]), (1, 2))
        self.assertEqual(found["real programs"]["against"]["xalloc"]["lean"]["rows"], 1)

    def test_each_has_its_envelope(self):
        found = result(self.ROWS, benchmarks=self.BENCHMARKS)["by_kind"]
        self.assertAlmostEqual(found["made-up programs"]["envelope"]["xalloc"]["rss"], 2)
        self.assertAlmostEqual(found["real programs"]["envelope"]["xalloc"]["time"], 0.5 ** 0.5)

    def test_are_in_the_report(self):
        lines = report.kinds(result(self.ROWS, benchmarks=self.BENCHMARKS)).splitlines()
        self.assertEqual([c.strip() for c in lines[2].split("|")[1:-1]], ["xalloc / glibc", "made-up programs", "10.000", "10.000", "0.500", "1"])
        self.assertEqual([c.strip() for c in lines[3].split("|")[1:-1]], ["xalloc / glibc", "real programs", "0.500", "0.500", "2.000", "2"])

    def test_that_did_not_run_is_left_out(self):
        found = result({"made": self.ROWS["made"]}, benchmarks=self.BENCHMARKS)
        self.assertEqual(list(found["by_kind"]), ["made-up programs"])
        self.assertEqual(report.kinds(found), "")


class Medians(unittest.TestCase):
    def test_one_bad_run_of_three_changes_nothing(self):
        found = result({"one": {"xalloc": [run(1, 100), run(1.1, 101), run(9, 900)]}})
        self.assertAlmostEqual(found["rows"]["one"]["cells"]["xalloc"]["time"], 1.1)
        self.assertEqual(found["rows"]["one"]["cells"]["xalloc"]["rss"], 101)


class UsualState(unittest.TestCase):
    """Of a machine that has two, a median over some of each would be chance."""
    FAR = {"apart": 3.5}

    def cell(self, *runs):
        return result({"one": {"xalloc": list(runs)}})["rows"]["one"]["cells"]["xalloc"]

    def test_is_all_that_counts_where_half_the_runs_saw_it(self):
        cell = self.cell(run(1, 100), run(9, 900, disturbed=True), run(3, 300, **self.FAR), run(1.2, 102))
        self.assertAlmostEqual(cell["time"], 1.1)
        self.assertEqual((cell["rss"], cell["left_out"], cell["disturbed"], cell["apart"], len(cell["runs"])), (101, 2, 0, 0, 4))

    def test_does_not_count_where_fewer_did(self):
        cell = self.cell(run(1, 100), run(9, 900, disturbed=True), run(3, 300, **self.FAR))
        self.assertAlmostEqual(cell["time"], 3)
        self.assertEqual((cell["left_out"], cell["disturbed"], cell["apart"]), (0, 1, 1))

    def test_is_the_median_of_the_session_and_differs_both_ways(self):
        pace = machine.Pace(None)
        pace.all = [{"arithmetic": 1.0, "memory": 10.0, machine.HAND_OVER: over} for over in (100.0, 110.0, 90.0, 400.0)]
        self.assertAlmostEqual(pace.apart(pace.all[3]), 400 / 105)
        self.assertAlmostEqual(pace.apart({machine.HAND_OVER: 105 / 3}), 3)
        self.assertAlmostEqual(pace.slowness({"arithmetic": 1.5, "memory": 10.0, machine.HAND_OVER: 400.0}), 1.5)
        self.assertEqual(pace.apart({"arithmetic": 1.0}), 1.0)

    def test_need_not_have_been_timed_each_time(self):
        pace = machine.Pace(None)
        self.assertEqual(pace.summary(), {})
        pace.all = [{"arithmetic": 3.0, machine.HAND_OVER: 100.0}, {"arithmetic": 1.0}, {"arithmetic": 2.0, machine.HAND_OVER: 140.0}]
        self.assertEqual(pace.summary(), {"arithmetic": {"median": 2.0, "low": 1.0, "high": 3.0},
                                          machine.HAND_OVER: {"median": 120.0, "low": 100.0, "high": 140.0}})


class Work(unittest.TestCase):
    def test_that_differs_is_not_counted(self):
        found = result({"one": {"xalloc": run(1, 100), "glibc": run(2, 100, output="other")}})
        self.assertFalse(found["rows"]["one"]["timed"])
        self.assertIsNone(found["against"]["xalloc"]["glibc"]["time"])
        self.assertTrue(found["rows"]["one"]["remarks"])

    def test_is_what_was_printed_beside_the_figures(self):
        figures, digest = figures_and_digest("figure a 1.5 MiB\nchecksum 7\n")
        self.assertEqual(figures, {"a": (1.5, "MiB")})
        self.assertEqual(digest, figures_and_digest("checksum 7\nfigure a 2.5 MiB\n")[1])
        self.assertNotEqual(digest, figures_and_digest("checksum 8\n")[1])


class PricedFaults(unittest.TestCase):
    def test_cost_is_taken_out_and_price_put_in(self):
        seconds, floored = summary.priced(run(1.0, 0, faults=50000), 10.25, 2)
        self.assertAlmostEqual(seconds, 0.5)
        self.assertFalse(floored)

    def test_faults_of_two_threads_at_once_count_half(self):
        self.assertAlmostEqual(summary.priced(run(1.0, 0, faults=50000, cpu=2.0), 10.25, 2)[0], 0.75)

    def test_more_threads_than_cores_are_no_more_at_work_than_cores(self):
        self.assertAlmostEqual(summary.priced(run(1.0, 0, faults=50000, cpu=8.0), 10.25, 2)[0], 0.75)

    def test_never_below_the_floor(self):
        seconds, floored = summary.priced(run(1.0, 0, faults=1000000), 10.25, 2)
        self.assertAlmostEqual(seconds, summary.FLOOR)
        self.assertTrue(floored)

    def test_a_machine_with_cheap_faults_is_left_alone(self):
        self.assertAlmostEqual(summary.priced(run(1.0, 0, faults=50000), summary.FAULT_PRICE, 2)[0], 1.0)


unittest.main()
