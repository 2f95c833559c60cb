#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A slice of Python's own test-suite (long: a larger one), every allocation of the interpreter on malloc. The same tests pass as without
# the library.
. "$(dirname "$0")/common.sh"
python=/usr/bin/python3
tests="test_json test_re test_gc test_dbm_dumb test_ctypes test_dict test_list test_memoryview test_array test_struct test_zlib test_thread test_queue
  test_weakref test_fork1"
[ "$XALLOC_TEST_PART" -eq 1 ] || tests="test_re test_dbm_dumb test_ctypes test_dict test_list test_memoryview test_array test_struct test_zlib test_thread test_queue
  test_fork1 test_threadsignals"
[ "${3:-}" = long ] && tests+=" test_threading test_subprocess test_multiprocessing_fork test_bytes test_unicode test_pickle test_itertools"
cd "$work"
run() {
  PYTHONMALLOC=malloc LD_PRELOAD=$1 timeout 400 "$python" -m test -q -j2 $2 >"$work/out" 2>&1 || true
  # Which tests failed, in any order; flaky by load they may be on their own, so only what fails with us alone counts.
  { grep -A20 'tests\? failed:' "$work/out" || true; } | { grep -oE 'test_[a-z0-9_]+' || true; } | sort -u
}
cat >"$work/sqlite.py" <<'PY'
import sqlite3
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values(?, ?)", ((i, f"row {i * 7919 % 1009}") for i in range(50000)))
print(db.execute("select count(*), sum(a), min(b), max(b) from t").fetchall())
db.create_function("twice", 1, lambda x: x * 2)
print(db.execute("select sum(twice(a)) from t where b like '%7%'").fetchall())
PY
PYTHONMALLOC=malloc same python-sqlite3 "$python" "$work/sqlite.py"
run "$library" "$tests" >"$work/ours"
grep -E '^Tests result:|^Result:' "$work/out" || { tail -40 "$work/out"; exit 1; }
[ -s "$work/ours" ] || { echo "python: all passed"; exit 0; }
cp "$work/out" "$work/ours.log"
run "" "$(cat "$work/ours")" >"$work/plain"
alone=$(comm -23 "$work/ours" "$work/plain")
if [ -n "$alone" ]; then
  echo "fails with the library only: $alone"
  tail -60 "$work/ours.log"
  exit 1
fi
echo "python: fails with and without the library: $(tr '\n' ' ' <"$work/ours")"
