"""Pauses: when they wait, and what an answer does."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from pytest_runbook import EventKind, Inputs, PromptAnswer, Settings
from pytest_runbook.messages.client_messages import ClientPrompt, Lifecycle
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, ran, until


def document(**props: object) -> str:
    """An Atuin document that pauses between two scripts."""
    return json.dumps(
        [
            {"id": "1", "type": "script", "props": {"name": "before", "code": "echo yes", "outputVariable": "x"}},
            {"id": "pause", "type": "pause", "props": props},
            {"id": "2", "type": "script", "props": {"name": "after", "code": "echo after"}},
        ]
    )


def answered(answer: str) -> Inputs:
    return Inputs(answers=({"pause#1": ContextValue(answer, Origin("the test"))},))


def outcomes(book: Opened) -> list[str]:
    return [str(result.outcome) for result in book.run.results.values()]


@pytest.mark.parametrize(
    ("props", "waits"),
    [
        ({}, True),
        ({"condition": "false"}, True),
        ({"condition": "false", "pauseIfTruthy": False}, True),
        ({"condition": "", "pauseIfTruthy": True}, False),
        ({"condition": "{{ var.x }}", "pauseIfTruthy": True}, True),
        ({"condition": "{{ var.x == 'no' }}", "pauseIfTruthy": True}, False),
    ],
)
def test_a_pause_waits_always_or_under_its_condition(tmp_path: Path, props: dict[str, object], waits: bool) -> None:
    book = ran(tmp_path, document(**props), name="a.json")

    assert outcomes(book) == (["passed", "failed", "skipped"] if waits else ["passed", "passed", "passed"])


@pytest.mark.parametrize(
    ("written", "waits"),
    [
        ("{}", True),
        ('""', True),
        ("var.lag > 5", True),
        ("var.lag > 50", False),
        ("{condition: '{{ var.lag }}', pauseIfTruthy: true}", True),
    ],
)
def test_a_plain_pause_waits_always_or_where_its_expression_holds(tmp_path: Path, written: str, waits: bool) -> None:
    book = ran(tmp_path, f"vars: {{lag: 12}}\nblocks:\n  - pause: {written}\n")

    assert outcomes(book) == ["failed" if waits else "passed"]


def test_a_condition_that_cannot_be_rendered_fails(tmp_path: Path) -> None:
    book = ran(tmp_path, document(condition="{{ var.nobody }}", pauseIfTruthy=True), name="a.json")

    assert book.run.results["pause"].message == "var.nobody is undefined"


def test_without_an_answer_the_run_fails_there_and_shows_how_to_answer(tmp_path: Path) -> None:
    book = ran(tmp_path, document(), name="a.json")
    result = book.run.results["pause"]

    assert result.message == "paused, and there is no answer"
    assert result.hint == (
        "answer it: --runbook-answer 'pause#1=continue', or in answers: {'pause#1': 'continue'}; "
        "stop, or a condition, will do"
    )
    assert outcomes(book) == ["passed", "failed", "skipped"]


@pytest.mark.parametrize("answer", ["continue", " Continue ", "var.x == 'yes'"])
def test_continue_and_a_condition_that_holds_go_on(tmp_path: Path, answer: str) -> None:
    book = ran(tmp_path, document(), inputs=answered(answer), name="a.json")

    assert outcomes(book) == ["passed", "passed", "passed"]


def test_stop_skips_the_rest_and_shows_so(tmp_path: Path) -> None:
    book = ran(tmp_path, document(), inputs=answered("stop"), name="a.json")

    assert outcomes(book) == ["passed", "passed", "skipped"]
    skipped = book.results["after"].message or ""
    assert skipped.startswith("block 2 (pause) stopped the run, as answered by the test: ")


def test_stop_still_cleans_up(tmp_path: Path) -> None:
    book = ran(
        tmp_path,
        """
        answers: {wait: stop}
        blocks: [{name: wait, pause: {}}, {name: rest, script: exit 1}]
        finally: [{name: clean, script: echo}]
        """,
    )

    assert book.outcomes == {"wait": "passed", "rest": "skipped", "clean": "passed"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("var.x == 'no'", "paused: var.x == 'no' does not hold"),
        ("var.nobody", "the answer 'var.nobody': var.nobody is undefined"),
    ],
)
def test_a_condition_that_does_not_hold_fails(tmp_path: Path, answer: str, message: str) -> None:
    result = ran(tmp_path, document(), inputs=answered(answer), name="a.json").run.results["pause"]

    assert (result.outcome, result.message) == ("failed", message)
    assert result.hint == "the answer is from the test; continue and stop answer it, too"


@pytest.mark.parametrize(("button", "rest"), [("continue", "passed"), ("stop", "skipped")])
def test_a_person_is_asked_where_there_is_one(tmp_path: Path, button: str, rest: str) -> None:
    async def work(book: Opened) -> Opened:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: book.channel.of(ClientPrompt))
            (prompt,) = book.channel.of(ClientPrompt)
            assert [option.value for option in prompt.buttons] == ["continue", "stop"]
            book.document.running["pause"].answer(prompt.prompt_id, PromptAnswer(button))
        return book

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    book = inside(tmp_path, document(), work, name="a.json", settings=settings)

    assert outcomes(book) == ["passed", "passed", rest]
    assert EventKind.SERIAL_EXECUTION_PAUSED in book.kinds
    assert Lifecycle.PAUSED in book.channel.lifecycles
