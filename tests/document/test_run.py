"""The flow of a run: what runs, what is skipped and why, what is cleaned up."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import pytest

from pytest_runbook import EventKind, Inputs, Settings, TimeLimit
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, opened, ran

FLOWS = [
    (
        "after a failure the rest is skipped and clean-ups run",
        """
        blocks:
          - {name: A, script: exit 3}
          - {name: B, script: echo}
          - {name: C, script: echo, finally: true}
          - {name: D, script: echo}
        finally:
          - {name: E, script: echo}
        """,
        {"A": "failed", "B": "skipped", "D": "skipped", "C": "passed", "E": "passed"},
    ),
    (
        "on_failure: continue of a block lets the rest go on",
        """
        blocks:
          - {name: A, script: exit 3, on_failure: continue}
          - {name: B, script: exit 4}
          - {name: C, script: echo}
        """,
        {"A": "failed", "B": "failed", "C": "skipped"},
    ),
    (
        "on_failure: continue of the file holds where a block says nothing",
        """
        on_failure: continue
        blocks:
          - {name: A, script: exit 3}
          - {name: B, script: exit 4, on_failure: stop}
          - {name: C, script: echo}
        """,
        {"A": "failed", "B": "failed", "C": "skipped"},
    ),
    (
        "a clean-up runs if what it cleans up was started",
        """
        blocks:
          - {name: A, script: exit 3}
          - {name: B, script: echo}
        finally:
          - {name: C, script: echo, if_started: A}
          - {name: D, script: echo, if_started: B}
          - {name: E, script: echo, if_started: [A, B]}
        """,
        {"A": "failed", "B": "skipped", "C": "passed", "D": "skipped", "E": "passed"},
    ),
    (
        "a clean-up that fails does not stop the next",
        """
        blocks: [{name: A, script: echo}]
        finally:
          - {name: B, script: exit 1}
          - {name: C, script: echo}
        """,
        {"A": "passed", "B": "failed", "C": "passed"},
    ),
    (
        "when and skip keep a block from running",
        """
        vars: {stage: test}
        blocks:
          - {name: A, script: exit 1, when: var.stage == "production"}
          - {name: B, script: exit 1, skip: {reason: not today, below: run}}
          - {name: C, script: echo, when: var.stage == "test"}
        """,
        {"A": "skipped", "B": "skipped", "C": "passed"},
    ),
    (
        "a context that can't be evaluated fails the first block below it",
        """
        blocks:
          - {name: A, script: echo}
          - vars: {x: "{{ var.typo }}"}
          - {name: B, script: echo, on_failure: continue}
          - {name: C, script: echo}
        finally:
          - {name: D, script: echo}
        """,
        {"A": "passed", "B": "failed", "C": "skipped", "D": "skipped"},
    ),
    (
        "what belongs on another host is never run here",
        """
        blocks:
          - {name: A, script: touch ran-here, host: "127.0.0.1:1", on_failure: continue}
          - host: "127.0.0.1:1"
          - {name: B, script: touch ran-here}
          - {name: C, script: test ! -e ran-here, host: local}
          - host: local
          - {name: D, script: test ! -e ran-here}
        """,
        {"A": "failed", "B": "skipped", "C": "passed", "D": "passed"},
    ),
]


@pytest.mark.parametrize(("text", "outcomes"), [row[1:] for row in FLOWS], ids=[row[0] for row in FLOWS])
def test_flow(tmp_path: Path, text: str, outcomes: dict[str, str]) -> None:
    book = ran(tmp_path, text)

    assert book.outcomes == outcomes


REASONS = [
    ("{name: X, script: exit 1}, {name: S, script: echo}", 'block 1 "X" failed: {path}:3'),
    ("{name: S, script: echo, skip: not today}", "not today"),
    ("{name: S, script: echo, when: var.n | int > 5}", "when: var.n | int > 5 (var.n | int is 2, var.n is '2')"),
    (
        "host: '127.0.0.1:1', {name: X, script: echo, on_failure: continue}, {name: S, script: echo}",
        'block 1 "X" ({path}:3) could not reach it: 127.0.0.1:1 refuses connections',
    ),
    (
        "vars: {x: '{{ var.typo }}'}, {script: echo, on_failure: continue}, {name: S, script: echo}",
        'block "x" (var) can\'t be evaluated: {path}:3',
    ),
    ("{name: S, script: echo, finally: true, if_started: B}, {name: B, script: echo, skip: no}", "B was not started"),
]


@pytest.mark.parametrize(("blocks", "reason"), REASONS)
def test_a_skipped_block_shows_why(tmp_path: Path, blocks: str, reason: str) -> None:
    book = ran(tmp_path, f"vars: {{n: '2'}}\n\nblocks: [{blocks}]")

    assert book.results["S"].outcome == "skipped"
    assert book.results["S"].message == reason.replace("{path}", f"{tmp_path}/a.runbook.yaml")


def test_an_error_in_when_fails_the_block(tmp_path: Path) -> None:
    book = ran(tmp_path, "blocks:\n- name: A\n  script: echo\n  when: var.typo == 1\n")

    result = book.results["A"]
    assert (result.outcome, result.kind) == ("failed", "file")
    assert result.message == "when: var.typo == 1: var.typo is undefined"
    assert result.error_location == f"{tmp_path}/a.runbook.yaml:4"


def test_a_context_fault_is_reported_with_its_own_place_once(tmp_path: Path) -> None:
    text = """on_failure: continue
blocks:
- vars: {x: '{{ var.typo }}'}
- {name: A, script: echo}
- {name: B, script: echo}
"""
    book = ran(tmp_path, text)

    assert (book.results["A"].message, book.results["A"].error_location) == (
        "var.typo is undefined",
        f"{tmp_path}/a.runbook.yaml:3",
    )
    assert book.results["B"].outcome == "skipped"


def test_clean_ups_see_the_context_of_their_own_position(tmp_path: Path) -> None:
    text = """
    blocks:
      - vars: {x: first}
      - {name: C, script: "echo {{ var.x }}", finally: true, assert: output.value == "first"}
      - vars: {x: second}
      - {name: A, script: exit 1}
    finally:
      - {name: D, script: "echo {{ var.x }}", assert: output.value == "second"}
    """
    assert ran(tmp_path, text).outcomes == {"A": "failed", "C": "passed", "D": "passed"}


LIMITS = [
    ("timeout: 200ms", "", "timed out after 200 ms (limit 200 ms)"),
    ("", "timeout: {block: 200ms}", "timed out after 200 ms (limit 200 ms)"),
    ("timeout: 1m", "timeout: {total: 200ms}", "(the runbook's limit 200 ms)"),
    ("timeout: 1m, finally: true", "timeout: {finally: 200ms}", "(the clean-ups' limit 200 ms)"),
]


@pytest.mark.parametrize(("block", "file", "message"), LIMITS)
def test_the_first_deadline_of_all_ends_a_block(tmp_path: Path, block: str, file: str, message: str) -> None:
    keys = f", {block}" if block else ""
    book = ran(tmp_path, f"{file}\nblocks: [{{name: A, script: sleep 60{keys}}}]")

    assert book.results["A"].kind == "timeout"
    assert message in str(book.results["A"].message)


def test_a_deadline_of_someone_else_counts_if_it_is_shorter(tmp_path: Path) -> None:
    async def work(book: Opened) -> str | None:
        result = await book.run.step(book.block("A"), upper_limit=TimeLimit(0.2, "pytest's timeout"))
        return result.message

    text = "blocks: [{name: A, script: sleep 60}]"
    assert inside(tmp_path, text, work) == "timed out after 200 ms (pytest's timeout)"


def test_what_comes_after_the_runbook_s_limit_has_no_time_left(tmp_path: Path) -> None:
    text = (
        "timeout: {total: 300ms}\nblocks: [{name: A, script: sleep 60, on_failure: continue}, {name: B, script: echo}]"
    )
    result = ran(tmp_path, text).results["B"]

    assert (result.kind, result.message) == ("timeout", "no time is left for it (the runbook's limit 300 ms)")


def test_a_clean_up_that_hangs_leaves_time_to_those_that_come_after_it(tmp_path: Path) -> None:
    text = """
timeout: {finally: 4s}
blocks: [{name: A, script: echo}]
finally: [{name: B, script: sleep 60}, {name: C, script: echo}, {name: D, script: echo}]
"""
    results = ran(tmp_path, text).results

    assert [str(results[name].outcome) for name in "BCD"] == ["failed", "passed", "passed"]
    assert "(the clean-ups' limit 4 s, less what 2 more may need)" in str(results["B"].message)


LONG = """
blocks: [{name: A, script: echo running; sleep 60}, {name: B, script: echo}]
finally: [{name: C, script: echo}]
"""


def test_cancelled_it_skips_the_rest_and_cleans_up(tmp_path: Path) -> None:
    async def main() -> Opened:
        async with opened(tmp_path, LONG) as book, anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("running")
            book.run.cancel("never mind")
        return book

    book = anyio.run(main)

    assert book.outcomes == {"A": "failed", "B": "skipped", "C": "passed"}
    assert [book.results[name].message for name in "AB"] == ["never mind", "never mind"]
    assert book.kinds[-1] is EventKind.SERIAL_EXECUTION_CANCELLED


def test_cancelled_from_around_it_still_cleans_up(tmp_path: Path) -> None:
    async def main() -> Opened:
        async with opened(tmp_path, LONG) as book:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(book.run.run_all)
                await book.waits_for("running")
                tasks.cancel_scope.cancel()
            return book

    book = anyio.run(main)

    assert book.outcomes == {"A": "failed", "B": "skipped", "C": "passed"}
    assert book.results["A"].kind == "cancelled"


def test_cancelled_from_around_it_while_it_pauses_it_still_cleans_up(tmp_path: Path) -> None:
    async def main() -> Opened:
        async with opened(tmp_path, "blocks: []\nfinally: [{name: C, script: echo}]") as book:
            book.run.pause()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(book.run.run_all)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            return book

    assert anyio.run(main).outcomes == {"C": "passed"}


def test_the_first_cancellation_leaves_a_clean_up_alone_and_the_second_ends_it(tmp_path: Path) -> None:
    async def main() -> Opened:
        async with opened(tmp_path, text) as book, anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("cleaning")
            book.run.cancel("first")
            (tmp_path / "go").touch()
            await book.waits_for("still here")
            book.run.cancel("second")
        return book

    wait = f"until test -e {tmp_path}/go; do sleep 0.02; done"
    text = f"blocks: [script: echo]\nfinally: [{{name: C, script: 'echo cleaning; {wait}; echo still here; sleep 60'}}]"
    book = anyio.run(main)

    assert (book.results["C"].kind, book.results["C"].message) == ("cancelled", "second")


STUBBORN = "trap 'echo no' INT TERM; echo running; while :; do sleep 0.05; done"


def test_shutting_down_ends_what_is_stubborn_and_leaves_time_to_clean_up(tmp_path: Path) -> None:
    async def main() -> tuple[Opened, float]:
        settings = Settings(root=tmp_path, invocation=tmp_path, shutdown_timeout=3.0)
        async with opened(tmp_path, text, settings=settings) as book, anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("running")
            started = time.monotonic()
            book.runtime.shut_down()
            book.run.cancel("cancelled by Ctrl-C")
        return book, time.monotonic() - started

    text = f"""
    blocks:
      - {{name: Background, script: "(trap 'echo no' TERM INT; while :; do sleep 0.05; done) >/dev/null 2>&1 &"}}
      - {{name: A, script: "{STUBBORN}"}}
    finally:
      - {{name: C, script: sleep 0.4}}
      - {{name: D, script: "{STUBBORN}"}}
    """
    book, seconds = anyio.run(main)

    assert book.outcomes == {"Background": "passed", "A": "failed", "C": "passed", "D": "failed"}
    assert "shutting down within 3 s" in str(book.results["D"].message)
    assert seconds < 3.0


def test_shutting_down_shortens_what_a_running_clean_up_may_take(tmp_path: Path) -> None:
    async def main() -> Opened:
        settings = Settings(root=tmp_path, invocation=tmp_path, shutdown_timeout=2.0)
        async with opened(tmp_path, text, settings=settings) as book, anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("cleaning")
            book.runtime.shut_down()
            book.run.cancel("cancelled by Ctrl-C")
        return book

    text = "blocks: [script: echo]\nfinally: [{name: C, script: echo cleaning; sleep 60}]"
    result = anyio.run(main).results["C"]

    assert result.kind == "timeout"
    assert "shutting down within 2 s" in str(result.message)


def test_what_a_block_left_in_the_background_ends_with_the_run(tmp_path: Path) -> None:
    async def work(book: Opened) -> tuple[bool, int, bool]:
        await book.run.step(book.block("A"))
        pid = int((tmp_path / "pid").read_text())
        was_alive = alive(pid)
        leftovers = await book.run.finish()
        return was_alive, len(leftovers), alive(pid)

    script = f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"
    assert inside(tmp_path, f'blocks: [{{name: A, script: "{script}"}}]', work) == (True, 1, False)


UNDEFINED = [
    ("{name: Build, script: exit 1, on_failure: continue, capture: x}", 'block 1 "Build" ({place}), which failed'),
    ("{name: Build, script: echo, skip: {below: run}, capture: x}", 'block 1 "Build" ({place}), which was skipped'),
    (
        "{name: Build, script: 'true || echo x=1 >> $RUNBOOK_OUTPUT_VARS'}",
        'block 1 "Build" ({place}), which ran without setting it',
    ),
    ("local-var: x", 'local-var block "x" ({place}), which has no answer: give an answer to x'),
]


@pytest.mark.parametrize(("setter", "hint"), UNDEFINED)
@pytest.mark.parametrize(
    "user", ["script: 'echo {{ var.x }}'", "script: echo, assert: var.x == '1'", "script: echo, when: var.x == '1'"]
)
def test_an_undefined_variable_shows_who_could_have_set_it(tmp_path: Path, setter: str, hint: str, user: str) -> None:
    book = ran(tmp_path, f"blocks:\n- {setter}\n- {{name: Use, {user}}}\n")

    result = book.results["Use"]
    hints = [result.hint, *(trace.hint for trace in result.assertions)]
    assert result.outcome == "failed"
    assert f"var.x is set by {hint}".replace("{place}", f"{tmp_path}/a.runbook.yaml:2") in hints


def test_what_stands_below_can_not_have_set_it(tmp_path: Path) -> None:
    book = ran(
        tmp_path, "blocks:\n- {name: Use, script: 'echo {{ var.x }}'}\n- {name: Build, script: echo, capture: x}\n"
    )

    assert book.results["Use"].hint == (
        f'var.x is set by block 2 "Build" ({tmp_path}/a.runbook.yaml:3), which stands below'
    )


PRECEDENCE = [
    ({"fixed": "option"}, "vars: {x: file}", "vars: {x: block}", "option"),
    ({}, "vars: {x: file}", "vars: {x: block}", "block"),
    ({"vars": "fixture"}, "vars: {x: file}", "directory: .", "file"),
    ({"vars": "fixture"}, "", "directory: .", "fixture"),
    ({"fixed": "option", "vars": "fixture"}, "", "directory: .", "option"),
    ({"fixed": "option"}, "", "{name: P, script: echo output, capture: x}", "output"),
]


@pytest.mark.parametrize(("given", "file", "block", "value"), PRECEDENCE)
def test_precedence_of_variables(tmp_path: Path, given: dict[str, str], file: str, block: str, value: str) -> None:
    inputs = Inputs(**{key: {"x": ContextValue(text, Origin(key))} for key, text in given.items()})  # type: ignore[arg-type]  # two mappings of one type
    text = f"{file}\nblocks:\n- {block}\n- {{name: A, script: echo, assert: var.x == '{value}'}}\n"

    assert ran(tmp_path, text, inputs=inputs).outcomes["A"] == "passed"


def test_a_fixture_is_read_typed_and_reported_as_a_source(tmp_path: Path) -> None:
    async def work(book: Opened) -> Opened:
        await book.run.step(book.block("A"), fixtures={"limits": {"lag": 5}})
        return book

    text = "blocks: [{name: A, script: echo 3, assert: output.value | int < fixture.limits.lag}]"
    result = inside(tmp_path, text, work).results["A"]

    assert result.outcome == "passed"
    assert ("fixture.limits", "{'lag': 5}", 'fixture "limits"') in [
        (reported.name, reported.value, reported.origin) for reported in result.provenance
    ]


def test_a_fixture_that_comes_later_fixes_the_contexts_that_read_it(tmp_path: Path) -> None:
    async def work(book: Opened) -> Opened:
        book.document.rebuild_contexts()
        await book.run.step(book.block("A"), fixtures={"url": "pg://x"})
        return book

    text = "vars: {u: '{{ fixture.url }}'}\nblocks: [{name: A, script: echo, assert: var.u == 'pg://x'}]"
    assert inside(tmp_path, text, work).outcomes == {"A": "passed"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
