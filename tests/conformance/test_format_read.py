"""The runbook format, fact by fact: what is read, without anything being run. Rows are named after their sections."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook import Runbook, UnreadableFile, load_runbook
from pytest_runbook.blocks.dropdown import split_options
from pytest_runbook.blocks.pause import is_truthy
from pytest_runbook.resources.process.interpreters import interpreter_argv
from pytest_runbook.resources.ssh.config.destination import Destination
from tests.conformance.documents import DROPDOWN, Node, document, node
from tests.harness import written


def read(folder: Path, text: str, name: str = "a.atrb") -> Runbook:
    return load_runbook(written(folder, text, name))


# YAML


SCALARS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "12": 12, "-5": -5, "+5": 5, "0x10": 16, "0o17": 15, "0b11": 3, "007": "007",
    "1.5": 1.5, "-0.5": -0.5, "1e3": 1000.0, ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf, "-.inf": -math.inf,
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "n": "n",
    "2024-01-31": "2024-01-31", "12:30:45": "12:30:45", "1_000": "1_000", "=": "=", "<<": "<<",
}  # fmt: skip


@pytest.mark.parametrize(("section", "scalar", "value"), [("1.1", *row) for row in SCALARS.items()])
def test_a_plain_scalar_is_what_yaml_1_2_shows(tmp_path: Path, section: str, scalar: str, value: object) -> None:
    text = f"id: a\ncontent:\n- {{id: p, type: paragraph, props: {{x: {scalar}}}, children: []}}\n"
    found = read(tmp_path, text).nodes[0].props["x"]

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("section", "scalar"), [("1.1", text) for text in (".nan", ".NaN", ".NAN")])
def test_no_number_is_one(tmp_path: Path, section: str, scalar: str) -> None:
    text = f"id: a\ncontent:\n- {{id: p, type: paragraph, props: {{x: {scalar}}}}}\n"
    value = read(tmp_path, text).nodes[0].props["x"]

    assert isinstance(value, float)
    assert math.isnan(value)


# Files


HEAD = "id: a\nname: b\nversion: 1\ncontent: "
FILES: dict[str, tuple[str, str]] = {
    "1.1 JSON is YAML": ('{"id": "a", "content": []}', "a.atrb"),
    "1.1 only content is needed": ("content: []\n", "a.atrb"),
    "1.1 forkedFrom may be null": (f"forkedFrom: null\n{HEAD}[]\n", "a.atrb"),
    "1.1 other keys are nobody's business": (f"more: {{a: [1]}}\n{HEAD}[]\n", "a.atrb"),
    "1.1 anchors are followed": (f"x: &x []\n{HEAD}*x\n", "a.atrb"),
    "1.1 content may be a text of JSON": ('{"version": 0, "id": "a", "content": "[]"}', "a.json"),
    "1.1 a bare list of blocks is a document": ("[]", "a.json"),
    "1.1 a mark of the byte order does no harm": ("\ufeffcontent: []\n", "a.atrb"),
}


@pytest.mark.parametrize(("text", "name"), FILES.values(), ids=FILES)
def test_a_file_can_be_read(tmp_path: Path, text: str, name: str) -> None:
    assert read(tmp_path, text, name).blocks == ()


NO_FILES: dict[str, tuple[str, str]] = {
    "1.1 keys are there once": (f"id: x\n{HEAD}[]\n", 'key "id" is there twice'),
    "1.1 a file is one document": (f"{HEAD}[]\n---\n{HEAD}[]\n", "a second YAML document"),
    "1.1 without content": ("id: a\n", "no content"),
    "1.1 content that is no list": ("content: 5\n", "content must be a list"),
}


@pytest.mark.parametrize(("text", "reported"), NO_FILES.values(), ids=NO_FILES)
def test_a_file_can_not_be_read(tmp_path: Path, text: str, reported: str) -> None:
    with pytest.raises(UnreadableFile, match=reported):
        read(tmp_path, text)


@pytest.mark.parametrize("section", ["1.1"])
def test_a_merge_key_is_a_key(tmp_path: Path, section: str) -> None:
    text = "id: a\nx: &x {a: 1}\ncontent:\n- {id: p, type: paragraph, props: {<<: *x}}\n"

    assert read(tmp_path, text).nodes[0].props == {"<<": {"a": 1}}


@pytest.mark.parametrize("section", ["1.9"])
def test_every_structural_feature_together(tmp_path: Path, section: str) -> None:
    inner = [node("script", name="s", code="true"), node("http", name="h", url="http://x", headers='{"A":"b"}')]
    nested = {
        **node("toggleListItem"), "content": [{"type": "text", "text": "steps", "styles": {}}],
        "children": [{"id": f"c{number}", "children": [], **child} for number, child in enumerate(inner)],
    }  # fmt: skip
    nodes = [
        {**node("heading", level=1), "content": [{"type": "text", "text": "Title", "styles": {"bold": True}}]},
        node("var", name="base", value="x"), node("env", name="API", value="{{ var.base }}"),
        node("directory", path="~/work"), nested, node("sqlite", name="q", query="select 1", uri=":memory:"),
        node("dropdown", **{**DROPDOWN, "fixedOptions": "a:b"}), node("ssh-connect", user="u", hostname="h", port=22),
        node("host-select", host="local"), node("pause", condition="", pauseIfTruthy=True),
        node("sub-runbook", runbookPath="./x.atrb"),
    ]  # fmt: skip
    runbook = read(tmp_path, document(nodes))

    assert [spec.type for spec in runbook.blocks] == [
        "var", "env", "directory", "script", "http", "sqlite", "dropdown", "ssh-connect", "host-select", "pause",
        "sub-runbook",
    ]  # fmt: skip
    assert len(runbook.nodes) == len(nodes) + 2
    assert runbook.load_warnings == ()


# Block types


NEEDED: dict[str, Mapping[str, object]] = {
    "var": {"name": "x"}, "local-var": {"name": "x"}, "env": {"name": "X"}, "directory": {"path": "/"},
    "var_display": {"name": "x"}, "dropdown": DROPDOWN,
}  # fmt: skip
DEFAULTS: list[tuple[str, str, dict[str, object]]] = [
    ("2.1", "script", {"name": "Script", "code": "", "interpreter": "bash", "outputVariable": None}),
    ("2.2", "run", {"name": "Terminal", "code": "", "rows": 20, "cols": 120}),
    ("2.2", "terminal", {"name": "Terminal", "code": "", "rows": 20, "cols": 120}),
    ("2.3", "http", {"name": "HTTP Request", "url": "", "verb": "GET", "body": "", "headers": None}),
    ("2.4", "postgres", {"name": "Postgres Query", "query": "", "uri": "", "autoRefresh": 0}),
    ("2.4", "mysql", {"name": "MySQL Query", "query": "", "uri": "", "skipSqlModeInit": False}),
    ("2.4", "sqlite", {"name": "SQLite Query", "query": "", "uri": ""}),
    ("2.4", "clickhouse", {"name": "ClickHouse Query", "query": "", "uri": ""}),
    ("2.5", "prometheus", {"name": "Prometheus Query", "endpoint": "http://localhost:9090", "period": "5m"}),
    ("2.6", "kubernetes-get", {"name": "Kubernetes Query", "command": "kubectl get pods -o json", "mode": "preset"}),
    ("2.6", "kubernetes-get", {"interpreter": "bash", "namespace": None, "context": None}),
    ("2.7", "editor", {"name": "Editor", "code": "", "language": "text", "variableName": None}),
    ("2.8", "var", {"value": ""}),
    ("2.9", "local-var", {"obscured": True}),
    ("2.10", "env", {"value": ""}),
    ("2.11", "directory", {"path": "/"}),
    ("2.12", "local-directory", {"path": None}),
    ("2.13", "host-select", {"host": "localhost"}),
    ("2.14", "ssh-connect", {"userHost": "", "user": None, "hostname": None, "port": None}),
    ("2.15", "var_display", {"name": "x"}),
    ("2.15", "markdown_render", {"variableName": None, "maxLines": 12}),
    ("2.16", "dropdown", {"delimiter": ":", "options": ""}),
    ("2.17", "pause", {"condition": "", "pauseIfTruthy": False}),
    ("2.18", "sub-runbook", {"name": "Sub-Runbook", "runbookPath": "", "runbookUri": "", "runbookId": ""}),
    ("2.18", "sub-runbook", {"runbookName": "", "exportEnv": False, "exportVars": False, "exportCwd": False}),
]


@pytest.mark.parametrize("given", [{}, {"name": None}], ids=["missing", "null"])
@pytest.mark.parametrize(("section", "kind", "props"), DEFAULTS)
def test_a_prop_that_is_missing_or_null_has_its_default(
    tmp_path: Path, section: str, kind: str, props: Mapping[str, object], given: Mapping[str, object]
) -> None:
    needed = NEEDED.get(kind, {})
    (spec,) = read(tmp_path, document([node(kind, **{**given, **needed})])).blocks

    assert {name: spec.props[name] for name in props} == props


REQUIRED = [
    ("2.8", "var", "name"), ("2.9", "local-var", "name"), ("2.10", "env", "name"), ("2.11", "directory", "path"),
    ("2.15", "var_display", "name"),
    *(("2.16", "dropdown", name) for name in DROPDOWN if name != "options"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "kind", "name"), REQUIRED)
def test_a_block_without_what_it_needs_can_not_be_read(tmp_path: Path, section: str, kind: str, name: str) -> None:
    props = {prop: value for prop, value in NEEDED[kind].items() if prop != name}

    with pytest.raises(UnreadableFile, match=f"{name} is missing"):
        read(tmp_path, document([node(kind, **props)]))


WRONG: list[tuple[str, Node, str]] = [
    ("2.0", node("nobody"), 'unknown block type "nobody"'),
    ("2.0", node("host"), 'unknown block type "host"'),
    ("2.0", node("script", code=3), "code must be text"),
    ("2.0", node("script", outputVisible="yes"), "outputVisible must be true or false"),
    ("2.0", node("markdown_render", maxLines="12"), "maxLines must be a"),
    ("2.14", node("ssh-connect", userHost="a", port=70_000), "port must be from 0 to 65535"),
    ("2.14", node("ssh-connect", userHost="a", port="22"), "port must be a whole number"),
    ("2.16", node("dropdown", **{**DROPDOWN, "optionsType": "other"}), "optionsType"),
]


@pytest.mark.parametrize(("section", "written_block", "reported"), WRONG)
def test_a_block_that_makes_no_sense_can_not_be_read(
    tmp_path: Path, section: str, written_block: Node, reported: str
) -> None:
    with pytest.raises(UnreadableFile, match=reported):
        read(tmp_path, document([written_block]))


@pytest.mark.parametrize("section", ["1.10"])
def test_legacy_props_are_no_fault(tmp_path: Path, section: str) -> None:
    nodes = [
        node("editor", name="e", code="", syncVariable=False), node("local-directory", path="/x"),
        node("run", code="", pty="0198c0de", terminalRows=20, **{"global": False}),
        node("dropdown", **DROPDOWN),
    ]  # fmt: skip

    assert read(tmp_path, document(nodes)).load_warnings == ()


# Dropdowns, pauses


SPLITTING: list[tuple[str, str, Sequence[tuple[str, str]]]] = [
    ("a,b", ":", [("a", "a"), ("b", "b")]),
    ("a, b,\n c", ":", [("a", "a"), ("b", "b"), ("c", "c")]),
    ("a\nb\r\nc", ":", [("a", "a"), ("b", "b"), ("c", "c")]),
    ("a,,b,  ,c", ":", [("a", "a"), ("b", "b"), ("c", "c")]),
    ("  \n ", ":", []),
    ("EU:eu-west-1, US:us-east-1", ":", [("EU", "eu-west-1"), ("US", "us-east-1")]),
    ("Label:value:with:colons", ":", [("Label", "value:with:colons")]),
    ("a::1", "::", [("a", "1")]),
    ("a->1", "->", [("a", "1")]),
    ("a|1", "|", [("a", "1")]),
    ("a : 1", ":", [("a ", " 1")]),
    ("  a  ,\tb ", ":", [("a", "a"), ("b", "b")]),
    ("a:", ":", [("a", "")]),
    ("", ":", []),
    ("plain", "::", [("plain", "plain")]),
]


@pytest.mark.parametrize(("section", "text", "delimiter", "options"), [("2.16", *row) for row in SPLITTING])
def test_options_are_split(section: str, text: str, delimiter: str, options: Sequence[tuple[str, str]]) -> None:
    assert [(option.label, option.value) for option in split_options(text, delimiter)] == options


TRUE = ["true", "TRUE", " True ", "1", "yes", "YES", "42", "-1", "3.14", "1e-3", "inf"]
FALSE = ["false", "0", "0.0", "-0", "no", "", "  ", "random string\n", "on", "off", "y", "none"]


@pytest.mark.parametrize(
    ("section", "text", "truth"), [*(("2.17", text, True) for text in TRUE), *(("2.17", text, False) for text in FALSE)]
)
def test_a_condition_s_text_is_true(section: str, text: str, truth: bool) -> None:
    assert is_truthy(text) is truth


# Command lines, hosts


COMMANDS: list[tuple[str, Sequence[str]]] = [
    ("bash", ["bash", "-c"]),
    ("sh", ["sh", "-c"]),
    ("zsh", ["zsh", "-c"]),
    ("fish", ["fish", "-c"]),
    ("zsh -lc", ["zsh", "-lc"]),
    ("bash -x", ["bash", "-x", "-c"]),
    ("bash -ec", ["bash", "-ec"]),
    ("bash --login", ["bash", "--login", "-c"]),
    ("/run/current-system/sw/bin/zsh -lc", ["/run/current-system/sw/bin/zsh", "-lc"]),
    ("/usr/local/bin/ruby", ["/usr/local/bin/ruby", "-e"]),
    ("python3", ["python3", "-c"]),
    ("python3 -u", ["python3", "-u", "-c"]),
    ("python3.10", ["python3.10", "-c"]),
    ("ruby", ["ruby", "-e"]),
    ("node", ["node", "-e"]),
    ("nodejs", ["nodejs", "-e"]),
    ("perl", ["perl", "-e"]),
    ("lua", ["lua", "-e"]),
    ("php", ["php", "-r"]),
    ("awk", ["awk"]),
    ("deno eval", ["deno", "eval"]),
    ("unknown-program", ["unknown-program"]),
]


@pytest.mark.parametrize(("section", "interpreter", "argv"), [("6.1", *row) for row in COMMANDS])
def test_code_follows_the_option_that_takes_it(section: str, interpreter: str, argv: Sequence[str]) -> None:
    assert interpreter_argv(interpreter, "CODE") == [*argv, "CODE"]


LOGIN = [
    ("bash", ["bash", "-l", "-c"]),
    ("bash -x", ["bash", "-l", "-x", "-c"]),
    ("zsh -lc", ["zsh", "-lc"]),
    ("bash --login", ["bash", "--login", "-c"]),
    ("python3", ["python3", "-c"]),
]


@pytest.mark.parametrize(("section", "interpreter", "argv"), [("6.1", *row) for row in LOGIN])
def test_a_shell_is_a_login_shell_where_someone_asks_for_that(
    section: str, interpreter: str, argv: Sequence[str]
) -> None:
    assert interpreter_argv(interpreter, "CODE", login=True) == [*argv, "CODE"]


PLACES: list[tuple[str, dict[str, Any]]] = [
    ("web", {"host": "web"}),
    ("web:2222", {"host": "web", "port": 2222}),
    ("deploy@web", {"host": "web", "user": "deploy"}),
    ("deploy@web:2222", {"host": "web", "user": "deploy", "port": 2222}),
    ("root@10.0.0.7:22", {"host": "10.0.0.7", "user": "root", "port": 22}),
    ("git@github.com", {"host": "github.com", "user": "git"}),
    ("[2001:db8::1]:2222", {"host": "2001:db8::1", "port": 2222}),
]


@pytest.mark.parametrize(("section", "text", "parts"), [("7", *row) for row in PLACES])
def test_a_host_is_a_user_a_name_and_a_port(section: str, text: str, parts: dict[str, Any]) -> None:
    assert Destination.parse(text) == Destination(**parts)


@pytest.mark.parametrize("section", ["1.1"])
def test_ids_may_be_of_any_kind(tmp_path: Path, section: str) -> None:
    blocks = [{"id": "initialBlockId", **node("script", code="")}, node("script", code="")]
    runbook = read(tmp_path, json.dumps(blocks), "a.json")

    assert runbook.blocks[0].id == "initialBlockId"
    assert len({spec.id for spec in runbook.blocks}) == 2
