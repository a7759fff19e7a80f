"""Context blocks: what they tell the blocks below, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook import BlockStateChanged, ContextError, ExecutionState, Inputs
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside


def document(*blocks: tuple[str, dict[str, Any]]) -> str:
    """An Atuin document with a script at its end."""
    nodes = [{"id": f"b{n}", "type": kind, "props": props} for n, (kind, props) in enumerate(blocks)]
    nodes.append({"id": "last", "type": "script", "props": {"name": "S", "code": "echo"}})
    return json.dumps({"id": "r", "name": "R", "version": 1, "content": nodes})


def view(folder: Path, *blocks: tuple[str, dict[str, Any]], inputs: Inputs | None = None) -> dict[str, object]:
    """What the script below the blocks sees; raises what is wrong above it."""

    async def work(book: Opened) -> dict[str, object]:
        error = book.document.context_error_above("last")
        if error is not None:
            raise error
        return book.document.resolved_context("last").to_json()

    return inside(folder, document(*blocks), work, inputs=inputs, name="a.json")


def variables(folder: Path, *blocks: tuple[str, dict[str, Any]], **given: Any) -> object:
    return view(folder, *blocks, **given)["variables"]


def answers(**given: str) -> Inputs:
    return Inputs(answers=({key: ContextValue(text, Origin("a test")) for key, text in given.items()},))


VARS = [
    ("x", "plain", {"x": "plain"}),
    ("x", "", {"x": ""}),
    ("a_b_1", "v", {"a_b_1": "v"}),
    ("1st", "v", {"1st": "v"}),
    ("größe", "v", {"größe": "v"}),
    ("x", "sym!@#$%^&*()\nline\t🎉", {"x": "sym!@#$%^&*()\nline\t🎉"}),
    ("x", "line\n", {"x": "line\n"}),
    ("x", "{{ 1 }}\n", {"x": "1"}),
    ("{{ 'made' }}_up", "v", {"made_up": "v"}),
]


@pytest.mark.parametrize(("name", "value", "seen"), VARS)
def test_var(tmp_path: Path, name: str, value: str, seen: dict[str, str]) -> None:
    assert variables(tmp_path, ("var", {"name": name, "value": value})) == seen


def test_var_sees_what_it_replaces(tmp_path: Path) -> None:
    again = ("var", {"name": "x", "value": "{{ var.x }}!"})

    assert variables(tmp_path, ("var", {"name": "x", "value": "a"}), again, again) == {"x": "a!!"}


REFUSED = [
    ("var", {"name": "", "value": "v"}, "the variable's name is empty"),
    ("var", {"name": "a b", "value": "v"}, '"a b" is no name for a variable'),
    ("var", {"name": "a-b", "value": "v"}, '"a-b" is no name for a variable'),
    ("var", {"name": "a!", "value": "v"}, '"a!" is no name for a variable'),
    ("var", {"name": "x", "value": "{{ var.nope }}"}, "var.nope is undefined"),
    ("local-var", {"name": ""}, "the variable's name is empty"),
    ("local-var", {"name": "a b"}, '"a b" is no name for a variable'),
    ("env", {"name": "", "value": "v"}, "the environment variable's name is empty"),
    ("env", {"name": "a=b", "value": "v"}, "'a=b' can't be the name of an environment variable"),
    ("env", {"name": "a\0", "value": "v"}, "'a\\x00' can't be the name of an environment variable"),
    ("env", {"name": "a", "value": "v\0"}, "'v\\x00' can't be the value of an environment variable"),
    ("ssh-connect", {"user": "me"}, "user and hostname go together"),
    ("ssh-connect", {"hostname": "web"}, "user and hostname go together"),
    ("ssh-connect", {}, "no host to connect to"),
    ("ssh-connect", {"userHost": "web 1"}, '"web 1" is no [user@]host[:port]'),
    ("directory", {"path": "{{ env.NOPE_NOT_SET }}"}, "env.NOPE_NOT_SET is undefined"),
    ("host-select", {"host": "{{ var.nope }}"}, "var.nope is undefined"),
]


@pytest.mark.parametrize(("kind", "props", "message"), REFUSED)
def test_a_context_block_shows_what_is_wrong_with_it(
    tmp_path: Path, kind: str, props: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContextError) as caught:
        view(tmp_path, (kind, props))
    assert caught.value.message == message


ENVS = [
    ("A", ""),
    ("A", "symbols !@#$ and = signs"),
    ("A", "two\nlines"),
    ("PFAD", "/usr/bin:/ünï"),
    ("A", "{{ 1 + 1 }}"),
]


@pytest.mark.parametrize(("name", "value"), ENVS)
def test_env(tmp_path: Path, name: str, value: str) -> None:
    assert view(tmp_path, ("env", {"name": name, "value": value}))["envVars"] == {
        name: value.replace("{{ 1 + 1 }}", "2")
    }


EDITORS = [
    ({"variableName": "t", "code": "a {{ 1 }}"}, {"t": "a 1"}),
    ({"variableName": "", "code": "{{ .Values.helm }}"}, {}),
    ({"code": "{{ var.nope }}"}, {}),
    ({"variableName": "{{ 'x' }}y", "code": "c"}, {"xy": "c"}),
    ({"variableName": "with space", "code": "c"}, {"with space": "c"}),
]


@pytest.mark.parametrize(("props", "seen"), EDITORS)
def test_editor(tmp_path: Path, props: dict[str, Any], seen: dict[str, str]) -> None:
    assert variables(tmp_path, ("editor", props)) == seen


ANSWERED = [
    ("by its name", answers(region="eu")),
    ("by its id", answers(b0="eu")),
    ("by type and number", answers(**{"local-var#1": "eu"})),
]


@pytest.mark.parametrize("inputs", [row[1] for row in ANSWERED], ids=[row[0] for row in ANSWERED])
def test_local_var_is_answered(tmp_path: Path, inputs: Inputs) -> None:
    assert variables(tmp_path, ("local-var", {"name": "region"}), inputs=inputs) == {"region": "eu"}


def test_local_var_is_answered_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_ANSWER_THE_REGION", "eu")

    assert variables(tmp_path, ("local-var", {"name": "the_region"})) == {"the_region": "eu"}


def test_an_answer_is_no_template(tmp_path: Path) -> None:
    given = answers(region="{{ var.nope }}")

    assert variables(tmp_path, ("local-var", {"name": "region"}), inputs=given) == {"region": "{{ var.nope }}"}


def test_local_var_without_an_answer_is_undefined(tmp_path: Path) -> None:
    assert variables(tmp_path, ("local-var", {"name": "region"})) == {}


DIRECTORIES = [
    ([("directory", {"path": "/a"})], "/a"),
    ([("directory", {"path": "/a"}), ("directory", {"path": "b"})], "/a/b"),
    ([("directory", {"path": "/a"}), ("directory", {"path": ""})], "{root}"),
    ([("var", {"name": "d", "value": "/d"}), ("directory", {"path": "{{ var.d }}/e"})], "/d/e"),
    ([("env", {"name": "D", "value": "/d"}), ("directory", {"path": "$D/e"})], "/d/e"),
    ([("env", {"name": "D", "value": "/d"}), ("directory", {"path": "{{ env.D }}/e"})], "/d/e"),
    ([("directory", {"path": "/with space/ü"})], "/with space/ü"),
    ([("local-directory", {"path": "/ignored"})], "{root}"),
]


@pytest.mark.parametrize(("blocks", "cwd"), DIRECTORIES)
def test_directory(tmp_path: Path, blocks: list[tuple[str, dict[str, Any]]], cwd: str) -> None:
    assert view(tmp_path, *blocks)["cwd"] == cwd.replace("{root}", str(tmp_path))


def test_local_directory_is_answered(tmp_path: Path) -> None:
    given = answers(**{"local-directory#1": "/srv"})

    assert view(tmp_path, ("local-directory", {}), inputs=given)["cwd"] == "/srv"


def test_a_workspace_is_the_default_directory_and_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "atuin.toml").touch()
    folder = tmp_path / "runbooks"
    folder.mkdir()
    seen = view(folder, ("var", {"name": "w", "value": "{{ workspace.root }}/sub"}))

    assert (seen["cwd"], seen["variables"]) == (str(tmp_path), {"w": f"{tmp_path}/sub"})


HOSTS = [
    ("host-select", {"host": " Deploy@Web-1:22 "}, "Deploy@Web-1:22"),
    ("host-select", {"host": "LOCALHOST"}, None),
    ("host-select", {"host": "local"}, None),
    ("host-select", {}, None),
    ("ssh-connect", {"userHost": "me@web:22"}, "me@web:22"),
    ("ssh-connect", {"user": "me", "hostname": "web", "port": 2222}, "me@web:2222"),
    ("ssh-connect", {"user": "me", "hostname": "web", "port": 0}, "me@web"),
]


@pytest.mark.parametrize(("kind", "props", "host"), HOSTS)
def test_hosts(tmp_path: Path, kind: str, props: dict[str, Any], host: str | None) -> None:
    assert view(tmp_path, (kind, props))["sshHost"] == host


def test_local_ends_what_ssh_connect_began(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[object, object]:
        resolver = book.document.resolver_above("last")
        return resolver.ssh_host, resolver.ssh_config

    text = document(("ssh-connect", {"userHost": "web"}), ("host-select", {"host": "local"}))
    assert inside(tmp_path, text, work, name="a.atrb") == (None, None)


QUIET = [
    ("var", {"name": "x", "value": "1"}),
    ("env", {"name": "x", "value": "1"}),
    ("directory", {"path": "/"}),
    ("editor", {"code": "x"}),
    ("var_display", {"name": "x"}),
    ("markdown_render", {"variableName": "x"}),
]


@pytest.mark.parametrize(("kind", "props"), QUIET)
def test_what_does_no_work_succeeds_in_silence(tmp_path: Path, kind: str, props: dict[str, Any]) -> None:
    async def work(book: Opened) -> tuple[ExecutionState, list[object], list[object]]:
        handle = book.document.start_execution("b0")
        await handle.wait()
        return handle.status.state, list(book.kinds), list(book.channel.lifecycles)

    assert inside(tmp_path, document((kind, props)), work, name="a.atrb") == (ExecutionState.SUCCESS, [], [])


@pytest.mark.parametrize(("name", "shown"), [("{{ 'x' }}y", "xy"), ("{{ var.nope }}", "")])
def test_markdown_shows_the_variable_that_it_names(tmp_path: Path, name: str, shown: str) -> None:
    async def work(book: Opened) -> list[BlockStateChanged]:
        await book.document.start_execution("b0").wait()
        return book.channel.of(BlockStateChanged)

    reported = inside(tmp_path, document(("markdown_render", {"variableName": name})), work, name="a.atrb")
    assert reported == [BlockStateChanged("b0", {"resolved_variable_name": shown})]


DOC = """
id: r
content:
  - {id: h, type: heading, content: [{type: text, text: Title}, {type: link, content: []}]}
  - {id: e, type: editor, props: {name: Note, code: 'raw {{ text }}'}}
  - {id: w, type: script, props: {name: Work, code: echo out; echo err >&2}}
  - {id: t, type: table, content: {rows: []}}
  - {id: l, type: var, props: {name: left, value: "{{ doc.named['Work'].output.stdout | default('not yet') }}"}}
  - {id: s, type: script, props: {name: S, code: echo, flag: true}}
"""
READS = [
    ("doc.first.content", "Title"),
    ("doc.first.block_type", "heading"),
    ("doc.last.props.name", "S"),
    ("doc.last.props.flag", ""),
    ("doc.content | length", "6"),
    ("doc.content[1].content", "raw {{ text }}"),
    ("doc.content[2].content", ""),
    ("doc.content[2].props.code", "echo out; echo err >&2"),
    ("doc.content[3].content", ""),
    ("doc.previous.block_type", "var"),
    ("doc.named['Note'].block_type", "editor"),
    ("doc.named['Work'].output.stdout", "out\n"),
    ("doc.named['Work'].output | list | join(' ')", "exit_code stdout stderr combined signal seconds"),
    ("doc.named['S'].output is defined", "false"),
    ("doc.named['Nobody'] is defined", "false"),
    ("var.left", "out\n"),
    ("runbook.id", "r"),
    ("block.name", "S"),
]


@pytest.mark.parametrize(("expression", "text"), READS)
def test_what_templates_read_of_the_document(tmp_path: Path, expression: str, text: str) -> None:
    async def work(book: Opened) -> tuple[str, str]:
        before = str(book.document.resolved_context("s").variables["left"])
        await book.run.step("w")
        return before, book.document.resolver_above("s").resolve_template("{{ " + expression + " }}")

    assert inside(tmp_path, DOC, work, name="a.atrb") == ("not yet", text)


def test_the_first_block_has_none_before_it(tmp_path: Path) -> None:
    async def work(book: Opened) -> str:
        return book.document.resolver_above("only").resolve_template("{{ doc.previous is defined }}")

    assert inside(tmp_path, "blocks: [{id: only, script: echo}]", work) == "false"


def test_of_several_blocks_of_a_name_the_last_counts(tmp_path: Path) -> None:
    async def work(book: Opened) -> str:
        return book.document.resolver_above("a").resolve_template("{{ doc.named['N'].props.code }}")

    text = "blocks: [{id: a, name: N, script: one}, {id: b, name: N, script: two}]"
    assert inside(tmp_path, text, work) == "two"
