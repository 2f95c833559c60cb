#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# environment.sh <library> <program, linked with it> <program, static>: places where programs rarely run.
set -uo pipefail
library=$1 program=$2 static=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
# lives <name> <command...>: exit 0, and not a word.
lives() {
  local name=$1
  shift
  if "$@" >"$work/out" 2>&1 && [ ! -s "$work/out" ]; then
    echo "$name: lived"
  else
    echo "$name: exit $?: $(head -c 500 "$work/out")"
    bad=1
  fi
}
lives 'no environment' env -i "$program"
lives 'no environment, no arguments' "$program" bare
lives 'no environment, no arguments, static' "$static" bare
lives 'descriptors closed' "$program" closed
# Its lines come out while stderr is still open.
lives 'descriptors closed, much to complain of' env MALLOC_CONF="$(printf 'nonsense%s:1,' {1..100})" \
  bash -c 'exec "$0" closed 2>/dev/null' "$program"
lives 'argument list of 1 MB' env LD_PRELOAD="$library" /bin/true "$(head -c 100000 /dev/zero | tr '\0' x)"{1..9}
if [ "$(id -u)" -eq 0 ] && unshare --pid --fork true 2>/dev/null; then
  lives 'process 1 of a namespace' unshare --pid --fork "$program"
else
  echo 'process 1: may not make namespaces'
fi
if [ "$(id -u)" -eq 0 ]; then
  mkdir "$work/jail" && cp "$static" "$work/jail/program"
  lives 'a root without /proc and /sys' chroot "$work/jail" /program
else
  echo 'another root: not root'
fi

# rubbish <name> <MALLOC_CONF>: the program works, in a second, and hears of it in at most 12 lines of at most 300 characters.
rubbish() {
  local begin=$EPOCHREALTIME code=0 lines longest ms
  MALLOC_CONF=$2 "$program" 2>"$work/rubbish" || code=$?
  ms=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
  lines=$(grep -c '^xalloc: ' "$work/rubbish")
  longest=$(awk '{ if (length > n) n = length } END { print n + 0 }' "$work/rubbish")
  echo "$1: exit $code, $lines lines, the longest $longest, $ms ms"
  [ "$code" -eq 0 ] && [ "$lines" -ge 1 ] && [ "$lines" -le 12 ] && [ "$longest" -le 300 ] && [ "$ms" -le 10000 ] || bad=1
}
rubbish 'one word of 100 KB' "$(head -c 100000 /dev/zero | tr '\0' x)"
rubbish '50000 words' "$(printf '%.0sx,' {1..50000})"
rubbish '100 KB of colons' "$(head -c 100000 /dev/zero | tr '\0' :)"
rubbish 'random bytes' "$(head -c 100000 /dev/urandom | tr -d '\0\n')"
rubbish 'a number of 100 KB' "dirty_decay_ms:$(head -c 100000 /dev/zero | tr '\0' 9)"
exit "$bad"
