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
from .interruption import SIGNAL_POLL_INTERVAL

if TYPE_CHECKING:
    from ..document.document import Document

ResultT = TypeVar("ResultT")
Reply = Callable[[PromptAnswer], object]
YES, NO = ("y", "yes"), ("n", "no")


def is_interactive(config: pytest.Config) -> bool:
    """True if a person sits at the terminal and pytest leaves it to the tests: ``-s``, no worker, no CI."""
    if config.getoption("capture") != "no" or hasattr(config, "workerinput") or os.environ.get("CI"):
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


class PromptChannel:
    """Passes questions of a document to whoever waits for its blocks; everything else that is said, nobody hears.

    document: whose questions they are; set as soon as it is open.
    """

    document: Document

    def __init__(self, prompter: TerminalPrompter) -> None:
        self._prompter = prompter

    def send(self, message: ClientMessage) -> None:
        if isinstance(message, ClientPrompt):
            prompt_id = message.prompt_id
            self._prompter.put(message, lambda answer: self.document.answer(prompt_id, answer))


class TerminalPrompter:
    """Asks the person in the main thread while the engine's thread waits.

    call: calls a function in the engine's thread.
    """

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self._queue: SimpleQueue[tuple[ClientPrompt, Reply] | Future[object]] = SimpleQueue()

    def put(self, prompt: ClientPrompt, reply: Reply) -> None:
        """Have a question asked. Called in the engine's thread."""
        self._queue.put((prompt, reply))

    def wait_for(self, future: Future[ResultT]) -> ResultT:
        """The result of what runs in the engine's thread; meanwhile, questions are asked."""
        done_reader, done_writer = socket.socketpair()
        with done_reader, done_writer:
            future.add_done_callback(lambda done: self._wake_up(done, done_writer))
            while (queued := self._next()) is not future:
                if not isinstance(queued, Future):
                    self._ask(*queued, done_reader)
        return future.result()

    def _next(self) -> tuple[ClientPrompt, Reply] | Future[object]:
        while True:
            with suppress(Empty):  # a signal that another thread got is noticed in between
                return self._queue.get(timeout=SIGNAL_POLL_INTERVAL)

    def _wake_up(self, future: Future[ResultT], done_writer: socket.socket) -> None:
        with suppress(OSError):  # nobody waits for it any more
            done_writer.send(b".")
        self._queue.put(future)  # type: ignore[arg-type]  # told apart by what it is, not by what it gives

    def _ask(self, prompt: ClientPrompt, reply: Reply, done_reader: socket.socket) -> None:
        answer = _read_answer(prompt, done_reader)
        if answer is not None:
            with suppress(KeyError):  # it waits no longer
                self._call(reply, answer)


def _read_answer(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """What the person says; None if nothing waits for it any more. Ctrl-D is the last of the buttons."""
    _print(f"\n{prompt.title}: {prompt.prompt}\n")
    try:
        return _read_input(prompt, done_reader)
    except EOFError:
        _print("\n")
        return PromptAnswer(prompt.buttons[-1].value if prompt.buttons else CANCEL)


def _read_input(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """The same. :raises EOFError: if the person has nothing to say."""
    if prompt.input is InputKind.DROPDOWN:
        return _read_choice(prompt, done_reader)
    if prompt.input is None:
        return _read_button(prompt.buttons, done_reader)
    text = _read_line("(not shown) " if prompt.is_hidden else "", done_reader, is_hidden=prompt.is_hidden)
    return None if text is None else PromptAnswer("ok", text)


def _read_choice(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """One of the choices, by its number, value or label; an empty line cancels."""
    choices = prompt.choices
    for number, choice in enumerate(choices, 1):
        value = "" if choice.label == choice.value else f" ({choice.value})"
        _print(f"  {number}  {choice.label}{value}\n")
    while True:
        text = _read_line("number or text, nothing to cancel: ", done_reader)
        if text is None:
            return None
        if not text:
            return PromptAnswer(CANCEL)
        found = _choice_by_text(choices, text) or _choice_by_number(choices, text)
        if found is not None:
            return PromptAnswer("ok", found.value)
        _print("that is none of them\n")


def _read_button(buttons: Sequence[PromptOption], done_reader: socket.socket) -> PromptAnswer | None:
    """One of the buttons, by its label; the first is a yes as well, the second a no."""
    words = [{button.label.lower(), button.value.lower()} for button in buttons]
    for accepted, synonyms in zip(words, (YES, NO), strict=False):
        accepted.update(synonyms)
    labels = " or ".join(button.label.lower() for button in buttons)
    while True:
        text = _read_line(f"{labels} (y/n): ", done_reader)
        if text is None:
            return None
        for button, accepted in zip(buttons, words, strict=True):
            if text.strip().lower() in accepted:
                return PromptAnswer(button.value)


def _choice_by_text(choices: Sequence[PromptOption], text: str) -> PromptOption | None:
    """The choice of that value, else of that label."""
    by_value = (choice for choice in choices if choice.value == text)
    by_label = (choice for choice in choices if choice.label == text)
    return next(by_value, None) or next(by_label, None)


def _choice_by_number(choices: Sequence[PromptOption], text: str) -> PromptOption | None:
    number = int(text) if text.isascii() and text.isdigit() else 0
    return choices[number - 1] if 0 < number <= len(choices) else None


def _read_line(question: str, done_reader: socket.socket, *, is_hidden: bool = False) -> str | None:
    """The line that the person types; None if that is not waited for any more.

    :raises EOFError: if the person says that there is none.
    """
    terminal = sys.stdin.fileno()
    with _echo_off(terminal) if is_hidden else nullcontext():  # before the question: who sees it may type at once
        _print(question)
        readable: list[object] = []
        while not readable:  # a signal that another thread got is noticed in between
            readable, _, _ = select.select([done_reader, terminal], [], [], SIGNAL_POLL_INTERVAL)
        if done_reader in readable:
            return None
        line = os.read(terminal, 65536)
    if is_hidden:
        _print("\n")
    if not line:
        raise EOFError
    return line.decode(errors="replace").rstrip("\n")


@contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    """The terminal shows nothing of what is typed."""
    original = termios.tcgetattr(terminal)
    without_echo = [*original[:3], original[3] & ~termios.ECHO, *original[4:]]
    termios.tcsetattr(terminal, termios.TCSAFLUSH, without_echo)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, original)


def _print(text: str) -> None:
    sys.stdout.write(escape_controls(text))
    sys.stdout.flush()
