# SPDX-License-Identifier: MIT
# Sourced: $1 is the library. Sets `work`, a folder that goes away at exit, and `library`, a copy that every user can read; defines
# same, skip, part and must.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cp "$1" "$work/libxalloc.so"
library=$work/libxalloc.so
# skip <why>: for ctest's SKIP_RETURN_CODE.
skip() {
  echo "skipped: $*"
  exit 77
}
# part <n>: so much work, or one part of it in XALLOC_TEST_PART where every instruction is emulated.
export XALLOC_TEST_PART=${XALLOC_TEST_PART:-1}
part() { echo $(($1 / XALLOC_TEST_PART)); }
must() { command -v "$1" >/dev/null || skip "no $1 on this machine"; }
# same <name> <command...>: runs it without and with the library; compares output and exit code.
same() {
  local name=$1 plain=0 ours=0
  shift
  "$@" >"$work/plain.out" 2>"$work/plain.err" || plain=$?
  LD_PRELOAD=$library "$@" >"$work/ours.out" 2>"$work/ours.err" || ours=$?
  if [ "$plain" -ne "$ours" ] || ! cmp -s "$work/plain.out" "$work/ours.out"; then
    echo "$name: exit $ours instead of $plain, or another output"
    diff "$work/plain.out" "$work/ours.out" | head -20
    tail -20 "$work/ours.err"
    exit 1
  fi
  # The loader goes on without what it cannot preload.
  if grep -q -e '^xalloc: ' -e '^ERROR: ld.so: ' "$work/ours.err"; then
    echo "$name: the library has something to say:"
    grep -e '^xalloc: ' -e '^ERROR: ld.so: ' "$work/ours.err"
    exit 1
  fi
  [ "$plain" -ne 127 ] || { echo "$name: something is not there: $(cat "$work/plain.err")"; exit 1; }
  [ -s "$work/plain.out" ] || [ "$plain" -ne 0 ] || { echo "$name: no output, nothing was compared"; exit 1; }
  echo "$name: same output, exit $ours"
}
