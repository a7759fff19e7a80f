"""Messages and events as JSON: what an embedding program sends on to a window, in the format's own shapes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from pytest_runbook import (
    BlockContextUpdate,
    BlockExecutionOutputChanged,
    BlockOutput,
    BlockStateChanged,
    ClientMessage,
    ClientPrompt,
    Event,
    EventKind,
    InputKind,
    Lifecycle,
    PromptAnswer,
    PromptOption,
    ResolvedContext,
    Settings,
)
from tests.harness import Opened, inside, until, written

NOTHING: dict[str, object] = dict.fromkeys(("stdout", "stderr", "lifecycle", "binary", "object"))


def said(**fields: object) -> dict[str, object]:
    return {"type": "blockOutput", "data": {"blockId": "b", "output": {"block_id": "b", **NOTHING, **fields}}}


def asked(**fields: object) -> dict[str, object]:
    usual: dict[str, object] = {"title": "T", "prompt": "P", "icon": {"type": "question"}}
    form = {**usual, "input": None, "options": [], "hidden": False, **fields}
    return {"type": "clientPrompt", "data": {"executionId": "e", "promptId": "p", "prompt": form}}


def prompt(**fields: Any) -> ClientPrompt:
    return ClientPrompt(block_id="b", execution_id="e", prompt_id="p", title="T", prompt="P", **fields)


CONTEXT = ResolvedContext(
    variables={"x": Decimal("1.50")},
    variables_sources={"x": "a.yaml:3"},
    cwd="/srv",
    env_vars={"A": "1"},
    ssh_host=None,
)
BUTTON = {"label": "Yes", "value": "yes", "variant": None, "color": None}
MESSAGES: dict[str, tuple[ClientMessage | Event, dict[str, object]]] = {
    "stdout": (BlockOutput(block_id="b", stdout="é\n"), said(stdout="é\n")),
    "stderr": (BlockOutput(block_id="b", stderr="x"), said(stderr="x")),
    "binary": (BlockOutput(block_id="b", binary=b"\x1b[0\xff"), said(binary=[27, 91, 48, 255])),
    "object": (
        BlockOutput(block_id="b", data={"n": Decimal("1.0"), "nan": float("nan"), "at": (1, 2), "path": Path("/a")}),
        said(object={"n": "1.0", "nan": None, "at": [1, 2], "path": "/a"}),
    ),
    "started": (
        BlockOutput(block_id="b", lifecycle=Lifecycle.STARTED, detail="e"),
        said(lifecycle={"type": "started", "data": "e"}),
    ),
    "finished": (
        BlockOutput(block_id="b", lifecycle=Lifecycle.FINISHED, detail=0),
        said(lifecycle={"type": "finished", "data": {"exit_code": 0, "success": True}}),
    ),
    "error": (
        BlockOutput(block_id="b", lifecycle=Lifecycle.ERROR, detail="exit code 1"),
        said(lifecycle={"type": "error", "data": {"message": "exit code 1"}}),
    ),
    "cancelled": (BlockOutput(block_id="b", lifecycle=Lifecycle.CANCELLED), said(lifecycle={"type": "cancelled"})),
    "paused": (BlockOutput(block_id="b", lifecycle=Lifecycle.PAUSED), said(lifecycle={"type": "paused"})),
    "state": (
        BlockStateChanged("b", {"status": "loading"}),
        {"type": "blockStateChanged", "data": {"blockId": "b", "state": {"status": "loading"}}},
    ),
    "context": (
        BlockContextUpdate("b", CONTEXT),
        {
            "type": "blockContextUpdate",
            "data": {
                "blockId": "b",
                "context": {
                    "variables": {"x": "1.50"},
                    "variablesSources": {"x": "a.yaml:3"},
                    "cwd": "/srv",
                    "envVars": {"A": "1"},
                    "sshHost": None,
                },
            },
        },
    ),
    "output": (
        BlockExecutionOutputChanged("b"),
        {"type": "blockExecutionOutputChanged", "data": {"blockId": "b"}},
    ),
    "buttons alone": (prompt(buttons=(PromptOption("Yes", "yes"),)), asked(options=[BUTTON])),
    "a line": (prompt(input=InputKind.STRING, is_hidden=True), asked(input={"type": "string"}, hidden=True)),
    "a text": (prompt(input=InputKind.TEXT), asked(input={"type": "text"})),
    "a choice": (
        prompt(input=InputKind.DROPDOWN, choices=(PromptOption("Europe", "eu"),)),
        asked(input={"type": "dropdown", "data": [["Europe", "eu"]]}),
    ),
    "an event": (
        Event(EventKind.SSH_CERTIFICATE_NOT_YET_VALID, {"host": "web"}),
        {"type": "sshCertificateNotYetValid", "data": {"host": "web"}},
    ),
}


@pytest.mark.parametrize(("message", "form"), MESSAGES.values(), ids=MESSAGES)
def test_each_has_its_form(message: ClientMessage | Event, form: dict[str, object]) -> None:
    assert message.to_json() == form


BOOK = """
blocks:
  - {var: {name: x, value: "1"}}
  - {name: Script, script: 'echo {{ var.x }}; echo 2 >&2'}
  - {name: Terminal, terminal: 'echo 3'}
  - {name: Query, sqlite: {uri: ':memory:', query: 'select 1.5 as n; create table t (a)'}}
  - {dropdown: {name: region, fixedOptions: 'EU:eu, US:us'}}
  - {name: Child, sub-runbook: {path: child.runbook.yaml, exportVars: true}}
  - {name: Fails, script: exit 3}
"""
KINDS = {"blockOutput", "blockStateChanged", "blockContextUpdate", "blockExecutionOutputChanged", "clientPrompt"}


def test_whatever_a_run_shows_can_be_sent_and_an_answer_comes_back(tmp_path: Path) -> None:
    written(tmp_path, "blocks: [{name: Within, script: echo y=2 >> $RUNBOOK_OUTPUT_VARS}]\n", "child.runbook.yaml")

    async def work(book: Opened) -> tuple[list[Any], list[Any]]:
        def answer(message: ClientMessage) -> None:
            sent = json.loads(json.dumps(message.to_json(), allow_nan=False))
            if sent["type"] == "clientPrompt":
                value = sent["data"]["prompt"]["input"]["data"][1][1]
                book.document.answer(sent["data"]["promptId"], PromptAnswer(button="ok", value=value))

        async def person() -> None:
            await until(lambda: book.channel.of(ClientPrompt))
            answer(book.channel.of(ClientPrompt)[0])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(person)
            await book.run.run_all()
        return [message.to_json() for message in book.channel.messages], [event.to_json() for event in book.events]

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    messages, events = inside(tmp_path, BOOK, work, settings=settings)

    for sent in (*messages, *events):
        assert json.loads(json.dumps(sent, allow_nan=False)) == sent
        assert sent.keys() == {"type", "data"}
    assert {message["type"] for message in messages} == KINDS
    contexts = [message["data"]["context"] for message in messages if message["type"] == "blockContextUpdate"]
    assert contexts[-1]["variables"] == {"x": "1", "region": "us", "y": "2"}
    assert [event["type"] for event in events if event["type"].startswith(("pty", "runbook", "serial"))] == [
        "runbookStarted",
        "serialExecutionStarted",
        "ptyOpened",
        "ptyClosed",
        "runbookStarted",
        "serialExecutionStarted",
        "runbookCompleted",
        "serialExecutionCompleted",
        "runbookFailed",
        "serialExecutionFailed",
    ]
    assert events[-1]["data"]["error"] == 'block 6 "Fails": exit code 3'
