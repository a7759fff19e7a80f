"""Kubernetes-get blocks: run a kubectl command and turn the objects that it lists into a table."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from ..context.output import Output
from ..errors import BlockFailed
from ..execution.context import ExecutionContext, WorkResult
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..resources.process.runner import ProcessOutcome
from ..text import shorten, show_seconds
from .behavior import BlockBehavior
from .kubernetes_tables import KubernetesTable, secret_values, table_of
from .local_commands import run_command
from .planned_work import PlannedWork
from .program_report import describe_exit, describe_local_location, output_sections

READING = "get|describe|logs|top|version|api-resources|api-versions|cluster-info|explain"
_KUBECTL = re.compile(r"(?<![\w.-])kubectl(?=\s|$)")
_READS = re.compile(rf"\s*kubectl(?:\s+(?:{READING}|auth\s+can-i))(?:\s[^;&|`$<>()\n]*)?")
_DESTROYS = re.compile(r"(?<![\w.-])kubectl\b[^;&|\n]*?\s(delete|drain)(?=\s|$)")
_JSON_OUTPUT = re.compile(r"(?:\s-o\s*|\s--output[=\s])json(?=\s|$)")
_PIPED = re.compile(r"[|>]")


class KubernetesGet(BlockBehavior):
    """Runs its command, always on this machine, and outputs the JSON list that it prints as a table."""

    def effects(self, context: ExecutionContext) -> Effect:
        command = context.render("command")
        if _READS.fullmatch(command):
            return Effect(Effects.READ, "the command only reads")
        if self.declared_effect is None and (found := _DESTROYS.search(command)):
            return Effect(Effects.DESTRUCTIVE, f"kubectl {found[1]} is destructive; if it is not, set effects: write")
        return super().effects(context)

    def plan(self, context: ExecutionContext) -> PlannedWork:
        interpreter = context.resources.interpreter(str(self.spec.props["interpreter"]))
        where = describe_local_location(context, interpreter)
        return PlannedWork(action=self._command(context), where=where, program=interpreter.program)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        command = self._command(context)
        output = CapturedOutput()
        context.report_details.did = context.masker.excerpt(command, 80)
        context.report_details.output = lambda: output_sections(output)
        outcome = await run_command(context, command, output)
        context.report_details.did = (
            f"{context.masker.excerpt(command, 80)} -> {describe_exit(outcome)} in {show_seconds(outcome.seconds)}"
        )
        if outcome.exit_code != 0:
            return WorkResult(
                output=_text_output(outcome), default_assertion="output.exit_code == 0", failure=_failure(outcome)
            )
        if not output.size():
            return WorkResult()
        return WorkResult(output=self._output(context, command, outcome), default_assertion="output.exit_code == 0")

    def _command(self, context: ExecutionContext) -> str:
        """Return the command with the flags for context and namespace inserted after each ``kubectl``."""
        # Directly after kubectl, where the flags that all subcommands share are accepted.
        command = context.require("command")
        flags = ""
        for prop in ("context", "namespace"):
            value = context.render(prop).strip()
            flags += f" --{prop} {shlex.quote(value)}" if value else ""
        if flags and not _KUBECTL.search(command):
            location = self.spec.location_of("command")
            hint = "give both in the command itself"
            raise BlockFailed(f"no kubectl in the command to give{flags} to", location=location, hint=hint)
        return _KUBECTL.sub(lambda match: match[0] + flags, command)

    def _output(self, context: ExecutionContext, command: str, outcome: ProcessOutcome) -> Output:
        try:
            parsed = json.loads(outcome.output.stdout)
        except ValueError as error:
            if _JSON_OUTPUT.search(command) and not _PIPED.search(command):
                raise BlockFailed(f"kubectl gave no JSON that can be read: {error}") from error
            return _text_output(outcome)
        items = parsed.get("items") if isinstance(parsed, dict) else None
        if not isinstance(items, list):
            return _object_output(parsed, outcome)
        for value in secret_values(items):
            _mask_secret(context, value)
        table = table_of(items, datetime.now(UTC))
        fields = {"data": list(table.rows), "columns": table.headings, "itemCount": len(items)}
        context.send_output(data={**fields, "resourceKind": table.kind})
        return _table_output(parsed, table, len(items), outcome)


def _table_output(parsed: object, table: KubernetesTable, count: int, outcome: ProcessOutcome) -> Output:
    fields: dict[str, object] = {
        "data": list(table.rows),
        "columns": table.headings,
        "item_count": count,
        "has_table": True,
        "json": parsed,
        **_exit_fields(outcome),
    }
    if table.rows:
        fields |= {"first_row": table.rows[0], "resource_kind": table.kind}
    return Output(fields, _no_value)


def _object_output(parsed: object, outcome: ProcessOutcome) -> Output:
    """Return the output for one object, or any other JSON that is no list of objects."""
    kind = parsed.get("kind") if isinstance(parsed, Mapping) else None
    fields: dict[str, object] = {
        "data": [],
        "columns": [],
        "item_count": 1,
        "raw_output": outcome.output.stdout,
        "has_table": False,
        "json": parsed,
        **_exit_fields(outcome),
    }
    if kind is not None:
        fields["resource_kind"] = str(kind)
    return Output(fields, lambda: parsed if not isinstance(parsed, Mapping | list) else _no_value())


def _text_output(outcome: ProcessOutcome) -> Output:
    text = outcome.output.stdout
    fields: dict[str, object] = {
        "data": [],
        "columns": [],
        "item_count": len(text.splitlines()),
        "raw_output": text,
        "has_table": False,
        **_exit_fields(outcome),
    }
    return Output(fields, lambda: _one_line(text))


def _exit_fields(outcome: ProcessOutcome) -> dict[str, object]:
    fields: dict[str, object] = {"exit_code": outcome.exit_code}
    if outcome.output.size(Stream.STDERR):
        fields["stderr"] = outcome.output.stderr
    return fields


def _one_line(text: str) -> str:
    lines = text.splitlines()
    if len(lines) != 1:
        raise ValueError(f"the command printed {len(lines)} lines, not one; use output.raw_output")
    return lines[0]


def _no_value() -> object:
    raise ValueError("the command gave no single value; use output.data, output.first_row or output.json")


def _failure(outcome: ProcessOutcome) -> BlockFailed:
    stderr = outcome.output.tail(Stream.STDERR)
    first = next((line for line in stderr.splitlines() if line.strip()), "")
    return BlockFailed(
        f"{describe_exit(outcome)}: {shorten(first, 200)}" if first else describe_exit(outcome), detail=stderr
    )


def _mask_secret(context: ExecutionContext, value: str) -> None:
    """Register a value of a Secret object as a secret, encoded and decoded."""
    context.masker.add(value, "a value in a secret of the cluster")
    with suppress(ValueError):
        context.masker.add(base64.b64decode(value).decode(), "a value in a secret of the cluster")
