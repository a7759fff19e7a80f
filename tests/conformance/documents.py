"""Documents of the format, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_runbook import Inputs, Settings
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, ran

Node = dict[str, Any]
DROPDOWN = {
    "name": "r", "value": "", "options": "", "optionsType": "fixed", "fixedOptions": "", "variableOptions": "",
    "commandOptions": "", "interpreter": "bash",
}  # fmt: skip


def node(kind: str, **props: object) -> Node:
    return {"type": kind, "props": props}


def script(code: str, **props: object) -> Node:
    return node("script", **{"name": "s", "interpreter": "bash", "code": code, **props})


def var(name: str, value: str) -> Node:
    return node("var", name=name, value=value)


def env(name: str, value: str) -> Node:
    return node("env", name=name, value=value)


def directory(path: str) -> Node:
    return node("directory", path=path)


def dropdown(**props: object) -> Node:
    return node("dropdown", **{**DROPDOWN, **props})


def document(nodes: Sequence[Node], doc_id: str = "doc") -> str:
    """An Atuin document. Ids are numbers unless a node has one."""
    numbered = [{"id": f"n{number}", "children": [], **given} for number, given in enumerate(nodes, 1)]
    return json.dumps({"id": doc_id, "name": "A document", "version": 1, "content": numbered}, ensure_ascii=False)


def answered(answers: Mapping[str, str]) -> Inputs:
    return Inputs(answers=({key: ContextValue(answer, Origin("the test")) for key, answer in answers.items()},))


def after_run(folder: Path, nodes: Sequence[Node], answers: Mapping[str, str] | None = None) -> Opened:
    """The document after its run."""
    settings = Settings(root=folder, invocation=folder)
    return ran(folder, document(nodes), name="a.atrb", inputs=answered(answers or {}), settings=settings)
