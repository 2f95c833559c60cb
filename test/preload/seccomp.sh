#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# seccomp.sh <library> <source> <program>: under the program's own filters, and man, which puts one on the programs that it runs.
. "$(dirname "$0")/common.sh"
LD_PRELOAD=$library "$3" refuse || { code=$?; [ $code -ne 77 ] || skip "no seccomp here"; echo "refuse: exit $code"; exit 1; }
LD_PRELOAD=$library "$3" kill || { echo "kill: exit $?"; exit 1; }
same seccomp-refuse "$3" refuse
same seccomp-kill "$3" kill
must man
{
  printf '.TH WORK 1 2020-01-01\n.SH NAME\nwork \\- a page\n.SH DESCRIPTION\n'
  seq 1 400 | sed 's/.*/Line & of a \\fIlong\\fP page with \\fBwords\\fP to be set.\n/'
} >"$work/work.1"
export MANPAGER=cat MANWIDTH=80 LC_ALL=C
gzip -k "$work/work.1"
same man man -l "$work/work.1"
same man-gzip man -l "$work/work.1.gz"
filters=$(strace -f -qq -e trace=seccomp,prctl man -l "$work/work.1" 2>&1 >/dev/null | grep -c 'MODE_FILTER' || true)
[ "$filters" -gt 0 ] || skip "man is built without seccomp"
echo "man installed $filters filters"
