"""Asks the user at the terminal what blocks prompt for: from the engine's thread to pytest's, and back."""

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
AnswerCallback = Callable[[PromptAnswer], object]
YES, NO = ("y", "yes"), ("n", "no")


def is_interactive(config: pytest.Config) -> bool:
    """Return True if stdin and stdout are a terminal that pytest leaves to the tests: ``-s``, no worker, no CI."""
    if config.getoption("capture") != "no" or hasattr(config, "workerinput") or os.environ.get("CI"):
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


class PromptChannel:
    """The message channel of a document: passes prompts to the prompter and drops all other messages.

    document: gets the answers; set as soon as it is open.
    """

    document: Document

    def __init__(self, prompter: TerminalPrompter) -> None:
        self._prompter = prompter

    def send(self, message: ClientMessage) -> None:
        if isinstance(message, ClientPrompt):
            prompt_id = message.prompt_id
            self._prompter.put(message, lambda answer: self.document.answer(prompt_id, answer))


class TerminalPrompter:
    """Asks prompts in the main thread, which waits for a result of the engine's thread meanwhile.

    call: calls a function in the engine's thread.
    """

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self._queue: SimpleQueue[tuple[ClientPrompt, AnswerCallback] | Future[object]] = SimpleQueue()

    def put(self, prompt: ClientPrompt, send_answer: AnswerCallback) -> None:
        """Queue a prompt for the main thread. Called in the engine's thread."""
        self._queue.put((prompt, send_answer))

    def wait_for(self, future: Future[ResultT]) -> ResultT:
        """Wait for a result of the engine's thread, and ask the prompts that come meanwhile."""
        # The socket ends a prompt that waits for input when the result comes, as after a timeout of its block.
        done_reader, done_writer = socket.socketpair()
        with done_reader, done_writer:
            future.add_done_callback(lambda done: self._wake_up(done, done_writer))
            while (queued := self._next()) is not future:
                if not isinstance(queued, Future):
                    self._ask(*queued, done_reader)
        return future.result()

    def _next(self) -> tuple[ClientPrompt, AnswerCallback] | Future[object]:
        while True:
            with suppress(Empty):  # Python handles a signal in this thread only, between two waits
                return self._queue.get(timeout=SIGNAL_POLL_INTERVAL)

    def _wake_up(self, future: Future[ResultT], done_writer: socket.socket) -> None:
        with suppress(OSError):  # `wait_for` has been left, and has closed it
            done_writer.send(b".")
        self._queue.put(future)  # type: ignore[arg-type]  # the type of its result does not matter here

    def _ask(self, prompt: ClientPrompt, send_answer: AnswerCallback, done_reader: socket.socket) -> None:
        answer = _read_answer(prompt, done_reader)
        if answer is not None:
            with suppress(KeyError):  # the block no longer waits for an answer
                self._call(send_answer, answer)


def _read_answer(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """Read the answer to a prompt; None if the result came first. Ctrl-D is the last of the buttons, or cancels."""
    _print(f"\n{prompt.title}: {prompt.prompt}\n")
    try:
        return _read_input(prompt, done_reader)
    except EOFError:
        _print("\n")
        return PromptAnswer(prompt.buttons[-1].value if prompt.buttons else CANCEL)


def _read_input(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """Read the input that a prompt asks for; None if the result came first.

    :raises EOFError: on Ctrl-D.
    """
    if prompt.input is InputKind.DROPDOWN:
        return _read_choice(prompt, done_reader)
    if prompt.input is None:
        return _read_button(prompt.buttons, done_reader)
    text = _read_line("(not shown) " if prompt.is_hidden else "", done_reader, is_hidden=prompt.is_hidden)
    return None if text is None else PromptAnswer("ok", text)


def _read_choice(prompt: ClientPrompt, done_reader: socket.socket) -> PromptAnswer | None:
    """Read one of the choices, by its value, label or number; an empty line cancels."""
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
    """Read one of the buttons, by its label or value; the first is also ``yes``, the second ``no``."""
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
    """Return the choice with this value, else the one with this label."""
    by_value = (choice for choice in choices if choice.value == text)
    by_label = (choice for choice in choices if choice.label == text)
    return next(by_value, None) or next(by_label, None)


def _choice_by_number(choices: Sequence[PromptOption], text: str) -> PromptOption | None:
    number = int(text) if text.isascii() and text.isdigit() else 0
    return choices[number - 1] if 0 < number <= len(choices) else None


def _read_line(question: str, done_reader: socket.socket, *, is_hidden: bool = False) -> str | None:
    """Read a line of the terminal; None if the result came first.

    :raises EOFError: on Ctrl-D.
    """
    terminal = sys.stdin.fileno()
    with _echo_off(terminal) if is_hidden else nullcontext():  # before the question: the user may type at once
        _print(question)
        readable: list[object] = []
        while not readable:  # Python handles a signal in this thread only, between two waits
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
    """Switch off the terminal's echo while the context manager is open."""
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
