"""The known faults of the reference's engine, one test each: that here it is as docs/compatibility.md says.

The numbers are those of its table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from pytest_runbook import DocumentVar, EventKind, Lifecycle, Origin, load_runbook
from pytest_runbook.secrets.provenance import ContextValue
from tests.harness import Opened, inside, ran, until, written
from tests.run_book import Ran, run_book
from tests.servers.database_servers import DatabaseServer
from tests.servers.http_servers import HttpServer, RawServer, read_head
from tests.servers.sshd import Sshd

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
HEAD = "| # | there | here |\n"
ROW = re.compile(r"^\| (\d+) \| .+ \| .+ \|$", re.MULTILINE)
NAME = re.compile(r"test_fault_(\d+)_")
HOST = {"host": "web"}


def test_every_fault_of_the_page_has_its_proof() -> None:
    proved = sorted(int(found[1]) for name in globals() if (found := NAME.match(name)))

    reported = [int(number) for number in ROW.findall(PAGE.read_text().partition(HEAD)[2])]

    assert reported == proved == list(range(1, 48))


def atuin(*nodes: Mapping[str, object]) -> str:
    """An Atuin document; ids are numbers unless a node has one."""
    return json.dumps([{"id": str(number), **node} for number, node in enumerate(nodes)])


def node(kind: str, **props: object) -> dict[str, object]:
    return {"type": kind, "props": props}


def rows(ran: Ran) -> Sequence[Mapping[str, Any]]:
    found = ran.output["rows"]
    assert isinstance(found, Sequence)
    return found


async def started(book: Opened) -> None:
    """Wait until a block runs."""
    await until(lambda: EventKind.BLOCK_STARTED in book.kinds)


# Scripts and terminals


def test_fault_1_the_status_of_a_script_on_another_host_counts_and_so_does_a_lost_connection(
    tmp_path: Path, other_host: Sshd
) -> None:
    async def work(book: Opened) -> tuple[str, ...]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("in\n")
            for process in psutil.Process(other_host.process.pid).children():
                process.kill()
        return tuple(str(result.message) for result in book.results.values())

    text = "on_failure: continue\nblocks: [{host: web}, {name: Exits, script: exit 3}, {name: Lost, script: LOST}]\n"

    exits, lost = inside(tmp_path, text.replace("LOST", "'echo in; sleep 1000'"), work)

    assert exits == "exit code 3"
    assert lost.startswith("the connection to web was lost")


def test_fault_2_code_whose_template_fails_is_not_run(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"script": "touch ran {{ var.nobody }}"}).result

    assert (result.outcome, result.kind) == ("failed", "file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("code", ["printf a", "echo a", "printf 'a\\nb\\n\\n'", "printf 'a\\n\\nb'", "true"])
def test_fault_3_an_output_variable_is_what_command_substitution_returns(tmp_path: Path, code: str) -> None:
    script = {"code": code, "outputVariable": "x"}
    ran = run_book(tmp_path, {"script": script}, {"script": f'test {{{{ var.x | shellquote }}}} = "$({code})"'})

    assert ran.result.outcome == "passed"


def test_fault_4_what_a_program_printed_is_not_rendered(tmp_path: Path) -> None:
    script = {"code": "echo '{{ 1 + 1 }}'", "outputVariable": "x"}
    ran = run_book(tmp_path, {"script": script, "template": False}, {"script": "echo '{{ var.x }}'"})

    assert ran.output["stdout"] == "{{ 1 + 1 }}\n"


def test_fault_5_nothing_runs_below_a_context_that_fails(tmp_path: Path) -> None:
    half = node("ssh-connect", user="u", hostname="", port=0, userHost="")
    book = ran(tmp_path, atuin(half, node("script", name="s", code="touch ran")), name="a.json")

    assert book.outcomes == {"s": "failed"}
    assert not (tmp_path / "ran").exists()


def test_fault_6_local_clears_the_host_and_how_to_reach_it(tmp_path: Path) -> None:
    connect = node("ssh-connect", userHost="", user="u", hostname="h", port=2222)

    async def work(book: Opened) -> tuple[object, object]:
        final = book.document.final_resolver()
        return final.ssh_host, final.ssh_config

    text = atuin(connect, node("host-select", host="local"))
    assert inside(tmp_path, text, work, name="a.json") == (None, None)


def test_fault_7_hosts_and_users_keep_their_case(tmp_path: Path) -> None:
    async def work(book: Opened) -> str | None:
        return book.document.final_context().ssh_host

    assert inside(tmp_path, atuin(node("host-select", host="Deploy@Web-1")), work, name="a.json") == "Deploy@Web-1"


def test_fault_8_a_terminal_has_a_status_and_its_variables_are_there_first(tmp_path: Path) -> None:
    code = "echo x=1 >> $ATUIN_OUTPUT_VARS\nsh -c 'exit {}'"
    good, bad = ({"terminal": {"code": code.format(status), "type": "bash"}} for status in (0, 7))
    ran = run_book(tmp_path, good, {"script": "echo {{ var.x }}"}, bad)

    assert [result.message for result in ran.results] == [None, None, "exit code 7"]
    assert (ran.outputs[1] or {})["stdout"] == "1\n"


@pytest.mark.usefixtures("other_host")
def test_fault_9_a_remote_terminal_that_ends_has_its_status(tmp_path: Path) -> None:
    blocks = ({"terminal": {"code": f"exit {status}", "type": "bash"}} for status in (0, 3))
    ran = run_book(tmp_path, HOST, *blocks)

    assert [(result.outcome, result.kind, result.message) for result in ran.results] == [
        ("passed", None, None),
        ("failed", "block", "exit code 3"),
    ]


def test_fault_10_a_terminal_has_the_shell_of_its_type(tmp_path: Path) -> None:
    ran = run_book(tmp_path, *({"terminal": {"code": "echo $0", "type": shell}} for shell in ("dash", "bash")))

    assert [str((output or {})["text"]).splitlines()[-1].strip("-") for output in ran.outputs] == ["dash", "bash"]


def test_fault_11_a_terminal_in_a_directory_that_is_not_there_fails(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"directory": "/no/such"}, {"terminal": "touch ran"}).result

    assert result.outcome == "failed"
    assert "/no/such" in (result.message or "")


def test_fault_12_what_ignores_signals_and_holds_its_pipes_is_killed(tmp_path: Path) -> None:
    code = "trap '' TERM INT; (trap '' TERM INT; sleep 1000) & echo $! > pid; wait; sleep 1000"

    async def work(book: Opened) -> str | None:
        handle = book.document.start_execution(book.block("S"))
        await until((tmp_path / "pid").exists)
        handle.cancel()
        book.runtime.shut_down_at_once()
        with anyio.fail_after(20):
            return (await handle.wait()).kind

    assert inside(tmp_path, f'blocks: [{{name: S, script: "{code}"}}]\n', work) == "cancelled"
    assert not Path("/proc", (tmp_path / "pid").read_text().strip(), "exe").exists()


@pytest.mark.parametrize("code", ["exit 0", "exit 1", "no-such-command", "sleep 1000"])
def test_fault_13_every_end_is_announced_once(tmp_path: Path, code: str) -> None:
    async def work(book: Opened) -> list[Lifecycle]:
        handle = book.document.start_execution(book.block("S"))
        await started(book)
        if "sleep" in code:
            handle.cancel()
        await handle.wait()
        return book.channel.lifecycles

    first, *ends = inside(tmp_path, f"blocks: [{{name: S, script: {code}}}]\n", work)

    assert first is Lifecycle.STARTED
    assert len(ends) == 1


def test_fault_14_a_byte_that_is_no_text_is_replaced(tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"script": "printf 'a\\377b\\n'; echo c"})

    assert ran.output["stdout"] == "a\ufffdb\nc\n"


def test_fault_15_all_of_a_host_goes_over_one_connection(tmp_path: Path, other_host: Sshd) -> None:
    """The key is that of the block alone: fetched otherwise, its variables would not come back."""
    (tmp_path / "home/.ssh/config").write_text("")
    port, key = other_host.port, other_host.identity
    connect = node("ssh-connect", userHost="", user="root", hostname=other_host.address, port=port)
    known = {"ssh-connect#1.identityKey": str(key)}
    script = node("script", name="s", code="echo x=1 >> $ATUIN_OUTPUT_VARS")
    checks = tmp_path / "a.checks.yaml"
    checks.write_text(json.dumps({"answers": known}))

    async def work(book: Opened) -> tuple[dict[str, object], list[EventKind]]:
        await book.run.run_all()
        return book.document.final_variables(), [kind for kind in book.kinds if kind.startswith("ssh")]

    text = json.dumps({"id": "a", "name": "a", "version": 1, "content": json.loads(atuin(connect, script))})
    variables, kinds = inside(tmp_path, text, work, name="a.atrb")

    assert variables == {"x": "1"}
    assert kinds == [EventKind.SSH_CONNECTED]


@pytest.mark.usefixtures("other_host")
def test_fault_16_a_remote_script_always_has_a_file_for_variables(tmp_path: Path) -> None:
    indirect = 'name=ATUIN_OUTPUT; eval "echo x=1 >> \\$${name}_VARS"'
    ran = run_book(tmp_path, HOST, {"script": indirect}, {"script": "echo {{ var.x }}"})

    assert ran.output["stdout"] == "1\n"


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize(
    ("interpreter", "code"), [("python3", "import os; print(os.environ['A'])"), ("perl", 'print $ENV{A}, "\\n"')]
)
def test_fault_17_environment_reaches_any_interpreter(tmp_path: Path, interpreter: str, code: str) -> None:
    script = {"interpreter": interpreter, "code": code}
    ran = run_book(tmp_path, HOST, {"env": {"A": "it's"}}, {"script": script}, {"env": {"A B": ""}}, {"script": "true"})

    assert (ran.outputs[0] or {})["stdout"] == "it's\n"
    assert 'takes "A B" for the name of a variable' in (ran.result.message or "")


def test_fault_18_the_option_is_that_of_the_program_that_env_starts(tmp_path: Path) -> None:
    script = {"interpreter": "/usr/bin/env python3", "code": "print(1 + 1)"}

    assert run_book(tmp_path, {"script": script}).output["stdout"] == "2\n"


@pytest.mark.usefixtures("other_host")
def test_fault_19_a_directory_that_a_block_set_counts_on_other_hosts(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"directory": "/usr"}, {"directory": "lib"}, {"script": "pwd"})

    assert ran.output["stdout"] == "/usr/lib\n"


# Documents


CODE = "echo {{ doc.content | length }} {{ doc.content[2].content }} {{ doc.named | length }}"
ODD_NODES = [
    {"type": "image"},
    {"id": 7, "type": "paragraph", "content": "no text for an id"},
    {"id": "n", "type": "quote", "props": {"name": 3}, "content": [1, None, {"type": "text", "text": "x"}]},
    {"id": "p", "type": "table", "props": None, "content": {"type": "tableContent", "rows": []}},
    {"id": "s", "type": "script", "props": {"code": CODE}},
]


def test_fault_20_odd_nodes_are_nodes(tmp_path: Path) -> None:
    book = ran(tmp_path, json.dumps(ODD_NODES), name="a.json")

    assert book.said == "5 x 0\n"


def test_fault_21_an_editor_without_a_variable_keeps_its_braces(tmp_path: Path) -> None:
    editor = node("editor", name="chart", code="{{ .Values.image }}", language="yaml")
    book = ran(tmp_path, atuin(editor, node("script", name="s", code="true")), name="a.json")

    assert book.outcomes == {"s": "passed"}


def test_fault_22_an_edit_of_prose_touches_who_reads_it(tmp_path: Path) -> None:
    def text(prose: str) -> str:
        return atuin({"type": "quote", "content": prose}, node("var", name="x", value="{{ doc.first.content }}"))

    async def work(book: Opened) -> tuple[int | None, object]:
        changed = book.document.put_document(load_runbook(written(tmp_path, text("two"), "a.json")))
        return changed, book.document.final_variables()["x"]

    assert inside(tmp_path, text("one"), work, name="a.json") == (0, "two")


def test_fault_23_a_declaration_made_while_it_runs_holds_until_something_above_changes(tmp_path: Path) -> None:
    text = "blocks: [{id: above, var: {name: a, value: '1'}}, {id: it, script: 'true'}, {id: below, script: 'true'}]\n"
    late = DocumentVar("late", ContextValue("yes", Origin("it")))

    async def work(book: Opened) -> list[bool]:
        document = book.document
        document.update_passive_context("it", lambda context: context.insert(late))
        seen = ["late" in document.resolved_context("below").variables]
        document.rebuild_contexts(2)
        seen.append("late" in document.resolved_context("below").variables)
        document.rebuild_contexts(0)
        return [*seen, "late" in document.resolved_context("below").variables]

    assert inside(tmp_path, text, work) == [True, True, False]


def test_fault_24_a_reset_takes_outputs_away(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[object, object]:
        await book.run.run_all()
        before = book.document.output(book.block("S"))
        book.document.reset()
        return before is not None, book.document.output(book.block("S"))

    assert inside(tmp_path, "blocks: [{name: S, script: echo}]\n", work) == (True, None)


def test_fault_25_blocks_of_one_id_keep_their_own(tmp_path: Path) -> None:
    one, two = (
        {"id": "same", **node("script", name=name, code=f"echo {name}", outputVariable=name)} for name in ("a", "b")
    )
    book = ran(tmp_path, json.dumps([one, two]), name="a.json")

    assert book.document.final_variables() == {"a": "a", "b": "b"}
    assert any("same" in note for note in book.document.runbook.load_warnings)


PROSE = [
    "bulletListItem",
    "toggleListItem",
    "table_of_contents",
    "githubPreview",
    "gitlabPreview",
    "codebergPreview",
    "audio",
    "file",
    "image",
    "video",
    "horizontal_rule",
    "checkListItem",
    "numberedListItem",
    "codeBlock",
    "quote",
    "heading",
    "table",
    "paragraph",
]


def test_fault_26_prose_of_every_type_is_prose(tmp_path: Path) -> None:
    runbook = load_runbook(written(tmp_path, atuin(*({"type": kind, "props": {}} for kind in PROSE)), "a.json"))

    assert (runbook.blocks, runbook.load_warnings, len(runbook.nodes)) == ((), (), len(PROSE))


# Requests and programs


@pytest.mark.parametrize("method", ["OPTIONS", "PURGE", "get", "PATCH"])
def test_fault_27_every_method_is_sent_as_it_is(tmp_path: Path, http: HttpServer, method: str) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{http.url}/echo", "method": method}})

    assert json.loads(str(ran.output["body"]))["method"] == method.upper()


def test_fault_28_a_status_of_400_and_above_fails_unless_its_author_shows_otherwise(
    tmp_path: Path, http: HttpServer
) -> None:
    codes = (200, 404, 500)
    blocks = ({"http": f"{http.url}/status/{code}"} for code in codes)
    wanted = {"http": f"{http.url}/status/500", "assert": "output.status == 500"}

    assert [result.outcome for result in run_book(tmp_path, *blocks, wanted).results] == [
        "passed",
        "failed",
        "failed",
        "passed",
    ]


def test_fault_29_a_request_has_a_deadline_is_cancellable_and_retried(tmp_path: Path, http: HttpServer) -> None:
    never = {"http": {"url": f"{http.url}/never", "readTimeout": "0.2s"}, "retry": {"attempts": 2, "every": "10ms"}}
    result = run_book(tmp_path, never).result

    async def work(book: Opened) -> str | None:
        handle = book.document.start_execution(book.block("H"))
        await until(lambda: http.app.asked.acquire(blocking=False))
        handle.cancel()
        return (await handle.wait()).kind

    assert (result.outcome, result.attempts) == ("failed", 2)
    for _ in range(2):
        assert http.app.asked.acquire(timeout=20)
    assert inside(tmp_path, f"blocks: [{{name: H, http: '{http.url}/never'}}]\n", work) == "cancelled"


def test_fault_30_flags_stand_quoted_right_behind_kubectl(tmp_path: Path, kubectl: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text('{"items": []}')
    props = {"command": "kubectl get pods -o json | cat", "namespace": "a b;", "context": "c"}
    run_book(tmp_path, {"env": {"ANSWER": str(answer)}}, {"kubernetes": props})

    assert (tmp_path / "argv").read_text().splitlines() == [
        "--context",
        "c",
        "--namespace",
        "a b;",
        "get",
        "pods",
        "-o",
        "json",
    ]


def test_fault_31_kubectl_runs_in_what_is_above_it_and_can_be_cancelled(tmp_path: Path, kubectl: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()

    async def work(book: Opened) -> str | None:
        handle = book.document.start_execution(book.block("Get"))
        await until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().endswith("\n"))
        handle.cancel()
        return (await handle.wait()).kind

    above = "{directory: here}, {env: {REGION: eu, HANGS: '1'}}"
    text = f"blocks: [{above}, {{name: Get, kubernetes: kubectl get pods}}]\n"

    assert inside(tmp_path, text, work) == "cancelled"
    assert (folder / "where").read_text() == f"{folder} eu"
    assert not Path("/proc", (folder / "pid").read_text().strip(), "exe").exists()


@pytest.mark.parametrize("source", ["regions", "{{ var.regions }}"])
def test_fault_32_a_dropdown_takes_a_name_or_a_template_for_its_options(tmp_path: Path, source: str) -> None:
    dropdown = {"name": "region", "optionsType": "variable", "variableOptions": source}
    ran = run_book(tmp_path, {"dropdown": dropdown}, vars={"regions": "eu\nus"}, answers={"region": "us"})

    assert ran.result.outcome == "passed"


def test_fault_33_the_exit_code_of_a_dropdown_s_command_counts(tmp_path: Path) -> None:
    dropdown = {"name": "region", "optionsType": "command", "commandOptions": "echo eu; exit 4"}
    result = run_book(tmp_path, {"dropdown": dropdown}, answers={"region": "eu"}).result

    assert result.outcome == "failed"
    assert "exit code 4" in (result.message or "")


def test_fault_34_a_number_is_read_as_a_number(tmp_path: Path) -> None:
    props = {"name": "p", "query": "up", "endpoint": "http://127.0.0.1:9", "period": "5m", "autoRefresh": 30000}
    (spec,) = load_runbook(written(tmp_path, atuin(node("prometheus", **props)), "a.json")).blocks

    assert spec.props["autoRefresh"] == 30000


SERIES = [{"metric": {"a": "1"}, "values": [[1, "1"], [2, "2"]]}, {"metric": {"a": "2"}, "values": [[2, "3"]]}]


def test_fault_35_each_series_has_its_own_times(tmp_path: Path) -> None:
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": SERIES}}).encode()

    def answer(connection: Any) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with RawServer(answer) as prometheus:
        ran = run_book(tmp_path, {"prometheus": {"query": "a", "endpoint": prometheus.url, "period": "5m"}})

    assert ran.output["data"] == [[1, 2], [1.0, 2.0], [None, 3.0]]
    series: Any = ran.output["series"]
    assert [one["timestamps"] for one in series] == [[1, 2], [2]]


# Databases


def test_fault_36_no_word_of_a_query_changes_its_answer(tmp_path: Path, clickhouse: DatabaseServer) -> None:
    query = "select /* FORMAT CSV */ formatDateTime(toDateTime('2024-01-31 00:00:00', 'UTC'), '%Y') as the_format"
    ran = run_book(tmp_path, {"clickhouse": {"uri": clickhouse.uri, "query": query}})

    assert [dict(row) for row in rows(ran)] == [{"the_format": "2024"}]


def test_fault_37_columns_of_clickhouse_keep_their_order(tmp_path: Path, clickhouse: DatabaseServer) -> None:
    ran = run_book(tmp_path, {"clickhouse": {"uri": clickhouse.uri, "query": "select 1 as z, 2 as a, 3 as m"}})

    assert ran.output["columns"] == ["z", "a", "m"]
    assert isinstance(ran.output["total_duration"], float)


POSTGRES_VALUES = {
    "date '2024-01-31'": "2024-01-31",
    "timestamp '2024-01-31 12:00'": "2024-01-31T12:00:00",
    "time '12:30'": "12:30:00",
    "1.50::numeric::text": "1.50",
    "array[1, 2]": [1, 2],
    "'10.0.0.0/8'::cidr::text": "10.0.0.0/8",
    "B'101'::text": "101",
    "'x'::\"char\"::text": "x",
    "null::int": None,
}


@pytest.mark.parametrize(("expression", "value"), POSTGRES_VALUES.items())
def test_fault_38_values_of_postgres_arrive(
    tmp_path: Path, postgres: DatabaseServer, expression: str, value: object
) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": f"select {expression} as x"}})

    assert ran.output["value"] == value


@pytest.mark.parametrize("query", ["show databases", "show status", "show processlist", "show index from mysql.db"])
def test_fault_39_what_returns_rows_is_a_query(tmp_path: Path, mariadb: DatabaseServer, query: str) -> None:
    ran = run_book(tmp_path, {"mysql": {"uri": mariadb.uri, "query": query}})

    assert len(rows(ran)) > 0


MARIADB_VALUES = {
    "convert('grün' using utf8mb4) collate utf8mb4_bin": "grün",
    "cast(18446744073709551615 as unsigned)": 18446744073709551615,
    "cast('2024-01-31 07:05:00' as datetime)": "2024-01-31T07:05:00",
    "null": None,
}


@pytest.mark.parametrize(("expression", "value"), MARIADB_VALUES.items())
def test_fault_40_values_of_mysql_arrive(
    tmp_path: Path, mariadb: DatabaseServer, expression: str, value: object
) -> None:
    ran = run_book(tmp_path, {"mysql": {"uri": mariadb.uri, "query": f"select {expression} as x"}})

    assert ran.output["value"] == value


def sqlite(*queries: str) -> dict[str, object]:
    return {"sqlite": {"uri": "shop.db", "query": "; ".join(queries)}}


def test_fault_41_nothing_is_none_in_sqlite(tmp_path: Path) -> None:
    table = "create table t (i integer, r real, s text, b boolean, d date)"
    ran = run_book(tmp_path, sqlite(table, "insert into t (b) values (1)", "select * from t"))

    assert dict(rows(ran)[0]) == {"i": None, "r": None, "s": None, "b": 1, "d": None}


def test_fault_42_rows_and_columns_are_all_there(tmp_path: Path) -> None:
    table = "create table t (a, b)"
    ran = run_book(
        tmp_path,
        sqlite(table, "insert into t values (1, 2) returning a"),
        sqlite("select a, b from t where a > 5"),
        sqlite("select a, b as a from t"),
    )

    returned, empty, twice = ran.outputs
    assert [dict(row) for row in (returned or {})["rows"]] == [{"a": 1}]  # type: ignore[attr-defined]  # rows
    assert (empty or {})["columns"] == ["a", "b"]
    assert [list(row.values()) for row in (twice or {})["rows"]] == [[1, 2]]  # type: ignore[attr-defined]  # rows


def test_fault_43_the_statements_of_a_block_share_a_session(tmp_path: Path, postgres: DatabaseServer) -> None:
    query = "create temp table t (x int); begin; insert into t values (1); rollback; select count(*) from t"
    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": query}}, {
        "postgres": {"uri": postgres.uri, "query": "do $$ begin perform 1; end $$; reindex table pg_class"}
    })  # fmt: skip

    assert (ran.outputs[0] or {})["value"] == 0
    assert ran.result.outcome == "passed"


def test_fault_44_a_query_that_fails_was_started(tmp_path: Path) -> None:
    book = ran(tmp_path, "blocks: [{sqlite: {uri: ':memory:', query: 'select {{ var.nobody }}'}}]\n")

    assert book.channel.lifecycles == [Lifecycle.STARTED, Lifecycle.ERROR]


# Runbooks within runbooks


def test_fault_45_no_runbook_runs_within_itself_and_cancelled_it_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "link.runbook.yaml").symlink_to(tmp_path / "a.runbook.yaml")
    for path in ("./x/../a.runbook.yaml", "link.runbook.yaml", "{{ 'a' }}.runbook.yaml"):
        (tmp_path / "x").mkdir(exist_ok=True)
        result = ran(tmp_path, f'blocks: [{{name: Call, sub-runbook: "{path}"}}]\n').results["Call"]
        assert "is running already" in (result.message or ""), path

    child = "blocks: [{script: 'echo in; sleep 1000'}]\nfinally: [{script: touch cleaned}]\n"
    written(tmp_path, child, "child.runbook.yaml")

    async def work(book: Opened) -> str | None:
        handle = book.document.start_execution(book.block("Call"))
        await book.waits_for("in\n")
        handle.cancel()
        return (await handle.wait()).kind

    assert inside(tmp_path, "blocks: [{name: Call, sub-runbook: child.runbook.yaml}]\n", work) == "cancelled"
    assert (tmp_path / "cleaned").exists()


def test_fault_46_a_path_is_relative_to_the_file_that_names_it_first(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    written(inner, "blocks: [{sub-runbook: leaf.runbook.yaml}]\n", "middle.runbook.yaml")
    written(inner, "blocks: [{script: echo beside}]\n", "leaf.runbook.yaml")
    written(tmp_path, "blocks: [{script: echo outer}]\n", "leaf.runbook.yaml")

    assert ran(tmp_path, "blocks: [{sub-runbook: inner/middle.runbook.yaml}]\n").said == "beside\n"
    (inner / "leaf.runbook.yaml").unlink()
    assert ran(tmp_path, "blocks: [{sub-runbook: inner/middle.runbook.yaml}]\n").said == "outer\n"


def test_fault_47_variables_of_a_file_keep_their_order_and_have_names(tmp_path: Path) -> None:
    code = "for name in z a m; do echo $name=1 >> $ATUIN_OUTPUT_VARS; done"
    book = ran(tmp_path, f"blocks: [{{script: '{code}'}}]\n")
    result = run_book(tmp_path, {"script": "echo =geheim >> $ATUIN_OUTPUT_VARS"}).result

    assert list(book.document.final_variables()) == ["z", "a", "m"]
    assert result.outcome == "failed"
    assert "geheim" not in (result.message or "")
