"""The engine under a program that is not async."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

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

BOOK = """
blocks:
  - {name: A, script: echo 1, capture: a}
  - {name: B, script: 'test {{ var.a }} = 1'}
  - {name: C, script: echo c}
"""
LONG = "blocks: [{name: Long, script: sleep 1000}]\nfinally: [{name: Clean, script: touch cleaned}]\n"
WAIT = 20


class Heard:
    """Events in a queue that any thread may read."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()

    def waits_for(self, kind: EventKind) -> None:
        while self.events.get(timeout=WAIT).kind is not kind:
            pass


def outcomes(book: OpenRunbook, start: str | None = None) -> dict[str, str]:
    return {result.name: str(result.outcome) for result in book.run(start)}


def test_it_runs_a_runbook_in_another_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with EngineThread() as engine:
        book = engine.open(written(tmp_path, BOOK))
        result = outcomes(book)
        variables = book.context(book.blocks[1].id).variables

    assert result == {"A": "passed", "B": "passed", "C": "passed"}
    assert variables == {"a": "1"}
    assert threading.active_count() == before


def test_a_run_begins_where_it_is_told_to(tmp_path: Path) -> None:
    with EngineThread() as engine:
        book = engine.open(written(tmp_path, BOOK))
        first = book.run_block(book.blocks[0].id)

        assert first.outcome == "passed"
        assert outcomes(book, book.blocks[1].id) == {"B": "passed", "C": "passed"}
        with pytest.raises(KeyError):
            book.run("nothing")


@pytest.mark.parametrize("whole", [True, False])
def test_another_thread_cancels_what_runs(tmp_path: Path, whole: bool) -> None:
    heard = Heard()
    with EngineThread(on_event=heard.events.put) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, LONG))
        running = threads.submit(book.run) if whole else threads.submit(book.run_block, book.blocks[0].id)
        heard.waits_for(EventKind.BLOCK_STARTED)
        book.cancel("enough")
        running.result(WAIT)

        assert (tmp_path / "cleaned").exists() is whole
        heard.waits_for(EventKind.BLOCK_CANCELLED)


def test_a_run_pauses_and_goes_on(tmp_path: Path) -> None:
    heard = Heard()
    text = "blocks: [{name: A, script: 'until test -e go; do sleep 0.01; done'}, {name: B, script: touch b}]\n"
    with EngineThread(on_event=heard.events.put) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, text))
        running = threads.submit(book.run)
        heard.waits_for(EventKind.BLOCK_STARTED)
        book.pause()
        (tmp_path / "go").touch()
        heard.waits_for(EventKind.BLOCK_FINISHED)
        held = not (tmp_path / "b").exists()
        book.resume()
        running.result(WAIT)

    assert held
    assert (tmp_path / "b").exists()


def test_a_run_that_pauses_can_be_cancelled(tmp_path: Path) -> None:
    heard = Heard()
    with EngineThread(on_event=heard.events.put) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, LONG))
        running = threads.submit(book.run)
        heard.waits_for(EventKind.BLOCK_STARTED)
        book.pause()
        book.cancel("enough")

        assert [str(result.outcome) for result in running.result(WAIT)] == ["failed", "passed"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    heard = Heard()
    with EngineThread(on_event=heard.events.put) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, LONG))
        running = threads.submit(book.run)
        heard.waits_for(EventKind.BLOCK_STARTED)
        with pytest.raises(RuntimeError, match="running already"):
            book.run()
        book.cancel()
        running.result(WAIT)


def test_questions_come_as_messages_and_any_thread_answers(tmp_path: Path) -> None:
    questions: SimpleQueue[ClientMessage] = SimpleQueue()
    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    with EngineThread(settings) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, "blocks: [{pause: {}}]\n"), channel=CallbackChannel(questions.put))
        running = threads.submit(book.run)
        while not isinstance(message := questions.get(timeout=WAIT), ClientPrompt):
            pass
        book.answer(message.prompt_id, PromptAnswer("continue"))

        assert [str(result.outcome) for result in running.result(WAIT)] == ["passed"]


def test_a_new_version_of_the_file_is_taken(tmp_path: Path) -> None:
    with EngineThread() as engine:
        path = written(tmp_path, BOOK)
        book = engine.open(path)
        book.run()
        path.write_text(BOOK.replace("name: C", "name: D"))
        book.update(path)

        assert [spec.name for spec in book.blocks] == ["A", "B", "D"]
        assert book.context(book.blocks[2].id).variables == {"a": "1"}
        book.reset()
        assert book.context(book.blocks[2].id).variables == {}


def test_a_file_that_cannot_be_read_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with EngineThread() as engine, pytest.raises(UnreadableFile):
        engine.open(written(tmp_path, "blocks: [{scirpt: x}]\n"))


def test_leaving_it_ends_what_runs(tmp_path: Path) -> None:
    heard = Heard()
    threads = ThreadPoolExecutor()
    with EngineThread(Settings(shutdown_timeout=1.0), on_event=heard.events.put) as engine:
        book = engine.open(written(tmp_path, "blocks: [{name: Long, script: sleep 1000}]\n"))
        threads.submit(book.run_block, book.blocks[0].id)
        heard.waits_for(EventKind.BLOCK_STARTED)

    heard.waits_for(EventKind.BLOCK_CANCELLED)
    threads.shutdown()


def test_one_block_is_cancelled_and_the_run_says_so(tmp_path: Path) -> None:
    heard = Heard()
    with EngineThread(on_event=heard.events.put) as engine, ThreadPoolExecutor() as threads:
        book = engine.open(written(tmp_path, f"on_failure: continue\n{LONG}"))
        running = threads.submit(book.run)
        heard.waits_for(EventKind.BLOCK_STARTED)
        book.cancel("enough", block_id=book.blocks[1].id)
        book.cancel("enough", block_id=book.blocks[0].id)
        long, clean = running.result(WAIT)

    assert (long.kind, long.message, clean.outcome) == ("cancelled", "enough", "passed")


def test_what_was_left_is_there_in_the_next_engine(tmp_path: Path) -> None:
    storage = MemoryStorage()
    with EngineThread(storage=storage) as engine:
        engine.open(written(tmp_path, BOOK)).run()
    with EngineThread(storage=storage) as engine:
        book = engine.open(written(tmp_path, BOOK))
        loaded = book.load_contexts()
        output = book.output(book.blocks[0].id)
        below = book.context(book.blocks[1].id).variables

    assert loaded == 3
    assert output is not None
    assert output["stdout"] == "1\n"
    assert below == {"a": "1"}


def test_anything_of_the_engine_is_called_in_its_thread(tmp_path: Path) -> None:
    with EngineThread() as engine:
        book = engine.open(written(tmp_path, BOOK))

        assert engine.call(threading.get_ident) != threading.get_ident()
        assert engine.call(engine.runtime.shutdown_limit) is None
        with pytest.raises(KeyError):
            engine.call(book.document.start_execution, "nothing")
