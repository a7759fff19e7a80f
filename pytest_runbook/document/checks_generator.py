"""Writes a checks file from the results of a passed run: shapes and limits, but no values except codes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from ..context.json_form import plain_data
from ..errors import RunbookError
from ..execution.result import Outcome
from ..model.loaders.checks import block_digest
from ..model.loaders.checks_update import as_yaml
from ..model.runbook import BlockSpec, Form
from ..secrets.masker import Masker
from .run import RunbookRun

EXACT_FIELDS = ("exit_code", "status")
"""Fields of an output that are checked for their exact value."""
MIN_SECONDS_LIMIT = 10
"""The shortest time limit that is written, in seconds."""
MAX_DEPTH = 3
MAX_KEYS = 30

_HEAD = """\
# What was seen of {name} in a run in which every block passed. Change it as you like: nothing replaces it.
blocks:
"""


def lacks_checks_file(run: RunbookRun) -> bool:
    """Return True if the run is of an Atuin document that has items and no checks file."""
    runbook = run.document.runbook
    return runbook.form is Form.ATUIN and runbook.checks_location is None and bool(run.document.items)


def first_not_passed(run: RunbookRun) -> BlockSpec | None:
    """Return the first block of a run that did not pass; None if all passed."""
    passed = {result.block_id for result in run.results.values() if result.outcome is Outcome.PASSED}
    return next((spec for spec in run.document.items if spec.id not in passed), None)


def checks_of_run(run: RunbookRun, masker: Masker) -> str:
    """Return the text of a checks file that the same run would pass."""
    names = Counter(spec.name for spec in run.document.items)
    seen: Counter[str] = Counter()
    lines = []
    for spec in run.document.items:
        seen[spec.name] += 1
        key = spec.name if names[spec.name] == 1 else f"{spec.name}#{seen[spec.name]}"
        lines.append(f"  {as_yaml(key if spec.name else spec.id)}:")
        lines += (f"    {line}" for line in _entry(spec, run.document.output(spec.id), masker))
    return _HEAD.format(name=run.document.runbook.path.name) + "\n".join(lines) + "\n"


def _entry(spec: BlockSpec, output: Mapping[str, object] | None, masker: Masker) -> Iterator[str]:
    yield f"id: {as_yaml(spec.id)}"
    yield f"code: sha256:{block_digest(spec)}"
    shapes = list(_shapes(output or {}, masker))
    if shapes:
        yield "expect:"
        yield from (f"  {line}" for line in shapes)
    conditions = list(_conditions(output or {}))
    if conditions:
        yield "assert:"
        yield from (f"  - {line}" for line in conditions)


def _shapes(output: Mapping[str, object], masker: Masker) -> Iterator[str]:
    for name in EXACT_FIELDS:
        value = _output_field(output, name)
        if isinstance(value, int):
            yield f"{name}: {value}"
    body = _output_field(output, "body_json")
    if isinstance(body, dict) and body:
        yield f"body_json: {_shape(body, masker, MAX_DEPTH)}"


def _conditions(output: Mapping[str, object]) -> Iterator[str]:
    rows = _output_field(output, "rows")
    if isinstance(rows, list):
        yield f"output.rows | length > 0  # {len(rows):,} in this run" if rows else "output.rows | length == 0"
    seconds = _output_field(output, "seconds")
    if isinstance(seconds, (int, float)):
        yield f"output.seconds < {max(MIN_SECONDS_LIMIT, math.ceil(seconds * 10))}"


def _output_field(output: Mapping[str, object], name: str) -> object:
    """Return a field of the output as plain data; None if it is absent or can't be made."""
    try:
        return plain_data(output[name]) if name in output else None
    except RunbookError:
        return None


def _shape(value: object, masker: Masker, depth: int) -> str:
    """Return the shape of a value in one line: keys and types."""
    match value:
        case dict() if depth and value:
            # A key with a $ would be an operator, a None has no type to check, and a key that holds a secret must not
            # be written.
            keys = [key for key in value if value[key] is not None and not key.startswith("$")]
            known = [key for key in keys if not masker.holds_secret(key)][:MAX_KEYS]
            return f"{{{', '.join(f'{as_yaml(key)}: {_shape(value[key], masker, depth - 1)}' for key in known)}}}"
        case dict():
            return "<mapping>"
        case list():
            return "<list>"
        case bool():
            return "<boolean>"
        case int() | float():
            return "<number>"
        case str():
            return "<text>"
    return "<any>"
