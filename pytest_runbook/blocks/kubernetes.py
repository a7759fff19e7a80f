"""kubernetes-get: what a cluster holds, by a command with kubectl in it."""

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
from ..execution.result import Section
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..resources.process.runner import ProcessOutcome
from ..text import shorten, show_seconds
from .behavior import BlockBehavior
from .kubernetes_tables import Table, secret_values, table_of
from .local_commands import ending, run_command
from .planned_work import Intent

LARGEST_EXCERPT = 16 * 1024
READING = "get|describe|logs|top|version|api-resources|api-versions|cluster-info|explain"
_KUBECTL = re.compile(r"(?<![\w.-])kubectl(?=\s|$)")
_READS = re.compile(rf"\s*kubectl(?:\s+(?:{READING}|auth\s+can-i))(?:\s[^;&|`$<>()\n]*)?")
_DESTROYS = re.compile(r"(?<![\w.-])kubectl\b[^;&|\n]*?\s(delete|drain)(?=\s|$)")
_WANTS_JSON = re.compile(r"(?:\s-o\s*|\s--output[=\s])json(?=\s|$)")
_PASSED_ON = re.compile(r"[|>]")


class KubernetesGet(BlockBehavior):
    """Runs its command, and makes a table of the list that it prints.

    Always on this machine: kubectl reaches the cluster from here.
    """

    def effects(self, context: ExecutionContext) -> Effect:
        command = context.render("command")
        if _READS.fullmatch(command):
            return Effect(Effects.READ, "the command only reads")
        if self.said_effect is None and (found := _DESTROYS.search(command)):
            return Effect(
                Effects.DESTRUCTIVE, f"kubectl {found[1]} is destructive; where it is not, say: effects: write"
            )
        return super().effects(context)

    def plan(self, context: ExecutionContext) -> Intent:
        interpreter = context.resources.interpreter(str(self.spec.props["interpreter"]))
        where = f"local, cwd {context.resolver.cwd}, {' '.join(interpreter.words)}"
        return Intent(does=self._command(context), where=where, program=interpreter.program)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        command = self._command(context)
        output = CapturedOutput()
        context.findings.did = context.redactor.excerpt(command, 80)
        context.findings.output = lambda: _sections(output)
        outcome = await run_command(context, command, output)
        context.findings.did = (
            f"{context.redactor.excerpt(command, 80)} -> {ending(outcome)} in {show_seconds(outcome.seconds)}"
        )
        if outcome.exit_code != 0:
            return WorkResult(
                output=_text_output(outcome), requirement="output.exit_code == 0", failure=_failure(outcome)
            )
        if not output.size():
            return WorkResult()
        return WorkResult(output=self._output(context, command, outcome), requirement="output.exit_code == 0")

    def _command(self, context: ExecutionContext) -> str:
        """The command, with the cluster and the namespace right behind kubectl, where flags of all commands go."""
        command = context.require("command")
        flags = ""
        for prop in ("context", "namespace"):
            value = context.render(prop).strip()
            flags += f" --{prop} {shlex.quote(value)}" if value else ""
        if flags and not _KUBECTL.search(command):
            place = self.spec.place_of("command")
            hint = "say both in the command itself"
            raise BlockFailed(f"no kubectl in the command to give{flags} to", place=place, hint=hint)
        return _KUBECTL.sub(lambda match: match[0] + flags, command)

    def _output(self, context: ExecutionContext, command: str, outcome: ProcessOutcome) -> Output:
        try:
            said = json.loads(outcome.output.stdout)
        except ValueError as error:
            if _WANTS_JSON.search(command) and not _PASSED_ON.search(command):
                raise BlockFailed(f"kubectl gave no JSON that can be read: {error}") from error
            return _text_output(outcome)
        items = said.get("items") if isinstance(said, dict) else None
        if not isinstance(items, list):
            return _object_output(said, outcome)
        for value in secret_values(items):
            _keep_secret(context, value)
        table = table_of(items, datetime.now(UTC))
        fields = {"data": list(table.rows), "columns": table.headings, "itemCount": len(items)}
        context.send_output(data={**fields, "resourceKind": table.kind})
        return _table_output(said, table, len(items), outcome)


def _table_output(said: object, table: Table, count: int, outcome: ProcessOutcome) -> Output:
    fields: dict[str, object] = {
        "data": list(table.rows),
        "columns": table.headings,
        "item_count": count,
        "has_table": True,
        "json": said,
        **_ending_fields(outcome),
    }
    if table.rows:
        fields |= {"first_row": table.rows[0], "resource_kind": table.kind}
    return Output(fields, _no_value)


def _object_output(said: object, outcome: ProcessOutcome) -> Output:
    """One object, or any other JSON."""
    kind = said.get("kind") if isinstance(said, Mapping) else None
    fields: dict[str, object] = {
        "data": [],
        "columns": [],
        "item_count": 1,
        "raw_output": outcome.output.stdout,
        "has_table": False,
        "json": said,
        **_ending_fields(outcome),
    }
    if kind is not None:
        fields["resource_kind"] = str(kind)
    return Output(fields, lambda: said if not isinstance(said, Mapping | list) else _no_value())


def _text_output(outcome: ProcessOutcome) -> Output:
    text = outcome.output.stdout
    fields: dict[str, object] = {
        "data": [],
        "columns": [],
        "item_count": len(text.splitlines()),
        "raw_output": text,
        "has_table": False,
        **_ending_fields(outcome),
    }
    return Output(fields, lambda: _one_line(text))


def _ending_fields(outcome: ProcessOutcome) -> dict[str, object]:
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
    said = outcome.output.tail(Stream.STDERR)
    first = next((line for line in said.splitlines() if line.strip()), "")
    return BlockFailed(f"{ending(outcome)}: {shorten(first, 200)}" if first else ending(outcome), said=said)


def _keep_secret(context: ExecutionContext, value: str) -> None:
    """No value of a cluster's secrets gets into a report, encoded or not."""
    context.redactor.add(value, "a value in a secret of the cluster")
    with suppress(ValueError):
        context.redactor.add(base64.b64decode(value).decode(), "a value in a secret of the cluster")


def _sections(output: CapturedOutput) -> list[Section]:
    named = (("stderr", Stream.STDERR), ("stdout", Stream.STDOUT))
    return [Section(name, output.tail(stream, limit=LARGEST_EXCERPT)) for name, stream in named if output.size(stream)]
