"""What machines read of a block, as JUnit properties."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import KnownUnreachable, MissingRequirement, Refused
from ...execution.result import BlockResult, Outcome
from ...model.runbook import BlockSpec
from ...text import escape_controls

BLOCK_ID = "runbook_block_id"
FAILURE_KIND = "runbook_failure_kind"
FIXTURE_KIND = "fixture"
"""The kind of what broke around a block, in other people's set-ups and tear-downs."""
_SKIP_KINDS = (Refused.kind, KnownUnreachable.kind, MissingRequirement.kind)
Properties = list[tuple[str, object]]


def properties_of_spec(spec: BlockSpec) -> Properties:
    """What the file says."""
    known = {
        BLOCK_ID: spec.id,
        "runbook_block_type": spec.type,
        "runbook_block_name": spec.name,
        "runbook_file": spec.location.path,
        "runbook_line": spec.location.line,
    }
    return _properties(known)


def properties_of_result(result: BlockResult) -> Properties:
    """What came of it."""
    known = {
        "runbook_host": result.host,
        "runbook_exit_code": result.exit_code,
        "runbook_attempts": result.attempts,
        "runbook_seconds": round(result.seconds, 3),
        FAILURE_KIND: result.kind if _is_kind_reported(result) else None,
    }
    return _properties(known)


def _is_kind_reported(result: BlockResult) -> bool:
    """A block that was not tried has a kind where that says more than its reason."""
    return result.outcome is Outcome.FAILED or result.kind in _SKIP_KINDS


def properties_of_environment(name: str | None) -> Properties:
    """Where it is run."""
    return _properties({"runbook_environment": name})


def properties_of_kind(kind: str) -> Properties:
    """Which kind of failure it is, or why nothing was tried."""
    return _properties({FAILURE_KIND: kind})


def kind_in(properties: Properties) -> str | None:
    """The kind among these; None if there is none."""
    return next((str(value) for name, value in properties if name == FAILURE_KIND), None)


def _properties(known: Mapping[str, object]) -> Properties:
    present = [(name, value) for name, value in known.items() if value is not None and value != ""]
    return [(name, escape_controls(value) if isinstance(value, str) else value) for name, value in present]
