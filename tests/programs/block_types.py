"""A user's block types: one that works and asks, one that tells something to the blocks below."""

from __future__ import annotations

from pytest_runbook import (
    BlockBehavior,
    BlockContext,
    BlockExecutionError,
    BlockFailed,
    BlockPlugin,
    BlockRegistry,
    BlockSkipped,
    BlockType,
    ContextError,
    ContextResolver,
    ContextValue,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
    Effect,
    Effects,
    EventKind,
    ExecutionContext,
    FileError,
    InputKind,
    InvalidValue,
    LocalValues,
    Origin,
    Output,
    OutputSection,
    PromptOption,
    Prop,
    PropType,
    ReportDetails,
    TemplateError,
    Unreachable,
    WorkResult,
)


class Greet(BlockBehavior):
    """Greets somebody, after asking how, where there is anybody to ask."""

    uses_host = False
    prompts_first = False

    def effects(self, context: ExecutionContext) -> Effect:
        return self.declared_effect or Effect(level=Effects.READ, reason="a greeting changes nothing")

    async def execute(self, context: ExecutionContext) -> WorkResult:
        details: ReportDetails = context.report_details
        whom = context.require("whom")
        details.did = f"greet {whom}"
        details.where = f"{context.folder} below {context.root}, {context.resolver.host}"
        details.output = lambda: [OutputSection(title="greeting", text=f"hello {whom}")]
        if whom == "nobody":
            raise Unreachable(f"there is no {whom}", hint="greet somebody")
        if whom == "?":
            raise InvalidValue("that is no name", location=self.spec.location_of("whom"))
        effect = self.effects(context)
        if context.read_only and effect.level is not Effects.READ:
            raise BlockSkipped(f"nobody is greeted in a read-only run: {effect.reason}")
        word = await self.word(context)
        context.send_output(f"{word} {whom}\n".encode())
        context.set_state({"greeted": whom, "heard": context.has_listener})
        context.emit_event(EventKind.BLOCK_FINISHED, {"greeted": whom, "run": context.run_id, "of": context.runbook_id})
        context.update_passive_context(lambda said: said.insert(DocumentEnvVar("GREETED", self.value(whom))))
        details.notes.append(context.masker.mask(f"greeted by {context.handle.id}"))
        details.exit_code, details.stop_reason = 0, None
        context.clear_active_context()
        letter = str(context.file("letter", "letter.txt")) if self.spec.props["letter"] else ""
        context.set_output({"word": word})
        output = Output({"word": word, "whom": whom, "length": lambda: len(whom), "letter": letter}, value=lambda: whom)
        failure = BlockFailed(f"{whom} is too short a name") if len(whom) < 2 else None
        return WorkResult(
            output=output, variables={"greeted": whom}, default_assertion="output.length >= 2", failure=failure
        )

    async def word(self, context: ExecutionContext) -> str:
        given = context.local_values.get("value")
        if given is not None:
            return str(given.value)
        if not context.is_interactive:
            return context.render("word") or context.render_text("hello", "word")
        answer = await context.prompt_client(
            "Greeting", "How?", input=InputKind.TEXT, buttons=[PromptOption("hello", "ok")]
        )
        return answer.value or answer.button

    def value(self, text: str) -> ContextValue:
        return ContextValue(value=text, origin=Origin(label=self.label, location=self.spec.location), sensitive=False)


class Place(BlockBehavior):
    """Says where blocks below run, all at once."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        name = self.resolved(resolver, "name")
        if not str(name.value):
            raise self.prop_error("a place has a name", "name", local_values.how_to_answer("here"))
        return self.reported(resolver, name, local_values.key)

    def reported(self, resolver: ContextResolver, name: ContextValue, key: str) -> BlockContext:
        below = BlockContext(
            DocumentVar(name="place", value=name),
            DocumentVars(values=()).adding(DocumentVar("key", ContextValue(key, self.origin))),
            DocumentEnvVars(values=(DocumentEnvVar(name="PLACE", value=name),)),
            DocumentCwd(path=resolver.resolve_value(resolver.cwd, name.origin)),
            DocumentSshHost(host=None),
            DocumentSshConfig(user_host="", user=None, hostname=None, port=None),
        )
        host = below.copy().get(DocumentSshHost)
        if host == DocumentSshHost.of(ContextValue("local", self.origin)):
            below.remove(DocumentSshHost)
        config = below.get(DocumentSshConfig)
        if config is not None and config == secretless(config):
            below.remove(DocumentSshConfig)
        return below


def secretless(config: DocumentSshConfig) -> DocumentSshConfig:
    known = (config.identity_key, config.certificate, config.passphrase, config.password)
    is_open = not any(known)
    return config if is_open else DocumentSshConfig(config.user_host, config.user, config.hostname, config.port)


GREET = BlockPlugin(
    block_type=BlockType(
        name="greet",
        aliases=("welcome",),
        plain_names=("greet",),
        main="whom",
        main_pattern=r"(?P<whom>.*)",
        props=(
            Prop(name="name", default="Greet"),
            Prop(name="whom", type=PropType.TEXT, plain_required=True, templated=True, aliases=("who",), help="whom"),
            Prop(name="word", choices=("hello", "goodbye"), plain_default="hello", may_be_empty=False),
            Prop(
                name="times", type=PropType.WHOLE, alternative_types=(PropType.NUMBER,),
                default=1, limits=(1, 3), required=False,
            ),
            Prop(name="loud", type=PropType.BOOLEAN, default=False, expression=False),
            Prop(name="to", type=PropType.LIST), Prop(name="with", type=PropType.MAPPING),
            Prop(name="letter", type=PropType.BOOLEAN, default=False),
            Prop(name="for", type=PropType.DURATION),
            Prop(name="extra", type=PropType.ANY),
        ),
        one_of=(),
        help="greet somebody",
    ),
    behavior=Greet,
)  # fmt: skip
PLACE = BlockPlugin(
    BlockType(
        name="place", plain_names=("place",), main="name", props=(Prop(name="name"),), is_item=False, is_context=True
    ),
    Place,
)


def registry() -> BlockRegistry:
    known = BlockRegistry([GREET])
    known.add(PLACE)
    return known


def reported(error: FileError | BlockExecutionError) -> str:
    """An error as this user shows it."""
    if isinstance(error, TemplateError):
        return f"line {error.line}: {error.name} is undefined"
    kind = "context" if isinstance(error, ContextError) else error.kind
    where = "" if error.location is None else f"{error.location.path}:{error.location.line}"
    return f"{kind} {where} {error.block}: {error.message} {error.hint or ''} {error.detail}"
