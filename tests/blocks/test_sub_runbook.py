"""Runbooks within runbooks: what they see, what they leave, and how they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from pytest_runbook import BlockStateChanged, Inputs, MemoryStorage, PromptAnswer, Settings
from pytest_runbook.document.sub_runbooks import MAX_NESTING
from pytest_runbook.execution.child_runbooks import ChildReference
from pytest_runbook.execution.result import Outcome
from pytest_runbook.messages.client_messages import ClientPrompt
from pytest_runbook.model.runbook import Effects
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, ran, until, written

CALL = "blocks: [{name: Call, sub-runbook: child.runbook.yaml}]\n"
CHILD = "child.runbook.yaml"


def books(folder: Path, **texts: str) -> None:
    """Files of these names, ``a__b`` in a folder ``a``."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.runbook.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def states(book: Opened, block: str = "Call") -> list[object]:
    """What the block showed of itself."""
    block_id = book.block(block)
    return [message.state["status"] for message in book.channel.of(BlockStateChanged) if message.block_id == block_id]


def children(book: Opened, block: str = "Call") -> list[tuple[str, str]]:
    return [(child.name, str(child.outcome)) for child in book.results[block].children]


def test_it_sees_what_its_block_sees(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    books(tmp_path, child="blocks: [{name: Show, script: 'echo {{ var.x }} $Y $(basename $PWD) {{ host }}'}]\n")
    book = ran(
        tmp_path,
        """
        vars: {x: outer}
        blocks:
          - env: {Y: "{{ var.x }}-env"}
          - directory: sub
          - {name: Call, sub-runbook: child.runbook.yaml}
        """,
    )

    assert book.outcomes == {"Call": "passed"}
    assert book.said == "outer outer-env sub local\n"


def test_it_sees_the_host_above_its_block(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{name: Show, pause: \"host != 'deploy@web-1'\"}]\n")
    book = ran(tmp_path, "blocks: [{host: deploy@web-1}, {name: Call, sub-runbook: child.runbook.yaml}]\n")

    assert book.outcomes == {"Call": "passed"}


def test_it_sees_secrets_and_fixtures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "geheim-token")
    monkeypatch.setenv("CHILDS_TOKEN", "anderes")
    books(
        tmp_path,
        child="""
secrets: {own: {env: CHILDS_TOKEN}}
blocks:
  - script: test {{ secret.token }} = geheim-token && test {{ secret.own }} = anderes && test {{ fixture.number }} = 7
""",
    )
    text = "secrets: {token: {env: THE_TOKEN}}\n" + CALL

    assert ran(tmp_path, text, inputs=Inputs(fixtures={"number": 7})).outcomes == {"Call": "passed"}


SETS = """
vars: {new: 1}
blocks:
  - vars: {x: changed, same: same}
  - env: {Y: changed}
  - {name: Make, script: 'mkdir -p made; echo "left=behind" >> $RUNBOOK_OUTPUT_VARS'}
  - directory: made
"""
LOOK = """
vars: {{x: outer, same: same}}
blocks:
  - env: {{Y: outer}}
  - {{name: Call, sub-runbook: {{path: child.runbook.yaml{exports}}}}}
  - name: Look
    script: 'echo {{{{ var.x }}}} {{{{ var.new | default("-") }}}} {{{{ var.left | default("-") }}}} $Y ${{PWD##*/}}'
"""


@pytest.mark.parametrize(
    ("exports", "seen"),
    [
        ("", "outer - - outer HERE"),
        (", exportVars: true", "changed 1 behind outer HERE"),
        (", export_env: true", "outer - - changed HERE"),
        (", exportCwd: true", "outer - - outer made"),
        (", exportVars: true, exportEnv: true, exportCwd: true", "changed 1 behind changed made"),
    ],
)
def test_only_what_is_exported_goes_on_above(tmp_path: Path, exports: str, seen: str) -> None:
    books(tmp_path, child=SETS)
    book = ran(tmp_path, LOOK.format(exports=exports))

    assert book.outcomes == {"Call": "passed", "Look": "passed"}
    assert book.said == seen.replace("HERE", tmp_path.name) + "\n"


def test_only_what_is_new_or_changed_is_exported_and_shows_where_it_comes_from(tmp_path: Path) -> None:
    books(tmp_path, child=SETS)

    async def work(book: Opened) -> tuple[dict[str, object], dict[str, str]]:
        await book.run.run_all()
        context = book.document.resolved_context(book.block("Look"))
        return dict(context.variables), dict(context.variables_sources)

    variables, sources = inside(tmp_path, LOOK.format(exports=", exportVars: true"), work)

    assert variables == {"x": "changed", "same": "same", "new": 1, "left": "behind"}
    assert "a.runbook.yaml" in sources["same"]
    assert CHILD in sources["x"]


def test_what_is_given_from_outside_holds_within(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{vars: {x: child}}, {script: 'echo {{ var.x }}'}]\n")
    given = Inputs(fixed={"x": ContextValue("given", Origin("--runbook-var"))})

    assert ran(tmp_path, CALL, inputs=given).said == "given\n"


def test_nothing_of_it_is_kept(tmp_path: Path) -> None:
    class Kept(MemoryStorage):
        names: list[str] = []  # noqa: RUF012 - one test

        def save(self, document_id: str, block_id: str, context: object) -> None:
            self.names.append(document_id)

    books(tmp_path, child="blocks: [{name: Leave, script: echo 1, capture: x}]\n")

    ran(tmp_path, CALL, storage=Kept())

    assert all(name.endswith("a.runbook.yaml") for name in Kept.names)


def test_what_it_left_in_the_background_lives_until_the_outer_run_ends(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{script: 'sleep 1000 & echo $! > pid'}]\n")
    text = "blocks: [{name: Call, sub-runbook: child.runbook.yaml}, {name: Alive, script: kill -0 $(cat pid)}]\n"
    book = ran(tmp_path, text)

    assert book.outcomes == {"Call": "passed", "Alive": "passed"}
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_runbook_within_a_runbook_within_a_runbook_hands_on(tmp_path: Path) -> None:
    call = "blocks: [{{name: Call, sub-runbook: {{path: {path}, exportVars: true}}}}]\n"
    books(tmp_path, b=call.format(path="deep/c.runbook.yaml"), deep__c="blocks: [{vars: {x: '{{ var.start }}!'}}]\n")
    book = ran(
        tmp_path,
        "vars: {start: hello}\n"
        + call.format(path="b.runbook.yaml")
        + "finally: [{name: Look, script: 'echo {{ var.x }}'}]\n",
    )

    assert book.said == "hello!\n"


WHERE = {
    "beside the file that names it": ("inner/b", "x.runbook.yaml", "inner/x"),
    "beside the outermost runbook": ("inner/b", "y.runbook.yaml", "y"),
    "as it is given": ("inner/b", "{{ var.folder }}/y.runbook.yaml", "y"),
    "the nearer one first": ("inner/b", "both.runbook.yaml", "inner/both"),
}


@pytest.mark.parametrize(("caller", "path", "found"), WHERE.values(), ids=WHERE)
def test_a_path_is_looked_for(tmp_path: Path, caller: str, path: str, found: str) -> None:
    for name in ("inner/x", "y", "inner/both", "both"):
        books(tmp_path, **{name.replace("/", "__"): f"blocks: [{{script: echo {name}}}]\n"})
    books(tmp_path, **{caller.replace("/", "__"): f"blocks: [{{sub-runbook: '{path}'}}]\n"})
    book = ran(tmp_path, f"vars: {{folder: {tmp_path}}}\nblocks: [{{sub-runbook: {caller}.runbook.yaml}}]\n")

    assert book.said == f"{found}\n"


def test_a_path_from_where_the_run_was_started_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books(tmp_path, started__here="blocks: [{script: echo found}]\n")
    (tmp_path / "books").mkdir()
    monkeypatch.chdir(tmp_path / "started")
    settings = Settings(root=tmp_path, invocation=tmp_path)

    book = ran(tmp_path / "books", "blocks: [{sub-runbook: here.runbook.yaml}]\n", settings=settings)

    assert book.said == "found\n"


FAILURES = {
    "missing": (
        CALL,
        'there is no runbook "child.runbook.yaml"',
        "looked for ",
        "notFound",
    ),
    "named by nothing": ("blocks: [{name: Call, sub-runbook: ''}]\n", "it names no runbook to run", "give", None),
    "on a hub": (
        "blocks: [{name: Call, sub-runbook: {runbookPath: '', runbookUri: ada/deploy}}]\n",
        'runbook "ada/deploy" is on a hub, and nothing here loads runbooks from one',
        "keep it in a file",
        "notFound",
    ),
    "by id": (
        "blocks: [{name: Call, sub-runbook: {runbookPath: '', runbookId: 0198, runbookName: Deploy}}]\n",
        'runbook "Deploy" is on a hub',
        "keep it in a file",
        "notFound",
    ),
    "itself": (
        "blocks: [{name: Call, sub-runbook: ./a.runbook.yaml}]\n",
        'runbook "./a.runbook.yaml" is running already',
        "a.runbook.yaml > a.runbook.yaml",
        "recursionDetected",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint", "state"), FAILURES.values(), ids=FAILURES)
def test_a_runbook_that_cannot_be_run_shows_why(
    tmp_path: Path, text: str, message: str, hint: str, state: str | None
) -> None:
    text = text.replace("0198", "'0198'")
    book = ran(tmp_path, text)
    result = book.results["Call"]

    assert (result.message or "").startswith(message)
    assert hint in (result.hint or "")
    assert state is None or states(book) == ["loading", state]


def test_a_runbook_that_cannot_be_read_shows_where(tmp_path: Path) -> None:
    books(tmp_path, child="blocks:\n  - scirpt: echo\n  - {script: echo, asert: x}\n")
    result = ran(tmp_path, CALL).results["Call"]

    assert (result.message or "").startswith(f"{CHILD}:2: ")
    assert (result.message or "").endswith("(and 1 more)")


RECURSIONS = {
    "through another one": "b.runbook.yaml",
    "by another spelling": "./inner/../a.runbook.yaml",
    "through a link": "link.runbook.yaml",
    "by its id": "copy.atrb",
}


@pytest.mark.parametrize("path", RECURSIONS.values(), ids=RECURSIONS)
def test_no_runbook_runs_within_itself_however_it_is_called(tmp_path: Path, path: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link.runbook.yaml").symlink_to(tmp_path / "a.runbook.yaml")
    books(tmp_path, b="blocks: [{name: Back, sub-runbook: a.runbook.yaml}]\n")
    written(tmp_path, f"id: {tmp_path}/a.runbook.yaml\nname: x\nversion: 1\ncontent: []\n", "copy.atrb")
    result = ran(tmp_path, f"blocks: [{{name: Call, sub-runbook: {path}}}]\n").results["Call"]

    assert "is running already" in (result.message or "")
    assert "a.runbook.yaml" in (result.hint or "")


@pytest.mark.parametrize(("depth", "passes"), [(MAX_NESTING, True), (MAX_NESTING + 1, False), (200, False)])
def test_runbooks_run_within_each_other_to_a_bound(tmp_path: Path, depth: int, passes: bool) -> None:
    for level in range(1, depth):
        written(tmp_path, f"blocks: [{{sub-runbook: n{level + 1}.runbook.yaml}}]\n", f"n{level}.runbook.yaml")
    written(tmp_path, "blocks: [{script: echo deepest}]\n", f"n{depth}.runbook.yaml")
    book = ran(tmp_path, "blocks: [{name: Call, sub-runbook: n1.runbook.yaml}]\n")
    result = book.results["Call"]

    assert ((result.outcome is Outcome.PASSED), book.said) == ((True, "deepest\n") if passes else (False, ""))
    assert passes or (result.message or "").endswith("32 runbooks run one within the other already")


def test_a_runbook_may_run_twice_one_after_the_other(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{script: echo once}]\n")
    call = "{sub-runbook: child.runbook.yaml}"

    assert ran(tmp_path, f"blocks: [{call}, {call}]\n").said == "once\nonce\n"


@pytest.mark.parametrize(
    "path", ["../outside.runbook.yaml", "{outside}", "link.runbook.yaml", "~/outside.runbook.yaml"]
)
def test_a_path_that_leads_out_of_the_project_is_refused(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "project"
    inner.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    books(tmp_path, outside="blocks: [{script: touch ran}]\n")
    (inner / "link.runbook.yaml").symlink_to(tmp_path / "outside.runbook.yaml")
    path = path.format(outside=tmp_path / "outside.runbook.yaml")
    result = ran(inner, f"blocks: [{{name: Call, sub-runbook: {path}}}]\n").results["Call"]

    assert result.message == f"the path leads out of the project: {tmp_path / 'outside.runbook.yaml'}"


def test_the_settings_show_what_the_project_is(tmp_path: Path) -> None:
    books(tmp_path, library__child="blocks: [{script: echo here}]\n", child="blocks: []\n")
    settings = Settings(root=tmp_path, invocation=tmp_path, runbook_root=tmp_path / "library")
    text = """
        blocks:
          - {name: In, sub-runbook: library/child.runbook.yaml}
          - {name: Out, sub-runbook: child.runbook.yaml}
        """

    assert ran(tmp_path, text, settings=settings).outcomes == {"In": "passed", "Out": "failed"}


def test_a_loader_finds_what_is_on_a_hub(tmp_path: Path) -> None:
    books(tmp_path, fetched="blocks: [{script: echo fetched}]\n")
    asked: list[ChildReference] = []

    async def load(reference: ChildReference) -> Path:
        asked.append(reference)
        return tmp_path / "fetched.runbook.yaml"

    settings = Settings(root=tmp_path, invocation=tmp_path, runbook_loader=load)
    text = "blocks: [{sub-runbook: {runbookPath: '', runbookUri: 'ada/{{ var.x }}'}}]\nvars: {x: deploy}\n"

    assert ran(tmp_path, text, settings=settings).said == "fetched\n"
    assert asked == [ChildReference(uri="ada/deploy")]


def test_a_block_that_fails_within_fails_it_and_the_rest_is_reported(tmp_path: Path) -> None:
    books(
        tmp_path,
        child="blocks: [{name: A, script: echo}, {name: B, script: exit 3}, {name: C, script: echo}]\n"
        "finally: [{name: D, script: echo}]\n",
    )
    book = ran(tmp_path, CALL)
    result = book.results["Call"]

    assert result.message == f'block 2 "B" of {CHILD} failed: exit code 3'
    assert children(book) == [("A", "passed"), ("B", "failed"), ("C", "skipped"), ("D", "passed")]
    assert result.did == f"run {CHILD}: 2 passed, 1 failed, 1 skipped"
    (section,) = result.sections
    assert section.title == "blocks"
    assert section.text.splitlines()[1] == "2 B failed: exit code 3"


def test_nothing_is_exported_from_one_that_failed(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{vars: {x: 1}}, {script: exit 1}]\n")
    text = """
        on_failure: continue
        blocks:
          - sub-runbook: {path: child.runbook.yaml, exportVars: true}
          - {name: L, script: 'echo {{ var.x }}'}
        """

    assert ran(tmp_path, text).results["L"].message == "var.x is undefined"


def test_an_empty_one_succeeds(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: []\n")
    book = ran(tmp_path, CALL)

    assert book.outcomes == {"Call": "passed"}
    assert states(book)[-1] == "success"


def test_one_of_which_nothing_ran_is_skipped(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{name: A, script: echo, skip: not today}]\n")
    book = ran(tmp_path, CALL)

    assert (book.outcomes, book.results["Call"].message) == ({"Call": "skipped"}, f"nothing of {CHILD} ran: not today")


def test_its_progress_is_shown(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{name: A, script: echo}, {name: B, script: echo}]\n")
    book = ran(tmp_path, CALL)
    shown = [message.state for message in book.channel.of(BlockStateChanged)]

    assert shown == [
        {"status": "loading"},
        {"status": "running", "totalBlocks": 2, "completedBlocks": 0, "currentBlockName": "A"},
        {"status": "running", "totalBlocks": 2, "completedBlocks": 1, "currentBlockName": "B"},
        {"status": "running", "totalBlocks": 2, "completedBlocks": 2, "currentBlockName": ""},
        {"status": "success"},
    ]


def test_stop_at_a_pause_within_stops_all(tmp_path: Path) -> None:
    books(tmp_path, child="answers: {'pause#1': stop}\nblocks: [{script: echo}, {pause: {}}, {script: exit 1}]\n")
    book = ran(tmp_path, "blocks: [{name: Call, sub-runbook: child.runbook.yaml}, {name: Rest, script: exit 1}]\n")

    assert book.outcomes == {"Call": "passed", "Rest": "skipped"}
    assert 'block 1 "Call" stopped the run' in (book.results["Rest"].message or "")


def test_a_question_within_is_answered_at_the_outer_document(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{sub-runbook: grandchild.runbook.yaml}]\n", grandchild="blocks: [{pause: {}}]\n")

    async def work(book: Opened) -> Opened:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: book.channel.of(ClientPrompt))
            (prompt,) = book.channel.of(ClientPrompt)
            book.document.answer(prompt.prompt_id, PromptAnswer("continue"))
        return book

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)

    assert inside(tmp_path, CALL, work, settings=settings).outcomes == {"Call": "passed"}


LONG = "blocks: [{name: Long, script: 'touch ready; sleep 1000'}, {name: Never, script: touch never}]\n"
LONG_CLEANED = LONG + "finally: [{name: Clean, script: touch cleaned}]\n"


def ending_by(end: Callable[[Opened], object]) -> Callable[[Opened], Awaitable[Opened]]:
    async def work(book: Opened) -> Opened:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until((book.document.runbook.path.parent / "ready").exists)
            end(book)
        return book

    return work


ENDS: dict[str, Callable[[Opened], object]] = {
    "its block": lambda book: book.document.cancel(reason="enough"),
    "its run": lambda book: book.run.cancel("enough"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_cancelled_it_ends_what_runs_within_and_cleans_up(tmp_path: Path, end: Callable[[Opened], object]) -> None:
    books(tmp_path, child=LONG_CLEANED)
    book = inside(tmp_path, CALL, ending_by(end))
    result = book.results["Call"]

    assert (result.kind, result.message) == ("cancelled", "enough")
    assert children(book) == [("Long", "failed"), ("Never", "skipped"), ("Clean", "passed")]
    assert (tmp_path / "cleaned").exists()
    assert not (tmp_path / "never").exists()


def test_its_blocks_have_what_is_left_of_its_time(tmp_path: Path) -> None:
    books(tmp_path, child=LONG_CLEANED)
    book = ran(tmp_path, "blocks: [{name: Call, sub-runbook: child.runbook.yaml, timeout: 1s}]\n")
    long, _, clean = book.results["Call"].children

    assert long.kind == "timeout"
    assert 'limit 1 s of block "Call" (sub-runbook)' in (long.message or "")
    assert clean.outcome == "passed"
    assert book.results["Call"].seconds < 10


def test_its_blocks_keep_their_own_limit_where_that_is_shorter(tmp_path: Path) -> None:
    books(tmp_path, child="blocks: [{name: Long, script: sleep 1000, timeout: 200ms}]\n")
    book = ran(tmp_path, "blocks: [{name: Call, sub-runbook: child.runbook.yaml, timeout: 100s}]\n")

    assert book.results["Call"].children[0].message == "timed out after 200 ms (limit 200 ms)"


def test_a_read_only_run_asks_its_blocks_one_by_one(tmp_path: Path) -> None:
    books(
        tmp_path, child="blocks: [{name: A, script: touch ran, below: run}, {name: B, script: echo, effects: read}]\n"
    )
    settings = Settings(root=tmp_path, invocation=tmp_path, effects=Effects.READ)
    book = ran(tmp_path, CALL, settings=settings)

    assert children(book) == [("A", "skipped"), ("B", "passed")]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("key", "reported"),
    [("matrix: {x: [1, 2]}", "matrix"), ("needs: [a.runbook.yaml]", "needs")],
)
def test_what_counts_only_for_whole_files_is_refused_within(tmp_path: Path, key: str, reported: str) -> None:
    books(tmp_path, child=f"{key}\nblocks: [{{script: touch ran}}]\n")
    result = ran(tmp_path, CALL).results["Call"]

    assert f"child.runbook.yaml has `{reported}`" in (result.message or "")
    assert not (tmp_path / "ran").exists()


def test_a_block_that_it_requires_must_have_passed(tmp_path: Path) -> None:
    books(
        tmp_path,
        child="require: [B]\nblocks: [{name: A, script: echo}, {name: B, script: echo, skip: not today}]\n",
    )
    result = ran(tmp_path, CALL).results["Call"]

    assert result.outcome == "failed"
    assert (result.message or "").startswith("child.runbook.yaml: required: ")
