#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each of the first 40 mmaps (what follows is alike) and of the first 30 mprotects, refused once. The program copes; where the refusal hits
# the dynamic loader itself (before the program is loaded) it may say so and exit 127.
. "$(dirname "$0")/common.sh"
program=$2
# The program's n-th call of `call` is refused.
refuse() {
  strace -f --seccomp-bpf -o /dev/null -e trace="${call%%:*}" -e inject="${call%%:*}":error=ENOMEM:when="$n" -E LD_PRELOAD="$1" "$program" >"$work/${call%%:*}${1:+.ours}" 2>&1 || return $?
}
# all_of <call>:<how many>
all_of() {
  local call=$1 bad=0 n code plain
  for n in $(seq "${call##*:}"); do
    code=0
    refuse "$library" || code=$?
    [ "$code" -eq 0 ] && continue
    # What hits the loader before the library is there ends the plain program just the same.
    plain=0
    refuse "" || plain=$?
    if [ "$code" -ne "$plain" ] && ! grep -q -E 'error while loading|cannot (map|allocate|change|be preloaded|create)|failed to map' "$work/${call%%:*}.ours"; then
      echo "${call%%:*} $n: exit $code: $(cat "$work/${call%%:*}.ours")"
      bad=1
    fi
  done
  return "$bad"
}
all_of mmap:40 &
all_of mprotect:30
wait $!
echo "every refusal survived"
