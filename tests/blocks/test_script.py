"""Scripts on this machine: what they give, what they set, how they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import EventKind, Settings
from pytest_runbook.resources.process.interpreters import ARGUMENT_LIMIT
from tests.harness import Opened, inside, ran

STARTED, FINISHED, FAILED = EventKind.BLOCK_STARTED, EventKind.BLOCK_FINISHED, EventKind.BLOCK_FAILED


def script(code: str, **props: str) -> str:
    """A runbook with one script, named S; its code goes through a file, so that no quoting gets in its way."""
    lines = "".join(f"\n      {line}" for line in code.splitlines())
    more = "".join(f"\n    {key}: {value}" for key, value in props.items())
    return f"blocks:\n- name: S\n  script:\n    code: |-{lines}{more}\n"


def output(book: Opened) -> dict[str, object]:
    fields = book.document.output(book.block("S"))
    assert fields is not None
    return dict(fields)


OUTPUTS = [
    # section 2.1 of the format
    ("printf a", {"exit_code": 0, "stdout": "a", "stderr": "", "combined": "a"}),
    ("echo a", {"exit_code": 0, "stdout": "a\n", "stderr": "", "combined": "a\n"}),
    ("printf 'a\\n\\nb\\n\\n'", {"exit_code": 0, "stdout": "a\n\nb\n\n", "stderr": "", "combined": "a\n\nb\n\n"}),
    ("echo e >&2", {"exit_code": 0, "stdout": "", "stderr": "e\n", "combined": "e\n"}),
    ("true", {"exit_code": 0, "stdout": None, "stderr": None, "combined": None}),
    ("echo a; exit 3", {"exit_code": 3, "stdout": "a\n", "stderr": "", "combined": "a\n"}),
    ("echo a; kill -TERM $$", {"exit_code": None, "stdout": "a\n", "signal": "SIGTERM"}),
    ("printf '\\377x'", {"stdout": "\ufffdx"}),
    ("echo '{{ \"{{\" }} not rendered }}'", {"stdout": "{{ not rendered }}\n"}),
]


@pytest.mark.parametrize(("code", "fields"), OUTPUTS)
def test_output_is_exact(tmp_path: Path, code: str, fields: dict[str, object]) -> None:
    given = output(ran(tmp_path, script(code)))

    assert {key: given[key] for key in fields} == fields


VARIABLES = [
    ("printf a", "a"),
    ("echo a", "a"),
    ("printf 'a\\nb\\n\\n\\n'", "a\nb"),
    ("printf '\\n a \\n'", "\n a "),
    ("true", ""),
    ("echo a; echo b >&2", "a"),
]


@pytest.mark.parametrize(("code", "value"), VARIABLES)
def test_the_output_variable_is_what_command_substitution_returns(tmp_path: Path, code: str, value: str) -> None:
    book = ran(tmp_path, script(code, outputVariable="x"))

    assert book.document.final_variables() == {"x": value}


def test_the_output_variable_s_name_is_a_template(tmp_path: Path) -> None:
    book = ran(tmp_path, "vars: {n: name}\n" + script("echo 1", outputVariable='"{{ var.n }}_x"'))

    assert book.document.final_variables()["name_x"] == "1"


def test_the_output_variable_wins_over_one_that_the_program_wrote(tmp_path: Path) -> None:
    book = ran(tmp_path, script("echo x=file >> $ATUIN_OUTPUT_VARS\necho out", outputVariable="x"))

    assert book.document.final_variables() == {"x": "out"}


def test_both_names_are_of_one_file_that_goes_with_the_block(tmp_path: Path) -> None:
    code = """test -f "$ATUIN_OUTPUT_VARS"
test ! -s "$ATUIN_OUTPUT_VARS"
test "$ATUIN_OUTPUT_VARS" = "$RUNBOOK_OUTPUT_VARS"
echo path=$ATUIN_OUTPUT_VARS >> $RUNBOOK_OUTPUT_VARS"""

    async def work(book: Opened) -> tuple[str, list[Path]]:
        await book.run.step(book.block("S"))
        return str(book.document.final_variables()["path"]), list(book.runtime.resources.folder.iterdir())

    path, left = inside(tmp_path, script(code), work)

    assert path.startswith("/")
    assert left == []


def test_a_script_that_fails_sets_nothing(tmp_path: Path) -> None:
    book = ran(tmp_path, script("echo x=1 >> $ATUIN_OUTPUT_VARS\necho out\nexit 1", outputVariable="y"))

    assert book.document.final_variables() == {}


def test_a_script_whose_author_asks_for_another_exit_code_sets_its_variables(tmp_path: Path) -> None:
    text = script("echo x=1 >> $ATUIN_OUTPUT_VARS\necho out\nexit 3", outputVariable="y")
    book = ran(tmp_path, text + "  assert: output.exit_code == 3\n")

    assert book.outcomes == {"S": "passed"}
    assert book.document.final_variables() == {"x": "1", "y": "out"}


def test_events_of_a_success(tmp_path: Path) -> None:
    book = ran(tmp_path, script("exit 0"))

    (finished,) = [event for event in book.events if event.kind is FINISHED]
    assert finished.to_json() == {
        "type": "blockFinished",
        "data": {
            "block_id": book.block("S"),
            "runbook_id": book.document.runbook.id,
            "run_id": book.document.run_id,
            "success": True,
        },
    }


def test_events_of_a_failure(tmp_path: Path) -> None:
    book = ran(tmp_path, script("exit 1"))

    assert [event.kind for event in book.events if event.kind in (STARTED, FINISHED, FAILED)] == [STARTED, FAILED]
    assert [event.data["error"] for event in book.events if event.kind is FAILED] == ["exit code 1"]


FAILURES = [
    ("exit 3", "exit code 3", None),
    ("no-such-command", "exit code 127", "a command was not found: look at PATH"),
    ("kill -KILL $$", "ended by SIGKILL (Killed)", None),
    ("false | cat", "exit code 1", None),
    ("false\ntrue", "exit code 1", None),
]


@pytest.mark.parametrize(("code", "message", "hint"), FAILURES)
def test_how_a_script_fails(tmp_path: Path, code: str, message: str, hint: str | None) -> None:
    result = ran(tmp_path, script(code)).results["S"]

    assert (result.outcome, result.kind, result.message, result.hint) == ("failed", "block", message, hint)


START_FAULTS = [
    (script("true", interpreter="no-such-shell"), 'no program "no-such-shell" on PATH'),
    ("blocks:\n- directory: /no/such/folder\n" + script("true")[8:], "the directory /no/such/folder does not exist"),
    (script("true", interpreter="'\"unclosed'"), "can't be read"),
]


@pytest.mark.parametrize(("text", "message"), START_FAULTS)
def test_what_can_not_be_started_shows_why(tmp_path: Path, text: str, message: str) -> None:
    result = ran(tmp_path, text).results["S"]

    assert (result.outcome, result.kind) == ("failed", "block")
    assert message in str(result.message)


INTERPRETERS = [
    ("/usr/bin/env python3", "import sys; print(sys.argv[0])", "-c\n"),
    ("python3 -u", "print(6 * 7)", "42\n"),
    ("sh", "echo $0", "sh\n"),
    ("bash", "shopt -q login_shell && echo login || echo not", "not\n"),
]


@pytest.mark.parametrize(("interpreter", "code", "stdout"), INTERPRETERS)
def test_interpreters(tmp_path: Path, interpreter: str, code: str, stdout: str) -> None:
    assert output(ran(tmp_path, script(code, interpreter=interpreter)))["stdout"] == stdout


def test_an_interpreter_may_stand_in_for_another(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, interpreters={"no-such-shell": "sh"})

    book = ran(tmp_path, script("echo $0", interpreter="no-such-shell"), settings=settings)
    assert output(book)["stdout"] == "sh\n"


def test_scripts_of_the_plain_form_are_strict_and_those_of_documents_are_not(tmp_path: Path) -> None:
    atuin = '{"id": "r", "content": [{"id": "s", "type": "script", "props": {"name": "S", "code": "false; echo on"}}]}'

    assert ran(tmp_path, script("false\necho on")).outcomes == {"S": "failed"}
    assert ran(tmp_path, atuin, name="a.atrb").outcomes == {"S": "passed"}


def test_a_template_that_fails_is_never_sent_as_it_stands(tmp_path: Path) -> None:
    result = ran(tmp_path, script(f"touch {tmp_path}/here\necho {{{{ var.nope }}}}")).results["S"]

    assert (result.outcome, result.error_location) == ("failed", f"{tmp_path}/a.runbook.yaml:6")
    assert result.message == "var.nope is undefined"
    assert not (tmp_path / "here").exists()


LINES = [
    ("- name: S\n  script:\n    code: |\n      true\n    output_variable: '{{ var.no }}'\n", 6),
    ("- name: S\n  script: 'true'\n  stdin: |\n    first\n    {{ var.no }}\n", 6),
    ("- name: S\n  script: 'true'\n  env:\n    A: b\n    C: '{{ var.no }}'\n", 6),
    ("- name: S\n  script: 'true'\n  directory: '{{ var.no }}'\n", 4),
    ("- name: S\n  script: 'true'\n  when: var.no\n", 4),
    ("- script: 'true'\n- vars:\n    a: '{{ var.no }}'\n- name: S\n  script: 'true'\n", 4),
]


@pytest.mark.parametrize(("text", "line"), LINES)
def test_an_error_points_to_its_line(tmp_path: Path, text: str, line: int) -> None:
    result = ran(tmp_path, "blocks:\n" + text).results["S"]

    assert result.error_location == f"{tmp_path}/a.runbook.yaml:{line}"


LONG = "#" * ARGUMENT_LIMIT


@pytest.mark.parametrize(("interpreter", "code"), [("bash", "echo $0 $#"), ("python3", "import sys; print(sys.argv)")])
def test_code_too_long_for_an_argument_leaves_no_file(tmp_path: Path, interpreter: str, code: str) -> None:
    async def work(book: Opened) -> tuple[object, object, list[Path]]:
        await book.run.step(book.block("S"))
        await book.run.step(book.block("T"))
        long, short = (book.document.output(book.block(name)) for name in "ST")
        assert long is not None
        assert short is not None
        return long["stdout"], short["stdout"], list(book.runtime.resources.folder.iterdir())

    def block(name: str, *lines: str) -> str:
        text = "".join(f"\n        {line}" for line in lines)
        return f"- name: {name}\n  script:\n    interpreter: {interpreter}\n    code: |{text}\n"

    long, short, left = inside(tmp_path, "blocks:\n" + block("S", code, LONG) + block("T", code), work)

    assert long == short
    assert left == []


def test_a_program_reads_what_it_is_given(tmp_path: Path) -> None:
    text = "vars: {x: 5}\nblocks: [{name: S, script: cat, stdin: 'got {{ var.x }}'}]"

    assert output(ran(tmp_path, text))["stdout"] == "got 5"


def test_without_stdin_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert output(ran(tmp_path, script("cat; echo end")))["stdout"] == "end\n"


SCOPES = [
    ("env: {A: own}", "echo $A", "own", "outer"),
    ("vars: {x: own}", "echo {{ var.x }}", "own", "outer"),
    ("directory: sub", "basename $PWD", "sub", "work"),
    ("env: {A: '{{ var.x }}'}", "echo $A", "outer", "outer"),
    ("vars: {x: own}, env: {A: '{{ var.x }}!'}", "echo $A", "own!", "outer"),
]


@pytest.mark.parametrize(("keys", "code", "own", "below"), SCOPES)
def test_keys_beside_a_type_hold_for_that_block_alone(
    tmp_path: Path, keys: str, code: str, own: str, below: str
) -> None:
    (tmp_path / "work" / "sub").mkdir(parents=True)
    text = f"""
    blocks:
      - directory: work
      - vars: {{x: outer}}
      - env: {{A: outer}}
      - {{name: S, script: "{code}", {keys}, assert: output.value == "{own}"}}
      - {{name: T, script: "{code}", assert: output.value == "{below}"}}
    """
    assert ran(tmp_path, text).outcomes == {"S": "passed", "T": "passed"}


def test_template_false_sends_every_text_as_it_stands(tmp_path: Path) -> None:
    text = """
    blocks:
      - name: S
        template: false
        env: {A: "{{.Env}}"}
        stdin: "{{.Stdin}}"
        script: cat; echo "$A" '{{.Code}}'
    """
    assert output(ran(tmp_path, text))["stdout"] == "{{.Stdin}}{{.Env}} {{.Code}}\n"


VALUES = [("echo 5", "5"), ("printf 5", "5"), ("printf '5\\n\\n'", "5")]


@pytest.mark.parametrize(("code", "value"), VALUES)
def test_output_value_is_the_one_line(tmp_path: Path, code: str, value: str) -> None:
    assert ran(tmp_path, script(code) + f"  assert: output.value == '{value}'\n").outcomes == {"S": "passed"}


@pytest.mark.parametrize(("code", "reported"), [("true", "printed nothing"), ("echo a; echo b", "printed 2 lines")])
def test_output_value_shows_what_there_is_instead(tmp_path: Path, code: str, reported: str) -> None:
    result = ran(tmp_path, script(code) + "  assert: output.value == 'a'\n").results["S"]

    assert result.outcome == "failed"
    assert reported in str(result.message)


def test_the_result_reports_what_was_done_and_where(tmp_path: Path) -> None:
    result = ran(tmp_path, "blocks:\n- directory: /\n" + script("echo out\necho err >&2\nexit 2")[8:]).results["S"]

    assert result.exit_code == 2
    assert str(result.did).startswith("echo out echo err >&2 exit 2 -> exit code 2 in ")
    assert result.where == f"local, cwd / <- directory block ({tmp_path}/a.runbook.yaml:2), bash -eo pipefail -c"
    assert [(section.title, section.text) for section in result.sections] == [("stderr", "err\n"), ("stdout", "out\n")]


def test_a_long_output_is_reported_by_its_end(tmp_path: Path) -> None:
    result = ran(tmp_path, script("seq 20000\necho the end\nexit 1")).results["S"]

    (section,) = result.sections
    assert section.text.startswith("[the last 16 KiB of 108902 bytes]\n")
    assert section.text.endswith("the end\n")


def test_where_values_came_from_is_reported(tmp_path: Path) -> None:
    text = """vars: {x: 5}
blocks:
- {name: Build, script: echo 7, capture: y}
- {name: S, script: 'echo {{ var.x }} {{ var.y }}'}
"""
    reported = [(item.name, item.value, item.origin) for item in ran(tmp_path, text).results["S"].provenance]

    path = f"{tmp_path}/a.runbook.yaml"
    assert reported == [("var.x", "5", f"vars ({path}:1)"), ("var.y", "'7'", f'block 1 "Build" ({path}:3)')]
