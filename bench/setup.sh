#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash bench/setup.sh: installs from Debian packages what the benchmarks need: the peers, the library of bench/micro, and the real
# programs. What is missing all the same makes its row say so (bench/macro/compare).
set -euo pipefail
. "$(dirname "$0")/../cmake/packages.sh"
need g++ cmake ninja-build python3 libbenchmark-dev libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 \
  redis-server redis-tools sqlite3 perl lua5.4 jq libxml2-utils postgresql postgresql-contrib ruby gawk bc rocksdb-tools util-linux
