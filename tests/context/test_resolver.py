"""The fold over all blocks above."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook.context.block_context import BlockContext
from pytest_runbook.context.items import (
    ContextItem,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
)
from pytest_runbook.context.paths import resolve_directory
from pytest_runbook.context.resolver import NO_VALUES, ContextResolver, Values
from pytest_runbook.errors import Location, TemplateError
from pytest_runbook.secrets.provenance import ContextValue, Origin, ReadLog

HERE = Origin("a test")


def value(text: object, *, sensitive: bool = False) -> ContextValue:
    return ContextValue(text, HERE, sensitive)


def var(name: str, text: object, *, sensitive: bool = False) -> DocumentVar:
    return DocumentVar(name, value(text, sensitive=sensitive))


def folded(
    *contexts: BlockContext | ContextItem, fixed: Values = NO_VALUES, given_env: Values = NO_VALUES
) -> ContextResolver:
    resolver = ContextResolver.start("/base", fixed=fixed, provided_env=given_env)
    for context in contexts:
        resolver = resolver.fold(context if isinstance(context, BlockContext) else BlockContext(context))
    return resolver


def test_a_later_block_overrides_an_earlier_one() -> None:
    resolver = folded(var("x", "1"), var("y", "2"), var("x", "3"))

    assert resolver.snapshot().variables == {"x": "3", "y": "2"}


def test_what_a_run_left_overrides_what_the_block_declares() -> None:
    resolver = folded(BlockContext(var("x", "declared"), DocumentVars((var("x", "left"),))))

    assert resolver.resolve_template("{{ var.x }}") == "left"


def test_of_several_variables_of_one_name_the_last_wins() -> None:
    assert folded(DocumentVars((var("x", "1"), var("x", "2")))).vars["x"].value == "2"


def test_a_block_holds_one_item_of_a_type() -> None:
    context = BlockContext(var("x", "1"))
    context.insert(var("y", "2"))

    assert list(context) == [var("y", "2")]


def test_a_given_variable_is_stronger_than_a_declaration_and_weaker_than_an_output() -> None:
    given = {"x": value("option")}

    assert folded(var("x", "declared"), fixed=given).vars["x"].value == "option"
    assert folded(DocumentVars((var("x", "output"),)), fixed=given).vars["x"].value == "output"


@pytest.mark.parametrize("text", ["{{ var.other }}", "{% if %}", "{{ 7 * 7 }}", "${{ x }}"])
def test_what_came_out_of_a_program_is_never_rendered(text: str) -> None:
    resolver = folded(DocumentVars((var("x", text),)))

    assert resolver.resolve_template("[{{ var.x }}]") == f"[{text}]"


def test_a_snapshot_is_not_touched_by_what_follows() -> None:
    before = folded(var("x", "1"))
    before.fold(BlockContext(var("x", "2")))

    assert before.snapshot().variables == {"x": "1"}


def test_environment_of_blocks_stands_before_the_given_and_the_process_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_PROCESS", "process")
    monkeypatch.setenv("BOTH", "process")
    resolver = folded(
        DocumentEnvVar("BLOCK", value("block")),
        DocumentEnvVars((DocumentEnvVar("LEFT", value("left")),)),
        given_env={"BOTH": value("given"), "BLOCK": value("given")},
    )

    read = "{{ env.BLOCK }} {{ env.LEFT }} {{ env.BOTH }} {{ env.FROM_PROCESS }}"
    assert resolver.resolve_template(read) == "block left given process"
    program = resolver.program_env()
    assert [program[name] for name in ("BLOCK", "LEFT", "BOTH", "FROM_PROCESS")] == [
        "block",
        "left",
        "given",
        "process",
    ]
    assert resolver.snapshot().env_vars == {"BLOCK": "block", "LEFT": "left"}


HOSTS = [
    ("web-1", "web-1"),
    ("  Deploy@Web-1:2222 ", "Deploy@Web-1:2222"),
    ("user@1.2.3.4:22", "user@1.2.3.4:22"),
    ("local", None),
    ("LOCALHOST", None),
    ("", None),
    ("  ", None),
]


@pytest.mark.parametrize(("written", "host"), HOSTS)
def test_what_a_host_s_name_means(written: str, host: str | None) -> None:
    assert folded(DocumentSshHost.of(value(written))).snapshot().ssh_host == host


def test_local_clears_the_host_and_how_to_reach_it() -> None:
    connection = BlockContext(DocumentSshHost(value("web-1")), DocumentSshConfig(user_host="web-1", port=22))
    resolver = folded(connection)

    assert (resolver.host, resolver.ssh_config) == ("web-1", DocumentSshConfig(user_host="web-1", port=22))
    local = resolver.fold(BlockContext(DocumentSshHost(None)))
    assert (local.host, local.ssh_host, local.ssh_config) == ("local", None, None)


def test_another_host_does_not_keep_the_settings_of_the_last() -> None:
    connection = BlockContext(DocumentSshHost(value("web-1")), DocumentSshConfig(user_host="web-1", port=2222))

    assert folded(connection, DocumentSshHost(value("web-2"))).ssh_config is None


HOME = str(Path.home())
PATHS = [
    # section 3.4 of the format: written, below, what comes out
    ("subdir1", "/base", "/base/subdir1"),
    ("subdir2", "/base/subdir1", "/base/subdir1/subdir2"),
    ("../sibling", "/base/path/current", "/base/path/sibling"),
    ("../../../../../../etc", "/base/path", "/etc"),
    ("  /path/to/dir  ", "/base", "/path/to/dir"),
    ("./subdir", "/base", "/base/subdir"),
    ("/path/to/.hidden/dir.name.with.dots", "/base", "/path/to/.hidden/dir.name.with.dots"),
    ("/path/to/dir/", "/base", "/path/to/dir"),
    ("/with spaces/üñí", "/base", "/with spaces/üñí"),
    ("/absolute", "/base/deep", "/absolute"),
    ("~", "/base", HOME),
    ("~/documents", "/base", f"{HOME}/documents"),
    ("~user/x", "/base", "/base/~user/x"),
    ("/path/with/~tilde", "/base", "/path/with/~tilde"),
    ("/path/with/$dollar", "/base", "/path/with/$dollar"),
    ("$SUBDIR/src", "/base", "/base/sub/src"),
    ("${SUBDIR}/src", "/base", "/base/sub/src"),
    ("${NONE:-other}/src", "/base", "/base/other/src"),
    ("${SUBDIR:-other}", "/base", "/base/sub"),
    ("$$SUBDIR", "/base", "/base/$SUBDIR"),
    ("$PATH_OF_THE_PROCESS", "/base", "/base/$PATH_OF_THE_PROCESS"),
]


@pytest.mark.parametrize(("written", "below", "directory"), PATHS)
def test_directories(written: str, below: str, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH_OF_THE_PROCESS", "/elsewhere")

    assert resolve_directory(written, below, {"SUBDIR": "sub"}) == directory


def test_directories_add_up_and_an_empty_one_is_the_default_again() -> None:
    def cwd(*paths: str) -> str:
        return folded(*(DocumentCwd(value(path)) for path in paths)).cwd

    assert cwd("a", "b") == "/base/a/b"
    assert cwd("a", "b", "") == "/base"
    assert cwd("a", "  ", "c") == "/base/c"


def test_a_directory_knows_the_environment_of_blocks() -> None:
    resolver = folded(DocumentEnvVar("HERE", value("/x")), DocumentCwd(value("$HERE/y")))

    assert (resolver.cwd, resolver.cwd_origin) == ("/x/y", HERE)


def test_what_is_rendered_from_a_secret_is_one() -> None:
    resolver = folded(var("password", "hunter22", sensitive=True), var("user", "me"))

    assert resolver.resolve_value("{{ var.password }}!", HERE) == value("hunter22!", sensitive=True)
    assert resolver.resolve_value("{{ var.user }}!", HERE) == value("me!")


def test_values_that_are_no_text_keep_their_type() -> None:
    assert folded().resolve_value({"a": [1, None]}, HERE).value == {"a": [1, None]}


def test_the_read_log_has_the_origin_of_a_value() -> None:
    reads = ReadLog()
    folded(var("x", "1"), var("unread", "2")).resolve("{{ var.x }}", reads)

    assert reads.values == {"var.x": value("1")}


def test_an_undefined_name_is_an_error_that_names_it() -> None:
    with pytest.raises(TemplateError) as caught:
        folded(var("base", "1")).resolve_template("a\n{{ var.bsae }}")

    assert (caught.value.name, caught.value.line) == ("var.bsae", 2)


def test_the_snapshot_has_the_names_of_the_format() -> None:
    source = Origin("block 1", Location("a.yaml", 3))
    resolver = folded(
        DocumentVar("x", ContextValue("1", source)), DocumentEnvVar("E", value("2")), DocumentSshHost(value("h"))
    )

    assert resolver.snapshot().to_json() == {
        "variables": {"x": "1"},
        "variablesSources": {"x": "block 1 (a.yaml:3)"},
        "cwd": "/base",
        "envVars": {"E": "2"},
        "sshHost": "h",
    }
