#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gcc, with the library preloaded, compiles the library: the objects are equal to the byte.
. "$(dirname "$0")/common.sh"
for source in "$2"/src/*/*.cc; do
  name=$(basename "$source" .cc)
  same "$name" g++ -O2 -std=c++20 -I"$2/src" -fno-exceptions -c "$source" -o /dev/stdout
done
