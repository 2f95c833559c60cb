#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind.sh <library> <subject linked with it> <subject>: the recipe of the documentation finds a leak, a double free, an overrun.
set -euo pipefail
command -v valgrind >/dev/null || { echo "skipped: no valgrind"; exit 77; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
recipe="valgrind --soname-synonyms=somalloc=libxalloc.so.1 --leak-check=full --error-exitcode=99"
see() {
  local pattern=$1 code=0
  shift
  "$@" >"$out" 2>&1 || code=$?
  grep -q -e "$pattern" "$out" || { echo "$*: exit $code, expected \"$pattern\""; cat "$out"; exit 1; }
}
for run in "$recipe $2" "$recipe --trace-children=yes env LD_PRELOAD=$1 $3"; do
  see 'ERROR SUMMARY: 0 errors' $run good
  see 'definitely lost: 37,035 bytes in 3 blocks' $run leak
  see 'by .*: leaky_function' $run leak
  see 'Invalid free() / delete' $run double-free
  see 'is 0 bytes after a block of size 100 alloc.d' $run overflow
  see 'is 5 bytes inside a block of size 100 free.d' $run use-after-free
done
echo "valgrind finds them all, in a program linked with the library and in one that preloads it"
