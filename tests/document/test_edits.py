"""Edits of an open document: after each, blocks see what a document built from scratch would show them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_runbook import BlockContextUpdate, ContextError, Document, ResolvedContext, Runbook, load_runbook
from pytest_runbook.blocks.registry import BlockRegistry
from pytest_runbook.blocks.variables import Var
from pytest_runbook.context.answers import LocalValues
from pytest_runbook.context.block_context import BlockContext
from pytest_runbook.context.items import BlockExecutionOutput, DocumentVar, DocumentVars
from pytest_runbook.context.output import Output
from pytest_runbook.context.resolver import ContextResolver
from pytest_runbook.document.runtime import Runtime, open_runtime
from pytest_runbook.model.runbook import BlockSpec
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, written

Node = dict[str, Any]
NAMES = ("a", "b", "c")
TEXTS = (
    "1",
    "{{ var.a | default('-') }}+",
    "{{ var.b }}",
    "{{ doc.previous.content | default('') }}",
    "{{ doc.named['w1'].output.text | default('none') }}",
    "{{ doc.content | length }}",
    "{{ env.E | default('') }}",
    "{{ runbook.name }}",
    "{{ block.id }}",
)


def node(number: int, draw: random.Random) -> Node:
    """A block or a paragraph out of few, so that edits often meet."""
    kind = draw.choice(("var", "var", "var", "env", "directory", "host-select", "script", "paragraph", "local-var"))
    text = draw.choice(TEXTS)
    props: dict[str, Any] = {
        "var": {"name": draw.choice(NAMES), "value": text},
        "env": {"name": "E", "value": text},
        "directory": {"path": draw.choice(("", "sub", "..", "/srv/{{ var.a | default('x') }}"))},
        "host-select": {"host": draw.choice(("local", "web-1", "{{ var.c }}"))},
        "script": {"name": f"w{number % 3}", "code": text},
        "paragraph": {},
        "local-var": {"name": draw.choice(NAMES)},
    }[kind]
    content = [{"type": "text", "text": draw.choice(NAMES)}] if kind == "paragraph" else []
    return {"id": f"n{number}", "type": kind, "props": props, "content": content, "children": []}


def edited(nodes: list[Node], draw: random.Random) -> list[Node]:
    """The nodes after one edit: something added, removed, moved, changed, or nothing."""
    nodes = list(nodes)
    at = draw.randrange(len(nodes) + 1)
    match draw.choice(("add", "remove", "move", "change", "same")):
        case "remove" if nodes:
            nodes.pop(at % len(nodes))
        case "move" if nodes:
            nodes.insert(at, nodes.pop(draw.randrange(len(nodes))))
        case "change" if nodes:
            nodes[at % len(nodes)] = node(int(nodes[at % len(nodes)]["id"][1:]), draw)
        case "add":
            free = next(number for number in range(100) if f"n{number}" not in {other["id"] for other in nodes})
            nodes.insert(at, node(free, draw))
    return nodes


def parsed(folder: Path, nodes: list[Node], name: str) -> Runbook:
    data = {"id": "r", "name": name, "version": 1, "content": nodes}
    return load_runbook(written(folder, json.dumps(data, indent=1), "a.json"))


def sight(document: Document, spec: BlockSpec) -> tuple[object, object]:
    """What a block sees, and what is wrong above it."""
    error = document.context_error_above(spec.id)
    return document.resolved_context(spec.id), error and (error.message, error.location, error.hint)


def from_scratch(runtime: Runtime, document: Document) -> Document:
    """The same runbook opened anew, with what blocks left."""
    fresh = runtime.open_document(document.runbook)
    for station, old in zip(fresh._chain.entries, document._chain.entries, strict=True):
        station.active = old.active.copy()
    return fresh


def leave(document: Document, block_id: str, text: str) -> None:
    """What a run of the block would leave."""
    value = ContextValue(text, Origin("a run"))

    def change(context: BlockContext) -> None:
        context.insert(DocumentVars((DocumentVar("a", value),)))
        context.insert(BlockExecutionOutput(Output({"text": text}, value=lambda: text)))

    document.update_active_context(block_id, change)


async def play(seed: int, steps: int, folder: Path) -> None:
    draw = random.Random(seed)
    nodes = [node(number, draw) for number in range(draw.randrange(8))]
    async with open_runtime() as runtime:
        document = runtime.open_document(parsed(folder, nodes, "first"))
        for step in range(steps):
            blocks = document.runbook.blocks
            scripts = [spec.id for spec in blocks if spec.type == "script"]
            if blocks:
                document.resolved_context(draw.choice(blocks).id)  # folded to somewhere in the middle
            match draw.choice(("edit", "edit", "edit", "leave", "clear", "rename")):
                case "leave" if scripts:
                    leave(document, draw.choice(scripts), str(step))
                case "clear" if scripts:
                    document.clear_active_context(draw.choice(scripts))
                case "rename":
                    document.put_document(parsed(folder, nodes, f"name {step % 2}"))
                case _:
                    nodes = edited(nodes, draw)
                    document.put_document(parsed(folder, nodes, document.runbook.name))
            fresh = from_scratch(runtime, document)
            if document.runbook.blocks and draw.random() < 0.5:
                document.resolved_context(draw.choice(document.runbook.blocks).id)
            for spec in document.runbook.blocks:
                assert sight(document, spec) == sight(fresh, spec), (step, spec.id)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_after_any_edits_contexts_are_those_of_a_fresh_document(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(play, seed, 10, Path(folder))


class Counting(Var):
    """A var block that counts how often it is evaluated."""

    count = 0

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        Counting.count += 1
        return super().passive_context(resolver, local_values)


@contextmanager
def counted() -> Iterator[None]:
    Counting.count = 0
    yield


async def evaluations(folder: Path, size: int) -> list[int]:
    """How many evaluations each step costs: open, ask the last, run the first script, run the last, edit the last."""
    registry = BlockRegistry()
    registry._behaviors["var"] = Counting
    costs: list[int] = []
    nodes: list[Node] = [
        {"id": f"v{n}", "type": "var", "props": {"name": "a", "value": "{{ 1 }}"}} for n in range(size)
    ]
    script: Node = {"type": "script", "props": {"name": "w1", "code": "{{ var.a }}"}}
    nodes = [nodes[0], {"id": "first", **script}, *nodes[1:], {"id": "last", **script}]
    async with open_runtime(registry=registry) as runtime:

        def costing(work: object) -> None:
            costs.append(Counting.count)
            Counting.count = 0

        with counted():
            document = runtime.open_document(parsed(folder, nodes, "x"))
            costing("open")
            document.resolved_context("last")
            costing("ask")
            for spec in document.runbook.blocks[::97]:
                document.resolved_context(spec.id)
            costing("ask others")
            leave(document, "last", "x")
            document.resolved_context("last")
            costing("the last leaves something")
            leave(document, "first", "x")
            costing("the first leaves something")
            changed = [*nodes[:-2], {**nodes[-2], "props": {"name": "a", "value": "2"}}, nodes[-1]]
            document.resolved_context("last")
            Counting.count = 0
            assert document.put_document(parsed(folder, changed, "x")) == len(nodes) - 2
            document.resolved_context("last")
            costing("the last declaration is edited")
    return costs


def test_each_context_is_evaluated_once_however_many_stand_above(tmp_path: Path) -> None:
    assert anyio.run(evaluations, tmp_path, 10_000) == [0, 10_000, 0, 0, 0, 1]


EDITS: list[tuple[str, str, int | None]] = [
    ("blocks: [vars: {a: 1}, script: echo]", "blocks: [vars: {a: 1}, script: echo]", None),
    ("blocks: [vars: {a: 1}, script: echo]", "blocks: [vars: {a: 2}, script: echo]", 0),
    ("blocks: [vars: {a: 1}, script: echo]", "blocks: [vars: {a: 1}, script: date]", 1),
    ("blocks: [vars: {a: 1}, script: echo]", "blocks: [vars: {a: 1}]", 1),
    ("blocks: [vars: {a: 1}]", "blocks: [vars: {a: 1}, script: echo]", 1),
    ("vars: {x: 1}\nblocks: [vars: {a: 1}]", "vars: {x: 2}\nblocks: [vars: {a: 1}]", 0),
    ("blocks: [vars: {a: 1}, script: echo]", "\nblocks: [vars: {a: 1}, script: echo]", 0),
]


@pytest.mark.parametrize(("before", "after", "changed"), EDITS)
def test_an_edit_reports_the_first_block_that_it_touches(
    tmp_path: Path, before: str, after: str, changed: int | None
) -> None:
    async def work(book: Opened) -> int | None:
        return book.document.put_document(load_runbook(written(tmp_path, after)))

    assert inside(tmp_path, before, work) == changed


def contents(*texts: str, code: str = "") -> list[Node]:
    prose = [
        {"id": f"p{n}", "type": "paragraph", "content": [{"type": "text", "text": t}]} for n, t in enumerate(texts)
    ]
    return [*prose, {"id": "s", "type": "script", "props": {"code": code}}]


@pytest.mark.parametrize(("code", "changed"), [("echo", None), ("{{ doc.first.content }}", 0)])
def test_an_edit_of_prose_touches_who_reads_it(tmp_path: Path, code: str, changed: int | None) -> None:
    async def main() -> int | None:
        async with open_runtime() as runtime:
            document = runtime.open_document(parsed(tmp_path, contents("one", code=code), "x"))
            return document.put_document(parsed(tmp_path, contents("two", code=code), "x"))

    assert anyio.run(main) == changed


def updates(book: Opened) -> dict[str, Mapping[str, object]]:
    return {m.block_id: m.context.variables for m in book.channel.of(BlockContextUpdate)}


def test_a_client_gets_the_contexts_that_change(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[dict[str, Mapping[str, object]], dict[str, Mapping[str, object]]]:
        book.document.rebuild_contexts()
        first = updates(book)
        book.channel.messages.clear()
        leave(book.document, "w", "text")
        return first, updates(book)

    text = "blocks: [{id: s, script: echo}, {id: w, script: echo}, {id: x, script: echo}, {id: y, script: echo}]"
    first, second = inside(tmp_path, text, work)

    assert first == {"s": {}, "w": {}, "x": {}, "y": {}}
    assert second == {"x": {"a": "text"}, "y": {"a": "text"}}


def test_messages_to_a_client_hold_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "hunter22")

    async def work(book: Opened) -> tuple[ResolvedContext, ResolvedContext]:
        book.document.rebuild_contexts()
        (reported,) = book.channel.of(BlockContextUpdate)[-1:]
        return reported.context, book.document.resolved_context("s")

    text = "secrets: {token: {env: THE_TOKEN}}\nblocks: [vars: {t: '{{ secret.token }}'}, {id: s, script: echo}]"
    reported, real = inside(tmp_path, text, work)

    assert (reported.variables, real.variables) == ({"t": "***"}, {"t": "hunter22"})


def test_a_declaration_that_is_fixed_is_no_fault_any_more(tmp_path: Path) -> None:
    async def work(book: Opened) -> list[str | None]:
        def fault() -> str | None:
            error = book.document.context_error_above("s")
            return None if error is None else error.message

        before = fault()
        value = ContextValue("set", Origin("me"))
        book.document.update_passive_context("e", lambda own: own.insert(DocumentVar("x", value)))
        return [before, fault()]

    text = "blocks: [{id: e, directory: .}, vars: {y: '{{ var.x }}'}, {id: s, script: echo}]"
    before, after = inside(tmp_path, text, work)

    assert before is not None
    assert "var.x" in before
    assert after is None


def test_final_context_shows_what_can_not_be_evaluated(tmp_path: Path) -> None:
    async def work(book: Opened) -> None:
        with pytest.raises(ContextError, match=r"var\.x"):
            book.document.final_context()

    inside(tmp_path, "blocks: [script: echo, vars: {y: '{{ var.x }}'}]", work)
