"""A user's program around the engine: a window's worth of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio

from pytest_runbook import (
    AssertionsFailed,
    BlockContext,
    BlockContextUpdate,
    BlockExecutionOutput,
    BlockExecutionOutputChanged,
    BlockOutput,
    BlockStateChanged,
    CallbackChannel,
    Cancelled,
    ChildReference,
    ClientMessage,
    ClientMessageChannel,
    ClientPrompt,
    ContextStorage,
    ContextValue,
    DefaultDirectory,
    Document,
    DocumentVar,
    Effects,
    EngineThread,
    Event,
    EventBus,
    EventKind,
    ExecutionHandle,
    ExecutionState,
    ExecutionStatus,
    FileStorage,
    InputKind,
    Inputs,
    InternalError,
    Lifecycle,
    Location,
    LoginShell,
    Masker,
    MemoryStorage,
    MessageStream,
    NoStorage,
    OpenRunbook,
    Origin,
    PromptAnswer,
    PromptOption,
    PtyStore,
    Refused,
    ResolvedContext,
    Runbook,
    RunbookError,
    RunbookRun,
    Runtime,
    SecretSource,
    Settings,
    StoredContext,
    TimedOut,
    TimeLimit,
    UnreadableFile,
    load_runbook,
    open_runtime,
)
from tests.programs.block_types import registry, reported
from tests.programs.reports import overview, report

ENDS = {
    EventKind.BLOCK_FINISHED, EventKind.BLOCK_FAILED, EventKind.BLOCK_CANCELLED, EventKind.RUNBOOK_COMPLETED,
    EventKind.RUNBOOK_FAILED, EventKind.SERIAL_EXECUTION_COMPLETED, EventKind.SERIAL_EXECUTION_FAILED,
    EventKind.SERIAL_EXECUTION_CANCELLED, EventKind.PTY_CLOSED, EventKind.SSH_DISCONNECTED,
}  # fmt: skip
BEGINNINGS = {
    EventKind.BLOCK_STARTED, EventKind.RUNBOOK_STARTED, EventKind.SERIAL_EXECUTION_STARTED,
    EventKind.SERIAL_EXECUTION_PAUSED, EventKind.PTY_OPENED, EventKind.SSH_CONNECTED, EventKind.SSH_CONNECTION_FAILED,
    EventKind.SSH_CERTIFICATE_LOAD_FAILED, EventKind.SSH_CERTIFICATE_EXPIRED, EventKind.SSH_CERTIFICATE_NOT_YET_VALID,
}  # fmt: skip
STATIONS = (Lifecycle.STARTED, Lifecycle.FINISHED, Lifecycle.CANCELLED, Lifecycle.ERROR, Lifecycle.PAUSED)


class Archive:
    """A storage of this program's own: everything in one mapping."""

    def __init__(self) -> None:
        self.kept: dict[str, StoredContext] = {}

    def save(self, document_id: str, block_id: str, context: StoredContext) -> None:
        self.kept[block_id] = StoredContext(items=context.items, fingerprint=context.fingerprint)

    def load(self, document_id: str, block_id: str) -> StoredContext | None:
        return self.kept.get(block_id)

    def delete(self, document_id: str, block_id: str) -> None:
        self.kept.pop(block_id, None)

    def delete_for_document(self, document_id: str) -> None:
        self.kept.clear()


class Window:
    """Takes messages, and shows what a person would see."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.questions: list[ClientPrompt] = []

    def send(self, message: ClientMessage) -> None:
        json.dumps(message.to_json())
        match message:
            case BlockOutput(stdout=str(text)) | BlockOutput(stderr=str(text)):
                self.lines.append(text)
            case BlockOutput(lifecycle=Lifecycle() as station):
                self.lines.append(f"{message.block_id} {STATIONS.index(station)} {message.detail}")
            case BlockOutput():
                self.lines.append(f"{message.block_id} {message.binary!r} {message.data}")
            case BlockStateChanged():
                self.lines.append(f"{message.block_id} shows {message.state}")
            case BlockContextUpdate():
                self.lines.append(f"{message.block_id} sees {seen(message.context)}")
            case BlockExecutionOutputChanged():
                self.lines.append(f"{message.block_id} gave something else")
            case ClientPrompt():
                self.questions.append(message)


DIRECTORIES = {
    DefaultDirectory.AUTO: "its own, or its workspace's", DefaultDirectory.FILE: "its own",
    DefaultDirectory.ROOTDIR: "the root", DefaultDirectory.INVOCATION: "where the program was started",
}  # fmt: skip
LEVELS = {Effects.READ: "reads", Effects.WRITE: "writes", Effects.DESTRUCTIVE: "destroys"}
SHELLS = {LoginShell.NEVER: "ours", LoginShell.ONCE: "a login shell's", LoginShell.EACH: "login shells"}


def seen(context: ResolvedContext) -> str:
    reported_by = context.variables_sources
    return f"{context.variables} {reported_by} {context.cwd} {context.env_vars} {context.ssh_host} {context.to_json()}"


def question(prompt: ClientPrompt) -> str:
    kinds = {None: "buttons", InputKind.STRING: "line", InputKind.TEXT: "text", InputKind.DROPDOWN: "list"}
    shown = [f"{option.label}={option.value}" for option in (*prompt.choices, *prompt.buttons)]
    hidden = "hidden" if prompt.is_hidden else "shown"
    return f"{prompt.execution_id} {prompt.icon} {prompt.title} {prompt.prompt} {kinds[prompt.input]} {hidden} {shown}"


async def loaded(reference: ChildReference) -> Runbook | Path:
    return Path(reference.path or reference.uri or reference.id or reference.name)


def settings(folder: Path) -> Settings:
    return Settings(
        root=folder, invocation=folder, block_timeout=30, cleanup_timeout=10, shutdown_timeout=5,
        default_directory=DefaultDirectory.FILE, interpreters={"zsh": "bash"}, login_shell=LoginShell.NEVER,
        effects=Effects.WRITE, saved_answers=False, runbook_root=folder, runbook_loader=loaded, unknown_blocks="error",
        is_interactive=True, difference=lambda operator, left, right: [f"{left!r} {operator} {right!r}"],
    )  # fmt: skip


def inputs() -> Inputs:
    def text(value: object) -> ContextValue:
        return ContextValue(value, Origin("the program"))

    return Inputs(
        fixed={"whom": text("you")}, vars={}, env={"STAGE": text("test")}, answers=({"region": text("eu")},),
        fixtures={"port": 8000}, host=None, secrets=secrets(),
    )  # fmt: skip


def secrets() -> tuple[SecretSource, ...]:
    here = Location("the program")
    return (
        SecretSource(name="KEY", location=here, value="geheim-too"),
        SecretSource(name="TOKEN", location=here, command=("pass", "show", "token"), timeout=5),
        SecretSource(name="CERT", location=here, file="cert.pem"),
        SecretSource(name="PORT", location=here, fixture="port"),
        SecretSource(name="PASSWORD", location=here, env="DB_PASSWORD"),
    )


async def main(folder: Path) -> list[str]:
    window, events = Window(), list[Event]()
    storage: ContextStorage = FileStorage(folder / "kept")
    masker = Masker()
    masker.add("geheim-geheim", "a password")
    async with open_runtime(settings(folder), registry=registry(), storage=storage, masker=masker) as runtime:
        with runtime.events.subscribe(events.append):
            document = runtime.open_document(folder / "a.runbook.yaml", inputs(), window)
            lines = [*await run(runtime, document, window), *await by_hand(document), *edited(document, folder)]
        lines += [*aside(runtime, runtime.events), *runtime.warnings]
    kinds = {event.kind for event in events}
    sent = [json.dumps(event.to_json()) for event in events if event.data]
    return [*lines, f"{len(sent)} events, of {len(kinds & ENDS)} ends and {len(kinds & BEGINNINGS)} beginnings"]


async def run(runtime: Runtime, document: Document, window: Window) -> list[str]:
    flow = RunbookRun(document, runtime)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(person, document, window)
        first = await flow.step(document.items[0].id)
        flow.pause()
        flow.resume()
        assert first in await flow.run_all(document.items[1].id)
        tasks.cancel_scope.cancel()
    results = tuple(flow.results.values())
    unmet: AssertionsFailed | RunbookError | None = flow.required_failure()
    left = await flow.finish()
    flow.cancel("over")
    return [*overview(flow.document.runbook), *report(results), f"{unmet} {flow.unfinished_cleanups()} {list(left)}"]


async def person(document: Document, window: Window) -> None:
    while True:  # until it is cancelled: a window wakes nobody
        await anyio.sleep(0.005)
        for prompt in window.questions:
            window.lines.append(question(prompt))
            yes: PromptOption = prompt.buttons[0]
            document.answer(prompt.prompt_id, PromptAnswer(button=yes.value, value=yes.label))
        window.questions.clear()


async def by_hand(document: Document) -> list[str]:
    spec = document.spec(document.items[0].id)
    await document.fetch_secrets(spec.id)
    handle: ExecutionHandle = document.start_execution(spec.id, TimeLimit(seconds=20, name="the program's limit"))
    assert list(document.running) == [handle.block_id]
    status: ExecutionStatus = handle.status
    assert status.state is ExecutionState.RUNNING
    document.cancel(spec.id, "enough")
    handle.cancel("really")
    result = await handle.wait()
    assert result is handle.result
    assert handle.status.is_settled
    cancelled = handle.cancellation
    known = {ExecutionState.SUCCESS: "well", ExecutionState.FAILED: "badly", ExecutionState.CANCELLED: "early"}
    error = handle.status.error
    assert isinstance(error, Cancelled)
    return [f"{handle.id} {handle.limit} {known[handle.status.state]} {cancelled}", reported(error)]


def edited(document: Document, folder: Path) -> list[str]:
    block_id = document.items[-1].id
    output = BlockExecutionOutput(fields={"length": 3}, sensitive=False)
    variable = DocumentVar("late", ContextValue("yes", Origin("the program")))

    def leave(context: BlockContext) -> None:
        context.insert(output)

    document.update_active_context(block_id, leave)
    document.update_passive_context(block_id, lambda context: context.insert(variable))
    resolver = document.resolver_above(block_id)
    below = resolver.fold(BlockContext(variable)).snapshot()
    shown = [resolver.resolve_template("{{ var.whom }}"), str(resolver.program_env()["STAGE"]), resolver.host]
    assert resolver.vars["whom"].value == "you"
    assert set(resolver.block_env()) <= set(resolver.env)
    document.save_context(block_id)
    document.clear_active_context(block_id)
    document.load_contexts()
    assert document.output(block_id) is None or document.context_error_above(block_id) is None
    document.put_document(load_runbook(folder / "a.runbook.yaml", catalog=registry().catalog))
    document.rebuild_contexts()
    final = document.final_context()
    assert document.state(block_id) == {}
    document.set_answers({"pause#1": ContextValue("continue", Origin("the window"))})
    document.reset()
    assert document.resolved_context(block_id).cwd
    above = [spec.id for spec in document.above(block_id)]
    return [*shown, seen(below), seen(final), str(document.final_variables()), str(above), document.run_id]


def aside(runtime: Runtime, bus: EventBus) -> list[str]:
    ptys: PtyStore = runtime.ptys
    for pty_id in ptys.ids:
        ptys.resize_pty(pty_id, rows=24, cols=80)
        ptys.write_pty(pty_id, b"exit\n")
        ptys.kill_pty(pty_id)
    masker = runtime.masker
    masked = masker.mask("geheim-geheim")
    assert masker.holds_secret("geheim-geheim")
    assert masker.mask_data({"a": ["geheim-geheim"]}) == {"a": [masked]}
    bus.emit(Event(EventKind.RUNBOOK_STARTED, {"of": "the program"}))
    stores: list[ContextStorage] = [MemoryStorage(), NoStorage(), Archive(), runtime.storage]
    for store in stores:
        store.save("d", "b", StoredContext([], "stamp"))
        kept = store.load("d", "b")
        store.delete("d", "b")
        store.delete_for_document("d")
        assert kept is None or kept.fingerprint == "stamp"
    is_known = "greet" in runtime.registry.catalog
    allowed = [word for level, word in LEVELS.items() if not level.exceeds(runtime.settings.effects)]
    where = f"{allowed} {DIRECTORIES[runtime.settings.default_directory]}, {SHELLS[runtime.settings.login_shell]}"
    return [
        where,
        f"{masked} {sorted(masker.unmaskable)} {bus.has_subscribers} {is_known} {runtime.settings.shutdown_timeout}",
    ]


async def streamed(folder: Path) -> int:
    """How many messages a run gives as a stream."""
    stream = MessageStream()
    channel: ClientMessageChannel = stream
    async with open_runtime(settings(folder), registry=registry()) as runtime:
        document = runtime.open_document(folder / "b.runbook.yaml", channel=channel)
        await RunbookRun(document, runtime).run_all()
        runtime.shut_down()
        runtime.shut_down_at_once()
    stream.close()
    return len([message async for message in stream])


def in_a_thread(folder: Path) -> list[str]:
    heard: list[ClientMessage] = []
    with EngineThread(settings(folder), registry=registry()) as engine:
        runbook: OpenRunbook = engine.open(folder / "b.runbook.yaml", channel=CallbackChannel(heard.append))
        last = runbook.blocks[-1].id
        results = (*runbook.run(), runbook.run_block(last))
        output: Mapping[str, object] | None = runbook.output(last)
        variables = engine.call(runbook.document.final_variables)
        runbook.pause()
        runbook.resume()
        runbook.cancel("nothing runs", block_id=last)
        runbook.update(folder / "b.runbook.yaml")
        context = runbook.context(last)
        runbook.load_contexts()
        runbook.reset()
        try:
            runbook.answer("none", PromptAnswer("ok"))
        except KeyError:
            assert not engine.runtime.warnings
    return [*report(results), str(output and dict(output)), str(variables), seen(context), f"{len(heard) > 0}"]


def faults(folder: Path) -> list[str]:
    try:
        load_runbook(folder / "wrong.runbook.yaml")
    except UnreadableFile as fault:
        return [reported(error.with_location()) for error in fault.errors]
    except (TimedOut, Refused, InternalError) as error:
        return [error.message]
    return []


if __name__ == "__main__":
    where = Path(sys.argv[1])
    print(*anyio.run(main, where), *in_a_thread(where), *faults(where), sep="\n")
    print(anyio.run(streamed, where) > 0)
