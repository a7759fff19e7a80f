"""Local variables that a person is asked for when the first block below them is to run."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from pytest_runbook import Inputs, PromptAnswer, Settings
from pytest_runbook.messages.client_messages import ClientPrompt, InputKind
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, until

BOOK = json.dumps(
    [
        {"id": "first", "type": "script", "props": {"name": "first", "code": "true"}},
        {"id": "token", "type": "local-var", "props": {"name": "token", "obscured": True}},
        {"id": "user", "type": "local-var", "props": {"name": "user", "obscured": False}},
        {"id": "second", "type": "script", "props": {"name": "second", "code": "echo {{ var.user }} {{ var.token }}"}},
        {"id": "third", "type": "script", "props": {"name": "third", "code": "true"}},
    ]
)
ANSWERS = {"token": "geheim-token", "user": "ada"}


def asked(folder: Path, inputs: Inputs | None = None, *, answers: bool = True) -> tuple[Opened, list[ClientPrompt]]:
    """The run, with what was asked meanwhile."""
    settings = Settings(root=folder, invocation=folder, is_interactive=True)
    prompts: list[ClientPrompt] = []

    async def answer(book: Opened) -> None:
        while True:
            await until(lambda: len(book.channel.of(ClientPrompt)) > len(prompts))
            prompt = book.channel.of(ClientPrompt)[len(prompts)]
            prompts.append(prompt)
            book.document.answer(prompt.prompt_id, PromptAnswer("ok", ANSWERS[prompt.title] if answers else None))

    async def work(book: Opened) -> Opened:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer, book)
            await book.run.run_all()
            tasks.cancel_scope.cancel()
        return book

    return inside(folder, BOOK, work, name="a.json", settings=settings, inputs=inputs), prompts


def test_each_value_is_asked_for_once_and_set(tmp_path: Path) -> None:
    book, prompts = asked(tmp_path)

    assert [(p.title, p.prompt, p.input, p.is_hidden) for p in prompts] == [
        ("token", "Value of token", InputKind.STRING, True),
        ("user", "Value of user", InputKind.STRING, False),
    ]
    assert book.outcomes == {"first": "passed", "second": "passed", "third": "passed"}
    assert book.said == "ada ***\n"


def test_what_is_given_is_not_asked_for(tmp_path: Path) -> None:
    given = Inputs(
        fixed={"user": ContextValue("ada", Origin("--runbook-var"))},
        answers=({"token": ContextValue("x", Origin("--runbook-answer"))},),
    )
    book, prompts = asked(tmp_path, given)

    assert prompts == []
    assert book.outcomes["second"] == "passed"


def test_who_returns_no_value_leaves_it_undefined(tmp_path: Path) -> None:
    book, _ = asked(tmp_path, answers=False)

    assert book.results["second"].message == "var.user is undefined"


def test_a_block_that_does_not_run_has_nobody_asked(tmp_path: Path) -> None:
    async def work(book: Opened) -> Opened:
        book.run.cancel("enough")
        await book.run.run_all()
        return book

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    book = inside(tmp_path, BOOK, work, name="a.json", settings=settings)

    assert book.channel.of(ClientPrompt) == []


def test_a_run_that_is_cancelled_ends_the_question(tmp_path: Path) -> None:
    async def work(book: Opened) -> Opened:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: book.channel.of(ClientPrompt))
            book.run.cancel("enough")
        return book

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)
    book = inside(tmp_path, BOOK, work, name="a.json", settings=settings)

    assert book.outcomes == {"first": "passed", "second": "skipped", "third": "skipped"}
    with pytest.raises(KeyError):
        book.document.answer("any", PromptAnswer("ok"))
