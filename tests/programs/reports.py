"""A user's report: everything that is known of a run."""

from __future__ import annotations

from pytest_runbook import (
    AssertionTrace,
    AttemptGroup,
    BlockResult,
    BlockSpec,
    Iteration,
    Location,
    Operand,
    Outcome,
    OutputSection,
    Prose,
    Provenance,
    Runbook,
    Verdict,
)

SIGNS = {Outcome.PASSED: ".", Outcome.FAILED: "F", Outcome.SKIPPED: "s"}
WORDS = {Verdict.PASSED: "holds", Verdict.FAILED: "does not hold", Verdict.ERROR: "can't be told"}


def overview(runbook: Runbook) -> list[str]:
    reported = [f"{runbook.name} ({runbook.id}) in {runbook.path}, {runbook.location}: {len(runbook.nodes)} nodes"]
    reported += [f"tagged {tag}" for tag in runbook.tags]
    reported += [f"note: {note}" for note in runbook.load_warnings]
    reported += about(runbook.prose)
    return reported + [block(spec) for spec in runbook.blocks]


def about(prose: Prose) -> list[str]:
    heading = f"{prose.description} {prose.owner} {prose.runbook_url} {prose.on_red}"
    return [heading, *(f"{key}: {text}" for key, text in prose.texts().items())]


def block(spec: BlockSpec) -> str:
    code: Location = spec.location_of("code")
    return f"{spec.label} {spec.id} {spec.type} {spec.name!r} {sorted(spec.props)} {code.at(1)} {code.shifted(1).line}"


def report(results: tuple[BlockResult, ...]) -> list[str]:
    return [line for result in results for line in lines(result)]


def lines(result: BlockResult) -> list[str]:
    reported = [f"{SIGNS[result.outcome]} {result.number} {result.label} {result.block_id} {result.name} {result.type}"]
    reported += (
        [f"{result.kind}: {result.message} ({result.hint}) at {result.error_location}"] if result.message else []
    )
    reported += [
        f"{result.location} {result.checks_location} {result.where} {result.host} {result.did} -> {result.exit_code}"
    ]
    reported += [f"{result.seconds:.3f} s, {result.attempts} attempts {result.stop_reason}", *result.notes]
    reported += [attempts(several) for several in result.attempt_log]
    reported += [turn(one) for one in result.iterations]
    reported += [assertion(trace) for trace in (*result.assertions, *result.warnings)]
    reported += [section(piece) for piece in result.sections]
    reported += [value(read) for read in result.provenance]
    reported += [f"{key}: {text}" for key, text in result.prose.items()]
    reported += report(result.children)
    return [*reported, f"{len(result.to_json())} fields"]


def attempts(several: AttemptGroup) -> str:
    return f"{several.first}-{several.last} at {several.at} for {several.seconds}: {several.failure}"


def turn(one: Iteration) -> str:
    return f"{one.number} {one.label} {one.outcome} {one.message} {one.seconds} {one.attempts}"


def assertion(trace: AssertionTrace) -> str:
    operands = ", ".join(map(operand, trace.operands))
    seen = f"{trace.expected} {trace.actual} {trace.message} {trace.hint} {trace.undefined} {trace.difference}"
    return f"{trace.source} {WORDS[trace.verdict]} {trace.location} {seen} {operands}"


def operand(one: Operand) -> str:
    return f"{one.source} is {one.value}"


def section(piece: OutputSection) -> str:
    return f"{piece.title}: {piece.text}"


def value(read: Provenance) -> str:
    return f"{read.name} = {read.value} <- {read.origin}"
