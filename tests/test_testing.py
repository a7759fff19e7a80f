"""The kit for people who write block types."""

from __future__ import annotations

import pytest

from pytest_runbook import (
    BlockBehavior,
    BlockContext,
    BlockPlugin,
    BlockType,
    ContextError,
    ContextResolver,
    DocumentVar,
    EventKind,
    ExecutionContext,
    Inputs,
    Lifecycle,
    LocalValues,
    Output,
    Prop,
    UnreadableFile,
    WorkResult,
)
from pytest_runbook.secrets.provenance import ContextValue, Origin
from pytest_runbook.testing import run_block


class Shout(BlockBehavior):
    """Says its text louder, and leaves it as a variable."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        text = context.require("text").upper()
        context.send_output(stdout=text.encode())
        return WorkResult(output=Output({"text": text}, value=lambda: text), variables={"loud": text})


class Greeting(BlockBehavior):
    """Declares a variable."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        return BlockContext(DocumentVar("greeting", self.resolved(resolver, "text")))


class Faulty(BlockBehavior):
    """Can't declare anything."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        raise ZeroDivisionError("by zero")


TEXT = (Prop(name="name", default=""), Prop(name="text", plain_required=True, templated=True))


def plugin(behavior: type[BlockBehavior], *, is_item: bool) -> BlockPlugin:
    block_type = BlockType(
        name="mine", plain_names=("mine",), main="text", props=TEXT, is_item=is_item, is_context=not is_item
    )
    return BlockPlugin(block_type, behavior)


SHOUT = plugin(Shout, is_item=True)


def test_one_block_runs_for_real() -> None:
    run = run_block(SHOUT, "hello", keys={"assert": "output.text == 'HELLO'", "capture": "x"})

    assert run.result.outcome == "passed"
    assert run.output is not None
    assert dict(run.output) == {"text": "HELLO"}
    assert run.context_below.variables == {"loud": "HELLO", "x": "HELLO"}
    assert (run.channel.stdout, run.channel.lifecycles) == ("HELLO", [Lifecycle.STARTED, Lifecycle.FINISHED])
    assert [event.kind for event in run.events] == [EventKind.BLOCK_STARTED, EventKind.BLOCK_FINISHED]


def test_it_may_be_given_what_a_runbook_is_given() -> None:
    inputs = Inputs(vars={"who": ContextValue("you", Origin("a test"))})

    assert run_block(SHOUT, {"text": "{{ var.who }}"}, inputs=inputs).channel.stdout == "YOU"


def test_it_fails_as_it_would_in_a_runbook() -> None:
    run = run_block(SHOUT, "{{ '' }}")

    assert (run.result.outcome, run.result.message) == ("failed", "`text` is empty")


def test_what_can_not_be_written_in_a_runbook_is_an_error() -> None:
    with pytest.raises(UnreadableFile, match="needs text"):
        run_block(SHOUT, {})


def test_what_a_block_declares_is_seen_below() -> None:
    assert run_block(plugin(Greeting, is_item=False), "hello").context_below.variables == {"greeting": "hello"}


def test_a_fault_in_a_declaration_is_reported_as_one() -> None:
    with pytest.raises(ContextError, match="a fault in the block type's code: ZeroDivisionError: by zero"):
        run_block(plugin(Faulty, is_item=False), "hello")
