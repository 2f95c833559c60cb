# SPDX-License-Identifier: MIT
# Debian's musl-tools: gcc with musl's headers and libraries. There is no C++ library for musl, and none is looked for: the C driver
# compiles C++ too, by the suffix, and links none.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(XALLOC_LIBC musl)
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_CXX_COMPILER musl-gcc)
set(CMAKE_CXX_FLAGS_INIT -nostdinc++)
set(CMAKE_FIND_ROOT_PATH /usr/lib/x86_64-linux-musl)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
