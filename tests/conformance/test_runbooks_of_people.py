"""Documents of the shapes that people have published, run whole, with stubs on PATH that keep how they were called.

Texts are our own; block types, props and their order are those of documents in the wild, legacy props included.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pytest_runbook import Inputs, Settings
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, ran

Node = dict[str, Any]
TEXT_PROPS = {"textColor": "default", "backgroundColor": "default", "textAlignment": "left"}
APP_PROPS = {"outputVisible": True, "dependency": "{}"}
STUB = """\
#!/bin/sh
# A program that keeps how it was called and says what it was told to.
echo "${{0##*/}} $*" >> "$CALLS"
{body}
"""


def prose(kind: str, text: str, **props: object) -> Node:
    content = [{"type": "text", "text": text, "styles": {}}]
    return {"id": "", "type": kind, "props": {**TEXT_PROPS, **props}, "content": content, "children": []}


def block(kind: str, **props: object) -> Node:
    return {"id": "", "type": kind, "props": props, "children": []}


def script(name: str, code: str, **props: object) -> Node:
    known = {"interpreter": "zsh", "outputVariable": "", "name": name, "code": dedent(code).strip(), **APP_PROPS}
    return block("script", **{**known, **props})


def terminal(name: str, code: str, **props: object) -> Node:
    known = {"type": "bash", "name": name, "code": dedent(code).strip(), "pty": "", "global": False, **APP_PROPS}
    return block("run", **{**known, **props})


@dataclass(frozen=True, kw_only=True)
class Case:
    """A document, what people answer, the stubs' answers, and what comes of it.

    outcomes: in the order of the items. calls: of the stubs, in their order.
    """

    nodes: Sequence[Node]
    outcomes: Sequence[tuple[str, str]]
    calls: Sequence[str] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    stubs: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False


FIRST_STEPS = [
    prose("heading", "First steps", level=1, isToggleable=False),
    prose("paragraph", "Here is a terminal."),
    terminal("Greeting", "greet 'one'\ngreet two"),
    terminal("Yours", ""),
    prose("numberedListItem", "And now a script"),
    script("Script 1", 'greet "a script"'),
    block("directory", path=""),
    terminal("Where", "greet $(pwd)"),
    block("env", name="COLOUR", value="green"),
    terminal("Environment", "greet $COLOUR"),
    block("var", name="subject", value="a value"),
    terminal("Templates", 'greet "{{ var.subject }}"'),
    script("Out", "greet out", outputVariable="said"),
    terminal("In", 'greet "{{ var.said }}"; exit'),
]
RELEASE_NOTES = [
    prose("heading", "Notes of a release", level=1),
    prose("bulletListItem", "needs: forge"),
    block("directory", path="{{ env.HOME }}/project"),
    block(
        "dropdown", name="release", options="", fixedOptions="", variableOptions="", value="v2",
        commandOptions="forge list | cut -f 1", optionsType="command", interpreter="bash",
    ),
    script("Notes", 'forge show "{{ var.release }}"', outputVariable="notes"),
    block(
        "editor", name="Editor", code="{{ var.notes }}", language="markdown", variableName="draft", syncVariable=False,
    ),
    block("markdown_render", variableName="draft", maxLines=12),
    script("Send", 'forge send "{{ var.draft }}"'),
]  # fmt: skip
FORGE = """
case $1 in
    list) printf "v1\\tone\\nv2\\ttwo\\n" ;;
    show) echo "Notes of $2 in ${PWD##*/}" ;;
esac
"""
DEVELOPMENT = [
    block("local-directory"),
    prose("quote", "The directory is your own."),
    block("var", name="target", value="debug"),
    terminal("Install", "builder install"),
    terminal("Build", "builder build {{ var.target }}"),
    terminal("Test", "builder test {{ var.target }} || exit 1"),
    terminal("Never", "builder never"),
]
RELEASE = [
    block("local-directory", path="/Users/somebody"),
    terminal("Setup", "forge setup"),
    script("Make a folder", "mktemp -d", outputVariable="dir"),
    block("directory", path="{{ var.dir }}"),
    block("var_display", name="dir"),
    script("Clone", "forge clone ."),
    script("Version", "forge version | tr -d '\\n'", outputVariable="new_version"),
    block("var_display", name="new_version"),
    script(
        "Tag",
        """
        forge commit "Prepare v{{ var.new_version | trim }}"
        forge tag "v{{ var.new_version | trim }}" "{{ var.new_version | trim | replace('.', '-') }}"
        """,
    ),
    block("editor", name="Notes", code="Notes of v{{ var.new_version }}", language="text", variableName="notes"),
    script("Publish", "forge publish {{ var.notes | shellquote }}"),
    script("Clean up", 'test "$PWD" = "{{ var.dir }}" && forge clean'),
]
TESTS = [
    prose("paragraph", "Runs three kinds of tests."),
    script("Unit", "builder unit", terminalRows=20),
    script("Integration", "builder integration"),
    script("Lint", "builder lint"),
]
OLD_SHAPE = [
    block("run", type="bash", code="greet first", pty="0f4a", **{"global": False}),
    block("run", type="bash", code="", pty="0f4a", **{"global": False}),
    block("directory", path=""),
    block("env", name="COLOUR", value="green"),
    block("run", type="bash", code="greet $COLOUR", pty="0f4a", **{"global": False}),
]

CASES = {
    "first steps": Case(
        nodes=FIRST_STEPS,
        stubs={"greet": 'echo "greeted $1"'},
        outcomes=[
            (name, "passed")
            for name in ("Greeting", "Yours", "Script 1", "Where", "Environment", "Templates", "Out", "In")
        ],
        calls=[
            "greet one", "greet two", "greet a script", "greet HERE", "greet green", "greet a value", "greet out",
            "greet greeted out",
        ],
    ),
    "notes of a release": Case(
        nodes=RELEASE_NOTES,
        answers={"release": "v1"},
        stubs={"forge": FORGE},
        outcomes=[("release", "passed"), ("Notes", "passed"), ("Send", "passed")],
        calls=["forge list", "forge show v1", "forge send Notes of v1 in project"],
    ),
    "notes of a release, nobody chose": Case(
        nodes=RELEASE_NOTES,
        stubs={"forge": 'printf "v1\\tone\\n"'},
        outcomes=[("release", "failed"), ("Notes", "skipped"), ("Send", "skipped")],
        calls=["forge list"],
    ),
    "development": Case(
        nodes=DEVELOPMENT,
        answers={"local-directory#1": "project"},
        stubs={"builder": 'test "$1" != test || test "${PWD##*/}" != project'},
        outcomes=[("Install", "passed"), ("Build", "passed"), ("Test", "failed"), ("Never", "skipped")],
        calls=["builder install", "builder build debug", "builder test debug"],
    ),
    "a release": Case(
        nodes=RELEASE,
        answers={"local-directory#1": "."},
        stubs={"forge": 'test "$1" != version || echo 1.2.3'},
        outcomes=[
            (name, "passed")
            for name in ("Setup", "Make a folder", "Clone", "Version", "Tag", "Publish", "Clean up")
        ],
        calls=[
            "forge setup", "forge clone .", "forge version", "forge commit Prepare v1.2.3", "forge tag v1.2.3 1-2-3",
            "forge publish Notes of v1.2.3", "forge clean",
        ],
    ),
    "tests": Case(
        nodes=TESTS,
        stubs={"builder": 'test "$1" != integration || exit 101'},
        outcomes=[("Unit", "passed"), ("Integration", "failed"), ("Lint", "skipped")],
        calls=["builder unit", "builder integration"],
    ),
    "a bare list of blocks": Case(
        nodes=FIRST_STEPS[:6],
        stubs={"greet": "true"},
        outcomes=[("Greeting", "passed"), ("Yours", "passed"), ("Script 1", "passed")],
        calls=["greet one", "greet two", "greet a script"],
        bare=True,
    ),
    "the shape of 2024": Case(
        nodes=OLD_SHAPE,
        stubs={"greet": "true"},
        outcomes=[("", "passed"), ("", "passed"), ("", "passed")],
        calls=["greet first", "greet green"],
        bare=True,
    ),
}  # fmt: skip


def numbered(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with ids."""
    return [{**node, "id": f"0198c0de-0000-7000-8000-{number:012}"} for number, node in enumerate(nodes, 1)]


def written(case: Case) -> tuple[str, str]:
    """The file's name and text."""
    nodes = numbered(case.nodes)
    if case.bare:
        return "book.json", json.dumps(nodes)
    return "book.atrb", json.dumps(
        {"id": "0198c0de-0000-7000-8000-0000000000aa", "name": "A", "version": 1, "content": nodes}
    )


def run(case: Case, folder: Path) -> Opened:
    name, text = written(case)
    answers = {key: ContextValue(answer, Origin("the test")) for key, answer in case.answers.items()}
    settings = Settings(root=folder, invocation=folder, interpreters={"zsh": "bash"}, block_timeout=60)
    return ran(folder, text, name=name, settings=settings, inputs=Inputs(answers=(answers,)))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_runs_as_its_authors_mean_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "project").mkdir()
    for name, body in case.stubs.items():
        path = programs / name
        path.write_text(STUB.format(body=body), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))

    book = run(case, tmp_path)
    results = [(result.name, str(result.outcome)) for result in book.run.results.values()]

    assert results == list(case.outcomes), [result.message for result in book.run.results.values()]
    assert (tmp_path / "calls").read_text().splitlines() == [call.replace("HERE", str(tmp_path)) for call in case.calls]
