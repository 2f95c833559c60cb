#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash test/run.sh [--full]: installs what is missing from Debian packages, builds every configuration, runs every test of ctest
# label ci (--full: also label full), and ends with a table of what ran where. Exit code 0: all passed.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. cmake/packages.sh
label=ci
[ "${1:-}" = --full ] && label='ci|full'

need g++ clang cmake ninja-build ccache libgtest-dev libbenchmark-dev valgrind strace gdb spin python3 libpython3.11-testsuite \
  g++-aarch64-linux-gnu qemu-user-static sqlite3 redis-server redis-tools libclang-rt-14-dev libjemalloc2 libmimalloc2.0 \
  libtcmalloc-minimal4 nlohmann-json3-dev perl git postgresql stress-ng man-db time heaptrack bind9 bind9-dnsutils rocksdb-tools mariadb-server-core \
  musl-tools || exit 1

rows=()
failed=0
# configuration name, cmake arguments
run() {
  local name=$1 start=$SECONDS log
  shift
  log="build/$name.log"
  mkdir -p build
  echo "== $name: configure and build"
  if ! { cmake -S . -B "build/$name" -G Ninja "$@" && ninja -C "build/$name"; } >"$log" 2>&1; then
    tail -40 "$log"
    rows+=("$name|build failed|$((SECONDS - start)) s")
    failed=1
    return
  fi
  (cd "build/$name" && ctest -L "$label" -LE "${EXCLUDE:-^$}" --output-on-failure -j"${JOBS:-1}") 2>&1 | tee "$log"
  local result=${PIPESTATUS[0]}
  [ "$result" -eq 0 ] || failed=1
  rows+=("$name|$(grep -E 'tests passed' "$log" || echo 'no test ran')|$((SECONDS - start)) s")
}

run rel -DCMAKE_BUILD_TYPE=Release
run dbg -DCMAKE_BUILD_TYPE=Debug
run clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
run asan -DCMAKE_BUILD_TYPE=Debug -DXALLOC_SANITIZE=address,undefined
run tsan -DCMAKE_BUILD_TYPE=Debug -DXALLOC_SANITIZE=thread
run musl -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/x86_64-linux-musl.cmake
run a64 -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/aarch64-linux-gnu.cmake

echo
echo "what ran where:"
for row in "${rows[@]}"; do
  IFS='|' read -r name result time <<<"$row"
  printf '  %-6s %-60s %s\n' "$name" "$result" "$time"
done
[ "$failed" -eq 0 ] && echo "all passed" || echo "FAILED"
exit "$failed"
