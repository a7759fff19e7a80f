"""The turns of a block with ``for_each``: over what, what each of them sees, and what they come to together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..context.output import Output
from ..errors import RunbookError, TemplateError
from ..secrets.provenance import ContextValue
from .context import Findings
from .result import AssertionTrace, BlockResult, Outcome, Section, Turn, Verdict

MOST_TURNS = 10_000
MOST_SHOWN = 3
"""So many failed turns are shown in full."""


def items_of(value: object) -> Sequence[object]:
    """What the turns go over: the items of a list, the entries of a mapping, the numbers from 1 on.

    :raises TemplateError: if it is nothing of the kind, or too much.
    """
    items: Sequence[object]
    match value:
        case bool() | str():
            items = _refuse(value)
        case int():
            items = range(1, value + 1)
        case Mapping():
            items = [{"key": key, "value": value[key]} for key in value]
        case Sequence():
            items = value
        case _:
            items = _refuse(value)
    if len(items) > MOST_TURNS:
        raise TemplateError(f"for_each: {len(items):,} turns; at most {MOST_TURNS:,} are taken")
    return items


def _refuse(value: object) -> Sequence[object]:
    hint = "| lines or | fromjson makes a list of text" if isinstance(value, str) else None
    raise TemplateError(f"for_each goes over a list, a mapping or a number, not {type(value).__name__}", hint=hint)


def roots_of(name: str, items: Sequence[object], index: int) -> Mapping[str, object]:
    """The names that a turn sees besides all others. index: from 0 on."""
    count = len(items)
    loop = {"index": index + 1, "index0": index, "length": count, "first": index == 0, "last": index == count - 1}
    return {"each": {name: items[index]}, "loop": loop}


@dataclass(slots=True)
class TurnsSoFar:
    """What the turns of a block left, one after the other."""

    turns: list[Turn] = field(default_factory=list)
    errors: list[RunbookError] = field(default_factory=list)
    outputs: list[Mapping[str, object]] = field(default_factory=list)
    variables: dict[str, list[ContextValue]] = field(default_factory=dict)
    assertions: list[AssertionTrace] = field(default_factory=list)
    warnings: list[AssertionTrace] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    children: list[BlockResult] = field(default_factory=list)
    stops: str | None = None
    exit_code: int | None = None

    def leave(self, output: Mapping[str, object] | None, variables: Mapping[str, ContextValue]) -> None:
        """Keep what a turn leaves to the blocks below."""
        if output is not None:
            self.outputs.append(output)
        for name, value in variables.items():
            self.variables.setdefault(name, []).append(value)

    def add(self, turn: Turn, warnings: Iterable[AssertionTrace], findings: Findings) -> None:
        """Keep what is told of a turn."""
        self.turns.append(turn)
        self.warnings += _of_turn(turn, warnings)
        self.notes += findings.notes
        self.children += findings.children
        self.stops = self.stops or findings.stops

    def add_failure(
        self,
        turn: Turn,
        error: RunbookError,
        assertions: Iterable[AssertionTrace],
        sections: Iterable[Section],
        exit_code: int | None,
    ) -> None:
        """Keep why a turn failed; of the first ones that do, all that explains it."""
        self.errors.append(error)
        if len(self.errors) > MOST_SHOWN:
            return
        self.exit_code = exit_code if self.exit_code is None else self.exit_code
        self.assertions += _of_turn(turn, (trace for trace in assertions if trace.verdict is not Verdict.PASSED))
        self.sections += (replace(section, title=f"{section.title} of turn {turn.number}") for section in sections)

    def variables_of_all(self) -> dict[str, ContextValue]:
        """Each variable as the list of what the turns set; a secret if one of these is."""
        return {
            name: ContextValue([value.value for value in values], values[0].source, any(v.sensitive for v in values))
            for name, values in self.variables.items()
        }

    def error(self) -> RunbookError | None:
        """The first failure, which speaks for all of them; None if all turns went well."""
        if not self.errors:
            return None
        first = next(turn for turn in self.turns if turn.outcome is Outcome.FAILED)
        told = self.errors[0].located()
        told.message = f"{len(self.errors)} of {len(self.turns)} turns failed; {first.label}: {told.message}"
        return told

    def output(self) -> Output:
        """What the block gives: the outputs of its turns."""
        return Output({"turns": tuple(self.outputs)}, _no_value)


def _of_turn(turn: Turn, traces: Iterable[AssertionTrace]) -> Iterator[AssertionTrace]:
    return (replace(trace, source=f"{turn.label}: {trace.source}") for trace in traces)


def _no_value() -> object:
    raise ValueError("a block with for_each has no one value; use output.turns[0].value")
