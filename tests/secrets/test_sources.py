"""Where secrets come from, and what is said where one is not to be had."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from pytest_runbook import Inputs
from pytest_runbook.errors import Location
from pytest_runbook.model.runbook import SecretSource
from tests.harness import Opened, inside, ran, until

SECRET = "hunter-2-of-us"


def book(source: str, code: str = 'test "{{ secret.KEY }}" = "' + SECRET + '"') -> str:
    return f"secrets:\n  KEY: {source}\nblocks: [{{name: Use, script: {{code: '{code}'}}}}]"


def failure(opened: Opened) -> tuple[str, str]:
    result = opened.results["Use"]
    return result.message or "", result.hint or ""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a secret in every place."""
    monkeypatch.setenv("THE_KEY", SECRET)
    (tmp_path / "key.txt").write_text(f"{SECRET}\n")
    return tmp_path


SOURCES = [
    "{env: THE_KEY}",
    "{file: key.txt}",
    "{command: [cat, key.txt]}",
    "{command: 'printf hunter-2; echo -of-us'}",
    "{command: 'cat key.txt', timeout: 20s}",
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_secret_is_read_where_it_is_kept_and_shown_nowhere(kept: Path, source: str) -> None:
    text = book(source).replace("test ", "echo it is {{ secret.KEY }}; test ")
    done = ran(kept, text)

    assert done.outcomes == {"Use": "passed"}
    assert "it is ***" in done.said
    assert SECRET not in repr(done.results) + done.said


def test_one_newline_at_the_end_is_not_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two lines\n\n")
    text = """
secrets: {A: {file: key}, B: {command: cat key}}
blocks: [{name: Use, script: 'true', assert: ['secret.A == "two lines\\n"', secret.B == secret.A]}]
"""

    assert ran(tmp_path, text).outcomes == {"Use": "passed"}


def test_a_secret_of_a_fixture_is_one_also_where_it_is_read_as_a_fixture(tmp_path: Path) -> None:
    code = "echo {{ secret.KEY }} {{ fixture.key | upper }}"
    done = ran(tmp_path, book("{fixture: key}", code), inputs=Inputs(fixtures={"key": SECRET}))

    assert done.said == "*** ***\n"
    assert [value.value for value in done.results["Use"].provenance] == ["***", "***"]


FAULTS = [
    (
        "{env: NOT_SET_AT_ALL}",
        "the environment variable NOT_SET_AT_ALL is not set",
        "give NOT_SET_AT_ALL to the process",
    ),
    ("{env: EMPTY}", "the environment variable EMPTY is empty", "give EMPTY to the process"),
    ("{file: gone}", "there is no file {folder}/gone", "relative to the file that declares the secret"),
    ("{file: .}", "{folder} is no file", "relative to the file that declares the secret"),
    ("{file: empty}", "{folder}/empty is empty", "has the program that writes it run?"),
    ("{file: binary}", "{folder}/binary is no text in UTF-8", "encode it as base64"),
    ("{file: big}", "{folder}/big is too large for a secret: 1048577 bytes", "at most 1 MiB"),
    (
        "{command: [sh, -c, 's=hunter-2; echo $s-of-us; echo no $s-of-us for you >&2; exit 3']}",
        "ended with exit code 3: no *** for you",
        "run it by hand",
    ),
    ("{command: kill -9 $$}", "the command kill -9 $$ was ended by SIGKILL", "run it by hand"),
    ("{command: [no-such-store, show]}", 'no program "no-such-store" on PATH', "install it"),
    ("{command: 'true'}", "the command true printed nothing", "run it by hand"),
    ("{command: printf '\\377'}", "printed no text in UTF-8", "encode it as base64"),
    ("{command: sleep 60, timeout: 50ms}", "did not end within 50 ms", "does it wait for input?"),
    ("{fixture: nobody}", 'fixture "nobody" was not given', "use {env: NAME} here"),
]


@pytest.mark.parametrize(("source", "message", "hint"), FAULTS, ids=[row[0][:30] for row in FAULTS])
def test_a_secret_that_is_not_to_be_had_shows_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str, hint: str
) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    code = "touch was-here; echo {{ secret.KEY }}"
    done = ran(tmp_path, book(source, code))

    said, reported = failure(done)
    assert said.startswith("secret.KEY: ")
    assert message.format(folder=tmp_path) in said
    assert reported.startswith(f"declared in {tmp_path / 'a.runbook.yaml'}:2; ")
    assert hint in reported
    assert SECRET not in repr(done.results["Use"])
    assert not (tmp_path / "was-here").exists()


def test_a_command_runs_once_in_a_run_and_only_where_its_secret_is_read(tmp_path: Path) -> None:
    text = """
secrets:
  KEY: {command: 'echo ran >> log; echo hunter-2-of-us'}
  OTHER: {command: 'echo other >> log; echo something'}
blocks:
  - {name: Before, script: 'test ! -e log'}
  - {name: First, script: 'echo {{ secret.KEY }}'}
  - {name: Second, script: 'echo {{ secret["KEY"] }}', assert: 'secret.KEY == "hunter-2-of-us"'}
  - {name: Third, script: 'true', when: 'secret.KEY is defined'}
"""
    done = ran(tmp_path, text)

    assert set(done.outcomes.values()) == {"passed"}
    assert (tmp_path / "log").read_text() == "ran\n"


def test_a_failed_command_is_not_asked_again(tmp_path: Path) -> None:
    text = """
secrets: {KEY: {command: 'echo ran >> log; exit 1'}}
blocks:
  - {name: One, script: 'echo {{ secret.KEY }}', on_failure: continue}
  - {name: Two, script: 'echo {{ secret.KEY }}'}
"""
    done = ran(tmp_path, text)

    assert done.outcomes == {"One": "failed", "Two": "failed"}
    assert (tmp_path / "log").read_text() == "ran\n"


def test_declared_values_may_come_from_a_command(tmp_path: Path) -> None:
    text = """
secrets: {KEY: {command: echo hunter-2-of-us}}
vars: {url: "https://x/{{ secret.KEY }}"}
blocks:
  - env: {K: "{{ secret.KEY }}"}
  - {name: Use, script: 'test "$K {{ var.url }}" = "hunter-2-of-us https://x/hunter-2-of-us"'}
"""
    done = ran(tmp_path, text)

    assert done.outcomes == {"Use": "passed"}
    assert {value.name: value.value for value in done.results["Use"].provenance} == {"var.url": "***"}


def test_a_runbook_within_reads_those_of_the_outer_one(tmp_path: Path) -> None:
    (tmp_path / "inner.runbook.yaml").write_text(
        "secrets: {OWN: {command: echo own-secret}}\n"
        "blocks: [{name: In, script: 'test {{ secret.OUT }}-{{ secret.OWN }} = outer-secret-own-secret'}]"
    )
    text = "secrets: {OUT: {command: echo outer-secret}}\nblocks: [{name: Out, sub-runbook: inner.runbook.yaml}]"

    assert ran(tmp_path, text).outcomes == {"Out": "passed"}


def test_one_that_is_printed_stands_no_longer_than_the_run_that_is_interrupted(tmp_path: Path) -> None:
    text = """
secrets: {KEY: {command: 'touch asked; sleep 60; echo x'}}
blocks: [{name: Use, script: 'echo {{ secret.KEY }}'}]
"""

    async def work(book: Opened) -> dict[str, str]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until((tmp_path / "asked").exists)
            book.run.cancel("cancelled by somebody")
        return {result.outcome: result.message or "" for result in book.run.results.values()}

    assert inside(tmp_path, text, work) == {"skipped": "cancelled by somebody"}


def test_what_is_at_hand_is_masked_before_anybody_reads_it(kept: Path) -> None:
    text = """
secrets: {A: {env: THE_KEY}, B: {file: other.txt}, C: {env: NOBODY_SET_THIS}}
blocks:
  - {name: Early, script: 'echo $THE_KEY; cat other.txt'}
"""
    (kept / "other.txt").write_text("another secret\n")

    assert ran(kept, text).said == "***\n***\n"


def test_those_given_from_outside_are_weaker_than_the_file(kept: Path) -> None:
    given = tuple(
        SecretSource(name=name, location=Location("outside"), value="given-value") for name in ("KEY", "MORE")
    )
    done = ran(
        kept, book("{env: THE_KEY}", "echo {{ secret.KEY | length }} {{ secret.MORE }}"), inputs=Inputs(secrets=given)
    )

    assert done.said == f"{len(SECRET)} ***\n"
