# SPDX-License-Identifier: MIT
# Sourced: $1 is the library. Sets `work`, a folder that goes away at exit, and defines same.
set -euo pipefail
library=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
  echo "$name: same output, exit $ours"
}
