#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# enter.sh <root> [inside] <command...>: runs the command where the kernel starts AArch64 programs by itself, in the emulator and with
# the libraries of <root>: a user namespace of our own, with a binfmt_misc of its own (Linux 6.7). inside: <root> is also the root of its file
# system, so that every program is one of AArch64. 77: this kernel has no such thing, or we may not.
set -euo pipefail
if [ -z "${XALLOC_ENTERED:-}" ]; then
  export XALLOC_ENTERED=1
  unshare --user --map-root-user --mount true 2>/dev/null || { echo "skipped: no user namespaces"; exit 77; }
  exec unshare --user --map-root-user --mount bash "$0" "$@"
fi
unset XALLOC_ENTERED
root=$1
shift
elf='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'  # EXEC, or DYN by the mask
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
misc=/proc/sys/fs/binfmt_misc
# F: the emulator is opened now, and found from inside, too. P: it learns argv[0].
{ mount -t binfmt_misc none $misc && echo ":aarch64:M::$elf:$mask:$(command -v qemu-aarch64-static):FP" >$misc/register; } 2>/dev/null ||
  { echo "skipped: no binfmt_misc in a user namespace"; exit 77; }
export QEMU_LD_PREFIX=$root
ulimit -c 0
if [ "$1" = inside ]; then
  shift
  chroot=$(command -v chroot)
  top=$(cd "$(dirname "$0")/../.." && pwd)
  build=$(cd "$root/../.." && pwd)
  for folder in /proc /dev /tmp "$top" "$build"; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
  done
  export QEMU_LD_PREFIX=/ PATH=/usr/bin:/bin HOME=/root LC_ALL=C
  exec "$chroot" "$root" "$@"
fi
exec "$@"
