"""One attempt at a block: its work, what it leaves to the blocks below, and what must hold of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from anyio.lowlevel import checkpoint_if_cancelled

from ..context.block_context import BlockContext
from ..context.items import DocumentVar, DocumentVars
from ..errors import AssertionsFailed, InternalError, NotTried, RunbookError, TemplateError
from ..model.runbook import Capture, Condition
from ..resources.process.exhaustion import shortage
from ..secrets.provenance import ContextValue, Reads, Source
from ..templates import regex_search as patterns
from .assertions import Difference, Explain, Judge, mentions
from .context import ExecutionContext, WorkResult
from .result import AssertionTrace, Section, Verdict

MOST_SECRET_TEXTS = 100
SHORTEST_SECRET_LINE = 8

Execute = Callable[[ExecutionContext], Awaitable[WorkResult]]
Own = Mapping[str, ContextValue]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: without an error it succeeded.

    is_final: no further attempt is wanted, whatever came of this one.
    """

    error: RunbookError | None = None
    assertions: tuple[AssertionTrace, ...] = ()
    notes: tuple[str, ...] = ()
    is_final: bool = False


@dataclass(slots=True, kw_only=True)
class Trial:
    """Tries a block, as often as it is asked to; what it leaves is that of the last attempt.

    label: who it is as the source of variables: ``block 3 "Build"``.
    warnings: what should hold and does not. output, variables: what the last attempt left.
    """

    context: ExecutionContext
    execute: Execute
    label: str
    difference: Difference
    explain: Explain
    warnings: tuple[AssertionTrace, ...] = ()
    output: Mapping[str, object] | None = None
    variables: Own = field(default_factory=dict)

    async def attempt(self) -> Ending:
        """The work and what must hold of it."""
        self.warnings, self.output, self.variables = (), None, {}
        try:
            self.context.clear_active_context()
            await checkpoint_if_cancelled()
            work = await self.execute(self.context)
            return self._judged(work)
        except NotTried as error:
            return Ending(error)
        except RunbookError as error:
            return self.judged_error(error)
        except (Exception, BaseExceptionGroup, SystemExit) as error:  # a fault of a block type's code ends that block
            return Ending(internal(error))

    def _judged(self, work: WorkResult) -> Ending:
        """Publish what the block gave, then look whether it is what its author wants."""
        for name, value in work.variables.items():
            self.context.redactor.learn(name, value, "var.")
        if work.output is not None:
            self._leave_output(work.output)
        if self._until is not None and (missing := self._missing(self._until, work)):
            return missing
        ending = self._judged_once(work)
        return ending if self._until is None else replace(ending, is_final=True)

    @property
    def _until(self) -> Condition | None:
        retry = self.context.spec.rules.retry
        return None if retry is None else retry.until

    def _missing(self, until: Condition, work: WorkResult) -> Ending | None:
        """How an attempt ends that does not bring what is waited for; None if it does."""
        own = self.own(work.variables)
        trace = self.judge(work.output, own).trace(until)
        if trace.verdict is Verdict.PASSED:
            return None
        self.publish(own)
        trace = replace(trace, source=f"until: {trace.source}")
        error = AssertionsFailed(_sentence(trace), place=until.place)
        return Ending(error, (trace,), () if work.failure is None else (work.failure.message,))

    def _judged_once(self, work: WorkResult) -> Ending:
        rules = self.context.spec.rules
        spoken_of = rules.assertions if self._until is None else (*rules.assertions, self._until)
        replaced = work.requirement is not None and mentions(spoken_of, rules.expectations, work.requirement)
        if work.failure is not None and (rules.expect_error is not None or not replaced):
            return self.judged_error(work.failure, work.output)
        traces = self._requirement_trace(work, replaced) + self._traces(work.output, work.variables)
        expected = rules.expect_error
        if expected is None:
            return self._ending(traces)
        message = f'expected to fail with "{expected.source}", but it succeeded'
        return Ending(AssertionsFailed(message, place=expected.place), traces)

    def judged_error(self, error: RunbookError, output: Mapping[str, object] | None = None) -> Ending:
        """A failure, unless it is the one that the author expects."""
        rules = self.context.spec.rules
        expected = rules.expect_error
        try:
            is_it = expected is not None and patterns.search(expected.source, f"{error.message}\n{error.said}")
        except TemplateError as fault:
            return Ending(fault.located(expected.place if expected else None))
        if is_it:
            return self._ending(self._traces(output, {}), (f"failed as expected: {error.message}",))
        traces = self._assertions(output, {}) if output is not None else ()
        if expected is None:
            return Ending(error, traces)
        message = f'{error.message}; expected was "{expected.source}"'
        return Ending(AssertionsFailed(message, place=expected.place, hint=error.hint, said=error.said), traces)

    def _ending(self, traces: tuple[AssertionTrace, ...], notes: tuple[str, ...] = ()) -> Ending:
        """A success, unless an assertion says otherwise."""
        broken = [trace for trace in traces if trace.verdict is not Verdict.PASSED]
        if not broken:
            return Ending(None, traces, notes)
        rest = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        error = AssertionsFailed(f"{_sentence(broken[0])}{rest}", place=self.context.spec.place)
        return Ending(error, traces, notes)

    def _traces(
        self, output: Mapping[str, object] | None, variables: Mapping[str, object]
    ) -> tuple[AssertionTrace, ...]:
        """Set the block's variables, captured ones included, and judge it; what can't be captured counts as judged."""
        own = self.own(variables)
        problems = self._capture(output, own)
        self.publish(own)
        return self._assertions(output, own) + problems

    def _assertions(self, output: Mapping[str, object] | None, own: Own) -> tuple[AssertionTrace, ...]:
        """What the author asserts; and, beside it, what he only wants to be told of."""
        rules = self.context.spec.rules
        if not (rules.assertions or rules.warnings or rules.expectations):
            return ()
        judge = self.judge(output, own)
        warnings = judge.judge(rules.warnings)
        self.warnings = tuple(trace for trace in warnings if trace.verdict is not Verdict.PASSED)
        render = partial(self._rendered, own)
        shapes = (judge.shape(expectation, render) for expectation in rules.expectations)
        return (*judge.judge(rules.assertions), *shapes)

    def _rendered(self, own: Own, text: str) -> str:
        """A text of ``expect``, with the block's own variables at hand."""
        if not self.context.spec.rules.template:
            return text
        return self.context.resolver.fold(BlockContext(_as_item(own))).resolve(text, self.context.reads)

    def own(self, variables: Mapping[str, object]) -> dict[str, ContextValue]:
        sensitive = self.context.spec.rules.sensitive
        return {name: ContextValue(value, self.source, sensitive) for name, value in variables.items()}

    def _capture(self, output: Mapping[str, object] | None, own: dict[str, ContextValue]) -> tuple[AssertionTrace, ...]:
        """Add what the author captures to the block's variables; gives what could not be."""
        context, problems = self.context, []
        for capture in context.spec.rules.captures:
            reads = Reads()
            judge = self.judge(output, own, reads)
            try:
                value = judge.value(capture.expression)
                is_secret = context.redactor.learn(capture.name, value, "var.")
                sensitive = context.spec.rules.sensitive or reads.sensitive or is_secret
                own[capture.name] = ContextValue(value, self.source, sensitive)
            except RunbookError as error:
                problems.append(judge.error_trace(capture.expression, error, _capture_label(capture)))
            context.reads.values.update(reads.values)
        return tuple(problems)

    def publish(self, own: Own) -> None:
        """Let the blocks below see the variables."""
        if not own:
            return
        self.variables = own
        for name, value in own.items():
            if value.sensitive:
                self.context.redactor.add_data(value.value, f"var.{name}")
        item = _as_item(own)
        self.context.update_active_context(lambda context: context.insert(item))

    def _leave_output(self, output: Mapping[str, object]) -> None:
        if self.context.spec.rules.sensitive:
            for text in islice(_texts(output), MOST_SECRET_TEXTS):
                self.context.redactor.add(text, f"the output of {self.label}")
        self.output = output
        self.context.set_output(output)

    def judge(self, output: Mapping[str, object] | None, own: Own, reads: Reads | None = None) -> Judge:
        context = self.context
        resolver = context.resolver.fold(BlockContext(_as_item(own))) if own else context.resolver
        names = resolver.names(context.reads if reads is None else reads)
        if output is not None:
            names["output"] = output
        hide = context.spec.rules.sensitive
        return Judge(names, context.redactor, self.difference, self.explain, hide_values=hide)

    @property
    def source(self) -> Source:
        return Source(self.label, self.context.spec.place)

    def _requirement_trace(self, work: WorkResult, replaced: bool) -> tuple[AssertionTrace, ...]:
        if work.requirement is None or replaced:
            return ()
        return (AssertionTrace(source=work.requirement, verdict=Verdict.PASSED),)

    def sections(self) -> tuple[Section, ...]:
        if self.context.spec.rules.sensitive:
            return (Section("output", "not shown: the block is marked as sensitive"),)
        redact = self.context.redactor.redact
        try:
            return tuple(
                Section(section.title, self._masked(section.text)) for section in self.context.findings.output()
            )
        except Exception as error:  # it is no reason to be silent on the rest
            return (Section("output", f"can't be shown: {type(error).__name__}: {redact(str(error))}"),)

    def _masked(self, text: str) -> str:
        """A piece of output; it may be the end of a longer one, as a line in brackets says."""
        head, end, rest = text.partition("\n") if text.startswith("[the last ") else ("", "", text)
        return head + end + self.context.redactor.redact_excerpt(rest)


def _as_item(own: Own) -> DocumentVars:
    return DocumentVars(tuple(DocumentVar(name, value) for name, value in own.items()))


def _texts(output: Mapping[str, object]) -> Iterator[str]:
    """The texts of a secret output: each whole, and its lines as far as they are not just anything."""
    for key in output:
        text = output[key]
        if isinstance(text, str):
            yield text
            yield from (line for line in text.splitlines() if len(line) >= SHORTEST_SECRET_LINE)


def internal(error: BaseException) -> RunbookError:
    """What came out of a block type's code without being an error of its own."""
    if known := shortage(error):
        return known
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    message = f"a fault in the block type's code: {type(error).__name__}: {error}"
    return InternalError(message, hint=f"please report it; it came from {' > '.join(frames[-3:])}")


def _sentence(trace: AssertionTrace) -> str:
    if trace.verdict is Verdict.ERROR:
        return f"{trace.source}: {trace.message}"
    return f"{trace.source}: actual {_short(trace.actual)}" if trace.actual is not None else trace.source


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _capture_label(capture: Capture) -> str:
    return f"capture {capture.name}: "
