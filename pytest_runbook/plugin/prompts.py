"""Blocks that ask, and the person at the terminal who answers: from the engine's thread to pytest's, and back."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

import pytest

from ..messages.client_messages import CANCEL, ClientMessage, ClientPrompt, InputKind, PromptAnswer, PromptOption
from ..text import escape_controls
from .interruption import LOOK_INTERVAL

if TYPE_CHECKING:
    from ..document.document import Document

ResultT = TypeVar("ResultT")
Reply = Callable[[PromptAnswer], object]
YES, NO = ("y", "yes"), ("n", "no")


def somebody_is_there(config: pytest.Config) -> bool:
    """True if a person sits at the terminal and pytest leaves it to the tests: ``-s``, no worker, no CI."""
    if config.getoption("capture") != "no" or hasattr(config, "workerinput") or os.environ.get("CI"):
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


class Questions:
    """Passes questions of a document to whoever waits for its blocks; everything else that is said, nobody hears.

    document: whose questions they are; set as soon as it is open.
    """

    document: Document

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def send(self, message: ClientMessage) -> None:
        if isinstance(message, ClientPrompt):
            prompt_id = message.prompt_id
            self._asking.put(message, lambda answer: self.document.answer(prompt_id, answer))


class Asking:
    """Asks the person in the main thread while the engine's thread waits.

    call: calls a function in the engine's thread.
    """

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self._waiting: SimpleQueue[tuple[ClientPrompt, Reply] | Future[object]] = SimpleQueue()

    def put(self, prompt: ClientPrompt, reply: Reply) -> None:
        """Have a question asked. Called in the engine's thread."""
        self._waiting.put((prompt, reply))

    def result(self, future: Future[ResultT]) -> ResultT:
        """The result of what runs in the engine's thread; meanwhile, questions are asked."""
        over, ended = socket.socketpair()
        with over, ended:
            future.add_done_callback(lambda done: self._end(done, ended))
            while (question := self._next()) is not future:
                if not isinstance(question, Future):
                    self._ask(*question, over)
        return future.result()

    def _next(self) -> tuple[ClientPrompt, Reply] | Future[object]:
        while True:
            with suppress(Empty):  # a signal that another thread got is noticed in between
                return self._waiting.get(timeout=LOOK_INTERVAL)

    def _end(self, future: Future[ResultT], ended: socket.socket) -> None:
        with suppress(OSError):  # nobody waits for it any more
            ended.send(b".")
        self._waiting.put(future)  # type: ignore[arg-type]  # told apart by what it is, not by what it gives

    def _ask(self, prompt: ClientPrompt, reply: Reply, over: socket.socket) -> None:
        answer = _answer(prompt, over)
        if answer is not None:
            with suppress(KeyError):  # it waits no longer
                self._call(reply, answer)


def _answer(prompt: ClientPrompt, over: socket.socket) -> PromptAnswer | None:
    """What the person says; None if nothing waits for it any more. Ctrl-D is the last of the buttons."""
    _say(f"\n{prompt.title}: {prompt.prompt}\n")
    try:
        return _said(prompt, over)
    except EOFError:
        _say("\n")
        return PromptAnswer(prompt.buttons[-1].value if prompt.buttons else CANCEL)


def _said(prompt: ClientPrompt, over: socket.socket) -> PromptAnswer | None:
    """The same. :raises EOFError: if the person has nothing to say."""
    if prompt.input is InputKind.DROPDOWN:
        return _chosen(prompt, over)
    if prompt.input is None:
        return _pressed(prompt.buttons, over)
    text = _typed("(not shown) " if prompt.is_hidden else "", over, is_hidden=prompt.is_hidden)
    return None if text is None else PromptAnswer("ok", text)


def _chosen(prompt: ClientPrompt, over: socket.socket) -> PromptAnswer | None:
    """One of the choices, by its number, value or label; an empty line cancels."""
    choices = prompt.choices
    for number, choice in enumerate(choices, 1):
        value = "" if choice.label == choice.value else f" ({choice.value})"
        _say(f"  {number}  {choice.label}{value}\n")
    while True:
        text = _typed("number or text, nothing to cancel: ", over)
        if text is None:
            return None
        if not text:
            return PromptAnswer(CANCEL)
        found = _named(choices, text) or _numbered(choices, text)
        if found is not None:
            return PromptAnswer("ok", found.value)
        _say("that is none of them\n")


def _pressed(buttons: Sequence[PromptOption], over: socket.socket) -> PromptAnswer | None:
    """One of the buttons, by its label; the first is a yes as well, the second a no."""
    words = [{button.label.lower(), button.value.lower()} for button in buttons]
    for known, more in zip(words, (YES, NO), strict=False):
        known.update(more)
    labels = " or ".join(button.label.lower() for button in buttons)
    while True:
        text = _typed(f"{labels} (y/n): ", over)
        if text is None:
            return None
        for button, known in zip(buttons, words, strict=True):
            if text.strip().lower() in known:
                return PromptAnswer(button.value)


def _named(choices: Sequence[PromptOption], text: str) -> PromptOption | None:
    """The choice of that value, else of that label."""
    by_value = (choice for choice in choices if choice.value == text)
    by_label = (choice for choice in choices if choice.label == text)
    return next(by_value, None) or next(by_label, None)


def _numbered(choices: Sequence[PromptOption], text: str) -> PromptOption | None:
    number = int(text) if text.isascii() and text.isdigit() else 0
    return choices[number - 1] if 0 < number <= len(choices) else None


def _typed(question: str, over: socket.socket, *, is_hidden: bool = False) -> str | None:
    """The line that the person types; None if that is not waited for any more.

    :raises EOFError: if the person says that there is none.
    """
    terminal = sys.stdin.fileno()
    with _hidden(terminal) if is_hidden else nullcontext():  # before the question: who sees it may type at once
        _say(question)
        readable: list[object] = []
        while not readable:  # a signal that another thread got is noticed in between
            readable, _, _ = select.select([over, terminal], [], [], LOOK_INTERVAL)
        if over in readable:
            return None
        line = os.read(terminal, 65536)
    if is_hidden:
        _say("\n")
    if not line:
        raise EOFError
    return line.decode(errors="replace").rstrip("\n")


@contextmanager
def _hidden(terminal: int) -> Iterator[None]:
    """The terminal shows nothing of what is typed."""
    usual = termios.tcgetattr(terminal)
    hidden = [*usual[:3], usual[3] & ~termios.ECHO, *usual[4:]]
    termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, usual)


def _say(text: str) -> None:
    sys.stdout.write(escape_controls(text))
    sys.stdout.flush()
