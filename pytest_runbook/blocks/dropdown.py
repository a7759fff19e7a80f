"""Dropdown: a choice that a person makes, as a variable."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import DocumentVar
from ..context.resolver import ContextResolver
from ..errors import BlockFailed, RunbookError, TemplateError
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import Section
from ..messages.client_messages import CANCEL, OK_OR_CANCEL, InputKind, PromptOption
from ..model.runbook import BlockSpec, Effects
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..secrets.provenance import ContextValue, Reads, Source
from ..templates import is_template
from ..text import shorten
from .behavior import BlockBehavior
from .local_commands import ending, run_command
from .planned_work import Intent

SAVED = "saved"
SHOWN_OPTIONS = 10
_BETWEEN = re.compile(r",\s*|\r?\n")
_ONE_VARIABLE = re.compile(r"(?:\{\{\s*)?(?:var\.)?(\w+)(?:\s*\}\})?")


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values to choose from, and how it is shown."""

    label: str
    value: str

    @classmethod
    def of(cls, piece: str, delimiter: str) -> Option:
        """The first delimiter ends the label; without one, the value is its own label."""
        label, found, value = piece.partition(delimiter)
        return cls(label, value) if found else cls(piece, piece)

    def __str__(self) -> str:
        return self.value if self.label == self.value else f"{self.value} ({self.label})"


def split_options(text: str, delimiter: str) -> tuple[Option, ...]:
    """The options of a text: one a line, or separated by commas.

    Source: the runbook format.
    """
    pieces = (piece.strip() for piece in _BETWEEN.split(text))
    return tuple(Option.of(piece, delimiter) for piece in pieces if piece)


class Dropdown(BlockBehavior):
    """Sets a variable to the answer, which must be one of the options: their value or their label.

    What is given for the variable from outside replaces the choice; then nothing is asked, and no command is run.
    """

    def __init__(self, spec: BlockSpec, label: str) -> None:
        super().__init__(spec, label)
        self._kind, self._text = _source(spec)
        self._delimiter = str(spec.props["delimiter"] or ":")

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext | None:
        """The answer, as far as it can be told without running a command. What is wrong with it fails the block."""
        name = str(self.resolved(resolver, "name").value)
        if not name or self._kind == "command":
            return None
        try:
            reads = Reads()
            options = self._listed(resolver, reads)
            given = self._answer(resolver, local_values, options, reads)
            value = None if given is None else _chosen(options, str(given.value)).value
        except RunbookError:
            return None
        return None if value is None else BlockContext(DocumentVar(name, ContextValue(value, self.source)))

    @property
    def known_effect(self) -> Effect:
        asks = Effect(Effects.READ, "it only asks")
        return self.said_effect or (self.unknown_effect if self._kind == "command" else asks)

    def plan(self, context: ExecutionContext) -> Intent:
        name = context.render("name")
        if name in context.resolver.fixed:
            return Intent(does=f"{name} is given by {context.resolver.fixed[name].source}")
        if self._kind == "command":
            given = context.local_values.get("value")
            does = f"{name}: one of what this prints: {context.render_text(self._text, 'commandOptions')}"
            return Intent(does=does) if given or context.asks_people else self._intent_unanswered(context, ())
        options = self._listed(context.resolver, context.reads)
        given = self._answer(context.resolver, context.local_values, options, context.reads)
        if given is None:
            is_asked = context.asks_people
            return Intent(does=f"asks for {name}") if is_asked else self._intent_unanswered(context, options)
        return Intent(does=f"{name} = {_chosen(options, str(given.value))}, chosen by {given.source}")

    def _intent_unanswered(self, context: ExecutionContext, options: tuple[Option, ...]) -> Intent:
        error = self._unanswered(context, options)
        return Intent(problem=error.message if options else "nobody chose", hint=error.hint)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        name = context.render("name")
        if not name:
            context.findings.did = "it has no name, so that nothing can use its answer"
            return WorkResult()
        if name in context.resolver.fixed:
            context.findings.did = f"{name} is given by {context.resolver.fixed[name].source}"
            return WorkResult()
        options = await self._options(context)
        shown = [{"label": option.label, "value": option.value} for option in options]
        context.set_state({"resolved": {"options": shown}})
        chosen = await self._choice(context, name, options)
        return WorkResult(variables={name: chosen.value})

    async def _choice(self, context: ExecutionContext, name: str, options: tuple[Option, ...]) -> Option:
        given = self._answer(context.resolver, context.local_values, options, context.reads)
        if given is not None:
            answer, whose = str(given.value), str(given.source)
        elif context.asks_people:
            answer, whose = await self._asked(context, name, options), "the person who was asked"
        else:
            raise self._unanswered(context, options)
        try:
            chosen = _chosen(options, answer)
        except BlockFailed as error:
            error.hint = f"{_listing(options)}; the answer is from {whose}"
            raise
        context.findings.did = f"{name} = {chosen}, chosen by {whose}"
        return chosen

    def _answer(
        self, resolver: ContextResolver, local_values: LocalValues, options: tuple[Option, ...], reads: Reads
    ) -> ContextValue | None:
        """What was answered; the word ``saved`` is the value in the file, unless there is an option of that name."""
        given = local_values.get("value")
        is_saved = local_values.saved_answers if given is None else _is_word_saved(str(given.value), options)
        if not is_saved:
            return given
        saved = str(self.spec.props["value"] or "")
        text = resolver.resolve(saved, reads) if self.spec.rules.template else saved
        return ContextValue(text, Source("the saved value"))

    def _unanswered(self, context: ExecutionContext, options: tuple[Option, ...]) -> BlockFailed:
        how = context.local_values.how_to_answer(options[0].value if options else "VALUE")
        return BlockFailed(f"nobody chose; {_listing(options)}", hint=how)

    async def _asked(self, context: ExecutionContext, name: str, options: tuple[Option, ...]) -> str:
        choices = [PromptOption(option.label, option.value) for option in options]
        prompt = f"Choose a value for {name}"
        answer = await context.prompt_client(
            name, prompt, input=InputKind.DROPDOWN, choices=choices, buttons=OK_OR_CANCEL
        )
        if answer.value is None or answer.button == CANCEL:
            raise self._unanswered(context, options)
        return answer.value

    async def _options(self, context: ExecutionContext) -> tuple[Option, ...]:
        if self._kind == "command":
            options = await self._printed(context)
        else:
            options = self._listed(context.resolver, context.reads)
        if not options:
            raise BlockFailed("there are no options to choose from", place=self.spec.place_of(f"{self._kind}Options"))
        return options

    def _listed(self, resolver: ContextResolver, reads: Reads) -> tuple[Option, ...]:
        """The options out of the file or a variable."""
        if self._kind == "fixed":
            return split_options(self._text, self._delimiter)
        value = self._variable(resolver, reads)
        if isinstance(value, list | tuple):
            return tuple(Option.of(str(item), self._delimiter) for item in value)
        return split_options(str(value), self._delimiter)

    def _variable(self, resolver: ContextResolver, reads: Reads) -> object:
        """What the source names: a variable, or a text that is a template."""
        alone = _ONE_VARIABLE.fullmatch(self._text.strip())
        if alone is None and self.spec.rules.template and is_template(self._text):
            return resolver.resolve(self._text, reads)
        name = alone[1] if alone else self._text.strip()
        dotted, found = f"var.{name}", resolver.vars.get(name)
        if found is None:
            raise TemplateError(f"{dotted} is undefined", name=dotted, place=self.spec.place_of("variableOptions"))
        reads.values[dotted] = found
        resolver.seen.add(dotted)
        return found.value

    async def _printed(self, context: ExecutionContext) -> tuple[Option, ...]:
        """The options that a command prints.

        :raises BlockFailed: if the command fails.
        """
        command = context.render_text(self._text, "commandOptions")
        output = CapturedOutput()
        context.findings.did = context.redactor.excerpt(command, 80)
        context.findings.output = lambda: _sections(output)
        outcome = await run_command(context, command, output)
        if outcome.exit_code != 0:
            place = self.spec.place_of("commandOptions")
            raise BlockFailed(
                f"the command that prints the options failed: {ending(outcome)}",
                place=place,
                said=output.tail(Stream.STDERR),
            )
        return split_options(output.stdout, self._delimiter)


def _source(spec: BlockSpec) -> tuple[str, str]:
    """Where the options come from, and its text. Old documents have one text for all three kinds."""
    kind = str(spec.props["optionsType"])
    texts = {name: str(spec.props[f"{name}Options"] or "") for name in ("fixed", "variable", "command")}
    return kind, texts[kind] if any(texts.values()) else str(spec.props["options"] or "")


def _chosen(options: tuple[Option, ...], answer: str) -> Option:
    """The option of that value, else of that label.

    :raises BlockFailed: if there is none, or the label is that of several values.
    """
    by_value = [option for option in options if option.value == answer]
    found = by_value or [option for option in options if option.label == answer]
    values = {option.value for option in found}
    if not found:
        raise BlockFailed(f'"{shorten(answer, 60)}" is none of the options', hint=_listing(options))
    if len(values) > 1:
        raise BlockFailed(f'"{shorten(answer, 60)}" is the label of {len(values)} options', hint=_listing(options))
    return found[0]


def _is_word_saved(answer: str, options: tuple[Option, ...]) -> bool:
    return answer == SAVED and not any(SAVED in (option.value, option.label) for option in options)


def _listing(options: tuple[Option, ...]) -> str:
    shown = ", ".join(str(option) for option in options[:SHOWN_OPTIONS])
    more = f", ... ({len(options)})" if len(options) > SHOWN_OPTIONS else ""
    return f"options: {shown}{more}"


def _sections(output: CapturedOutput) -> list[Section]:
    named = (("stderr", Stream.STDERR), ("stdout", Stream.STDOUT))
    return [Section(name, output.tail(stream)) for name, stream in named if output.size(stream)]
