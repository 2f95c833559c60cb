#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sqlite3 on a generated script: inserts, an index, updates, joins, aggregates, a vacuum.
. "$(dirname "$0")/common.sh"
{
  echo "create table t(a integer primary key, b text, c real); begin;"
  seq 1 "$(part 60000)" | awk '{printf "insert into t values(%d, \x27row %d %s\x27, %f);\n", $1, $1 * 7919 % 60013, substr("abcdefghijklmnopqrstuvwxyz", $1 % 20 + 1), $1 / 7}'
  echo "commit; create index i on t(b); update t set c = c * 2 where a % 3 = 0; delete from t where a % 10 = 7;"
  echo "select count(*), sum(length(b)), round(sum(c), 3) from t; select b from t order by b limit 20;"
  echo "select substr(b, 5, 2) k, count(*), max(c) from t group by k order by k;"
  echo "select count(*) from t x join t y on y.a = x.a + 1 where x.b < y.b; vacuum; pragma integrity_check;"
} >"$work/script.sql"
same sqlite3 sh -c "sqlite3 :memory: <'$work/script.sql'"
same sqlite3-file sh -c "rm -f '$work/db'; sqlite3 '$work/db' <'$work/script.sql'"
