#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sanitizers.sh <library> <folder>: in a program with a sanitizer the library says one line and steps aside: the program runs, and
# the sanitizer finds what it is there for. Preloaded alone, and behind the sanitizer's own library.
set -uo pipefail
library=$1 subject=$2/subject.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
line='xalloc: a sanitizer is in charge of memory here, stepping aside'
bad=0 checked=0
# see <name> <preload> <what> <pattern in the output> <program>
see() {
  local name=$1 preload=$2 what=$3 pattern=$4 program=$5 said
  env LD_PRELOAD="$preload" "$program" "$what" >"$work/out" 2>&1
  local code=$?
  checked=$((checked + 1))
  said=$(grep -c -F "$line" "$work/out")
  # ThreadSanitizer starts a program anew where addresses are too random for it.
  [[ $program == *.thread && $said -eq $((lines * 2)) ]] && said=$lines
  if ! grep -q -e "$pattern" "$work/out" || [ "$said" -ne "$lines" ] || { [ "$what" = good ] && [ "$code" -ne 0 ]; }; then
    echo "$name, $what: exit $code, expected \"$pattern\""
    head -20 "$work/out"
    bad=1
  fi
}
# Nor where it does not run without us: ThreadSanitizer knows some sizes of address spaces only.
build() {
  "$1" -g -O1 -w -pthread "-fsanitize=$2" "$subject" -o "$work/$1.$2" 2>"$work/log" && "$work/$1.$2" good >/dev/null 2>"$work/log" && return
  echo "no $1 -fsanitize=$2 here: $(head -1 "$work/log")"
  rm -f "$work/$1.$2"
  return 1
}
both() {  # <compiler> <sanitizer> <what> <pattern>: preloaded alone, and behind the run-time's library if that is one
  local program=$work/$1.$2 runtime
  lines=1
  runtime=$(ldd "$program" | grep -oE '/[^ ]*lib(asan|tsan|lsan)[^ ]*' | head -1)
  [ "$1.$2" = gcc.address ] || see "$1 $2, preloaded" "$library" "$3" "$4" "$program"
  [ -z "$runtime" ] || see "$1 $2, preloaded behind its library" "$runtime $library" "$3" "$4" "$program"
}
for compiler in gcc clang; do
  command -v $compiler >/dev/null || continue
  if build $compiler address; then
    both $compiler address good '^worked'
    both $compiler address use-after-free 'AddressSanitizer: heap-use-after-free'
    both $compiler address overflow 'AddressSanitizer: heap-buffer-overflow'
    both $compiler address double-free 'AddressSanitizer: attempting double-free'
    both $compiler address leak 'of 12345 byte\|of 24690 byte\|of 37035 byte'
  fi
  if build $compiler thread; then
    both $compiler thread good '^worked'
    both $compiler thread race 'ThreadSanitizer: data race'
    both $compiler thread use-after-free 'ThreadSanitizer: heap-use-after-free'
  fi
  if build $compiler leak; then
    both $compiler leak good '^worked'
    both $compiler leak leak 'of 12345 byte\|of 24690 byte\|of 37035 byte'
  fi
  if build $compiler undefined; then
    lines=0
    see "$compiler undefined" "$library" good '^worked' "$work/$compiler.undefined"
  fi
done
if [ -x "$work/gcc.address" ]; then
  # Preloaded alone, libasan refuses by its own choice; told not to, it works behind us, too.
  lines=1
  see "gcc address, preloaded" "$library" use-after-free 'ASan runtime does not come first' "$work/gcc.address"
  export ASAN_OPTIONS=verify_asan_link_order=0
  see "gcc address, preloaded, order not verified" "$library" good '^worked' "$work/gcc.address"
  see "gcc address, preloaded, order not verified" "$library" overflow 'AddressSanitizer: heap-buffer-overflow' "$work/gcc.address"
fi
echo "$checked runs"
[ "$checked" -gt 10 ] || bad=1
exit $bad
