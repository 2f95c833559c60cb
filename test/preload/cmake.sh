#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cmake.sh <library> <source> <compiler>: cmake and ninja, with the library preloaded into them and everything they start, build the
# library. What comes out is equal to the byte.
. "$(dirname "$0")/common.sh"
must "$3"
build() {
  rm -rf "$work/build"
  LD_PRELOAD=$1 cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$2" -DXALLOC_TESTS=OFF -DXALLOC_BENCH=OFF -DXALLOC_CCACHE= >"$work/log" 2>&1 &&
    LD_PRELOAD=$1 ninja -C "$work/build" >>"$work/log" 2>&1 || { tail -30 "$work/log"; exit 1; }
  if grep '^xalloc: [^x]' "$work/log" | grep -v -e '-march='; then exit 1; fi
  (cd "$work/build" && sha256sum libxalloc.so.*.* libxalloc.a)
}
source=$2
plain=$(build "" "$3")
ours=$(build "$library" "$3")
[ "$plain" = "$ours" ] || { printf 'another result:\n%s\n%s\n' "$plain" "$ours"; exit 1; }
echo "cmake, ninja, $3: $ours"
