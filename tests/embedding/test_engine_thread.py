"""The engine under a program that is not async."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import NoneType

import anyio
import pytest

from pytest_runbook import (
    CallbackChannel,
    ClientMessage,
    ClientPrompt,
    EngineThread,
    Event,
    EventKind,
    MemoryStorage,
    OpenRunbook,
    PromptAnswer,
    Settings,
    UnreadableFile,
)
from tests.harness import written

RUNBOOK = """
blocks:
  - {name: A, script: echo 1, capture: a}
  - {name: B, script: 'test {{ var.a }} = 1'}
  - {name: C, script: echo c}
"""
LONG = "blocks: [{name: Long, script: sleep 1000}]\nfinally: [{name: Clean, script: touch cleaned}]\n"
WAIT = 20


class EventQueue:
    """Events in a queue that any thread may read."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()

    def wait_for(self, kind: EventKind) -> None:
        while self.events.get(timeout=WAIT).kind is not kind:
            pass


def outcomes(runbook: OpenRunbook, start: str | None = None) -> dict[str, str]:
    return {result.name: str(result.outcome) for result in runbook.run(start)}


def test_it_runs_a_runbook_in_another_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with EngineThread() as engine:
        runbook = engine.open(written(tmp_path, RUNBOOK))
        result = outcomes(runbook)
        variables = runbook.context(runbook.blocks[1].id).variables

    assert result == {"A": "passed", "B": "passed", "C": "passed"}
    assert variables == {"a": "1"}
    assert set(threading.enumerate()) <= before


def test_a_run_begins_at_the_given_block(tmp_path: Path) -> None:
    with EngineThread() as engine:
        runbook = engine.open(written(tmp_path, RUNBOOK))
        first = runbook.run_block(runbook.blocks[0].id)

        assert first.outcome == "passed"
        assert outcomes(runbook, runbook.blocks[1].id) == {"B": "passed", "C": "passed"}
        with pytest.raises(KeyError):
            runbook.run("nothing")


@pytest.mark.parametrize("whole", [True, False])
def test_another_thread_cancels_what_runs(tmp_path: Path, whole: bool) -> None:
    recorded = EventQueue()
    with EngineThread(on_event=recorded.events.put) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, LONG))
        running = threads.submit(runbook.run) if whole else threads.submit(runbook.run_block, runbook.blocks[0].id)
        recorded.wait_for(EventKind.BLOCK_STARTED)
        runbook.cancel("enough")
        running.result(WAIT)

        assert (tmp_path / "cleaned").exists() is whole
        recorded.wait_for(EventKind.BLOCK_CANCELLED)


def test_a_run_pauses_and_goes_on(tmp_path: Path) -> None:
    recorded = EventQueue()
    text = "blocks: [{name: A, script: 'until test -e go; do sleep 0.01; done'}, {name: B, script: touch b}]\n"
    with EngineThread(on_event=recorded.events.put) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, text))
        running = threads.submit(runbook.run)
        recorded.wait_for(EventKind.BLOCK_STARTED)
        runbook.pause()
        (tmp_path / "go").touch()
        recorded.wait_for(EventKind.BLOCK_FINISHED)
        held = not (tmp_path / "b").exists()
        runbook.resume()
        running.result(WAIT)

    assert held
    assert (tmp_path / "b").exists()


def test_a_run_that_pauses_can_be_cancelled(tmp_path: Path) -> None:
    recorded = EventQueue()
    with EngineThread(on_event=recorded.events.put) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, LONG))
        running = threads.submit(runbook.run)
        recorded.wait_for(EventKind.BLOCK_STARTED)
        runbook.pause()
        runbook.cancel("enough")

        assert [str(result.outcome) for result in running.result(WAIT)] == ["failed", "passed"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    recorded = EventQueue()
    with EngineThread(on_event=recorded.events.put) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, LONG))
        running = threads.submit(runbook.run)
        recorded.wait_for(EventKind.BLOCK_STARTED)
        with pytest.raises(RuntimeError, match="running already"):
            runbook.run()
        runbook.cancel()
        running.result(WAIT)


def test_questions_come_as_messages_and_any_thread_answers(tmp_path: Path) -> None:
    questions: SimpleQueue[ClientMessage] = SimpleQueue()
    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    with EngineThread(settings) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, "blocks: [{pause: {}}]\n"), channel=CallbackChannel(questions.put))
        running = threads.submit(runbook.run)
        while not isinstance(message := questions.get(timeout=WAIT), ClientPrompt):
            pass
        runbook.answer(message.prompt_id, PromptAnswer("continue"))

        assert [str(result.outcome) for result in running.result(WAIT)] == ["passed"]


def test_a_new_version_of_the_file_is_taken(tmp_path: Path) -> None:
    with EngineThread() as engine:
        path = written(tmp_path, RUNBOOK)
        runbook = engine.open(path)
        runbook.run()
        path.write_text(RUNBOOK.replace("name: C", "name: D"))
        runbook.update(path)

        assert [spec.name for spec in runbook.blocks] == ["A", "B", "D"]
        assert runbook.context(runbook.blocks[2].id).variables == {"a": "1"}
        runbook.reset()
        assert runbook.context(runbook.blocks[2].id).variables == {}


def test_a_file_that_cannot_be_read_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with EngineThread() as engine, pytest.raises(UnreadableFile):
        engine.open(written(tmp_path, "blocks: [{scirpt: x}]\n"))


def test_leaving_it_ends_what_runs(tmp_path: Path) -> None:
    recorded = EventQueue()
    threads = ThreadPoolExecutor()
    with EngineThread(Settings(shutdown_timeout=1.0), on_event=recorded.events.put) as engine:
        runbook = engine.open(written(tmp_path, "blocks: [{name: Long, script: sleep 1000}]\n"))
        threads.submit(runbook.run_block, runbook.blocks[0].id)
        recorded.wait_for(EventKind.BLOCK_STARTED)

    recorded.wait_for(EventKind.BLOCK_CANCELLED)
    threads.shutdown()


def test_one_block_is_cancelled_and_the_run_reports_it(tmp_path: Path) -> None:
    recorded = EventQueue()
    with EngineThread(on_event=recorded.events.put) as engine, ThreadPoolExecutor() as threads:
        runbook = engine.open(written(tmp_path, f"on_failure: continue\n{LONG}"))
        running = threads.submit(runbook.run)
        recorded.wait_for(EventKind.BLOCK_STARTED)
        runbook.cancel("enough", block_id=runbook.blocks[1].id)
        runbook.cancel("enough", block_id=runbook.blocks[0].id)
        long, clean = running.result(WAIT)

    assert (long.kind, long.message, clean.outcome) == ("cancelled", "enough", "passed")


def test_what_was_left_is_there_in_the_next_engine(tmp_path: Path) -> None:
    storage = MemoryStorage()
    with EngineThread(storage=storage) as engine:
        engine.open(written(tmp_path, RUNBOOK)).run()
    with EngineThread(storage=storage) as engine:
        runbook = engine.open(written(tmp_path, RUNBOOK))
        loaded = runbook.load_contexts()
        output = runbook.output(runbook.blocks[0].id)
        below = runbook.context(runbook.blocks[1].id).variables

    assert loaded == 3
    assert output is not None
    assert output["stdout"] == "1\n"
    assert below == {"a": "1"}


def test_anything_of_the_engine_is_called_in_its_thread(tmp_path: Path) -> None:
    with EngineThread() as engine:
        runbook = engine.open(written(tmp_path, RUNBOOK))

        assert engine.call(threading.get_ident) != threading.get_ident()
        assert engine.call(engine.runtime.shutdown_limit) is None
        with pytest.raises(KeyError):
            engine.call(runbook.document.start_execution, "nothing")


def test_a_run_that_another_thread_waits_for_ends_with_its_results_when_the_engine_is_left(tmp_path: Path) -> None:
    recorded = EventQueue()
    with ThreadPoolExecutor() as threads:
        with EngineThread(Settings(shutdown_timeout=1.0), on_event=recorded.events.put) as engine:
            runbook = engine.open(written(tmp_path, "blocks: [{name: Long, script: sleep 1000}]\n"))
            running = threads.submit(runbook.run)
            recorded.wait_for(EventKind.BLOCK_STARTED)

        assert [result.kind for result in running.result(WAIT)] == ["cancelled"]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_a_call_still_waited_for_ends_with_an_engine_that_is_left_by_an_error(error: BaseException | None) -> None:
    started, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        started.set()
        try:
            await anyio.sleep(0.2 if error is None else 1000)
        finally:
            ended.set()

    with ThreadPoolExecutor() as threads, suppress(KeyboardInterrupt), EngineThread() as engine:
        waiting = threads.submit(engine.call, wait)
        assert started.wait(WAIT)
        if error is not None:
            raise error

    assert ended.is_set()
    assert isinstance(waiting.exception(), NoneType if error is None else CancelledError)


def test_nothing_is_called_in_an_engine_that_is_not_open(tmp_path: Path) -> None:
    with EngineThread() as engine:
        runbook = engine.open(written(tmp_path, RUNBOOK))

    with pytest.raises(RuntimeError, match="the engine is not open"):
        engine.call(threading.get_ident)
    with pytest.raises(RuntimeError, match="the engine is not open"):
        runbook.reset()


def test_the_engines_own_thread_cannot_wait_for_itself() -> None:
    with EngineThread() as engine, pytest.raises(RuntimeError, match="event loop"):
        engine.call(engine.call, threading.get_ident)
