#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gcc, with the library preloaded, compiles the library, or every n-th of its files ($3): the objects are equal to the byte.
. "$(dirname "$0")/common.sh"
count=0
for source in "$2"/src/*/*.cc; do
  count=$((count + 1))
  [ $((count % ${3:-1})) -eq 0 ] || continue
  name=$(basename "$source" .cc)
  same "$name" sh -c 'g++ -O2 -std=c++20 -I"$1/src" -fno-exceptions -c "$2" -o "$3" && cat "$3"' - "$2" "$source" "$work/object"
done
