#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash test/run.sh [--full | --aarch64 | --pages]: installs what is missing from Debian packages, builds the configurations, runs every test of
# ctest label ci, and ends with a table of what ran where. --full: also label full, and gcc's Debug and clang's Release build. --aarch64: these
# configurations alone, but every test of them at every page size. --pages: every test at every page size on both architectures, AArch64 as
# whole machines (test/machine), with gcc's Release build and both libcs; an hour and more. Exit code 0: all passed.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. cmake/packages.sh
label=ci
configurations='rel|clangdbg|asan|tsan|musl|a64|a64musl'
[ "${1:-}" = --full ] && label='ci|full' configurations+='|dbg|clang'
only_aarch64() { [ "$configurations" = 'a64|a64musl' ]; }
[ "${1:-}" = --aarch64 ] && configurations='a64|a64musl'
every_page() { [ "$configurations" = 'rel|musl' ]; }
[ "${1:-}" = --pages ] && configurations='rel|musl'

need_aarch64=(g++-aarch64-linux-gnu qemu-user-static cmake ninja-build ccache python3)
need "${need_aarch64[@]}" || exit 1
only_aarch64 || need g++ clang libgtest-dev libbenchmark-dev valgrind strace gdb spin libpython3.11-testsuite sqlite3 redis-server redis-tools libclang-rt-14-dev libjemalloc2 libmimalloc2.0 \
  libtcmalloc-minimal4 nlohmann-json3-dev perl git postgresql stress-ng man-db time heaptrack bind9 bind9-dnsutils rocksdb-tools mariadb-server-core \
  musl-tools || exit 1

# What the page size cannot change, so that it runs once: texts and models; the order of hand-overs; the binary's own symbols, instructions and
# calls at start (where larger pages are only played, mappings are cut to fit); libc's malloc; how
# sanitizers and valgrind, which replace ours, get on with it; the instruments of bench/.
any_page='^(docs|layers|model\..*|litmus\..*|golden\.(binary\..*|fast_path|baseline.*|callgrind|startup)|api\.libc|tools\.(sanitizers|valgrind)|bench\.(compare|summary|locks))$'
if only_aarch64 || every_page; then any_page='^$'; fi
# Emulated, all tests at each page size would take too long. So, but for --aarch64, each real program runs at one or two of them, at larger
# pages what those change most, and five slow ones of what rel and musl run not at all.
emulated=([4096]='^([^e]|emulated\.(sqlite|python|redis|git))' [16384]='^(unit\.|smoke$|stress\.short|emulated\.sqlite)'
  [65536]='^(unit\.|smoke$|api\.xalloc|stress\.short|emulated\.(sqlite|redis|perl|shells|resident))')
slow_emulated='^(api\.libc|conf\.effects|golden\.baseline_above|misuse|musl\.misuse\.static)$'
# At larger pages the emulator does not load the second library of LD_PRELOAD, whichever it is: the loader gets EFAULT for its name.
two_preloads='^survival\.(loading\.interposers_.*|fork\.handlers_loaded_(before|after))$'
system_page=$(getconf PAGESIZE)
jobs=${JOBS:-$(nproc)}

rows=()
failed=0
rm -f build/*.ran
# [pages="<page size> ..."] [knob=<variable>] run <configuration> <cmake arguments ...>: builds it, and runs its tests at each of the page
# sizes; larger ones than the kernel's through that variable, the debug knob's. None given: the kernel's.
run() {
  local name=$1 start=$SECONDS log page
  [[ $name =~ ^($configurations)$ ]] || return 0
  shift
  log="build/$name.log"
  mkdir -p build
  echo "== $name: configure and build"
  if ! { cmake -S . -B "build/$name" -G Ninja "$@" && ninja -C "build/$name"; } >"$log" 2>&1; then
    tail -40 "$log"
    rows+=("$name|-|build failed|$((SECONDS - start))|")
    failed=1
    return
  fi
  rows+=("$name|-|built|$((SECONDS - start))|")
  # Pages are never smaller than the kernel's.
  for page in ${pages:-$system_page}; do check "$name" $((page > system_page ? page : system_page)); done
}
# check <configuration> <page size>
check() {
  local name=$1 page=$2 start=$SECONDS log="build/$1.$2.log" without=^$ total registered larger=() only=.
  if [ "$page" -ne "$system_page" ]; then
    without=$any_page
    larger=("${knob:-XALLOC_DEBUG_PAGE_SIZE}=$page")
  fi
  [ "$name" = a64 ] && [ "$page" -ne "$system_page" ] && without="$any_page|$two_preloads"
  if [[ $name = a64* ]] && ! only_aarch64; then
    [ "$name" = a64 ] && only=${emulated[$page]}
    without+="|$slow_emulated"
  fi
  echo "== $name, pages of $page bytes"
  (cd "build/$name" && env "${larger[@]}" ctest -L "$label" -LE "${EXCLUDE:-^$}" -R "$only" -E "$without" --output-on-failure -j"$jobs" "${patience[@]}") 2>&1 | tee "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  total=$(sed -n 's/.*tests failed out of \([0-9]*\)$/\1/p' "$log")
  registered=$(cd "build/$name" && ctest -N -L "$label" | sed -n 's/^Total Tests: //p')
  rows+=("$name|$page|${total:-no} of $registered|$((SECONDS - start))|$(grep -E 'tests passed' "$log" | sed 's/ out of.*//'), $(grep -c '\*\*\*Skipped' "$log") skipped")
  sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([^ ]*\) .*/\1/p' "$log" | sort >"build/$name.$page.ran"
}
# What of the first configuration did not run in this one: whole groups by the part before the dot.
missing() {
  comm -23 "build/rel.$system_page.ran" "$1" | awk -F'[.]' -v all="build/rel.$system_page.ran" '
    BEGIN { while ((getline line < all) > 0) { split(line, part, "[.]"); size[part[1]]++ } }
    { count[$1]++; names[$1] = names[$1] " " $0 }
    END { for (group in count) print (count[group] == size[group] && size[group] > 1) ? group ".* (" size[group] ")" : substr(names[group], 2) }' | sort | paste -sd' '
}

# The benchmarks are built, and run once, in one configuration only.
pages="4096$(every_page && echo ' 16384') 65536" run rel -DCMAKE_BUILD_TYPE=Release
clang=(-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DXALLOC_BENCH=OFF)
pages=16384 run clangdbg -DCMAKE_BUILD_TYPE=Debug "${clang[@]}"
pages=16384 run dbg -DCMAKE_BUILD_TYPE=Debug -DXALLOC_BENCH=OFF
run clang -DCMAKE_BUILD_TYPE=Release "${clang[@]}"
pages="4096 65536" run asan -DCMAKE_BUILD_TYPE=Debug -DXALLOC_SANITIZE=address,undefined
run tsan -DCMAKE_BUILD_TYPE=Debug -DXALLOC_SANITIZE=thread
pages="4096$(every_page && echo ' 16384 65536')" run musl -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/x86_64-linux-musl.cmake
knob=QEMU_PAGESIZE pages="4096 16384 65536" run a64 -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/aarch64-linux-gnu.cmake
# At larger pages the emulator loads some of musl's dynamic programs in a way that they die before main, without the library, too.
run a64musl -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/aarch64-linux-musl.cmake
if every_page; then
  rm -f build/machine/table
  bash test/machine/run.sh || failed=1
  readarray -t -O "${#rows[@]}" rows <build/machine/table
fi

echo
echo "what ran where:"
for row in "${rows[@]}"; do
  IFS='|' read -r name page result time more <<<"$row"
  printf '  %-8s %5s  %-12s %5s s  %s\n' "$name" "$page" "$result" "$time" "$more"
done
echo "in all: $SECONDS s"
every_page || echo "not run, of what rel runs with pages of $system_page bytes (why: any_page in test/run.sh, and each CMakeLists.txt):"
for file in build/*.ran; do
  where=${file#build/}
  [ "$where" = "rel.$system_page.ran" ] || only_aarch64 || every_page || echo "  ${where%.ran}: $(missing "$file")" | fold -s -w 140 | sed '2,$s/^/    /'
done
if [ -s build/a64/not_emulated.txt ] && ! every_page; then
  echo "not run in the emulator:"
  sort build/a64/not_emulated.txt build/a64musl/not_emulated.txt | fold -s -w 140 | sed 's/^/  /'
fi
[ "$failed" -eq 0 ] && echo "all passed" || echo "FAILED"
exit "$failed"
