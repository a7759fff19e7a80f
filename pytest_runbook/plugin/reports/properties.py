"""The properties of a block's report, which JUnit XML and other machine-readable reports hold."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import KnownUnreachable, MissingRequirement, Refused
from ...execution.result import BlockResult, Outcome
from ...model.runbook import BlockSpec, Runbook
from ...text import escape_controls
from .prose_texts import block_prose_properties, runbook_prose_properties

BLOCK_ID = "runbook_block_id"
FAILURE_KIND = "runbook_failure_kind"
FIXTURE_KIND = "fixture"
"""The kind of an error in the set-up or tear-down of a block's fixtures."""
_SKIP_KINDS = (Refused.kind, KnownUnreachable.kind, MissingRequirement.kind)
Properties = list[tuple[str, object]]


def properties_of_spec(spec: BlockSpec) -> Properties:
    """Return the properties that the file gives."""
    known = {
        BLOCK_ID: spec.id,
        "runbook_block_type": spec.type,
        "runbook_block_name": spec.name,
        "runbook_file": spec.location.path,
        "runbook_line": spec.location.line,
    }
    return _properties(known | block_prose_properties(spec.rules.prose.texts()))


def properties_of_runbook(runbook: Runbook) -> Properties:
    """Return the properties of the runbook of a block."""
    return _properties({"runbook_name": runbook.name, **runbook_prose_properties(runbook.prose.texts())})


def properties_of_whole(runbook: Runbook) -> Properties:
    """Return the properties of an item that is about a whole runbook: also those that a block inherits."""
    inherited = block_prose_properties(runbook.prose.inherited().texts())
    return properties_of_runbook(runbook) + _properties(inherited)


def properties_of_result(result: BlockResult) -> Properties:
    """Return the properties of a block's result."""
    known = {
        "runbook_host": result.host,
        "runbook_exit_code": result.exit_code,
        "runbook_attempts": result.attempts,
        "runbook_seconds": round(result.seconds, 3),
        FAILURE_KIND: result.kind if _is_kind_reported(result) else None,
    }
    return _properties(known)


def _is_kind_reported(result: BlockResult) -> bool:
    """Return True for a failure, and for a skip of which the kind says more than its reason."""
    return result.outcome is Outcome.FAILED or result.kind in _SKIP_KINDS


def properties_of_environment(name: str | None) -> Properties:
    """Return the property of the environment that runbooks run in. name: None if there is none."""
    return _properties({"runbook_environment": name})


def properties_of_kind(kind: str) -> Properties:
    """Return the property of a kind: of failure, or of the reason why a block was not tried."""
    return _properties({FAILURE_KIND: kind})


def kind_in(properties: Properties) -> str | None:
    """Return the kind among properties; None if there is none."""
    return next((str(value) for name, value in properties if name == FAILURE_KIND), None)


def _properties(known: Mapping[str, object]) -> Properties:
    present = [(name, value) for name, value in known.items() if value is not None and value != ""]
    return [(name, escape_controls(value) if isinstance(value, str) else value) for name, value in present]
