"""What is said while a runbook runs: channels, prompts, events."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from pytest_runbook import (
    BlockBehavior,
    BlockOutput,
    BlockPlugin,
    BlockType,
    CallbackChannel,
    ClientPrompt,
    Event,
    EventBus,
    EventKind,
    ExecutionContext,
    ExecutionState,
    MessageStream,
    Output,
    PromptAnswer,
    WorkResult,
)
from pytest_runbook.messages.channel import GuardedChannel, NullChannel
from pytest_runbook.messages.client_messages import InputKind, PromptOption
from tests.harness import Opened, inside


def message(text: str) -> BlockOutput:
    return BlockOutput(block_id="b", stdout=text)


def test_a_stream_returns_messages_in_their_order_and_ends_when_it_is_closed() -> None:
    async def main() -> list[object]:
        stream = MessageStream()
        stream.send(message("1"))
        got: list[object] = []

        async def read() -> None:
            async for item in stream:
                got.append(item)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            stream.send(message("2"))
            stream.close()
        return got

    assert anyio.run(main) == [message("1"), message("2")]


def test_a_reader_may_leave_a_stream_and_come_back() -> None:
    async def main() -> list[object]:
        stream = MessageStream()
        for text in "123":
            stream.send(message(text))
        got: list[object] = []
        async for item in stream:
            got.append(item)
            break
        stream.close()
        return [*got, *[item async for item in stream]]

    assert anyio.run(main) == [message("1"), message("2"), message("3")]


def test_a_callback_is_called_with_each_message() -> None:
    got: list[object] = []

    CallbackChannel(got.append).send(message("1"))
    NullChannel().send(message("2"))

    assert got == [message("1")]


def fail(item: object) -> None:
    raise OSError("gone")


def test_a_guarded_channel_reports_of_a_fault_and_raises_none() -> None:
    reported: list[str] = []

    GuardedChannel(CallbackChannel(fail), reported.append).send(message("1"))

    assert reported == ["a message channel failed: OSError: gone"]


def test_an_event_goes_to_all_who_subscribed_as_long_as_they_did() -> None:
    reported: list[str] = []
    bus, one, other = EventBus(reported.append), list[Event](), list[Event]()
    event = Event(EventKind.BLOCK_STARTED, {"block_id": "b"})

    with bus.subscribe(one.append), bus.subscribe(fail):
        with bus.subscribe(other.append):
            bus.emit(event)
        bus.emit(event)
    bus.emit(event)

    assert (one, other) == ([event, event], [event])
    assert reported == ["a subscriber to events failed: OSError: gone"] * 2


def test_an_event_has_the_form_of_the_reference_s_wire() -> None:
    event = Event(EventKind.SSH_CERTIFICATE_NOT_YET_VALID, {"host": "web"})

    assert event.to_json() == {"type": "sshCertificateNotYetValid", "data": {"host": "web"}}


class Question(BlockBehavior):
    """Asks where to deploy."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        choices = [PromptOption("Europe", "eu"), PromptOption("America", "us")]
        buttons = [PromptOption("Go", "go")]
        answer = await context.prompt_client(
            "Where?", "Region", input=InputKind.DROPDOWN, choices=choices, buttons=buttons
        )
        return WorkResult(output=Output({"button": answer.button, "value": answer.value}, value=lambda: answer.value))


QUESTION = BlockPlugin(BlockType(name="question", plain_names=("question",)), Question)


async def asked(book: Opened) -> ClientPrompt:
    with anyio.fail_after(20):
        while not (prompts := book.channel.of(ClientPrompt)):  # noqa: ASYNC110 - a recording channel wakes nobody
            await anyio.sleep(0.005)
    return prompts[0]


def test_a_question_waits_for_its_answer(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[ClientPrompt, ExecutionState, object]:
        handle = book.document.start_execution("q")
        prompt = await asked(book)
        handle.answer(prompt.prompt_id, PromptAnswer("go", "eu"))
        handle.answer(prompt.prompt_id, PromptAnswer("go", "us"))
        await handle.wait()
        with pytest.raises(KeyError):
            handle.answer(prompt.prompt_id, PromptAnswer("go"))
        output = book.document.output("q")
        return prompt, handle.status.state, output and dict(output)

    prompt, state, output = inside(tmp_path, "blocks: [{id: q, question: {}}]", work, plugins=(QUESTION,))

    assert (prompt.title, prompt.prompt, prompt.input) == ("Where?", "Region", InputKind.DROPDOWN)
    assert [choice.value for choice in prompt.choices] == ["eu", "us"]
    assert (state, output) == (ExecutionState.SUCCESS, {"button": "go", "value": "eu"})


def test_a_question_that_nobody_answers_ends_with_its_block(tmp_path: Path) -> None:
    async def work(book: Opened) -> ExecutionState:
        handle = book.document.start_execution("q")
        prompt = await asked(book)
        handle.cancel()
        await handle.wait()
        with pytest.raises(KeyError):
            handle.answer(prompt.prompt_id, PromptAnswer("go"))
        return handle.status.state

    assert inside(tmp_path, "blocks: [{id: q, question: {}}]", work, plugins=(QUESTION,)) is ExecutionState.CANCELLED
