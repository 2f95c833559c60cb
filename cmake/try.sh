#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash cmake/try.sh [program args...]: builds the library and runs the program on it; with none, a small demonstration. The last
# line, beginning "xalloc:", is printed by the library inside the program: what it served. Exit code: the program's.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/cmake/packages.sh"
need g++ cmake ninja-build perl >&2
cmake -S "$top" -B "$top/build/try" -G Ninja -DCMAKE_BUILD_TYPE=Release -DXALLOC_TESTS=OFF -DXALLOC_BENCH=OFF >/dev/null
ninja -C "$top/build/try" >/dev/null
if [ $# -eq 0 ]; then
  set -- perl -e 'my %h; $h{$_ % 50021} .= "line $_;" for 1 .. 400000; my $n = 0; $n += length for values %h;
    print "built a table of ", scalar(keys %h), " strings, $n bytes, on xalloc\n";'
fi
conf="stats_print:true${MALLOC_CONF:+,$MALLOC_CONF}"
# The program gets its own stdout and stderr; the children it starts would print a line of their own each, so the last one counts.
exec env LD_PRELOAD="$top/build/try/libxalloc.so${LD_PRELOAD:+:$LD_PRELOAD}" MALLOC_CONF="$conf" "$@"
