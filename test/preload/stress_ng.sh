#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stress_ng.sh <library> <source> <seconds each>: stress-ng's own verification of malloc, a growing heap, forks and threads.
. "$(dirname "$0")/common.sh"
must stress-ng
cd "$work"
for what in "--malloc 2 --malloc-bytes 64M --malloc-max 4096" "--malloc 1 --malloc-pthreads 3 --malloc-bytes 64M --malloc-thresh 65536" "--bigheap 1 --bigheap-growth 1M --bigheap-ops 300" \
  "--fork 2 --fork-max 8" "--pthread 2 --pthread-max 40" "--vm 1 --vm-bytes 64M" "--qsort 1 --bsearch 1" "--tree 1 --list 1 --hash 1"; do
  code=0
  # shellcheck disable=SC2086
  LD_PRELOAD=$library stress-ng --verify --timeout "${3:-3}" $what >"$work/log" 2>&1 || code=$?
  if [ "$code" -ne 0 ] || grep -E '^xalloc: |: \[[0-9]+\] .*fail' "$work/log"; then
    echo "stress-ng $what: exit $code"
    tail -20 "$work/log"
    exit 1
  fi
  echo "stress-ng $what: verified"
done
