"""Pause blocks: wait for an answer that continues or stops the run."""

from __future__ import annotations

from ..errors import BlockFailed, RunbookError
from ..execution.context import ExecutionContext, WorkResult
from ..messages.client_messages import PromptOption
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..secrets.provenance import ContextValue
from ..templates import Expression
from ..text import shorten
from .behavior import BlockBehavior
from .planned_work import PlannedWork

CONTINUE, STOP = "continue", "stop"
BUTTONS = (PromptOption("Continue", CONTINUE), PromptOption("Stop", STOP))
_TRUE_WORDS = ("true", "1", "yes")


def is_truthy(text: str) -> bool:
    """Return True for the words true, yes and 1 in any case and for numbers but zero, False for any other text.

    Source: the runbook format.
    """
    word = text.strip().lower()
    if word in _TRUE_WORDS:
        return True
    try:
        return float(word) != 0
    except ValueError:
        return False


class Pause(BlockBehavior):
    """Continues, stops the run or fails, depending on the answer: continue, stop, or a condition for continuing."""

    @property
    def known_effect(self) -> Effect:
        return self.declared_effect or Effect(Effects.READ, "it only asks")

    def plan(self, context: ExecutionContext) -> PlannedWork:
        provided = context.local_values.get("value")
        if provided is not None:
            return PlannedWork(action=f"{shorten(str(provided.value), 80)}, answered by {provided.origin}")
        if context.is_interactive:
            return PlannedWork(action="asks whether to go on")
        hint = context.local_values.how_to_answer(CONTINUE)
        return PlannedWork(problem="the pause has no answer", hint=f"{hint}; stop, or a condition, will do")

    async def execute(self, context: ExecutionContext) -> WorkResult:
        if not self._must_pause(context):
            context.report_details.did = "nothing to wait for: its condition is false"
            return WorkResult()
        provided = context.local_values.get("value")
        if provided is not None:
            self._apply_answer(context, provided)
        elif context.is_interactive:
            await self._prompt(context)
        else:
            hint = context.local_values.how_to_answer(CONTINUE)
            raise BlockFailed("paused, and there is no answer", hint=f"{hint}; stop, or a condition, will do")
        return WorkResult()

    def _must_pause(self, context: ExecutionContext) -> bool:
        expression = self.spec.props["if"]
        if expression:
            return self._holds(context, str(expression))
        if not self.spec.props["pauseIfTruthy"]:
            return True
        return is_truthy(context.render("condition"))

    def _apply_answer(self, context: ExecutionContext, provided: ContextValue) -> None:
        """Continue, stop the run, or check the condition.

        :raises BlockFailed: if the answer is a condition that is false or can't be evaluated.
        """
        answer = str(provided.value).strip()
        if answer.lower() not in (CONTINUE, STOP):
            self._check_condition(context, answer, provided)
        elif answer.lower() == STOP:
            context.report_details.stop_reason = f"stopped the run, as answered by {provided.origin}"
        context.report_details.did = f"{context.masker.excerpt(answer, 80)}, answered by {provided.origin}"

    def _check_condition(self, context: ExecutionContext, condition: str, provided: ContextValue) -> None:
        hint = f"the answer is from {provided.origin}; continue and stop answer it, too"
        try:
            holds = self._holds(context, condition)
        except RunbookError as error:
            raise BlockFailed(
                f"the answer {context.masker.excerpt(condition, 80)!r}: {error.message}", hint=hint
            ) from error
        if not holds:
            raise BlockFailed(f"paused: {context.masker.excerpt(condition, 80)} does not hold", hint=hint)

    def _holds(self, context: ExecutionContext, expression: str) -> bool:
        """Return whether an expression is true.

        :raises RunbookError: if it can't be evaluated.
        """
        explanation = Expression(expression).explain(context.resolver.names(context.read_log))
        if explanation.error is not None:
            raise explanation.error.with_location(self.spec.location_of("if"))
        return explanation.holds

    async def _prompt(self, context: ExecutionContext) -> None:
        context.block_paused()
        answer = await context.prompt_client(self.spec.name or "Pause", "Go on with the run?", buttons=BUTTONS)
        if answer.button != CONTINUE:
            context.report_details.stop_reason = "stopped the run, as answered at the prompt"
        context.report_details.did = f"{answer.button}, answered at the prompt"
