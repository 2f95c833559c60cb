#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mariadb_names_us.sh <libxalloc_je.so> <libxalloc.so>: MariaDB asks by dlsym which allocator it has: with jemalloc's names it says our version;
# with the plain library it says what it says of libc.
set -euo pipefail
server=$(command -v mariadbd) || { echo "skipped: no mariadbd on this machine"; exit 77; }
named() { LD_PRELOAD=$1 "$server" --no-defaults --user=nobody --verbose --help 2>/dev/null | sed -n 's/^version-malloc-library *//p'; }
with=$(named "$1")
[[ $with == jemalloc\ 5.3.0-0-g0-xalloc-* ]] || { echo "with the names: '$with'"; exit 1; }
without=$(named "$2")
[[ $without == system ]] || { echo "without: '$without'"; exit 1; }
echo "mariadbd: $with"
