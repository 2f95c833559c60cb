#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# arch.sh <source> <build> <-march value> <objdump> <architecture> <smoke> "<emulator>" <cmake arguments ...>: the library built with
# XALLOC_ARCH says so, works where the CPU has what it needs, and holds what baseline.py looks for: that can fail.
set -euo pipefail
source=$1 build=$2 march=$3 objdump=$4 architecture=$5 smoke=$6 emulator=$7
shift 7
here=$(dirname "$0")
said=$(cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DXALLOC_TESTS=OFF -DXALLOC_BENCH=OFF -DXALLOC_ARCH="$march" "$@")
grep "^-- xalloc: .*-march=$march" <<<"$said" || { echo "the build does not say what it chose: $said"; exit 1; }
ninja -C "$build" xalloc >"$build/log" || { tail -30 "$build/log"; exit 1; }
library=$build/libxalloc.so
if found=$(python3 "$here/baseline.py" "$objdump" "$architecture" "$library"); then
  echo "nothing above the baseline: $found"
  exit 1
fi
sed -n '2,4p' <<<"$found"
if [ "$march" = x86-64-v3 ] && ! grep -q ' avx2 .* bmi2 ' /proc/cpuinfo; then
  echo "this CPU cannot run it"
elif [ -n "$emulator" ]; then
  $emulator -E LD_PRELOAD="$library" "$smoke"
else
  LD_PRELOAD=$library "$smoke"
fi
