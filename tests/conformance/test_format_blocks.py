"""The runbook format, fact by fact: what blocks do, with real programs and servers. Rows are named after sections."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from pytest_runbook import BlockOutput, BlockStateChanged, EventKind, Settings
from pytest_runbook.blocks.kubernetes_tables import table_of
from tests.conformance.documents import Node, after_run, answered, directory, document, dropdown, env, node, script, var
from tests.harness import Opened, inside, ran, written
from tests.servers.http_servers import HttpServer, RawServer, read_head

BLOCK_EVENTS = (EventKind.BLOCK_STARTED, EventKind.BLOCK_FINISHED, EventKind.BLOCK_FAILED, EventKind.BLOCK_CANCELLED)


def output_of(book: Opened) -> Mapping[str, Any]:
    """That of the last item."""
    result = list(book.run.results.values())[-1]
    output = book.document.output(result.block_id)
    assert output is not None, result
    return output


def message_of(book: Opened) -> str:
    """Why the last item failed."""
    result = list(book.run.results.values())[-1]
    assert result.outcome == "failed"
    return str(result.message)


# Events


ENDS: dict[str, tuple[Node, EventKind]] = {
    "2.1 exit 0": (script("exit 0"), EventKind.BLOCK_FINISHED),
    "2.1 exit 1": (script("exit 1"), EventKind.BLOCK_FAILED),
    "2.2 a terminal": (node("run", name="t", type="bash", code="true"), EventKind.BLOCK_FINISHED),
    "8.1 a query": (node("sqlite", name="q", uri=":memory:", query="select 1"), EventKind.BLOCK_FINISHED),
    "8.1 a bad query": (node("sqlite", name="q", uri=":memory:", query="selec 1"), EventKind.BLOCK_FAILED),
    "9 no request": (node("http", name="h", url="http://", verb="GET"), EventKind.BLOCK_FAILED),
    "10 no endpoint": (node("prometheus", name="p", endpoint="", query="up"), EventKind.BLOCK_FAILED),
    "2.17 a pause": (node("pause", condition="", pauseIfTruthy=True), EventKind.BLOCK_FINISHED),
}


@pytest.mark.parametrize(("block", "end"), ENDS.values(), ids=ENDS)
def test_a_block_is_announced_when_it_starts_and_when_it_ends(tmp_path: Path, block: Node, end: EventKind) -> None:
    book = after_run(tmp_path, [block])

    assert [event.kind for event in book.events if event.kind in BLOCK_EVENTS] == [EventKind.BLOCK_STARTED, end]


QUIET = {
    "2.0 var": var("x", "1"), "2.0 local-var": node("local-var", name="x"), "2.0 env": env("X", "1"),
    "2.0 directory": directory("/"), "2.0 local-directory": node("local-directory"),
    "2.0 host-select": node("host-select", host="local"), "2.0 ssh-connect": node("ssh-connect", userHost="h"),
    "2.0 var_display": node("var_display", name="x"), "2.0 editor": node("editor", name="e", code=""),
}  # fmt: skip


@pytest.mark.parametrize("block", QUIET.values(), ids=QUIET)
def test_a_context_block_passes_without_a_word(tmp_path: Path, block: Node) -> None:
    book = after_run(tmp_path, [block])

    assert (book.run.results, book.events, book.channel.of(BlockOutput)) == ({}, [], [])


# Outputs


KEYS: dict[str, tuple[Node, Sequence[str]]] = {
    "2.1 a script": (script("echo"), ["exit_code", "stdout", "stderr", "combined"]),
    "2.2 a terminal": (node("run", name="t", type="bash", code="echo"), ["output", "byte_count", "cancelled"]),
    "8.1 queries": (
        node("sqlite", name="q", uri=":memory:", query="select 1; create table t (a)"),
        ["results", "first", "total_rows", "total_rows_affected", "total_duration", "result_count", "rows", "columns",
         "rows_affected"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("block", "keys"), KEYS.values(), ids=KEYS)
def test_output_has_its_keys(tmp_path: Path, block: Node, keys: Sequence[str]) -> None:
    assert set(keys) <= set(output_of(after_run(tmp_path, [block])))


# Scripts and terminals


SAID: dict[str, tuple[Sequence[Node], str]] = {
    "2.1 the file of variables is there and empty": (
        [script('test -f "$ATUIN_OUTPUT_VARS" && test ! -s "$ATUIN_OUTPUT_VARS" && echo ok')], "ok\n"
    ),
    "2.1 its name says whose it is": ([script('case "${ATUIN_OUTPUT_VARS##*/}" in *vars*) echo ok; esac')], "ok\n"),
    "2.1 the environment of the process is there": ([script("echo ${PATH:+path}")], "path\n"),
    "2.1 env blocks go over it": ([env("HOME", "/elsewhere"), script("echo $HOME")], "/elsewhere\n"),
    "2.1 the directory is the resolved one": ([directory("/usr"), directory("lib"), script("pwd")], "/usr/lib\n"),
    "2.1 a variable of the file is seen below": (
        [script("echo a=1 >> $ATUIN_OUTPUT_VARS"), script("echo {{ var.a }}")], "1\n"
    ),
    "2.1 braces in output stay": ([script("echo '{{ \"{{\" }}'")], "{{\n"),
    "2.10 what is below sees it": ([env("A", "1"), env("B", "{{ env.A }}2"), script("echo $B")], "12\n"),
    "2.11 a path with the workspace": (
        [directory("{{ workspace.root }}/sub"), script("basename $PWD")], "sub\n"
    ),
    "2.12 an answer is the directory": ([node("local-directory"), script("basename $PWD")], "sub\n"),
    "6.1 code is one argument": ([script("echo $#")], "0\n"),
    "6.1 nothing is added to the shell": ([script("false; false | true; echo $-$?", interpreter="sh")], "0\n"),
}  # fmt: skip


NOT_RENDERED: dict[str, Node] = {
    "4.5 an interpreter": script("true", interpreter="{{ var.x }}"),
    "4.5 the shell of a terminal": node("run", name="t", type="{{ var.x }}", code="true"),
    "4.5 a method": node("http", name="h", url="http://127.0.0.1:9", verb="{{ var.x }}"),
    "4.5 a period": node("prometheus", name="p", endpoint="http://127.0.0.1:9", query="up", period="{{ var.x }}"),
    "4.5 fixed options": dropdown(fixedOptions="{{ var.x }}"),
}


@pytest.mark.parametrize("block", NOT_RENDERED.values(), ids=NOT_RENDERED)
def test_no_template_is_rendered_in(tmp_path: Path, block: Node) -> None:
    book = after_run(tmp_path, [var("x", "rendered"), block], {"r": "rendered"})

    assert "rendered" not in message_of(book).replace('"rendered" is none', "")


OUTPUTS: dict[str, tuple[str, str]] = {
    "6.2 colours stay": ("printf '\\033[31mred\\033[0m'", "\x1b[31mred\x1b[0m"),
    "6.2 carriage returns stay": ("printf 'a\\r\\nb\\r'", "a\r\nb\r"),
    "6.2 nothing is cut off": ("head -c 300000 /dev/zero | tr '\\0' x", "x" * 300_000),
}


@pytest.mark.parametrize(("code", "stdout"), OUTPUTS.values(), ids=OUTPUTS)
def test_output_is_exact(tmp_path: Path, code: str, stdout: str) -> None:
    assert output_of(after_run(tmp_path, [script(code)]))["stdout"] == stdout


@pytest.mark.parametrize(("nodes", "said"), SAID.values(), ids=SAID)
def test_a_script_sees_and_shows(tmp_path: Path, nodes: Sequence[Node], said: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "atuin.toml").write_text('[workspace]\nid = "w"\nname = "w"\n')
    book = after_run(tmp_path, nodes, {"local-directory#1": "sub"})

    assert book.said.replace("c0", "0") == said, book.run.results


TERMINALS: dict[str, tuple[str, str]] = {
    "2.2 it knows what it is in": ("echo $ATUIN_DESKTOP_PTY $TERM", "true xterm-256color"),
    "2.2 it has 20 rows and 120 columns": ("stty size", "20 120"),
    "2.2 code is rendered": ("echo {{ var.x }}", "1"),
    "2.2 env blocks count": ("echo $A", "b"),
    "2.2 the directory counts": ("pwd", "/usr"),
    "2.2 without a newline at its end": ("echo x", "x"),
}


@pytest.mark.parametrize(("code", "line"), TERMINALS.values(), ids=TERMINALS)
def test_a_terminal_shows(tmp_path: Path, code: str, line: str) -> None:
    nodes = [var("x", "1"), env("A", "b"), directory("/usr"), node("run", name="t", type="bash", code=code)]
    output = output_of(after_run(tmp_path, nodes))

    assert output["text"].splitlines()[-1] == line
    assert (output["byte_count"], output["cancelled"]) == (len(output["output"].encode()), False)


@pytest.mark.parametrize("section", ["2.2"])
def test_a_terminal_reports_clients_which_it_is(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [node("run", name="t", type="bash", code="true")])
    (about,) = [message.data for message in book.channel.of(BlockOutput) if message.data is not None]
    kinds = [event.kind for event in book.events if event.kind.startswith("pty")]

    assert {"pid", "runbook", "block", "created_at"} == set(about)
    assert kinds == [EventKind.PTY_OPENED, EventKind.PTY_CLOSED]


# HTTP


def echoed(book: Opened) -> dict[str, Any]:
    """What the server was sent."""
    sent: dict[str, Any] = output_of(book)["body_json"]
    return {**sent, "headers": {name.lower(): value for name, value in sent["headers"]}}


SENT: dict[str, tuple[dict[str, object], Callable[[dict[str, Any]], object], object]] = {
    **{
        f"9 {verb}": ({"verb": verb, "body": "b"}, lambda sent: (sent["method"], sent["body"]), (verb, "b"))
        for verb in ("POST", "PUT", "PATCH", "DELETE")
    },
    "9 GET has no body": ({"verb": "GET", "body": "b"}, lambda sent: (sent["method"], sent["body"]), ("GET", "")),
    "9 a verb in lower case": ({"verb": "post"}, lambda sent: sent["method"], "POST"),
    "9 headers are a text of JSON": ({"headers": '{"X-A": "1"}'}, lambda sent: sent["headers"]["x-a"], "1"),
    "9 headers may be an object": ({"headers": {"X-A": "1"}}, lambda sent: sent["headers"]["x-a"], "1"),
    "9 names and values of headers are rendered": (
        {"headers": '{"X-{{ var.x }}": "{{ var.x }}"}'}, lambda sent: sent["headers"]["x-tea"], "tea"
    ),
    "9 a header's newline at the end is no matter": (
        {"headers": '{"X-A": "{{ var.line }}"}'}, lambda sent: sent["headers"]["x-a"], "line"
    ),
    "9 the url is rendered": ({"url": "/echo?q={{ var.x }}"}, lambda sent: sent["query"], "q=tea"),
    "9 the body is rendered": ({"verb": "POST", "body": "{{ var.x }}"}, lambda sent: sent["body"], "tea"),
    "9 no content type is added": (
        {"verb": "POST", "body": "b"}, lambda sent: "content-type" in sent["headers"], False
    ),
    "9 everything is accepted": ({}, lambda sent: sent["headers"]["accept"], "*/*"),
    "9 redirects are followed": ({"url": "/redirect?to=/echo"}, lambda sent: sent["path"], "/echo"),
    **{
        f"9 {status} turns POST into GET": (
            {"url": f"/redirect?status={status}&to=/echo", "verb": "POST"}, lambda sent: sent["method"], "GET"
        )
        for status in (301, 302, 303)
    },
}  # fmt: skip


@pytest.mark.parametrize(("props", "look", "value"), SENT.values(), ids=SENT)
def test_a_request_is_sent(
    tmp_path: Path, http: HttpServer, props: dict[str, object], look: Callable[[dict[str, Any]], object], value: object
) -> None:
    given = {"name": "h", **props, "url": f"{http.url}{props.get('url', '/echo')}"}
    book = after_run(tmp_path, [var("x", "tea"), var("line", "line\n"), node("http", **given)])

    assert look(echoed(book)) == value


GIVEN: dict[str, tuple[str, str, object]] = {
    "9 status": ("/status/204", "status", 204),
    "9 a status that is no success": ("/status/302", "status_success", False),
    "9 a success": ("/status/201", "status_success", True),
    "9 the reason alone": ("/status/200", "status_text", "OK"),
    "9 the last of a header counts, in lower case": ("/headers", "headers", "second"),
    "9 text by its charset": ("/text?charset=latin-1&text=%C3%A9", "body", "é"),
    "9 JSON is read": ('/json?text={"a":[1]}', "body_json", {"a": [1]}),
    "9 what is no JSON": ("/text?text=plain", "body_json", None),
}


@pytest.mark.parametrize(("path", "key", "value"), GIVEN.values(), ids=GIVEN)
def test_an_answer_returns(tmp_path: Path, http: HttpServer, path: str, key: str, value: object) -> None:
    output = output_of(after_run(tmp_path, [node("http", name="h", url=f"{http.url}{path}")]))

    assert (output[key]["x-twice"] if key == "headers" else output[key]) == value
    assert isinstance(output["duration_seconds"], float)


@pytest.mark.parametrize("section", ["9"])
def test_clients_get_an_answer_by_the_format_s_names(tmp_path: Path, http: HttpServer, section: str) -> None:
    book = after_run(tmp_path, [node("http", name="h", url=f"{http.url}/status/200")])
    (reported,) = [message.data for message in book.channel.of(BlockOutput) if message.data is not None]

    assert set(reported) == {"status", "statusText", "statusSuccess", "headers", "duration", "time", "body"}


# SQL


def sqlite(query: str, uri: str = ":memory:") -> Node:
    return node("sqlite", name="q", uri=uri, query=query)


ROWS: dict[str, tuple[str, object]] = {
    "8.1 one query": ("select 1 as a, 'x' as b", [{"a": 1, "b": "x"}]),
    "8.1 statements before it": ("create table t (a); insert into t values (5); select a from t", [{"a": 5}]),
    "8.1 several: the first counts": ("select 1 as a; select 2 as a; select 3 as a", [{"a": 1}]),
    "8.1 semicolons in texts": ("select 'a;b' as a;", [{"a": "a;b"}]),
    "8.1 semicolons in comments": ("select 1 as a -- ; no\n;", [{"a": 1}]),
    "8.1 nothing at the end": ("select 1 as a;;\n-- the end", [{"a": 1}]),
    "8.1 a query that begins with with": ("with t(a) as (values (1)) select a from t", [{"a": 1}]),
    "8.1 values": ("values (1)", [{"column1": 1}]),
    "8.4 pragma": ("pragma foreign_keys", [{"foreign_keys": 1}]),
    "8.4 texts, numbers, bytes": ("select 'x' as t, 1.5 as r, x'00ff' as b", [{"t": "x", "r": 1.5, "b": "AP8="}]),
    "8.4 explain": ("explain query plan select 1", None),
}


@pytest.mark.parametrize(("query", "rows"), ROWS.values(), ids=ROWS)
def test_a_query_returns_rows(tmp_path: Path, query: str, rows: object) -> None:
    found = [dict(row) for row in output_of(after_run(tmp_path, [sqlite(query)]))["rows"]]

    assert found == rows or (rows is None and found)


COUNTS: dict[str, tuple[str, str, object]] = {
    "8.1 results are counted": ("select 1; create table t (a)", "result_count", 2),
    "8.1 rows of all queries": ("select 1; select 2 union select 3", "total_rows", 3),
    "8.1 rows that were touched": (
        "create table t (a); insert into t values (1), (2); delete from t", "total_rows_affected", 4
    ),
    "8.1 the first statement's": ("create table t (a); insert into t values (1), (2)", "rows_affected", 0),
    "8.1 columns in their order": ("select 1 as z, 2 as a", "columns", ["z", "a"]),
}  # fmt: skip


@pytest.mark.parametrize(("query", "key", "value"), COUNTS.values(), ids=COUNTS)
def test_a_query_reports(tmp_path: Path, query: str, key: str, value: object) -> None:
    assert output_of(after_run(tmp_path, [sqlite(query)]))[key] == value


@pytest.mark.parametrize("section", ["8.1"])
def test_results_have_the_format_s_names(tmp_path: Path, section: str) -> None:
    output = output_of(after_run(tmp_path, [sqlite("create table t (a); insert into t values (7); select a from t")]))
    statement, query = output["results"][1], output["results"][2]

    assert (statement["type"], set(statement["data"])) == (
        "Statement", {"rowsAffected", "lastInsertRowid", "duration", "time"}
    )  # fmt: skip
    assert (statement["data"]["rowsAffected"], statement["data"]["lastInsertRowid"]) == (1, 1)
    assert (query["type"], set(query["data"])) == (
        "Query", {"columns", "rows", "rowsRead", "bytesRead", "duration", "time"}
    )  # fmt: skip
    assert output["first"] == output["results"][0]


@pytest.mark.parametrize("section", ["8.1"])
def test_clients_are_reported_how_many_results_there_will_be(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [sqlite("select 1; select 2")])
    reported = [message.data for message in book.channel.of(BlockOutput) if message.data is not None]

    assert reported[0] == {"type": "queryCount", "count": 2}
    assert [data["type"] for data in reported[1:]] == ["Query", "Query"]


@pytest.mark.parametrize("section", ["5.6"])
def test_the_stations_of_a_query_are_reported(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [sqlite("select 1")])

    assert [message.stdout for message in book.channel.of(BlockOutput) if message.stdout] == [
        "Connecting...", "Connected successfully", "Executing query..."
    ]  # fmt: skip


@pytest.mark.parametrize("section", ["8.1"])
def test_what_ran_before_a_failure_stays(tmp_path: Path, section: str) -> None:
    first = sqlite("create table t (a); insert into t values (1); selec", "sqlite:kept.db")
    book = after_run(tmp_path, [first])
    again = after_run(tmp_path, [sqlite("select count(*) as n from t", "sqlite:kept.db")])

    assert message_of(book)
    assert output_of(again)["value"] == 1


FAILURES: dict[str, tuple[Node, str]] = {
    "8.1 nothing to run": (sqlite(" ;; -- nothing"), "empty"),
    "8.1 no table": (sqlite("select * from nobody"), "no such table"),
    "8.1 no SQL": (sqlite("selec 1"), "syntax error"),
    "8.2 no uri": (node("postgres", name="q", query="select 1", uri=""), "uri"),
    "8.2 another scheme": (node("postgres", name="q", query="select 1", uri="mysql://h/d"), "postgres"),
    "8.3 another scheme": (node("mysql", name="q", query="select 1", uri="postgres://h/d"), "mysql"),
    "8.5 another scheme": (node("clickhouse", name="q", query="select 1", uri="tcp://h"), "http"),
    "9 no url": (node("http", name="h", url=""), "url"),
    "9 no host": (node("http", name="h", url="http://"), "http"),
    "10 no endpoint": (node("prometheus", name="p", endpoint="", query="up"), "endpoint"),
    "10 another scheme": (node("prometheus", name="p", endpoint="ftp://h", query="up"), "ftp"),
    "2.6 another exit code": (node("kubernetes-get", name="k", command="echo kubectl >&2; exit 3"), "exit code 3"),
    "2.18 no runbook": (node("sub-runbook", name="s"), "names no runbook"),
    "2.18 one that is not there": (node("sub-runbook", name="s", runbookPath="nobody.atrb"), "there is no runbook"),
}


@pytest.mark.parametrize(("block", "reported"), FAILURES.values(), ids=FAILURES)
def test_a_block_fails_and_shows_why(tmp_path: Path, block: Node, reported: str) -> None:
    assert reported in message_of(after_run(tmp_path, [block]))


FILES = {
    "8.4 sqlite://": "sqlite://kept.db", "8.4 sqlite:": "sqlite:kept.db", "8.4 a path alone": "kept.db",
    "8.4 made if missing": "sqlite:kept.db?mode=rwc",
}  # fmt: skip


@pytest.mark.parametrize("uri", FILES.values(), ids=FILES)
def test_a_database_is_a_file_of_the_directory(tmp_path: Path, uri: str) -> None:
    after_run(tmp_path, [sqlite("create table t (a)", uri)])

    assert (tmp_path / "kept.db").exists()


@pytest.mark.parametrize("uri", [":memory:", "sqlite::memory:"], ids=["8.4 :memory:", "8.4 sqlite::memory:"])
def test_a_database_in_memory_is_new_each_time(tmp_path: Path, uri: str) -> None:
    book = after_run(tmp_path, [sqlite("create table t (a)", uri), sqlite("create table t (a)", uri)])

    assert [result.outcome for result in book.run.results.values()] == ["passed", "passed"]


# Prometheus


SERIES = [
    {"metric": {"__name__": "up", "job": "a"}, "values": [[100, "1"], [110, "NaN"]]},
    {"metric": {}, "values": [[100, "2.5"]]},
]
PERIODS = [
    ("5m", 300, 10), ("15m", 900, 30), ("30m", 1800, 60), ("1h", 3600, 60), ("3h", 10800, 300), ("6h", 21600, 600),
    ("24h", 86400, 1800), ("2d", 172800, 3600), ("7d", 604800, 3600), ("30d", 2592000, 14400), ("90d", 7776000, 86400),
    ("180d", 15552000, 86400), ("", 3600, 60),
]  # fmt: skip


def prometheus(folder: Path, answer: object, status: str = "200 OK", **props: str) -> tuple[Opened, list[str]]:
    """A run against something that answers like a Prometheus, and what that was asked."""
    asked: list[str] = []
    body = json.dumps(answer).encode()

    def behave(connection: Any) -> None:
        asked.append(read_head(connection).split()[1].decode())
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body))

    with RawServer(behave) as server:
        given = {"name": "p", "query": "up", "period": "5m", "endpoint": f"{server.url}/", **props}
        return after_run(folder, [node("prometheus", **given)]), asked


def gave(series: Sequence[object]) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": series}}


@pytest.mark.parametrize(("section", "period", "seconds", "step"), [("10", *row) for row in PERIODS])
def test_a_period_is_a_range_and_a_step(tmp_path: Path, section: str, period: str, seconds: int, step: int) -> None:
    book, asked = prometheus(tmp_path, gave([]), period=period)
    url = urlsplit(asked[0])
    sent = {name: values[0] for name, values in parse_qs(url.query).items()}

    assert (url.path, sent["query"], sent["step"]) == ("/api/v1/query_range", "up", f"{step}s")
    assert int(sent["end"]) - int(sent["start"]) == seconds
    assert output_of(book)["time_range"] == {"start": int(sent["start"]), "end": int(sent["end"]), "step": step}


SERIES_KEYS: dict[str, tuple[str, object]] = {
    "10 series are named by their labels, or by the query": ("series_names", ["__name__=up, job=a", "up"]),
    "10 all series": ("total_series", 2),
    "10 one result": ("result_count", 1),
    "10 what was asked": ("query_executed", "up"),
    "10 times and values": ("data", [[100, 110], [1.0, "nan"], [2.5, None]]),
}


@pytest.mark.parametrize(("key", "value"), SERIES_KEYS.values(), ids=SERIES_KEYS)
def test_series_return(tmp_path: Path, key: str, value: object) -> None:
    found = output_of(prometheus(tmp_path, gave(SERIES))[0])[key]
    if key == "data":
        found = [["nan" if sample != sample else sample for sample in row] for row in found]

    assert found == value


@pytest.mark.parametrize("section", ["10"])
def test_no_series_is_a_success(tmp_path: Path, section: str) -> None:
    assert output_of(prometheus(tmp_path, gave([]))[0])["total_series"] == 0


REFUSALS: dict[str, tuple[object, str, str]] = {
    "10 an HTTP error": ({}, "503 Busy", "503"),
    "10 an error of the API": ({"status": "error", "error": "bad query"}, "200 OK", "bad query"),
}


@pytest.mark.parametrize(("answer", "status", "reported"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_fails_the_block(tmp_path: Path, answer: object, status: str, reported: str) -> None:
    assert reported in message_of(prometheus(tmp_path, answer, status)[0])


# Kubernetes


COLUMNS: dict[str, str] = {
    "Pod": "name namespace ready status restarts age ip node",
    "Service": "name namespace type clusterIP externalIP ports age",
    "Deployment": "name namespace ready upToDate available age",
    "ConfigMap": "name namespace data age",
    "Secret": "name namespace type data age",
    "Node": "name status roles age version",
    "Namespace": "name status age",
    "Anything": "name namespace kind age",
}


@pytest.mark.parametrize(("section", "kind", "columns"), [("2.6", *row) for row in COLUMNS.items()])
def test_a_kind_has_its_columns(section: str, kind: str, columns: str) -> None:
    table = table_of([{"kind": kind, "metadata": {"name": "x"}}], datetime.now(UTC))

    assert [heading["id"] for heading in table.headings] == columns.split()
    assert table.kind == kind.lower()
    assert table.rows[0]["age"] == "Unknown"
    assert table.rows[0].get("ready", "0/0") == "0/0"


RECORDED: dict[str, tuple[object, str, object]] = {
    "2.6 a list is a table": ({"items": [{"kind": "Pod"}, {"kind": "Pod"}]}, "item_count", 2),
    "2.6 of the kind of its first item": ({"items": [{"kind": "Pod"}]}, "resource_kind", "pod"),
    "2.6 an empty list is an empty table": ({"items": []}, "data", []),
    "2.6 one object has no rows": ({"kind": "Pod"}, "resource_kind", "Pod"),
    "2.6 one object is one item": ({"kind": "Pod"}, "item_count", 1),
    "2.6 text is given as it is": ("a\nb\n", "raw_output", "a\nb\n"),
    "2.6 text has lines": ("a\nb\n", "item_count", 2),
}


@pytest.mark.parametrize(("answer", "key", "value"), RECORDED.values(), ids=RECORDED)
def test_what_kubectl_said_is_read(tmp_path: Path, kubectl: Path, answer: object, key: str, value: object) -> None:
    (tmp_path / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    command = "kubectl get pods" if isinstance(answer, str) else "kubectl get pods -o json"
    nodes = [env("ANSWER", str(tmp_path / "answer")), node("kubernetes-get", name="k", command=command)]

    assert output_of(after_run(tmp_path, nodes))[key] == value


# Blocks that show and ask


@pytest.mark.parametrize("section", ["2.16"])
def test_a_dropdown_shows_its_options(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [dropdown(fixedOptions="EU:eu, US:us")], {"r": "us"})
    (shown,) = book.channel.of(BlockStateChanged)

    options = [{"label": "EU", "value": "eu"}, {"label": "US", "value": "us"}]
    assert shown.state == {"resolved": {"options": options}}


SOURCES: dict[str, dict[str, object]] = {
    "2.16 fixed": {"fixedOptions": "a, b"},
    "2.16 a variable": {"optionsType": "variable", "variableOptions": "known"},
    "2.16 a command": {"optionsType": "command", "commandOptions": "echo {{ var.known }} | tr -d ' '"},
    "2.16 the single source of old documents": {"options": "a, b"},
    "2.16 another delimiter": {"fixedOptions": "A->a, B->b", "delimiter": "->"},
    "2.16 an empty delimiter is a colon": {"fixedOptions": "A:a, B:b", "delimiter": ""},
}


@pytest.mark.parametrize("props", SOURCES.values(), ids=SOURCES)
def test_options_come_from(tmp_path: Path, props: dict[str, object]) -> None:
    nodes = [var("known", "a, b"), dropdown(**props), script("echo {{ var.r }}")]
    book = after_run(tmp_path, nodes, {"r": "b"})

    assert book.said == "b\n", book.run.results


PAUSES: dict[str, tuple[str, bool, str]] = {
    "2.17 always, whatever the condition": ("false", False, "failed"),
    "2.17 where it is true": ("{{ var.x }}", True, "failed"),
    "2.17 not where it is false": ("{{ var.x == 'no' }}", True, "passed"),
    "2.17 not where it is blank": (" ", True, "passed"),
    "2.17 not where it is any other text": ("perhaps", True, "passed"),
    "2.17 a condition that can't be rendered": ("{{ var.nobody }}", True, "failed"),
}


@pytest.mark.parametrize(("condition", "if_truthy", "outcome"), PAUSES.values(), ids=PAUSES)
def test_a_pause_waits(tmp_path: Path, condition: str, if_truthy: bool, outcome: str) -> None:
    nodes = [var("x", "yes"), node("pause", condition=condition, pauseIfTruthy=if_truthy)]

    assert [result.outcome for result in after_run(tmp_path, nodes).run.results.values()] == [outcome]


@pytest.mark.parametrize("section", ["2.15"])
def test_a_display_shows_what_it_is_of(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> list[BlockStateChanged]:
        await book.document.start_execution("n2").wait()
        return book.channel.of(BlockStateChanged)

    nodes = [var("x", "y"), node("markdown_render", variableName="{{ var.x }}", maxLines=3)]
    (shown,) = inside(tmp_path, document(nodes), work, name="a.atrb")

    assert shown.state == {"resolved_variable_name": "y"}


# Runbooks within runbooks


def within(*nodes: Node) -> str:
    """A document with an id of its own."""
    return document(nodes, str(uuid4()))


CALL = {"name": "call", "runbookPath": "child.atrb"}
CHILDREN: dict[str, tuple[str, Mapping[str, object], Sequence[Node], str]] = {
    "2.18 it sees variables": (within(script("echo {{ var.x }}")), {}, [], "1\n"),
    "2.18 it sees the environment": (within(script("echo $E")), {}, [], "e\n"),
    "2.18 it sees the directory": (within(script("pwd")), {}, [], "/usr\n"),
    "2.18 its blocks run in order": (within(script("echo 1"), script("echo 2")), {}, [], "1\n2\n"),
    "2.18 a variable of one block is seen by the next": (
        within(script("echo 5", outputVariable="y"), script("echo {{ var.y }}")), {}, [], "5\n5\n",
    ),
    "2.18 variables come back where they are exported": (
        within(var("y", "2")), {"exportVars": True}, [script("echo {{ var.y }}")], "2\n",
    ),
    "2.18 and only there": (
        within(var("x", "2")), {"exportEnv": True, "exportCwd": True}, [script("echo {{ var.x }}")], "1\n",
    ),
    "2.18 environment comes back where it is exported": (
        within(env("F", "f")), {"exportEnv": True}, [script("echo $F")], "f\n",
    ),
    "2.18 environment comes back only there": (within(env("E", "f")), {}, [script("echo $E")], "e\n"),
    "2.18 the directory comes back where it is exported": (
        within(directory("lib")), {"exportCwd": True}, [script("pwd")], "/usr/lib\n",
    ),
    "2.18 the directory comes back only there": (within(directory("lib")), {}, [script("pwd")], "/usr\n"),
    "2.18 an empty one succeeds": (within(), {}, [script("echo on")], "on\n"),
}  # fmt: skip


@pytest.mark.parametrize(("child", "props", "below", "said"), CHILDREN.values(), ids=CHILDREN)
def test_a_runbook_within_a_runbook(
    tmp_path: Path, child: str, props: Mapping[str, object], below: Sequence[Node], said: str
) -> None:
    written(tmp_path, child, "child.atrb")
    above = [var("x", "1"), env("E", "e"), directory("/usr")]
    book = after_run(tmp_path, [*above, node("sub-runbook", **{**CALL, **props}), *below])

    assert book.said == said, book.run.results


@pytest.mark.parametrize("section", ["2.18"])
def test_three_runbooks_hand_on(tmp_path: Path, section: str) -> None:
    def call(path: str) -> Node:
        return node("sub-runbook", name="call", runbookPath=path, exportVars=True)

    written(tmp_path, within(call("c.atrb"), script("echo b {{ var.c }}", outputVariable="b")), "b.atrb")
    written(tmp_path, within(script("echo c {{ var.a }}", outputVariable="c")), "c.atrb")
    book = after_run(tmp_path, [var("a", "1"), call("b.atrb"), script("echo {{ var.b }}")])

    assert book.said == "c 1\nb c 1\nb c 1\n"


@pytest.mark.parametrize("section", ["2.18"])
def test_a_failure_within_fails_it(tmp_path: Path, section: str) -> None:
    written(tmp_path, within(script("exit 4"), script("echo never")), "child.atrb")
    book = after_run(tmp_path, [node("sub-runbook", **CALL), script("echo never")])

    assert [result.outcome for result in book.run.results.values()] == ["failed", "skipped"]
    assert book.said == ""


RECURSIONS = {"2.18 itself": "a.atrb", "2.18 through another": "b.atrb"}


@pytest.mark.parametrize("path", RECURSIONS.values(), ids=RECURSIONS)
def test_no_runbook_runs_within_itself(tmp_path: Path, path: str) -> None:
    written(tmp_path, within(node("sub-runbook", name="back", runbookPath="a.atrb")), "b.atrb")
    book = after_run(tmp_path, [node("sub-runbook", name="call", runbookPath=path)])

    assert "is running already" in message_of(book)


@pytest.mark.parametrize("section", ["2.18"])
def test_what_it_shows_of_its_progress(tmp_path: Path, section: str) -> None:
    written(tmp_path, within(script("true", name="only")), "child.atrb")
    book = after_run(tmp_path, [node("sub-runbook", **CALL)])
    states = [message.state for message in book.channel.of(BlockStateChanged)]
    running = {"status": "running", "totalBlocks": 1}

    assert states == [
        {"status": "loading"},
        {**running, "completedBlocks": 0, "currentBlockName": "only"},
        {**running, "completedBlocks": 1, "currentBlockName": ""},
        {"status": "success"},
    ]


@pytest.mark.parametrize("section", ["1.6"])
def test_values_outside_of_the_file_are_answers(tmp_path: Path, section: str) -> None:
    nodes = [
        node("local-var", name="token", obscured=False),
        node("local-directory"),
        script("echo {{ var.token }}; pwd"),
    ]
    settings = Settings(root=tmp_path, invocation=tmp_path)
    inputs = answered({"token": "t", "local-directory#1": "/usr"})

    assert ran(tmp_path, document(nodes), name="a.atrb", settings=settings, inputs=inputs).said == "t\n/usr\n"
