"""Dropdown blocks: set a variable to one of several options, chosen by an answer or at a prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import DocumentVar
from ..context.resolver import ContextResolver
from ..errors import BlockFailed, RunbookError, TemplateError
from ..execution.context import ExecutionContext, WorkResult
from ..messages.client_messages import CANCEL, OK_OR_CANCEL, InputKind, PromptOption
from ..model.runbook import BlockSpec, Effects
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..secrets.provenance import ContextValue, Origin, ReadLog
from ..templates import is_template
from ..text import shorten
from .behavior import BlockBehavior
from .local_commands import run_command
from .planned_work import PlannedWork
from .program_report import describe_exit, output_sections

SAVED = "saved"
SHOWN_OPTIONS = 10
_OPTION_SEPARATOR = re.compile(r",\s*|\r?\n")
_ONE_VARIABLE = re.compile(r"(?:\{\{\s*)?(?:var\.)?(\w+)(?:\s*\}\})?")


@dataclass(frozen=True, slots=True)
class DropdownOption:
    """One of the values to choose from, and its label."""

    label: str
    value: str

    @classmethod
    def of(cls, piece: str, delimiter: str) -> DropdownOption:
        """Parse ``label:value``. The first delimiter ends the label; without one, the value is its own label."""
        label, found, value = piece.partition(delimiter)
        return cls(label, value) if found else cls(piece, piece)

    def __str__(self) -> str:
        return self.value if self.label == self.value else f"{self.value} ({self.label})"


def split_options(text: str, delimiter: str) -> tuple[DropdownOption, ...]:
    """Return the options of a text, one on each line or separated by commas.

    Source: the runbook format.
    """
    pieces = (piece.strip() for piece in _OPTION_SEPARATOR.split(text))
    return tuple(DropdownOption.of(piece, delimiter) for piece in pieces if piece)


class Dropdown(BlockBehavior):
    """Sets a variable to the answer, which must be the value or the label of an option.

    A value that is given for the variable (by option, matrix cell or checks file) replaces the choice: no command
    runs then, and there is no prompt.
    """

    def __init__(self, spec: BlockSpec, label: str) -> None:
        super().__init__(spec, label)
        self._kind, self._text = _options_source(spec)
        self._delimiter = str(spec.props["delimiter"] or ":")

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext | None:
        """Return the chosen value if it is known without running a command.

        Errors are left to `execute`, so that they fail this block and not the one below.
        """
        name = str(self.resolved(resolver, "name").value)
        if not name or self._kind == "command":
            return None
        try:
            read_log = ReadLog()
            options = self._static_options(resolver, read_log)
            provided = self._answer(resolver, local_values, options, read_log)
            value = None if provided is None else _chosen(options, str(provided.value)).value
        except RunbookError:
            return None
        return None if value is None else BlockContext(DocumentVar(name, ContextValue(value, self.origin)))

    @property
    def known_effect(self) -> Effect:
        asks = Effect(Effects.READ, "it only asks")
        return self.declared_effect or (self.unknown_effect if self._kind == "command" else asks)

    def plan(self, context: ExecutionContext) -> PlannedWork:
        name = context.render("name")
        if name in context.resolver.fixed:
            return PlannedWork(action=f"{name} is given by {context.resolver.fixed[name].origin}")
        if self._kind == "command":
            provided = context.local_values.get("value")
            action = f"{name}: one of what this prints: {context.render_text(self._text, 'commandOptions')}"
            return (
                PlannedWork(action=action) if provided or context.is_interactive else self._plan_unanswered(context, ())
            )
        options = self._static_options(context.resolver, context.read_log)
        provided = self._answer(context.resolver, context.local_values, options, context.read_log)
        if provided is None:
            is_asked = context.is_interactive
            return PlannedWork(action=f"asks for {name}") if is_asked else self._plan_unanswered(context, options)
        return PlannedWork(action=f"{name} = {_chosen(options, str(provided.value))}, chosen by {provided.origin}")

    def _plan_unanswered(self, context: ExecutionContext, options: tuple[DropdownOption, ...]) -> PlannedWork:
        error = self._no_answer_error(context, options)
        return PlannedWork(problem=error.message if options else "no answer", hint=error.hint)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        name = context.render("name")
        if not name:
            context.report_details.did = "it has no name, so that nothing can use its answer"
            return WorkResult()
        if name in context.resolver.fixed:
            context.report_details.did = f"{name} is given by {context.resolver.fixed[name].origin}"
            return WorkResult()
        options = await self._options(context)
        shown = [{"label": option.label, "value": option.value} for option in options]
        context.set_state({"resolved": {"options": shown}})
        chosen = await self._choice(context, name, options)
        return WorkResult(variables={name: chosen.value})

    async def _choice(
        self, context: ExecutionContext, name: str, options: tuple[DropdownOption, ...]
    ) -> DropdownOption:
        provided = self._answer(context.resolver, context.local_values, options, context.read_log)
        if provided is not None:
            answer, origin = str(provided.value), str(provided.origin)
        elif context.is_interactive:
            answer, origin = await self._prompt_for_choice(context, name, options), "the prompt"
        else:
            raise self._no_answer_error(context, options)
        try:
            chosen = _chosen(options, answer)
        except BlockFailed as error:
            error.hint = f"{_listing(options)}; the answer is from {origin}"
            raise
        context.report_details.did = f"{name} = {chosen}, chosen by {origin}"
        return chosen

    def _answer(
        self,
        resolver: ContextResolver,
        local_values: LocalValues,
        options: tuple[DropdownOption, ...],
        read_log: ReadLog,
    ) -> ContextValue | None:
        """Return the answer, None without one. The answer ``saved``, if no option, means the value in the file."""
        provided = local_values.get("value")
        is_saved = local_values.saved_answers if provided is None else _is_saved_keyword(str(provided.value), options)
        if not is_saved:
            return provided
        saved = str(self.spec.props["value"] or "")
        text = resolver.resolve(saved, read_log) if self.spec.rules.template else saved
        return ContextValue(text, Origin("the saved value"))

    def _no_answer_error(self, context: ExecutionContext, options: tuple[DropdownOption, ...]) -> BlockFailed:
        how = context.local_values.how_to_answer(options[0].value if options else "VALUE")
        return BlockFailed(f"no answer; {_listing(options)}", hint=how)

    async def _prompt_for_choice(
        self, context: ExecutionContext, name: str, options: tuple[DropdownOption, ...]
    ) -> str:
        choices = [PromptOption(option.label, option.value) for option in options]
        prompt = f"Choose a value for {name}"
        answer = await context.prompt_client(
            name, prompt, input=InputKind.DROPDOWN, choices=choices, buttons=OK_OR_CANCEL
        )
        if answer.value is None or answer.button == CANCEL:
            raise self._no_answer_error(context, options)
        return answer.value

    async def _options(self, context: ExecutionContext) -> tuple[DropdownOption, ...]:
        if self._kind == "command":
            options = await self._command_options(context)
        else:
            options = self._static_options(context.resolver, context.read_log)
        if not options:
            raise BlockFailed(
                "there are no options to choose from", location=self.spec.location_of(f"{self._kind}Options")
            )
        return options

    def _static_options(self, resolver: ContextResolver, read_log: ReadLog) -> tuple[DropdownOption, ...]:
        """Return the options in the file or in a variable."""
        if self._kind == "fixed":
            return split_options(self._text, self._delimiter)
        value = self._variable(resolver, read_log)
        if isinstance(value, list | tuple):
            return tuple(DropdownOption.of(str(item), self._delimiter) for item in value)
        return split_options(str(value), self._delimiter)

    def _variable(self, resolver: ContextResolver, read_log: ReadLog) -> object:
        """Return what the source refers to: the value of a variable by its name, or the result of a template."""
        alone = _ONE_VARIABLE.fullmatch(self._text.strip())
        if alone is None and self.spec.rules.template and is_template(self._text):
            return resolver.resolve(self._text, read_log)
        name = alone[1] if alone else self._text.strip()
        dotted, found = f"var.{name}", resolver.vars.get(name)
        if found is None:
            raise TemplateError(
                f"{dotted} is undefined", name=dotted, location=self.spec.location_of("variableOptions")
            )
        read_log.values[dotted] = found
        resolver.names_read.add(dotted)
        return found.value

    async def _command_options(self, context: ExecutionContext) -> tuple[DropdownOption, ...]:
        """Run the command and return the options that it prints.

        :raises BlockFailed: if the command fails.
        """
        command = context.render_text(self._text, "commandOptions")
        output = CapturedOutput()
        context.report_details.did = context.masker.excerpt(command, 80)
        context.report_details.output = lambda: output_sections(output)
        outcome = await run_command(context, command, output)
        if outcome.exit_code != 0:
            location = self.spec.location_of("commandOptions")
            raise BlockFailed(
                f"the command that prints the options failed: {describe_exit(outcome)}",
                location=location,
                detail=output.tail(Stream.STDERR),
            )
        return split_options(output.stdout, self._delimiter)


def _options_source(spec: BlockSpec) -> tuple[str, str]:
    """Return the kind of the options' source (fixed, variable, command) and its text."""
    kind = str(spec.props["optionsType"])
    # Old documents have one prop, `options`, for all three kinds.
    texts = {name: str(spec.props[f"{name}Options"] or "") for name in ("fixed", "variable", "command")}
    return kind, texts[kind] if any(texts.values()) else str(spec.props["options"] or "")


def _chosen(options: tuple[DropdownOption, ...], answer: str) -> DropdownOption:
    """Return the option with that value, else the one with that label.

    :raises BlockFailed: if there is none, or several values have the label.
    """
    by_value = [option for option in options if option.value == answer]
    found = by_value or [option for option in options if option.label == answer]
    values = {option.value for option in found}
    if not found:
        raise BlockFailed(f'"{shorten(answer, 60)}" is none of the options', hint=_listing(options))
    if len(values) > 1:
        raise BlockFailed(f'"{shorten(answer, 60)}" is the label of {len(values)} options', hint=_listing(options))
    return found[0]


def _is_saved_keyword(answer: str, options: tuple[DropdownOption, ...]) -> bool:
    return answer == SAVED and not any(SAVED in (option.value, option.label) for option in options)


def _listing(options: tuple[DropdownOption, ...]) -> str:
    shown = ", ".join(str(option) for option in options[:SHOWN_OPTIONS])
    more = f", ... ({len(options)})" if len(options) > SHOWN_OPTIONS else ""
    return f"options: {shown}{more}"
