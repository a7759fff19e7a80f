"""One attempt at a block: its work, the context that it leaves, and its assertions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from anyio.lowlevel import checkpoint_if_cancelled

from ..context.block_context import BlockContext
from ..context.items import DocumentVar, DocumentVars
from ..errors import AssertionsFailed, BlockSkipped, InternalError, RunbookError, TemplateError
from ..model.runbook import Capture, Condition
from ..resources.process.exhaustion import exhaustion_error
from ..secrets.provenance import ContextValue, Origin, ReadLog
from ..templates.regex_search import search_regex
from .assertions import AssertionEvaluator, Difference, Explain, mentions
from .context import ExecutionContext, WorkResult
from .result import AssertionTrace, OutputSection, Verdict

MAX_SECRET_TEXTS = 100
"""The most texts of a secret output that are added to the masker."""
MIN_SECRET_LINE = 8
"""The shortest line of a secret output that is secret by itself, in characters."""

Execute = Callable[[ExecutionContext], Awaitable[WorkResult]]
OwnVariables = Mapping[str, ContextValue]


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an attempt. It succeeded if there is no error.

    is_final: True if the block must not be tried again, however the attempt ended.
    """

    error: RunbookError | None = None
    assertions: tuple[AssertionTrace, ...] = ()
    notes: tuple[str, ...] = ()
    is_final: bool = False


@dataclass(slots=True, kw_only=True)
class Attempt:
    """Runs a block once, and evaluates its assertions. `run` may be called again for a retry.

    An attempt clears what the last one left, executes the block type, publishes the block's output and variables, and
    evaluates `until`, `expect_error` and the assertions. It does not raise the errors of the block: they become the
    error of its `Ending`. A cancellation passes through.

    label: the block as the origin of its variables: ``block 3 "Build"``.
    warnings: the warnings that did not hold. output, variables: what the last attempt left.
    """

    context: ExecutionContext
    execute: Execute
    label: str
    difference: Difference
    explain: Explain
    warnings: tuple[AssertionTrace, ...] = ()
    output: Mapping[str, object] | None = None
    variables: OwnVariables = field(default_factory=dict)

    async def run(self) -> Ending:
        """Execute the block and evaluate its assertions."""
        self.warnings, self.output, self.variables = (), None, {}
        try:
            self.context.clear_active_context()
            # A block type that never awaits would otherwise run although its block is cancelled.
            await checkpoint_if_cancelled()
            work = await self.execute(self.context)
            return self._evaluate(work)
        except BlockSkipped as error:
            return Ending(error)
        except RunbookError as error:
            return self.ending_of_error(error)
        except (Exception, BaseExceptionGroup, SystemExit) as error:  # a bug in a block type fails that block alone
            return Ending(internal_error(error))

    def _evaluate(self, work: WorkResult) -> Ending:
        """Publish the output, then evaluate `until` and the assertions."""
        for name, value in work.variables.items():
            self.context.masker.add_if_sensitive(name, value, "var.")
        if work.output is not None:
            self._publish_output(work.output)
        if self._until is not None and (failure := self._until_failure(self._until, work)):
            return failure
        ending = self._evaluate_assertions(work)
        # Once `until` holds there are no further attempts, even if an assertion fails.
        return ending if self._until is None else replace(ending, is_final=True)

    @property
    def _until(self) -> Condition | None:
        retry = self.context.spec.rules.retry
        return None if retry is None else retry.until

    def _until_failure(self, until: Condition, work: WorkResult) -> Ending | None:
        """Return the ending of an attempt that does not fulfil `until`; None if it does."""
        own = self.own_variables(work.variables)
        trace = self.evaluator(work.output, own).evaluate(until)
        if trace.verdict is Verdict.PASSED:
            return None
        self.publish(own)
        trace = replace(trace, source=f"until: {trace.source}")
        error = AssertionsFailed(_sentence(trace), location=until.location)
        return Ending(error, (trace,), () if work.failure is None else (work.failure.message,))

    def _evaluate_assertions(self, work: WorkResult) -> Ending:
        rules = self.context.spec.rules
        conditions = rules.assertions if self._until is None else (*rules.assertions, self._until)
        replaced = work.default_assertion is not None and mentions(
            conditions, rules.expectations, work.default_assertion
        )
        if work.failure is not None and (rules.expect_error is not None or not replaced):
            return self.ending_of_error(work.failure, work.output)
        traces = self._default_assertion_trace(work, replaced) + self._publish_and_evaluate(work.output, work.variables)
        expected = rules.expect_error
        if expected is None:
            return self._ending(traces)
        message = f'expected to fail with "{expected.source}", but it succeeded'
        return Ending(AssertionsFailed(message, location=expected.location), traces)

    def ending_of_error(self, error: RunbookError, output: Mapping[str, object] | None = None) -> Ending:
        """Return the ending for an error: a failure, unless the author expects this error."""
        rules = self.context.spec.rules
        expected = rules.expect_error
        try:
            is_expected = expected is not None and search_regex(expected.source, f"{error.message}\n{error.detail}")
        except TemplateError as fault:
            return Ending(fault.with_location(expected.location if expected else None))
        if is_expected:
            return self._ending(self._publish_and_evaluate(output, {}), (f"failed as expected: {error.message}",))
        traces = self._assertions(output, {}) if output is not None else ()
        if expected is None:
            return Ending(error, traces)
        message = f'{error.message}; expected was "{expected.source}"'
        return Ending(
            AssertionsFailed(message, location=expected.location, hint=error.hint, detail=error.detail), traces
        )

    def _ending(self, traces: tuple[AssertionTrace, ...], notes: tuple[str, ...] = ()) -> Ending:
        """Return a success, or a failure if an assertion does not hold."""
        failed = [trace for trace in traces if trace.verdict is not Verdict.PASSED]
        if not failed:
            return Ending(None, traces, notes)
        rest = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        error = AssertionsFailed(f"{_sentence(failed[0])}{rest}", location=self.context.spec.location)
        return Ending(error, traces, notes)

    def _publish_and_evaluate(
        self, output: Mapping[str, object] | None, variables: Mapping[str, object]
    ) -> tuple[AssertionTrace, ...]:
        """Publish the block's variables, captured ones included, and evaluate its assertions.

        A capture that can't be evaluated counts as an assertion that can't.
        """
        own = self.own_variables(variables)
        problems = self._capture(output, own)
        self.publish(own)
        return self._assertions(output, own) + problems

    def _assertions(self, output: Mapping[str, object] | None, own: OwnVariables) -> tuple[AssertionTrace, ...]:
        """Evaluate the assertions and the expected shapes. Warnings are evaluated, too, and kept in `warnings`."""
        rules = self.context.spec.rules
        if not (rules.assertions or rules.warnings or rules.expectations):
            return ()
        evaluator = self.evaluator(output, own)
        warnings = evaluator.evaluate_all(rules.warnings)
        self.warnings = tuple(trace for trace in warnings if trace.verdict is not Verdict.PASSED)
        render = partial(self._rendered, own)
        shapes = (evaluator.evaluate_expectation(expectation, render) for expectation in rules.expectations)
        return (*evaluator.evaluate_all(rules.assertions), *shapes)

    def _rendered(self, own: OwnVariables, text: str) -> str:
        """Return a text of ``expect``, rendered. The block's own variables can be used in it."""
        if not self.context.spec.rules.template:
            return text
        return self.context.resolver.fold(BlockContext(_as_item(own))).resolve(text, self.context.read_log)

    def own_variables(self, variables: Mapping[str, object]) -> dict[str, ContextValue]:
        sensitive = self.context.spec.rules.sensitive
        return {name: ContextValue(value, self.origin, sensitive) for name, value in variables.items()}

    def _capture(self, output: Mapping[str, object] | None, own: dict[str, ContextValue]) -> tuple[AssertionTrace, ...]:
        """Add the captured values to the block's variables. Return the traces of those that can't be evaluated."""
        context, problems = self.context, []
        for capture in context.spec.rules.captures:
            read_log = ReadLog()
            evaluator = self.evaluator(output, own, read_log)
            try:
                value = evaluator.value(capture.expression)
                is_secret = context.masker.add_if_sensitive(capture.name, value, "var.")
                sensitive = context.spec.rules.sensitive or read_log.sensitive or is_secret
                own[capture.name] = ContextValue(value, self.origin, sensitive)
            except RunbookError as error:
                problems.append(evaluator.error_trace(capture.expression, error, _capture_label(capture)))
            context.read_log.values.update(read_log.values)
        return tuple(problems)

    def publish(self, own: OwnVariables) -> None:
        """Make variables visible to the blocks below."""
        if not own:
            return
        self.variables = own
        for name, value in own.items():
            if value.sensitive:
                self.context.masker.add_data(value.value, f"var.{name}")
        item = _as_item(own)
        self.context.update_active_context(lambda context: context.insert(item))

    def _publish_output(self, output: Mapping[str, object]) -> None:
        if self.context.spec.rules.sensitive:
            for text in islice(_texts(output), MAX_SECRET_TEXTS):
                self.context.masker.add(text, f"the output of {self.label}")
        self.output = output
        self.context.set_output(output)

    def evaluator(
        self, output: Mapping[str, object] | None, own: OwnVariables, read_log: ReadLog | None = None
    ) -> AssertionEvaluator:
        context = self.context
        resolver = context.resolver.fold(BlockContext(_as_item(own))) if own else context.resolver
        names = resolver.names(context.read_log if read_log is None else read_log)
        if output is not None:
            names["output"] = output
        mask_values = context.spec.rules.sensitive
        return AssertionEvaluator(names, context.masker, self.difference, self.explain, mask_values=mask_values)

    @property
    def origin(self) -> Origin:
        return Origin(self.label, self.context.spec.location)

    def _default_assertion_trace(self, work: WorkResult, replaced: bool) -> tuple[AssertionTrace, ...]:
        if work.default_assertion is None or replaced:
            return ()
        return (AssertionTrace(source=work.default_assertion, verdict=Verdict.PASSED),)

    def sections(self) -> tuple[OutputSection, ...]:
        if self.context.spec.rules.sensitive:
            return (OutputSection("output", "not shown: the block is marked as sensitive"),)
        mask = self.context.masker.mask
        try:
            return tuple(
                OutputSection(section.title, self._masked(section.text))
                for section in self.context.report_details.output()
            )
        except Exception as error:  # a bug in a block type must not lose the rest of the report
            return (OutputSection("output", f"can't be shown: {type(error).__name__}: {mask(str(error))}"),)

    def _masked(self, text: str) -> str:
        """Return a piece of output, masked. A piece with a first line "[the last ...]" may begin in the middle of a
        secret.
        """
        head, end, rest = text.partition("\n") if text.startswith("[the last ") else ("", "", text)
        return head + end + self.context.masker.mask_fragment(rest)


def _as_item(own: OwnVariables) -> DocumentVars:
    return DocumentVars(tuple(DocumentVar(name, value) for name, value in own.items()))


def _texts(output: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts of a secret output, and their lines if they are long enough to be secret by themselves."""
    for key in output:
        text = output[key]
        if isinstance(text, str):
            yield text
            yield from (line for line in text.splitlines() if len(line) >= MIN_SECRET_LINE)


def internal_error(error: BaseException) -> RunbookError:
    """Return the error for an exception that a block type has raised and that is no `RunbookError`."""
    if known := exhaustion_error(error):
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
