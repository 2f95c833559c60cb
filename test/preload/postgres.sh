#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# postgres: initdb, a fixed script (same answers as without the library), pgbench with 8 clients whose sums must agree, a crash and
# its recovery. A socket in the work folder only. As root it runs as user postgres, which it insists on.
. "$(dirname "$0")/common.sh"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
[ -n "$bin" ] && [ -x "$bin/initdb" ] || skip "no postgres on this machine"
as=
if [ "$(id -u)" -eq 0 ]; then
  id postgres >/dev/null 2>&1 || skip "no user postgres"
  as="setpriv --reuid=postgres --regid=postgres --clear-groups --"
  chown postgres "$work"
fi
server=
stop() {
  [ -z "$server" ] || kill -QUIT "$server" 2>/dev/null || true
  wait || true
  rm -rf "$work"
}
trap stop EXIT
cd "$work"
export PGHOST=$work PGDATABASE=postgres LC_ALL=C
[ -z "$as" ] || export PGUSER=postgres
sql() { $as env LD_PRELOAD="$preload" "$bin/psql" -X -A -t -q -v ON_ERROR_STOP=1 "$@"; }
start() {
  $as env LD_PRELOAD="$preload" "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= -c fsync=off -c shared_buffers=32MB -c max_parallel_workers_per_gather=2 >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 200); do sql -c 'select 1' >/dev/null 2>&1 && return 0; sleep 0.1; done
  tail -30 "$work/log"
  exit 1
}
cat >"$work/script.sql" <<'SQL'
create table t as select i, md5(i::text) as h, repeat(chr(97 + i % 26), i % 500) as s, array[i, i * 2] as a, json_build_object('n', i) as j from generate_series(1, 40000) i;
create index on t(h);
analyze t;
select count(*), sum(i), min(h), max(h), sum(length(s)) from t;
select substr(h, 1, 1) as k, count(*), sum((j->>'n')::int), max(length(s)) from t group by k order by k;
select md5(string_agg(h, ',' order by s, i)) from t;
select count(*) from t x join t y on x.h = md5(y.i::text) where x.s ~ 'a{10,}';
with recursive r(n, x) as (select 1, 1::numeric union all select n + 1, x * (n + 1) from r where n < 300) select md5(max(x)::text) from r;
select sum(r) from (select i, rank() over (partition by i % 97 order by h) r from t) q;
update t set s = s || h where i % 3 = 0; delete from t where i % 5 = 0; vacuum full t;
select count(*), md5(string_agg(s, '' order by i)) from t;
do $$ declare r record; n bigint := 0; begin for r in select * from t loop n := n + length(r.s); end loop; raise info '%', n; end $$;
SQL
chmod 644 "$work/script.sql"
for preload in "" "$library"; do
  rm -rf "$work/data"
  $as env LD_PRELOAD="$preload" "$bin/initdb" -D "$work/data" -U postgres -A trust -N >"$work/initdb.log" 2>&1 || { tail "$work/initdb.log"; exit 1; }
  export PGUSER=postgres
  start
  sql -f "$work/script.sql" >"$work/answers${preload:+.ours}"
  if [ -n "$preload" ]; then
    grep -q libxalloc "/proc/$(head -1 "$work/data/postmaster.pid")/maps" || { echo "not preloaded"; exit 1; }
    $as env LD_PRELOAD="$preload" "$bin/pgbench" -i -q -s 2 >/dev/null 2>&1
    $as env LD_PRELOAD="$preload" "$bin/pgbench" -c 8 -j 2 -t "${3:-150}" -M prepared >"$work/bench" 2>&1 || { tail "$work/bench"; exit 1; }
    sums="select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) and (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history) and (select count(*) from pgbench_history) = 8 * ${3:-150}"
    [ "$(sql -c "$sums")" = t ] || { echo "pgbench: the sums differ"; exit 1; }
    # A backend that dies takes all others down; the server recovers.
    sql -c 'select pg_sleep(100)' >/dev/null 2>&1 &
    sleep 0.5
    kill -SEGV "$(sql -c "select pid from pg_stat_activity where query like '%pg_sleep(100)%' and pid <> pg_backend_pid()")"
    for _ in $(seq 100); do [ "$(sql -c "$sums" 2>/dev/null)" = t ] && break; sleep 0.1; done
    [ "$(sql -c "$sums")" = t ] || { echo "not recovered"; exit 1; }
  fi
  kill -INT "$server"
  wait "$server" || { echo "the server ended with an error"; tail -20 "$work/log"; exit 1; }
  server=
done
if grep '^xalloc: ' "$work/log"; then exit 1; fi
cmp "$work/answers" "$work/answers.ours" || { diff "$work/answers" "$work/answers.ours" | head; exit 1; }
echo "postgres: same answers ($(wc -l <"$work/answers") lines), $(grep -o 'number of transactions actually processed.*' "$work/bench"), recovered from a crash"
