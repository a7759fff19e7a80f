"""One block from its start to its one end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import anyio
import pytest

from pytest_runbook import (
    BlockBehavior,
    BlockExecutionOutputChanged,
    BlockFailed,
    BlockOutput,
    BlockPlugin,
    BlockType,
    ContextValue,
    DocumentVar,
    DocumentVars,
    EventKind,
    ExecutionContext,
    ExecutionState,
    Lifecycle,
    Origin,
    Output,
    OutputSection,
    Prop,
    TimeLimit,
    WorkResult,
    load_runbook,
)
from tests.harness import Opened, inside, opened, ran, written

STARTED, FINISHED = EventKind.BLOCK_STARTED, EventKind.BLOCK_FINISHED
FAILED, CANCELLED = EventKind.BLOCK_FAILED, EventKind.BLOCK_CANCELLED


def plugin(behavior: type[BlockBehavior]) -> BlockPlugin:
    props = (Prop(name="name", default="Theirs"), Prop(name="text", default="", templated=True))
    return BlockPlugin(BlockType(name="theirs", plain_names=("theirs",), main="text", props=props), behavior)


class Theirs(BlockBehavior):
    """What the text says."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        match context.render("text"):
            case "raise":
                raise ZeroDivisionError("by zero")
            case "group":
                raise BaseExceptionGroup("several", [ValueError("one"), SystemExit(3)])
            case "exit":
                sys.exit(3)
            case "failed":
                raise BlockFailed("it did not work", hint="mend it", detail="permission denied")
            case "wait":
                await anyio.sleep_forever()
            case "nonsense":
                context.report_details.did = 5  # type: ignore[assignment]  # what careless code does
            case "no sections":
                context.report_details.output = _broken
            case "stubborn":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.2)
                await anyio.sleep_forever()
        return WorkResult(output=Output({"done": True}, value=lambda: True))


def _broken() -> list[OutputSection]:
    raise LookupError("no sections")


ENDINGS = [
    ("success", "", ExecutionState.SUCCESS, None, "None", [STARTED, FINISHED]),
    ("a failure", "failed", ExecutionState.FAILED, "block", "it did not work", [STARTED, FAILED]),
    ("an exception", "raise", ExecutionState.FAILED, "internal", "ZeroDivisionError: by zero", [STARTED, FAILED]),
    ("a group of exceptions", "group", ExecutionState.FAILED, "internal", "several", [STARTED, FAILED]),
    ("an exit", "exit", ExecutionState.FAILED, "internal", "SystemExit: 3", [STARTED, FAILED]),
    (
        "nonsense told",
        "nonsense",
        ExecutionState.FAILED,
        "internal",
        "fault in the block type's code",
        [STARTED, FAILED],
    ),
    ("a report that breaks", "no sections", ExecutionState.SUCCESS, None, "None", [STARTED, FINISHED]),
    ("a deadline", "wait", ExecutionState.FAILED, "timeout", "timed out after 100 ms (limit 0.1 s)", [STARTED, FAILED]),
    ("a deadline while it tidies up", "stubborn", ExecutionState.FAILED, "timeout", "after 100 ms", [STARTED, FAILED]),
    ("an undefined name", "{{ var.no }}", ExecutionState.FAILED, "file", "var.no", [STARTED, FAILED]),
]


@pytest.mark.parametrize(
    ("text", "state", "kind", "message", "kinds"), [row[1:] for row in ENDINGS], ids=[row[0] for row in ENDINGS]
)
def test_every_ending_settles_once_and_is_announced_once(
    tmp_path: Path, text: str, state: ExecutionState, kind: str | None, message: str, kinds: list[EventKind]
) -> None:
    async def work(book: Opened) -> tuple[Opened, ExecutionState, str | None, str]:
        limit = TimeLimit(0.1 if text in ("wait", "stubborn") else 60, "limit 0.1 s")
        handle = book.document.start_execution(book.document.items[0].id, limit)
        result = await handle.wait()
        return book, handle.status.state, result.kind, str(result.message)

    book, *ended, reported = inside(tmp_path, f"blocks: [theirs: '{text}']", work, plugins=(plugin(Theirs),))

    assert ended == [state, kind]
    assert message in reported
    assert book.kinds == kinds
    assert len(book.channel.lifecycles) == 2


def test_a_failed_assertion_fails_the_block_and_leaves_its_output(tmp_path: Path) -> None:
    book = ran(tmp_path, "blocks: [{name: A, script: echo 5, assert: output.value | int == 6}]")

    result = book.results["A"]
    assert (result.outcome, result.kind) == ("failed", "assertion")
    assert [(trace.expected, trace.actual) for trace in result.assertions] == [(None, None), ("6", "5")]
    assert FAILED in book.kinds


def test_the_context_is_there_before_the_end_is_announced(tmp_path: Path) -> None:
    book = ran(tmp_path, "blocks: [{name: A, script: echo 5, capture: five}]")

    kinds = [type(message) for message in book.channel.messages]
    reported = [m.lifecycle for m in book.channel.messages if isinstance(m, BlockOutput)]
    finished = next(
        i
        for i, m in enumerate(book.channel.messages)
        if isinstance(m, BlockOutput) and m.lifecycle is Lifecycle.FINISHED
    )
    assert kinds.index(BlockExecutionOutputChanged) < finished
    assert reported[0] is Lifecycle.STARTED
    assert book.kinds == [
        EventKind.RUNBOOK_STARTED,
        EventKind.SERIAL_EXECUTION_STARTED,
        STARTED,
        FINISHED,
        EventKind.RUNBOOK_COMPLETED,
        EventKind.SERIAL_EXECUTION_COMPLETED,
    ]


def test_a_block_below_sees_the_variable_when_the_end_is_announced(tmp_path: Path) -> None:
    async def work(book: Opened) -> list[object]:
        below: list[object] = []

        def listen(event: object) -> None:
            if book.kinds[-1:] == [FINISHED]:
                below.append(book.document.resolved_context(book.block("B")).variables.get("five"))

        with book.runtime.events.subscribe(listen):
            await book.document.start_execution(book.block("A")).wait()
        return below

    text = "blocks: [{name: A, script: echo 5, capture: five}, {name: B, script: 'true'}]"
    assert inside(tmp_path, text, work) == ["5"]


def test_cancelled_before_it_starts_it_does_nothing(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[ExecutionState, list[EventKind]]:
        handle = book.document.start_execution(book.block("A"))
        handle.cancel("never mind")
        await handle.wait()
        return handle.status.state, book.kinds

    state, kinds = inside(tmp_path, f"blocks: [{{name: A, script: touch {tmp_path}/here}}]", work)

    assert (state, kinds) == (ExecutionState.CANCELLED, [STARTED, CANCELLED])
    assert not (tmp_path / "here").exists()


def test_cancelled_while_it_runs_the_first_reason_counts(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[str | None, str | None]:
        handle = book.document.start_execution(book.block("A"))
        await book.waits_for("running")
        handle.cancel("first")
        handle.cancel("second")
        result = await handle.wait()
        handle.cancel("third")
        return result.kind, result.message

    assert inside(tmp_path, "blocks: [{name: A, script: echo running; sleep 600}]", work) == ("cancelled", "first")


def test_cancelled_while_its_deadline_ends_it_it_has_timed_out(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[str | None, str | None, tuple[str, ...]]:
        handle = book.document.start_execution(book.block("A"))
        await book.waits_for("ending")
        handle.cancel("too late")
        result = await handle.wait()
        return result.kind, result.message, result.notes

    script = "trap 'echo ending; sleep 0.6; exit 0' INT; while :; do sleep 0.05; done"
    kind, message, notes = inside(tmp_path, f'blocks: [{{name: A, timeout: 1s, script: "{script}"}}]', work)

    assert (kind, message) == ("timeout", "timed out after 1.0 s (limit 1 s)")
    assert notes[0].startswith("ending it took ")


def test_a_runtime_that_closes_settles_what_runs(tmp_path: Path) -> None:
    async def main() -> tuple[ExecutionState, str, list[EventKind]]:
        async with opened(tmp_path, "blocks: [{name: A, script: echo running; sleep 600}]") as book:
            handle = book.document.start_execution(book.block("A"))
            await book.waits_for("running")
            kinds = book.kinds
        result = await handle.wait()
        return handle.status.state, str(result.message), kinds

    assert anyio.run(main)[:2] == (ExecutionState.CANCELLED, "the run was ended")


def test_a_runtime_that_closes_ends_what_others_run_in_tasks_of_their_own(tmp_path: Path) -> None:
    text = "{on_failure: continue, blocks: [{name: A, script: echo running; sleep 600}, {name: B, script: 'true'}]}"
    messages: list[str | None] = []

    async def run(book: Opened, name: str) -> None:
        messages.append((await book.run.step(book.block(name))).message)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            async with opened(tmp_path, text) as book:
                tasks.start_soon(run, book, "A")
                await book.waits_for("running")
            assert messages == ["the run was ended"]
        await run(book, "B")

    anyio.run(main)
    assert messages == ["the run was ended"] * 2


def test_a_block_that_a_closed_runtime_does_not_start_is_not_running(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, "blocks: [{name: A, script: 'true'}]") as book:
            pass
        for _ in range(2):
            with pytest.raises(RuntimeError, match="not active"):
                book.document.start_execution(book.block("A"))
        assert book.document.running == {}

    anyio.run(main)


def test_an_error_in_the_program_around_it_comes_out_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, "blocks: [{name: A, script: sleep 600}]") as book:
            book.document.start_execution(book.block("A"))
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        anyio.run(main)


def test_what_was_settled_can_not_be_settled_again(tmp_path: Path) -> None:
    async def work(book: Opened) -> None:
        handle = book.document.start_execution(book.block("A"))
        result = await handle.wait()
        with pytest.raises(RuntimeError, match="settled already: success"):
            handle.settle(handle.status, result)

    inside(tmp_path, "blocks: [{name: A, script: 'true'}]", work)


def test_cancelling_a_wait_leaves_the_execution_alone(tmp_path: Path) -> None:
    async def work(book: Opened) -> ExecutionState:
        handle = book.document.start_execution(book.block("A"))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await handle.wait()
        await handle.wait()
        return handle.status.state

    assert inside(tmp_path, "blocks: [{name: A, script: 'true'}]", work) is ExecutionState.SUCCESS


def test_output_is_passed_on_as_it_is_written(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[str, str]:
        handle = book.document.start_execution(book.block("A"))
        await book.waits_for("first\n")
        before = book.said
        (tmp_path / "go").touch()
        await handle.wait()
        return before, book.said

    script = f"echo first; until test -e {tmp_path}/go; do sleep 0.02; done; echo second"
    assert inside(tmp_path, f"blocks: [{{name: A, script: '{script}'}}]", work) == ("first\n", "first\nsecond\n")


def test_a_listener_that_fails_is_reported_and_fails_no_block(tmp_path: Path) -> None:
    def fail(message: object) -> None:
        raise OSError("gone")

    async def work(book: Opened) -> tuple[ExecutionState, list[str]]:
        book.channel.send = fail  # type: ignore[method-assign]  # a client whose window was closed
        with book.runtime.events.subscribe(fail):
            handle = book.document.start_execution(book.block("A"))
            await handle.wait()
        return handle.status.state, list(book.runtime.warnings)

    state, notes = inside(tmp_path, "blocks: [{name: A, script: echo hello}]", work)

    assert state is ExecutionState.SUCCESS
    assert sorted(notes) == ["a message channel failed: OSError: gone", "a subscriber to events failed: OSError: gone"]


class Told(BlockBehavior):
    """Changes its contexts while it works."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        value = ContextValue("declared", Origin("me"))
        context.update_passive_context(lambda own: own.insert(DocumentVar("p", value)))
        left = DocumentVars((DocumentVar("a", ContextValue("left", Origin("me"))),))
        context.update_active_context(lambda own: own.insert(left))
        return WorkResult(output=Output({"x": 1}, value=lambda: 1))


def test_a_block_may_change_its_contexts_while_it_runs(tmp_path: Path) -> None:
    book = ran(tmp_path, "blocks: [theirs: '']", plugins=(plugin(Told),))

    assert book.document.final_variables() == {"p": "declared", "a": "left"}


def test_a_block_that_an_edit_removed_runs_to_its_end(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[ExecutionState, dict[str, object]]:
        handle = book.document.start_execution(book.block("A"))
        await book.waits_for("running")
        other = load_runbook(written(tmp_path, "blocks: [{name: B, script: 'true'}]", "b.runbook.yaml"))
        book.document.put_document(other)
        (tmp_path / "go").touch()
        await handle.wait()
        return handle.status.state, book.document.final_variables()

    script = f"echo running; until test -e {tmp_path}/go; do sleep 0.02; done"
    text = f"blocks: [{{name: A, id: gone, script: '{script}', capture: x}}]"
    assert inside(tmp_path, text, work) == (ExecutionState.SUCCESS, {})


def test_a_native_cancellation_from_outside_settles_as_well(tmp_path: Path) -> None:
    async def work() -> ExecutionState:
        async with opened(tmp_path, "blocks: [{name: A, script: echo running; sleep 600}]") as book:
            handle = book.document.start_execution(book.block("A"))
            await book.waits_for("running")
            others = asyncio.all_tasks() - {asyncio.current_task()}
            next(task for task in others if "_run" in repr(task.get_coro())).cancel()
            await handle.wait()
            return handle.status.state

    assert anyio.run(work) is ExecutionState.CANCELLED
