"""Where statements end, which of them give rows, and which of them may change something."""

from __future__ import annotations

import pytest

from pytest_runbook.blocks.sql.statement_effects import destructive_reason, write_reason
from pytest_runbook.blocks.sql.statements import returns_rows, split_statements

ALL = "sqlite postgres mysql clickhouse"
SPLITS = [
    (ALL, "select 1; select 2", ["select 1", "select 2"]),
    (ALL, "select 1;", ["select 1"]),
    (ALL, ";; select 1 ;;", ["select 1"]),
    (ALL, "select ';'; select 2", ["select ';'", "select 2"]),
    (ALL, "select 'it''s;'; select 2", ["select 'it''s;'", "select 2"]),
    (ALL, 'select ";"; select 2', ['select ";"', "select 2"]),
    (ALL, "select 1 -- a;b\n; select 2", ["select 1 -- a;b", "select 2"]),
    (ALL, "-- one\nselect 1;\n/* two; */ select 2;\n-- end", ["-- one\nselect 1", "/* two; */ select 2"]),
    (ALL, "", []),
    (ALL, " \n-- only; this\n /* and; that */ ;", []),
    ("postgres", "select $$a;b$$; select $x$;$$;$x$", ["select $$a;b$$", "select $x$;$$;$x$"]),
    ("postgres", "do $$ begin perform 1; end $$; select 2", ["do $$ begin perform 1; end $$", "select 2"]),
    ("postgres", "select E'a\\';b'; select 'a\\'; select 3", ["select E'a\\';b'", "select 'a\\'", "select 3"]),
    ("postgres", "select /* a /* b; */ c; */ 1; select 2", ["select /* a /* b; */ c; */ 1", "select 2"]),
    (
        "postgres",
        "create function f() returns int begin atomic select 1; select 2; end; select 3",
        ["create function f() returns int begin atomic select 1; select 2; end", "select 3"],
    ),
    ("postgres", "begin; select 1; commit", ["begin", "select 1", "commit"]),
    ("postgres", "select 1 as end; select 2", ["select 1 as end", "select 2"]),
    (
        "sqlite",
        "create trigger t after insert on a begin update a set b = 1; delete from c; end; select 2",
        ["create trigger t after insert on a begin update a set b = 1; delete from c; end", "select 2"],
    ),
    (
        "sqlite",
        "create trigger t after insert on a begin select case when 1 then 2 end; end; select 2",
        ["create trigger t after insert on a begin select case when 1 then 2 end; end", "select 2"],
    ),
    ("sqlite", "select [a;b]; select 2", ["select [a;b]", "select 2"]),
    (
        "mysql",
        "create procedure p() begin declare x int; if x then set x = 1; end if; begin select 2; end; end; call p()",
        ["create procedure p() begin declare x int; if x then set x = 1; end if; begin select 2; end; end", "call p()"],
    ),
    (
        "mysql",
        "create definer=`a`@`b` procedure p() begin case 1 when 1 then select 2; end case; end; select 3",
        ["create definer=`a`@`b` procedure p() begin case 1 when 1 then select 2; end case; end", "select 3"],
    ),
    (
        "mysql",
        "begin not atomic select 1; select 2; end; select 3",
        ["begin not atomic select 1; select 2; end", "select 3"],
    ),
    ("mysql", "select 'it\\'s;'; select 2", ["select 'it\\'s;'", "select 2"]),
    ("mysql", "select `a;b` # c;\n; select 2", ["select `a;b` # c;", "select 2"]),
    ("mysql", "/*!40101 set names utf8 */; select 2", ["/*!40101 set names utf8 */", "select 2"]),
    ("clickhouse", "select 1 format JSONEachRow; select 2", ["select 1 format JSONEachRow", "select 2"]),
    ("sqlite", "select 'never closed; select 2", ["select 'never closed; select 2"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "query", "statements"),
    [(dialect, query, statements) for dialects, query, statements in SPLITS for dialect in dialects.split()],
)
def test_statements_end_at_their_semicolons(dialect: str, query: str, statements: list[str]) -> None:
    assert [statement.text for statement in split_statements(query, dialect)] == statements


def test_statement_knows_its_line() -> None:
    query = "\n-- one\nselect 1;\n\n\nselect\n 2; select 3"

    assert [(statement.number, statement.line) for statement in split_statements(query, "sqlite")] == [
        (1, 3),
        (2, 6),
        (3, 7),
    ]


GIVES_ROWS = [
    (ALL, "select 1", True),
    (ALL, "(select 1) union (select 2)", True),
    (ALL, "with x as (select 1) select * from x", True),
    (ALL, "explain select 1", True),
    (ALL, "insert into t values (1)", False),
    (ALL, "create table t (a int)", False),
    (ALL, "drop table t", False),
    (ALL, "alter table t rename to u", False),
    (ALL, "delete from t", False),
    ("sqlite postgres mysql", "values (1), (2)", True),
    ("sqlite postgres mysql", "insert into t values (1) returning a", True),
    ("sqlite postgres mysql", "delete from t returning *", True),
    ("sqlite postgres", "update t set a = 1 returning a", True),
    ("sqlite postgres", "update t set a = 'returning'", False),
    ("sqlite postgres", "with x as (select 1) insert into t select * from x", False),
    ("postgres", "with x as (insert into t values (1) returning a) select * from x", True),
    ("postgres", "table t", True),
    ("postgres", "show server_version", True),
    ("postgres", "fetch all from c", True),
    ("postgres", "merge into t using u on t.a = u.a when matched then delete", False),
    ("postgres", "do $$ begin end $$", False),
    ("postgres", "refresh materialized view v", False),
    ("postgres", "set work_mem = '1MB'", False),
    ("sqlite", "pragma table_info(t)", True),
    ("sqlite", "vacuum", False),
    ("mysql", "show databases", True),
    ("mysql", "show status", True),
    ("mysql", "show processlist", True),
    ("mysql", "show index from t", True),
    ("mysql", "describe t", True),
    ("mysql", "desc t", True),
    ("mysql", "check table t", True),
    ("mysql", "analyze table t", True),
    ("mysql", "replace into t values (1)", False),
    ("mysql", "set @a = 1", False),
    ("clickhouse", "show tables", True),
    ("clickhouse", "describe table t", True),
    ("clickhouse", "exists table t", True),
    ("clickhouse", "from numbers(3) select number", True),
    ("clickhouse", "optimize table t", False),
]


@pytest.mark.parametrize(
    ("dialect", "query", "returned"),
    [(dialect, query, returned) for dialects, query, returned in GIVES_ROWS for dialect in dialects.split()],
)
def test_queries_are_distinguished_from_statements(dialect: str, query: str, returned: bool) -> None:
    (statement,) = split_statements(query, dialect)

    assert returns_rows(statement, dialect) is returned


READS = [
    (ALL, "select count(*) from t where a > 1"),
    (ALL, "with x as (select 1) select * from x"),
    (ALL, "explain select 1"),
    ("postgres mysql sqlite", "values (1)"),
    ("postgres", "explain analyze select 1"),
    ("postgres", "explain delete from t"),
    ("postgres", "select * from t where name = 'insert into t'"),
    ("postgres", "select a ->> 'b', now() - interval '1 hour' from t"),
    ("postgres", "begin"),
    ("postgres", "show work_mem"),
    ("mysql", "show tables"),
    ("mysql", "select replace('a', 'b', 'c')"),
    ("sqlite", "pragma table_info(t)"),
    ("sqlite", "pragma user_version"),
    ("clickhouse", "describe table t"),
]
WRITES = [
    (ALL, "insert into t values (1)", "INSERT may change something"),
    (ALL, "delete from t", "DELETE may change something"),
    (ALL, "create table t (a int)", "CREATE may change something"),
    (ALL, "truncate table t", "TRUNCATE may change something"),
    ("postgres", "with x as (delete from t returning a) select * from x", "it holds DELETE"),
    ("postgres", "select * into u from t", "it holds INTO"),
    ("postgres", "copy t from '/tmp/x'", "COPY may change something"),
    ("postgres", "call p()", "CALL may change something"),
    ("postgres", "do $$ begin end $$", "DO may change something"),
    ("postgres", "select nextval('s')", "nextval() may change something"),
    ("postgres", "select pg_catalog.setval('s', 1)", "setval() may change something"),
    ("postgres", "select pg_terminate_backend(1)", "pg_terminate_backend() may change something"),
    ("postgres", "select lowrite(1, 'x')", "lowrite() may change something"),
    ("postgres", "select lo_unlink(1)", "lo_unlink() may change something"),
    ("postgres", "explain analyze delete from t", "DELETE may change something"),
    ("postgres", "-- look\nexplain (analyze, verbose) update t set a = 1", "UPDATE may change something"),
    ("postgres", "set default_transaction_read_only = off", "SET may change something"),
    ("postgres", "begin read write", "BEGIN ... WRITE may change something"),
    ("postgres", "start transaction read write", "START ... WRITE may change something"),
    ("sqlite", "pragma user_version = 3", "PRAGMA user_version with a value may change something"),
    ("sqlite", "pragma optimize", "PRAGMA optimize may change something"),
    ("sqlite", "pragma journal_mode(wal)", "PRAGMA journal_mode with a value may change something"),
    ("sqlite", "select load_extension('x')", "load_extension() may change something"),
    ("sqlite", "attach 'x' as y", "ATTACH may change something"),
    ("mysql", "select 1 into outfile '/tmp/x'", "its SQL can't be parsed, so it may change something"),
    ("mysql", "replace into t values (1)", "REPLACE may change something"),
    ("mysql", "/*! delete from t */", "its SQL can't be read, so it may change something"),
    ("clickhouse", "optimize table t", "OPTIMIZE may change something"),
    ("sqlite", "select 'never closed", "its SQL can't be read, so it may change something"),
]


@pytest.mark.parametrize(
    ("dialect", "query"), [(dialect, query) for dialects, query in READS for dialect in dialects.split()]
)
def test_what_only_reads_is_known(dialect: str, query: str) -> None:
    (statement,) = split_statements(query, dialect)

    assert write_reason(statement, dialect) is None


@pytest.mark.parametrize(
    ("dialect", "query", "why"),
    [(dialect, query, why) for dialects, query, why in WRITES for dialect in dialects.split()],
)
def test_what_may_write_is_reported(dialect: str, query: str, why: str) -> None:
    (statement,) = split_statements(query, dialect)

    assert write_reason(statement, dialect) == why


DESTROYS = [
    (ALL, "drop table t", "DROP TABLE deletes its content"),
    (ALL, "truncate table t", "TRUNCATE empties a table"),
    ("postgres mysql sqlite", "delete from t", "DELETE without WHERE touches every row"),
    ("postgres mysql sqlite", "update t set a = 1", "UPDATE without WHERE touches every row"),
    ("postgres mysql", "alter table t drop column a", "DROP COLUMN deletes its content"),
    ("postgres", "drop schema s cascade", "DROP SCHEMA deletes its content"),
    ("postgres", "explain analyze delete from t", "DELETE without WHERE touches every row"),
    ("postgres", "with x as (delete from t returning a) select * from x where a > 1", "DELETE without WHERE"),
    ("mysql", "drop database shop", "DROP DATABASE deletes its content"),
    ("mysql", "alter table t truncate partition p", "TRUNCATE empties a table"),
    ("clickhouse", "alter table t drop partition 202401", "DROP PARTITION deletes its content"),
    (
        "clickhouse",
        "create or replace table t (a Int8) engine = Memory",
        "CREATE OR REPLACE TABLE deletes its old content",
    ),
]
KEEPS = [
    (ALL, "select 'drop table t'"),
    (ALL, "insert into t values (1)"),
    ("postgres mysql sqlite", "delete from t where a = 1"),
    ("postgres mysql sqlite", "update t set a = 1 where a = 2"),
    ("postgres", "delete from t using u where t.a = u.a"),
    ("postgres", "explain delete from t"),
    ("postgres", "alter table t alter column a drop not null"),
    ("postgres", 'alter table t add column "drop" int'),
    ("postgres", "with x as (delete from t where a = 1 returning a) select * from x"),
    ("postgres", "drop index i"),
    ("mysql", "drop temporary table t"),
]


@pytest.mark.parametrize(
    ("dialect", "query", "why"),
    [(dialect, query, why) for dialects, query, why in DESTROYS for dialect in dialects.split()],
)
def test_what_takes_away_more_than_it_names_is_reported(dialect: str, query: str, why: str) -> None:
    (statement,) = split_statements(query, dialect)

    assert (destructive_reason(statement, dialect) or "").startswith(why)


@pytest.mark.parametrize(
    ("dialect", "query"), [(dialect, query) for dialects, query in KEEPS for dialect in dialects.split()]
)
def test_what_is_not_destructive_is_known(dialect: str, query: str) -> None:
    (statement,) = split_statements(query, dialect)

    assert destructive_reason(statement, dialect) is None
