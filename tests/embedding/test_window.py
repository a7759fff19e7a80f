"""What a window asks of the engine, command by command, as docs/engine.md says."""

from __future__ import annotations

from pathlib import Path

import anyio

from pytest_runbook import (
    BlockContextUpdate,
    ClientPrompt,
    ContextValue,
    EventKind,
    ExecutionState,
    MemoryStorage,
    Origin,
    PromptAnswer,
    RunbookRun,
    Settings,
    load_runbook,
)
from tests.harness import Opened, inside, until, written

RUNBOOK = """
blocks:
  - local-var: token
  - {id: one, name: One, script: echo x=1 >> $RUNBOOK_OUTPUT_VARS}
  - {id: two, name: Two, script: 'echo {{ var.token }}{{ var.x }}'}
  - {id: three, name: Three, script: echo three}
"""
WAITS = "blocks: [{id: wait, name: Wait, script: 'echo in; until test -e go; do sleep 0.01; done; echo {}'}]\n"


def test_a_new_version_is_taken_while_a_block_runs(tmp_path: Path) -> None:
    async def work(opened: Opened) -> tuple[ExecutionState, str, list[str]]:
        handle = opened.document.start_execution("wait")
        await opened.waits_for("in\n")
        new = written(tmp_path, WAITS.replace("{}", "new").replace("name: Wait", "name: Renamed"))
        opened.document.put_document(load_runbook(new))
        (tmp_path / "go").touch()
        await handle.wait()
        return handle.status.state, opened.said, [spec.name for spec in opened.document.items]

    assert inside(tmp_path, WAITS.replace("{}", "old"), work) == (ExecutionState.SUCCESS, "in\nold\n", ["Renamed"])


def test_one_block_is_cancelled_and_another_runs_on(tmp_path: Path) -> None:
    async def work(opened: Opened) -> list[ExecutionState]:
        first, second = opened.document.start_execution("a"), opened.document.start_execution("b")
        await until(lambda: opened.kinds.count(EventKind.BLOCK_STARTED) == 2)
        opened.document.cancel("a")
        await first.wait()
        (tmp_path / "go").touch()
        await second.wait()
        return [first.status.state, second.status.state]

    text = "blocks: [{id: a, script: sleep 1000}, {id: b, script: 'until test -e go; do sleep 0.01; done'}]\n"
    assert inside(tmp_path, text, work) == [ExecutionState.CANCELLED, ExecutionState.SUCCESS]


def test_a_serial_run_is_stopped_and_another_goes_on_from_there(tmp_path: Path) -> None:
    wait = "echo b; test -e go || sleep 1000"
    text = f"blocks: [{{id: a, script: echo a}}, {{id: b, script: '{wait}'}}, {{id: c, script: echo c}}]\n"

    async def work(opened: Opened) -> tuple[list[str], str]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opened.run.run_all)
            await opened.waits_for("b\n")
            opened.run.cancel("stopped")
        ended = [str(result.outcome) for result in opened.run.results.values()]
        (tmp_path / "go").touch()
        await RunbookRun(opened.document, opened.runtime).run_all("b")
        return ended, opened.said

    assert inside(tmp_path, text, work) == (["passed", "failed", "skipped"], "a\nb\nb\nc\n")


def test_a_value_of_this_machine_changes_and_its_readers_are_updated(tmp_path: Path) -> None:
    async def work(opened: Opened) -> list[object]:
        document = opened.document
        document.rebuild_contexts()
        before = document.resolved_context("two").variables
        opened.channel.messages.clear()
        document.set_answers({"token": ContextValue("t", Origin("the window"))})
        reported = [message.block_id for message in opened.channel.of(BlockContextUpdate)]
        return [before, document.resolved_context("two").variables, reported]

    assert inside(tmp_path, RUNBOOK, work) == [{}, {"token": "t"}, ["one", "two", "three"]]


def test_a_prompt_is_answered(tmp_path: Path) -> None:
    async def work(opened: Opened) -> ExecutionState:
        handle = opened.document.start_execution("p")
        await until(lambda: opened.channel.of(ClientPrompt))
        (prompt,) = opened.channel.of(ClientPrompt)
        assert prompt.execution_id == handle.id
        opened.document.answer(prompt.prompt_id, PromptAnswer("continue"))
        await handle.wait()
        return handle.status.state

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    assert inside(tmp_path, "blocks: [{id: p, pause: {}}]\n", work, settings=settings) is ExecutionState.SUCCESS


def test_what_a_block_shows_can_be_asked_for_until_a_reset(tmp_path: Path) -> None:
    text = "answers: {region: eu}\nblocks: [{id: r, dropdown: {name: region, fixedOptions: 'EU:eu'}}]\n"

    async def work(opened: Opened) -> list[object]:
        before = opened.document.state("r")
        await opened.document.start_execution("r").wait()
        shown = opened.document.state("r")
        opened.document.reset()
        return [before, shown, opened.document.state("r")]

    options = {"resolved": {"options": [{"label": "EU", "value": "eu"}]}}
    assert inside(tmp_path, text, work) == [{}, options, {}]


def test_what_is_kept_of_a_document_is_removed(tmp_path: Path) -> None:
    storage = MemoryStorage()

    async def work(opened: Opened) -> list[bool]:
        await opened.run.step("one")
        runbook_id = opened.document.runbook.id
        kept = [storage.load(runbook_id, "one") is not None]
        opened.runtime.storage.delete_for_document(runbook_id)
        return [*kept, storage.load(runbook_id, "one") is not None, opened.document.output("one") is not None]

    assert inside(tmp_path, RUNBOOK, work, storage=storage) == [True, False, True]


def test_a_terminal_is_typed_into(tmp_path: Path) -> None:
    async def work(opened: Opened) -> tuple[str, list[EventKind]]:
        handle = opened.document.start_execution("t")
        await until(lambda: handle.id in opened.runtime.ptys.ids)
        opened.runtime.ptys.resize_pty(handle.id, rows=30, cols=99)
        await until((tmp_path / "asks").exists)
        opened.runtime.ptys.write_pty(handle.id, b"hello\n")
        await handle.wait()
        output = opened.document.output("t")
        assert output is not None
        return str(output["text"]).splitlines()[-1], [kind for kind in opened.kinds if kind.startswith("pty")]

    text = "blocks: [{id: t, terminal: {code: 'touch asks; read -r word; echo \"$word $(stty size)\"', type: bash}}]\n"
    assert inside(tmp_path, text, work) == ("hello 30 99", [EventKind.PTY_OPENED, EventKind.PTY_CLOSED])
