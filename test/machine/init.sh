#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# init.sh <folder of builds> <slowness> <regular expression>: the first process of the machine (run.sh). Runs the tests of label ci whose names
# match, and switches the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do ln -sfn "${link#*:}" "/dev/${link%%:*}"; done
ip link set lo up
hostname machine
ulimit -c 0
export XALLOC_TEST_SLOWNESS=$2
echo "machine: $(uname -r), $(nproc) CPUs, pages of $(getconf PAGESIZE) bytes"
for libc in gnu musl; do
  cd "$1/$libc" || continue
  begin=$SECONDS
  ctest -L ci -R "${3:-.}" --output-on-failure -j"$(nproc)" </dev/null 2>&1 | tee /run/ctest.log
  registered=$(ctest -N -L ci | sed -n "s/^Total Tests: //p")
  echo "machine: $libc: $registered|$(grep 'tests passed' /run/ctest.log)|$(grep -c '\*\*\*Skipped' /run/ctest.log)|$((SECONDS - begin))"
done
echo "machine: done, $(cut -d. -f1 /proc/uptime) s"
sync
echo o >/proc/sysrq-trigger
sleep 60
