#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang++, with the library preloaded, compiles the library: the objects are equal to the byte.
. "$(dirname "$0")/common.sh"
must clang++
for source in "$2"/src/*/*.cc; do
  # Never -o /dev/stdout: run by root, clang would replace it by a file.
  same "$(basename "$source" .cc)" clang++ -O2 -std=c++20 -I"$2/src" -fno-exceptions -c "$source" -o -
done
