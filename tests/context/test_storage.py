"""What outlives a run, where it is kept, and what is left out."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook import load_runbook
from pytest_runbook.context.block_context import BlockContext
from pytest_runbook.context.items import (
    BlockExecutionOutput,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
)
from pytest_runbook.context.json_form import MAX_VALUE_LENGTH, context_from_json, context_to_json
from pytest_runbook.context.output import Output
from pytest_runbook.context.storage import ContextStorage, FileStorage, MemoryStorage, NoStorage, StoredContext
from pytest_runbook.document.inputs import Inputs
from pytest_runbook.errors import Location
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, written

STORED = StoredContext(items=[{"kind": "DocumentCwd"}], fingerprint="s")
SOURCE = Origin("block 1", Location("a.yaml", 3))


def value(content: object, *, sensitive: bool = False) -> ContextValue:
    return ContextValue(content, SOURCE, sensitive)


CONTEXTS = [
    BlockContext(),
    BlockContext(DocumentVar("x", value("1"))),
    BlockContext(
        DocumentVars((DocumentVar("x", value("ü\n\ud800")), DocumentVar("y", value([1, {"a": None}, 2.5, True]))))
    ),
    BlockContext(DocumentVars((DocumentVar("price", value(Decimal("12.50"))),))),
    BlockContext(DocumentEnvVar("E", value("1")), DocumentEnvVars((DocumentEnvVar("F", value("2")),))),
    BlockContext(DocumentCwd(value("sub")), DocumentSshHost(None)),
    BlockContext(DocumentSshHost(value("web-1")), DocumentSshConfig("web-1", "me", "web", 22)),
    BlockContext(BlockExecutionOutput({"exit_code": 0, "rows": [{"a": 1}]})),
]


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_comes_back_as_it_was(context: BlockContext) -> None:
    assert context_from_json(json.loads(json.dumps(context_to_json(context)))) == context


LEFT_OUT: list[Any] = [
    DocumentVar("x", value("secret", sensitive=True)),
    DocumentVar("x", value("long" * MAX_VALUE_LENGTH)),
    DocumentVar("x", value(object())),
    DocumentVar("x", value((1, 2))),
    DocumentVar("x", value({1: "a"})),
    DocumentVar("x", value(float("nan"))),
    DocumentEnvVar("x", value("secret", sensitive=True)),
    DocumentCwd(value("secret", sensitive=True)),
    DocumentSshHost(value("secret", sensitive=True)),
    BlockExecutionOutput({"stdout": "secret"}, sensitive=True),
]


@pytest.mark.parametrize("item", LEFT_OUT)
def test_what_is_secret_or_would_not_come_back_as_it_was_is_left_out(item: Any) -> None:
    assert context_to_json(BlockContext(item)) == []


def test_exact_numbers_of_an_output_are_kept_as_their_digits() -> None:
    output = BlockExecutionOutput({"rows": [{"n": Decimal("1E+3")}], "first": Decimal("0.10")})

    (item,) = context_to_json(BlockContext(output))
    assert item["fields"] == {"rows": [{"n": "1000"}], "first": "0.10"}


def test_a_field_of_an_output_that_is_too_long_is_left_out() -> None:
    output = Output({"exit_code": 0, "stdout": lambda: "x" * MAX_VALUE_LENGTH}, value=lambda: "")

    (item,) = context_to_json(BlockContext(BlockExecutionOutput(output)))
    assert item["fields"] == {"exit_code": 0}


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**5000], ids=["inf", "nan", "long"])
def test_a_field_that_holds_a_number_without_json_is_left_out(number: float) -> None:
    output = BlockExecutionOutput({"rows": [{"n": number}], "count": 1})

    (item,) = context_to_json(BlockContext(output))
    assert item["fields"] == {"count": 1}


def test_a_field_that_is_known_to_be_large_is_not_even_made() -> None:
    output = Output({"status": 200, "body": lambda: pytest.fail("made")}, value=lambda: "", large=("body",))

    (item,) = context_to_json(BlockContext(BlockExecutionOutput(output)))
    assert item["fields"] == {"status": 200}


@pytest.fixture(params=["memory", "files"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ContextStorage:
    return MemoryStorage() if request.param == "memory" else FileStorage(tmp_path / "store")


def test_storage_keeps_by_document_and_block(storage: ContextStorage) -> None:
    storage.save("doc", "a", STORED)
    storage.save("doc", "b", STORED)
    storage.save("other", "a", STORED)

    assert storage.load("doc", "a") == STORED
    storage.delete("doc", "a")
    assert storage.load("doc", "a") is None
    storage.delete_for_document("doc")
    assert storage.load("doc", "b") is None
    assert storage.load("other", "a") == STORED
    storage.delete("doc", "never there")


def test_what_nobody_reads_is_not_made_and_what_is_read_is_made_once() -> None:
    made: list[str] = []

    def items() -> list[dict[str, Any]]:
        made.append("items")
        return [{"kind": "DocumentCwd"}]

    def stamp() -> str:
        made.append("stamp")
        return "s"

    context = StoredContext(items, stamp)
    NoStorage().save("doc", "a", context)
    MemoryStorage().save("doc", "a", context)
    assert made == []
    assert context == STORED == context
    assert sorted(made) == ["items", "stamp"]


def test_a_large_output_does_not_stay_because_it_was_to_be_kept(tmp_path: Path) -> None:
    storage = MemoryStorage()

    async def leave(book: Opened) -> weakref.ref[Huge]:
        rows, block = Huge(), book.block("a")
        item = BlockExecutionOutput(Output({"rows": rows, "count": 1}, value=lambda: 1, large=("rows",)))
        book.document.update_active_context(block, lambda context: context.insert(item))
        book.document.save_context(block)
        return weakref.ref(rows)

    rows = inside(tmp_path, "blocks: [{name: a, script: 'true'}]", leave, storage=storage)
    gc.collect()
    assert rows() is None
    (kept,) = storage._contexts.values()
    assert kept.items == [{"kind": "BlockExecutionOutput", "fields": {"count": 1}}]


class Huge(list[object]):
    """A list that can be watched."""


@pytest.mark.parametrize("identifier", ["", "a/b", "..", "ü" * 300, "x\0y", "\ud800", "#1"])
def test_any_id_has_a_file_of_its_own(tmp_path: Path, identifier: str) -> None:
    storage = FileStorage(tmp_path)
    storage.save(identifier, identifier, STORED)
    storage.save("other", "other", StoredContext([], "other"))

    assert storage.load(identifier, identifier) == STORED
    assert all(path.is_relative_to(tmp_path) for path in tmp_path.rglob("*.json"))


def test_files_are_for_nobody_else_s_eyes(tmp_path: Path) -> None:
    FileStorage(tmp_path / "store").save("doc", "a", STORED)

    (file,) = tmp_path.rglob("*.json")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


BROKEN = ["", "{", "[]", "null", '{"items": []}', '{"items": 5, "stamp": "s"}', '{"stamp": "s", "items": [{}]', "\xff"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_file_that_can_not_be_read_counts_as_absent(tmp_path: Path, content: str) -> None:
    storage = FileStorage(tmp_path)
    storage.save("doc", "a", STORED)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(content, encoding="latin-1")

    assert storage.load("doc", "a") is None


SHAPES: list[Any] = [
    ["text"],
    [5],
    [{"kind": "DocumentVar"}],
    [{"kind": "DocumentVars", "values": 5}],
    [{"no": "kind"}],
]


@pytest.mark.parametrize("items", SHAPES)
def test_contexts_of_another_shape_are_an_error_of_ours(items: list[Any]) -> None:
    with pytest.raises(ValueError, match="no stored context"):
        context_from_json(items)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pytest_runbook.context.storage import FileStorage, StoredContext
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
storage = FileStorage(Path(sys.argv[1]))
storage.save("doc", "a", StoredContext([], "first"))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    storage.save("doc", "a", StoredContext(["x" * 5000], "second"))
except OSError as error:
    print(error.strerror)
print(storage.load("doc", "a").fingerprint, len(list(Path(sys.argv[1]).rglob("*"))))
"""


def test_what_can_not_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines() == ["File too large", "first 2"]


def test_halves_that_someone_left_who_was_killed_are_removed(tmp_path: Path) -> None:
    FileStorage(tmp_path).save("doc", "a", STORED)
    (file,) = tmp_path.rglob("*.json")
    left, being_written = file.with_suffix(".123"), file.with_suffix(".124")
    left.write_text("{")
    being_written.write_text("{")
    os.utime(left, (0, 0))
    FileStorage(tmp_path).save("doc", "a", STORED)

    assert set(file.parent.iterdir()) == {file, being_written}


def test_a_folder_that_can_not_be_written_is_a_note_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file stands where the folder should be")

    async def work(book: Opened) -> tuple[str, list[str]]:
        await book.run.step(book.block("A"))
        return book.outcomes["A"], list(book.runtime.warnings)

    text = "blocks: [{name: A, script: echo}]"
    outcome, notes = inside(tmp_path, text, work, storage=FileStorage(tmp_path / "store"))

    assert outcome == "passed"
    assert [note.partition(":")[0] for note in notes] == [
        "what an earlier run left could not be deleted",
        "what blocks left could not be kept",
    ]


BUILD = """
secrets: {token: {env: THE_TOKEN}}
vars: {stage: test}
blocks:
  - {name: Build, script: "echo made {{ var.stage }}", capture: built}
  - name: Login
    env: {TOKEN: "{{ secret.token }}"}
    script: echo "token $TOKEN"; echo harmless >&2
    capture: {shown: output.stdout, plain: output.stderr | trim, upper: secret.token | upper}
  - {name: Hidden, script: echo pa55word, sensitive: true, capture: hidden}
"""


async def run_and_save(book: Opened) -> None:
    await book.run.run_all()
    assert book.outcomes == {"Build": "passed", "Login": "passed", "Hidden": "passed"}


async def loaded(book: Opened) -> tuple[int, dict[str, object]]:
    return book.document.load_contexts(), book.document.final_variables()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStorage:
    monkeypatch.setenv("THE_TOKEN", "hunter22")
    return FileStorage(tmp_path / "store")


def test_where_nothing_is_kept_a_later_run_finds_nothing(tmp_path: Path) -> None:
    storage, text = NoStorage(), "blocks: [{script: echo made, capture: built}]"
    inside(tmp_path, text, lambda book: book.run.run_all(), storage=storage)

    assert inside(tmp_path, text, loaded, storage=storage) == (0, {})


def test_a_later_run_finds_what_was_left_without_secrets(tmp_path: Path, store: FileStorage) -> None:
    inside(tmp_path, BUILD, run_and_save, storage=store)
    count, variables = inside(tmp_path, BUILD, loaded, storage=store)

    assert count == 2
    assert variables == {"stage": "test", "built": "made test", "plain": "harmless"}
    kept = "".join(path.read_text() for path in (tmp_path / "store").rglob("*.json"))
    assert "token ***" in kept
    assert [secret for secret in ("hunter22", "HUNTER22", "pa55word") if secret in kept] == []


STAMPS = [
    ("the same", BUILD, True),
    ("a line above", "\n" + BUILD, True),
    ("another block beside it", BUILD + "  - script: echo\n", True),
    ("another code", BUILD.replace("echo made", "echo built"), False),
    ("another variable above", BUILD.replace("stage: test", "stage: live"), False),
    ("another capture", BUILD.replace("capture: built", "capture: {built: output.stdout}"), False),
    ("another directory", BUILD.replace("blocks:\n", "blocks:\n  - directory: /\n"), False),
    ("another environment", BUILD.replace("blocks:\n", "blocks:\n  - env: {X: y}\n"), False),
    ("another host", BUILD.replace("blocks:\n", "blocks:\n  - host: web-1\n"), False),
    ("a key beside it", BUILD.replace("capture: built}", "capture: built, env: {X: y}}"), False),
    ("an assertion", BUILD.replace("capture: built}", "capture: built, assert: output.exit_code == 0}"), True),
]


@pytest.mark.parametrize(("text", "holds"), [row[1:] for row in STAMPS], ids=[row[0] for row in STAMPS])
def test_what_was_left_holds_as_long_as_the_block_and_what_it_sees_are_the_same(
    tmp_path: Path, store: FileStorage, text: str, holds: bool
) -> None:
    inside(tmp_path, BUILD, run_and_save, storage=store)
    _, variables = inside(tmp_path, text, loaded, storage=store)

    assert ("built" in variables) is holds


def test_what_was_left_on_one_host_is_not_taken_for_another(tmp_path: Path, store: FileStorage) -> None:
    there = Inputs(host=ContextValue("web-1", Origin("hosts")))
    inside(tmp_path, BUILD, run_and_save, storage=store)

    assert inside(tmp_path, BUILD, loaded, storage=store, inputs=there)[0] == 0


def test_each_cell_of_a_matrix_keeps_its_own(tmp_path: Path, store: FileStorage) -> None:
    text = "blocks: [{script: 'echo {{ var.n }}', capture: seen}]"
    cells = [Inputs(cell={"n": ContextValue(n, Origin("a cell"))}) for n in (1, 2)]
    for cell in cells:
        inside(tmp_path, text, lambda book: book.run.run_all(), storage=store, inputs=cell)

    found = [inside(tmp_path, text, loaded, storage=store, inputs=cell) for cell in cells]
    assert found == [(1, {"n": 1, "seen": "1"}), (1, {"n": 2, "seen": "2"})]


def test_a_block_that_fails_the_next_time_leaves_nothing_of_the_last(tmp_path: Path, store: FileStorage) -> None:
    text = f"blocks: [{{name: A, script: echo once; test ! -e {tmp_path}/stop, capture: x}}]"
    inside(tmp_path, text, lambda book: book.run.run_all(), storage=store)
    (tmp_path / "stop").touch()
    inside(tmp_path, text, lambda book: book.run.run_all(), storage=store)

    assert inside(tmp_path, text, loaded, storage=store) == (0, {})


def test_reset_takes_away_what_was_left_and_kept(tmp_path: Path, store: FileStorage) -> None:
    async def reset(book: Opened) -> dict[str, object]:
        await book.run.run_all()
        book.document.reset()
        return book.document.final_variables()

    assert inside(tmp_path, BUILD, reset, storage=store) == {"stage": "test"}
    assert inside(tmp_path, BUILD, loaded, storage=store)[0] == 0


def test_a_block_that_an_edit_removes_takes_along_what_was_kept(tmp_path: Path, store: FileStorage) -> None:
    async def edit(book: Opened) -> None:
        await book.run.run_all()
        book.document.put_document(load_runbook(written(tmp_path, "blocks: [script: echo]")))

    inside(tmp_path, "blocks: [{name: A, id: a, script: echo 1, capture: x}]", edit, storage=store)

    assert list((tmp_path / "store").rglob("*.json")) == []


READ_ONLY = """
import os, sys, tempfile
from pathlib import Path
from pytest_runbook.context.storage import FileStorage, StoredContext
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write anywhere
    try:
        FileStorage(folder / "store").save("doc", "a", StoredContext([], "s"))
    except PermissionError as error:
        print(error.strerror)
    os.seteuid(os.getuid())
"""


def test_a_read_only_folder_is_an_error_of_the_system() -> None:
    result = subprocess.run([sys.executable, "-c", READ_ONLY], capture_output=True, text=True, check=True)

    assert result.stdout == "Permission denied\n"
