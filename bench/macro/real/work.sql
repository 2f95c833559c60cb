-- SPDX-License-Identifier: MIT
-- A database in memory: inserts, an index, joins, sorting, text functions, deletes.
create table person(id integer primary key, name text, town integer, note text);
create table town(id integer primary key, name text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) insert into town select i, 'town ' || i from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 120000)
  insert into person select i, 'name ' || (i * 7919 % 100003), i * 31 % 500 + 1,
    substr('the quick brown fox jumps over the lazy dog and back again', 1, i % 58) from n;
create index by_name on person(name);
create index by_town on person(town, note);
select count(*), sum(length(note)) from person join town on town.id = person.town where town.name like '%7%';
select town.name, group_concat(upper(person.name)) from person join town on town.id = person.town where person.id % 9 = 0
  group by town.id order by town.name limit 50;
update person set note = note || ' ' || name where id % 3 = 0;
delete from person where id % 4 = 1;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
  insert into person(name, town, note) select 'late ' || i, i % 500 + 1, hex(i) || i from n;
select count(distinct note), max(name), min(note) from person;
select name, count(*) c from person group by substr(name, 1, 6) order by c desc, name limit 20;
