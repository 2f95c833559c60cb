#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash test/machine/run.sh [<KiB> ...] [-- <regular expression>]: the same tests as natively, on whole emulated AArch64 machines, whose kernels
# (Debian's source, Debian's cross compiler) have pages of 4, 16 and 64 KiB. Installs what is missing from Debian packages; everything made lies
# in build/machine. By hand: an hour and more, where the emulator of test/run.sh --aarch64 takes a quarter.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/test/machine
. "$top/cmake/packages.sh"
need_machine=(g++-aarch64-linux-gnu cmake ninja-build ccache python3 qemu-system-arm linux-source-6.1 flex bison bc libssl-dev e2fsprogs perl xz-utils)
need "${need_machine[@]}"
slowness=20
sizes=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do sizes+=("$1") && shift; done
[ ${#sizes[@]} -gt 0 ] || sizes=(4 16 64)
tests=${2:-.}
out=$top/build/machine
mkdir -p "$out"

# The machine's files: what test/run.sh installs, and what a system has besides.
root=$out/debian/root
system=(bash coreutils grep sed mawk diffutils findutils procps util-linux mount dash perl-base debianutils tar gzip xz-utils psmisc iproute2 hostname
  base-files libc-bin file make)
subjects=(python3 cmake ninja-build g++ clang libgtest-dev libbenchmark-dev valgrind strace gdb spin libpython3.11-testsuite sqlite3 redis-server redis-tools
  libclang-rt-14-dev libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 nlohmann-json3-dev perl git postgresql stress-ng man-db time heaptrack bind9
  bind9-dnsutils rocksdb-tools mariadb-server-core libc6-dbg musl)
echo "== packages for the machine"
bash "$top/cmake/foreign.sh" arm64 "$out/debian" "${system[@]}" "${subjects[@]}"

for libc in gnu musl; do
  echo "== build with $libc"
  cmake -S "$top" -B "$out/$libc" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$top/cmake/toolchains/aarch64-linux-$libc.cmake" \
    -DXALLOC_MACHINE="$root" -DPython3_EXECUTABLE=/usr/bin/python3 >"$out/$libc.log"
  ninja -C "$out/$libc" >>"$out/$libc.log"
done

kernel() { echo "$out/kernel.$1/arch/arm64/boot/Image"; }
for size in "${sizes[@]}"; do
  [ -e "$(kernel "$size")" ] && continue
  echo "== a kernel with pages of $size KiB"
  source=$out/linux-source-6.1
  [ -d "$source" ] || tar xf /usr/src/linux-source-6.1.tar.xz -C "$out"
  make=(make -C "$source" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- O="$out/kernel.$size" -j"$(nproc)")
  mkdir -p "$out/kernel.$size"
  "${make[@]}" tinyconfig >"$out/kernel.$size.log" 2>&1
  {
    cat "$here/kernel.config"
    echo "CONFIG_ARM64_${size}K_PAGES=y"
    # As distributions have it.
    echo "CONFIG_ARM64_VA_BITS_$([ "$size" = 16 ] && echo 47 || echo 48)=y"
  } >>"$out/kernel.$size/.config"
  "${make[@]}" olddefconfig >>"$out/kernel.$size.log" 2>&1
  "${make[@]}" Image >>"$out/kernel.$size.log" 2>&1
done

echo "== disk"
# What the packages' scripts would have made.
for link in mawk:awk gcc:cc g++:c++ which.debianutils:which; do ln -sfn "${link%:*}" "$root/usr/bin/${link#*:}"; done
users=(root:0:/root:/bin/bash daemon:1:/:/usr/sbin/nologin redis:101:/var/lib/redis:/usr/sbin/nologin postgres:102:/var/lib/postgresql:/bin/bash
  bind:103:/var/cache/bind:/usr/sbin/nologin nobody:65534:/:/usr/sbin/nologin)
: >"$root/etc/passwd" >"$root/etc/group"
for user in "${users[@]}"; do
  IFS=: read -r name id home shell <<<"$user"
  echo "$name:x:$id:$id::$home:$shell" >>"$root/etc/passwd"
  echo "$name:x:$id:" >>"$root/etc/group"
done
# ... and the package manager's: which files are whose.
database=$root/var/lib/dpkg
if [ ! "$database/status" -nt "$out/debian/unpacked" ]; then
  mkdir -p "$database/info"
  : >"$out/status"
  for package in "$out"/debian/cache/archives/*.deb; do
    control=$(dpkg-deb -f "$package")
    printf '%s\nStatus: install ok installed\n\n' "$control" >>"$out/status"
    name=$(sed -n 's/^Package: //p' <<<"$control")
    grep -q '^Multi-Arch: same' <<<"$control" && name+=:$(sed -n 's/^Architecture: //p' <<<"$control")
    dpkg-deb --fsys-tarfile "$package" | tar t | sed 's|^\./|/|; s|/$||; s|^$|/.|' >"$database/info/$name.list"
  done
  mv "$out/status" "$database/status"
fi
echo "127.0.0.1 localhost machine" >"$root/etc/hosts"
mkdir -p "$root"/{dev,proc,sys,run,tmp,root}
chmod 1777 "$root/tmp"
ldconfig -r "$root"
# The project and its build, where they lie here, too. Emulated, all takes its time.
rm -rf "${root:?}$top"
mkdir -p "$root$out"
tar cf - -C "$top" --exclude=./build --exclude=./.git . | tar xf - -C "$root$top"
tar cf - -C "$out" --exclude='*.o' --exclude='.ninja*' --exclude=debian gnu musl | tar xf - -C "$root$out"
SLOWNESS=$slowness find "$root$out" -name CTestTestfile.cmake -exec perl -pi -e 's/TIMEOUT "(\d+)"/q(TIMEOUT ") . $1 * $ENV{SLOWNESS} . q(")/ge' {} +
rm -f "$out/disk"
mke2fs -q -t ext4 -O ^has_journal -d "$root" "$out/disk" 5G

failed=0
: >"$out/table"
for size in "${sizes[@]}"; do
  start=$SECONDS log=$out/$size.log
  echo "== machine with pages of $size KiB"
  qemu-system-aarch64 -M virt -cpu neoverse-n1 -accel tcg,thread=multi -smp 2 -m 6G -nic none -nographic -no-reboot -kernel "$(kernel "$size")" \
    -drive file="$out/disk",if=none,id=disk,format=raw,snapshot=on -device virtio-blk-device,drive=disk \
    -append "console=ttyAMA0 quiet panic=-1 root=/dev/vda rw init=$here/init.sh -- $out $slowness $tests" </dev/null | stdbuf -oL tr -d '\r' | tee "$log"
  for libc in gnu musl; do
    IFS='|' read -r registered passed skipped time <<<"$(sed -n "s/^machine: $libc: //p" "$log")"
    [[ $passed = '100% tests passed'* ]] || failed=1
    name=$([ $libc = gnu ] && echo a64rel || echo a64musl)
    echo "$name|$((size * 1024))|$(sed -n 's/.* out of //p' <<<"$passed") of $registered|$time|${passed% out of*}, $skipped skipped" >>"$out/table"
  done
done
cat "$out/table"
[ "$failed" -eq 0 ] && echo "all passed" || echo "FAILED"
exit "$failed"
