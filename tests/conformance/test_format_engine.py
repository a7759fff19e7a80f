"""The runbook format, fact by fact: contexts, edits, executions, serial runs. Rows are named after their sections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import pytest

from pytest_runbook import (
    BlockContext,
    BlockContextUpdate,
    BlockExecutionOutputChanged,
    BlockOutput,
    ClientPrompt,
    ContextResolver,
    ContextValue,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
    EventKind,
    ExecutionState,
    Lifecycle,
    MemoryStorage,
    Origin,
    PromptAnswer,
    Settings,
    load_runbook,
)
from tests.conformance.documents import Node, after_run, document, env, node, script, var
from tests.harness import Opened, inside, until, written


def value(text: str) -> ContextValue:
    return ContextValue(text, Origin("a test"))


# Contexts


def seen(*contexts: BlockContext) -> dict[str, object]:
    """What stands below blocks that say this."""
    resolver = ContextResolver.start("/start")
    for context in contexts:
        resolver = resolver.fold(context)
    return resolver.snapshot().to_json()


FOLDED: dict[str, tuple[Sequence[BlockContext], str, object]] = {
    "3.1 at most one of a type": ([BlockContext(DocumentVar("a", value("1")), DocumentVar("b", value("2")))],
                                  "variables", {"b": "2"}),
    "3.1 of several left, the last counts": (
        [BlockContext(DocumentVars().adding(DocumentVar("a", value("1")), DocumentVar("a", value("2"))))],
        "variables", {"a": "2"},
    ),
    "3.2 below goes over above": (
        [BlockContext(DocumentVar("a", value("1"))), BlockContext(DocumentVar("a", value("2")))],
        "variables", {"a": "2"},
    ),
    "3.3 what was left goes over what is declared": (
        [BlockContext(DocumentVars((DocumentVar("a", value("left")),)), DocumentVar("a", value("declared")))],
        "variables", {"a": "left"},
    ),
    "3.3 environment that was left, as well": (
        [BlockContext(DocumentEnvVars((DocumentEnvVar("A", value("left")),)), DocumentEnvVar("A", value("declared")))],
        "envVars", {"A": "left"},
    ),
    "3.3 a path sees the environment beside it": (
        [BlockContext(DocumentCwd(value("$A/x")), DocumentEnvVar("A", value("/a")))], "cwd", "/a/x",
    ),
    "3.4 an empty path is where it began": (
        [BlockContext(DocumentCwd(value("/a"))), BlockContext(DocumentCwd(value("")))], "cwd", "/start",
    ),
    "3.5 the last host counts": (
        [BlockContext(DocumentSshHost(value("a"))), BlockContext(DocumentSshHost(value("b")))], "sshHost", "b",
    ),
    "3.5 none is this machine": (
        [BlockContext(DocumentSshHost(value("a"))), BlockContext(DocumentSshHost(None))], "sshHost", None,
    ),
    "3.5 names are as the format has them": (
        [], "variablesSources", {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("contexts", "key", "expected"), FOLDED.values(), ids=FOLDED)
def test_contexts_are_folded(contexts: Sequence[BlockContext], key: str, expected: object) -> None:
    context = seen(*contexts)

    assert context[key] == expected
    assert set(context) == {"variables", "variablesSources", "cwd", "envVars", "sshHost"}


@pytest.mark.parametrize("section", ["3.5"])
def test_the_environment_of_the_process_is_no_env_block(
    tmp_path: Path, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_OURS", "1")
    book = after_run(tmp_path, [env("A", "b"), script("echo {{ env.ONLY_OURS }}$ONLY_OURS")])

    assert dict(book.document.resolved_context("n2").env_vars) == {"A": "b"}
    assert book.said == "11\n"


# Edits


def of(block_id: str, block: Node) -> Node:
    return {"id": block_id, **block}


PROSE: Node = {"id": "p", "type": "paragraph", "props": {}, "content": "old"}
A, S, B = of("a", var("a", "1")), of("s", script("echo")), of("b", var("b", "2"))
BEFORE = [PROSE, A, S, B]
EDITS: dict[str, tuple[Sequence[Node], int | None]] = {
    "3.6 nothing": (BEFORE, None),
    "3.6 a block that changed": ([PROSE, A, of("s", script("echo 2")), B], 1),
    "3.6 a block that is new": ([PROSE, A, of("new", var("n", "")), S, B], 1),
    "3.6 a block that is gone": ([PROSE, A, B], 1),
    "3.6 the last one": ([PROSE, A, S], 2),
    "3.6 two that changed places": ([PROSE, S, A, B], 0),
    "3.6 prose that nobody reads": ([{**PROSE, "content": "new"}, A, S, B], None),
}


@pytest.mark.parametrize(("after", "changed"), EDITS.values(), ids=EDITS)
def test_an_edit_touches_the_first_block_that_differs(
    tmp_path: Path, after: Sequence[Node], changed: int | None
) -> None:
    async def work(book: Opened) -> int | None:
        return book.document.put_document(load_runbook(written(tmp_path, document(after), "a.atrb")))

    assert inside(tmp_path, document(BEFORE), work, name="a.atrb") == changed


async def edited(book: Opened, nodes: Sequence[Node]) -> None:
    """The document with these nodes in the place of its own."""
    path = written(book.document.runbook.path.parent, document(nodes), "a.atrb")
    book.document.put_document(load_runbook(path))


async def leave(book: Opened) -> None:
    """What a run of the script leaves."""
    await book.document.start_execution("n1").wait()


def left(book: Opened) -> bool:
    return book.document.output("n1") is not None


SCRIPT = [script("echo x=1 >> $ATUIN_OUTPUT_VARS")]


async def runs_again(book: Opened) -> bool:
    handle = book.document.start_execution("n1")
    gone_meanwhile = not left(book)
    await handle.wait()
    return gone_meanwhile or left(book)


async def is_edited(book: Opened) -> bool:
    await edited(book, [script("echo other")])
    return left(book)


async def is_deleted(book: Opened) -> bool:
    await edited(book, [])
    return not left(book)


async def is_reset(book: Opened) -> bool:
    book.document.reset()
    return not left(book)


async def is_rebuilt(book: Opened) -> bool:
    book.document.rebuild_contexts()
    return left(book)


async def is_cleared(book: Opened) -> bool:
    book.document.clear_active_context("n1")
    return not left(book)


FATES: dict[str, Callable[[Opened], Awaitable[bool]]] = {
    "3.7 a rebuild leaves it": is_rebuilt,
    "3.7 an edit of the block leaves it": is_edited,
    "3.7 a deleted block takes it along": is_deleted,
    "3.7 a reset takes it away": is_reset,
    "3.7 clearing takes it away": is_cleared,
    "3.7 the next run replaces it": runs_again,
}


@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_what_a_block_left(tmp_path: Path, fate: Callable[[Opened], Awaitable[bool]]) -> None:
    async def work(book: Opened) -> bool:
        await leave(book)
        return left(book) and await fate(book)

    assert inside(tmp_path, document(SCRIPT), work, name="a.atrb")


@pytest.mark.parametrize("section", ["3.7"])
def test_what_is_stored_goes_with_its_block(tmp_path: Path, section: str) -> None:
    storage = MemoryStorage()

    async def work(book: Opened) -> list[bool]:
        await book.run.run_all()
        kept = [storage.load("doc", "n1") is not None]
        await edited(book, [])
        return [*kept, storage.load("doc", "n1") is not None]

    assert inside(tmp_path, document(SCRIPT), work, name="a.atrb", storage=storage) == [True, False]


# Executions


MESSAGES: dict[str, tuple[type[object], int]] = {
    "5.1 blockOutput: started, text, finished": (BlockOutput, 3),
    "5.1 blockExecutionOutputChanged": (BlockExecutionOutputChanged, 1),
    "5.1 blockContextUpdate for who sees something else": (BlockContextUpdate, 1),
}


@pytest.mark.parametrize(("kind", "count"), MESSAGES.values(), ids=MESSAGES)
def test_an_execution_shows(tmp_path: Path, kind: type[object], count: int) -> None:
    async def work(book: Opened) -> int:
        book.document.rebuild_contexts()
        book.channel.messages.clear()
        await book.document.start_execution("n1").wait()
        return len(book.channel.of(kind))

    nodes = [script("echo 1", outputVariable="x"), var("below", "{{ var.x | default('') }}")]
    assert inside(tmp_path, document(nodes), work, name="a.atrb") == count


STATIONS: dict[str, tuple[str, Lifecycle, ExecutionState]] = {
    "5.1 finished": ("true", Lifecycle.FINISHED, ExecutionState.SUCCESS),
    "5.1 error": ("exit 1", Lifecycle.ERROR, ExecutionState.FAILED),
    "5.1 cancelled": ("echo in; sleep 1000", Lifecycle.CANCELLED, ExecutionState.CANCELLED),
}


@pytest.mark.parametrize(("code", "station", "state"), STATIONS.values(), ids=STATIONS)
def test_an_execution_ends(tmp_path: Path, code: str, station: Lifecycle, state: ExecutionState) -> None:
    async def work(book: Opened) -> tuple[list[Lifecycle], ExecutionState, ExecutionState]:
        handle = book.document.start_execution("n1")
        before = handle.status.state
        if "sleep" in code:
            await book.waits_for("in\n")
            handle.cancel()
        await handle.wait()
        return book.channel.lifecycles, before, handle.status.state

    assert inside(tmp_path, document([script(code)]), work, name="a.atrb") == (
        [Lifecycle.STARTED, station],
        ExecutionState.RUNNING,
        state,
    )


@pytest.mark.parametrize("section", ["5.1"])
def test_a_pause_that_asks_is_a_station_and_an_event(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> tuple[list[Lifecycle], list[EventKind]]:
        handle = book.document.start_execution("n1")
        await until(lambda: book.channel.of(ClientPrompt))
        book.document.answer(book.channel.of(ClientPrompt)[0].prompt_id, PromptAnswer("continue"))
        await handle.wait()
        return book.channel.lifecycles, book.kinds

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    pause = document([node("pause", condition="", pauseIfTruthy=False)])
    lifecycles, kinds = inside(tmp_path, pause, work, name="a.atrb", settings=settings)

    assert lifecycles == [Lifecycle.STARTED, Lifecycle.PAUSED, Lifecycle.FINISHED]
    assert EventKind.SERIAL_EXECUTION_PAUSED in kinds


@pytest.mark.parametrize("section", ["5.2"])
def test_a_block_that_runs_sees_what_stood_above_it_when_it_began(tmp_path: Path, section: str) -> None:
    nodes = [var("x", "old"), script("echo in; until test -e go; do sleep 0.01; done; echo {{ var.x }}")]

    async def work(book: Opened) -> str:
        handle = book.document.start_execution("n2")
        await book.waits_for("in\n")
        await edited(book, [var("x", "new"), nodes[1]])
        (tmp_path / "go").touch()
        await handle.wait()
        return book.said

    assert inside(tmp_path, document(nodes), work, name="a.atrb") == "in\nold\n"


CANCELLED: dict[str, Node] = {
    "5.3 a script": script("echo in; sleep 1000"),
    "5.3 a terminal": node("run", name="t", type="bash", code="echo in; sleep 1000"),
    "5.3 a query": node(
        "sqlite", name="q", uri=":memory:",
        query="with recursive t(x) as (select 1 union all select x + 1 from t) select count(*) from t",
    ),
    "5.3 kubectl": node("kubernetes-get", name="k", command="sleep 1000; kubectl"),
    "5.3 the options of a dropdown": node(
        "dropdown", name="r", value="", optionsType="command", commandOptions="sleep 1000", fixedOptions="",
        variableOptions="", interpreter="bash",
    ),
}  # fmt: skip


@pytest.mark.parametrize("block", CANCELLED.values(), ids=CANCELLED)
def test_whatever_runs_can_be_cancelled(tmp_path: Path, block: Node) -> None:
    async def work(book: Opened) -> ExecutionState:
        handle = book.document.start_execution("n1")
        await until(lambda: EventKind.BLOCK_STARTED in book.kinds)
        handle.cancel()
        with anyio.fail_after(20):
            await handle.wait()
        return handle.status.state

    assert inside(tmp_path, document([block]), work, name="a.atrb") is ExecutionState.CANCELLED


# Serial runs


THREE = [script("echo 1"), script("echo 2"), script("echo 3")]
SERIAL_ENDS: dict[str, tuple[Sequence[Node], EventKind]] = {
    "5.4 completed": (THREE, EventKind.SERIAL_EXECUTION_COMPLETED),
    "5.4 failed": ([script("exit 1"), *THREE], EventKind.SERIAL_EXECUTION_FAILED),
}


@pytest.mark.parametrize(("nodes", "end"), SERIAL_ENDS.values(), ids=SERIAL_ENDS)
def test_a_run_is_announced(tmp_path: Path, nodes: Sequence[Node], end: EventKind) -> None:
    kinds = [kind for kind in after_run(tmp_path, nodes).kinds if kind.startswith("serial")]

    assert kinds == [EventKind.SERIAL_EXECUTION_STARTED, end]


@pytest.mark.parametrize("section", ["5.4"])
def test_a_run_begins_with_a_block(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> str:
        await book.run.run_all("n2")
        return book.said

    assert inside(tmp_path, document(THREE), work, name="a.atrb") == "2\n3\n"


@pytest.mark.parametrize("section", ["5.4"])
def test_a_run_from_a_block_that_is_not_there_is_none(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> None:
        with pytest.raises(KeyError):
            await book.run.run_all("nobody")

    inside(tmp_path, document(THREE), work, name="a.atrb")


@pytest.mark.parametrize("section", ["5.4"])
def test_a_block_alone_runs_alone(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> str:
        await book.document.start_execution("n2").wait()
        return book.said

    assert inside(tmp_path, document(THREE), work, name="a.atrb") == "2\n"


@pytest.mark.parametrize("section", ["5.4"])
def test_no_block_runs_twice_at_once(tmp_path: Path, section: str) -> None:
    async def work(book: Opened) -> None:
        handle = book.document.start_execution("n1")
        with pytest.raises(RuntimeError, match="running already"):
            book.document.start_execution("n1")
        handle.cancel()
        await handle.wait()

    inside(tmp_path, document([script("sleep 1000")]), work, name="a.atrb")
