"""Blocks that are tried again: when, how often, what is kept of it, and what is never tried again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from pytest_runbook.errors import UnreadableFile
from pytest_runbook.execution.result import AttemptGroup, BlockResult
from pytest_runbook.execution.retry_policy import MAX_ATTEMPT_GROUPS, AttemptLog, retry_delays
from pytest_runbook.model.runbook import Retry
from tests.harness import ran, seen
from tests.run_book import Block, run_book
from tests.servers.json_server import json_server

COUNT = "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n > n; "


@pytest.fixture
def health() -> Iterator[str]:
    """A server that is well from the third request on; gives its address."""
    with json_server(lambda asked: (200 if asked > 2 else 503, {"status": "ok", "asked": asked})) as url:
        yield url


def retried(folder: Path, script: str, retry: Block, **keys: object) -> BlockResult:
    return run_book(folder, {"script": script, "retry": {"every": "1ms", **retry}, **keys}).result


def lines(result: BlockResult) -> list[tuple[int, int, str | None]]:
    return [(line.first, line.last, line.failure) for line in result.attempt_log]


PAUSES = [
    (Retry(attempts=4), [1, 1, 1]),
    (Retry(attempts=1), []),
    (Retry(attempts=4, every=2, backoff=3), [2, 6, 18]),
    (Retry(attempts=3, every=2, backoff=2, jitter=1), [2.5, 4.5]),
]


@pytest.mark.parametrize(("retry", "expected"), PAUSES)
def test_pauses_grow_by_the_backoff_and_stray_by_the_jitter(retry: Retry, expected: list[float]) -> None:
    assert list(retry_delays(retry, chance=lambda: 0.5)) == expected


def test_pauses_have_no_end_where_only_time_limits_them_and_grow_beyond_all_numbers_in_peace() -> None:
    *_, last = islice(retry_delays(Retry(within=5, backoff=10)), 1000)

    assert last == float("inf")


def test_a_process_is_run_until_it_does_well(tmp_path: Path) -> None:
    result = retried(tmp_path, f"{COUNT} test $n -ge 3", {"attempts": 5})

    assert (result.outcome, result.attempts) == ("passed", 3)
    assert lines(result) == [(1, 2, "exit code 1"), (3, 3, None)]


def test_assertions_are_what_is_waited_for(tmp_path: Path) -> None:
    result = retried(tmp_path, f"{COUNT} echo $n", {"within": "20s"}, **{"assert": "output.value | int == 3"})

    assert (result.outcome, result.attempts) == ("passed", 3)
    assert lines(result)[0] == (1, 1, "output.value | int == 3: actual 1")


def test_a_server_is_asked_until_it_is_well(tmp_path: Path, health: str) -> None:
    block = {
        "http": health,
        "retry": {"every": "1ms", "attempts": 9},
        "capture": {"asked": "output.body_json.asked"},
        "assert": ['output.body_json.status == "ok"'],
    }

    ran = run_book(tmp_path, block)

    assert (ran.result.outcome, ran.result.attempts) == ("passed", 3)
    assert [line.last for line in ran.result.attempt_log] == [2, 3]
    assert "503" in str(ran.result.attempt_log[0].failure)


def test_a_server_that_is_not_there_yet_is_tried_for_by_each_block_itself(tmp_path: Path) -> None:
    block = {"http": "http://127.0.0.1:1/", "retry": {"every": "1ms", "attempts": 2}}

    ran = run_book(tmp_path, block, block)

    assert [(result.kind, result.attempts) for result in ran.results] == [("unreachable", 2)] * 2


def test_the_last_attempt_is_shown_in_full_and_nothing_is_left_of_earlier_ones(tmp_path: Path) -> None:
    result = retried(tmp_path, f"{COUNT} echo try $n >&2; exit $n", {"attempts": 3})

    assert (result.outcome, result.message, result.exit_code) == ("failed", "exit code 3", 3)
    assert [section.text for section in result.sections] == ["try 3\n"]
    assert lines(result) == [(1, 1, "exit code 1"), (2, 2, "exit code 2"), (3, 3, "exit code 3")]


def test_with_until_assertions_are_judged_once_after_it(tmp_path: Path) -> None:
    retry = {"attempts": 9, "until": "output.value | int >= 3"}

    result = retried(tmp_path, f"{COUNT} echo $n", retry, **{"assert": "output.value | int == 4"})

    assert (result.outcome, result.attempts) == ("failed", 3)
    assert [(trace.source, trace.actual) for trace in result.assertions[1:]] == [("output.value | int == 4", "3")]


def test_until_may_wait_for_a_failure(tmp_path: Path) -> None:
    retry = {"attempts": 9, "until": "output.exit_code == 3"}

    result = retried(tmp_path, f"{COUNT} exit $n", retry)

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_until_that_never_comes_shows_what_there_was_instead(tmp_path: Path) -> None:
    retry = {"attempts": 2, "until": "output.value | int == 9"}

    result = retried(tmp_path, f"{COUNT} echo $n", retry, **{"assert": "var.not_asked == 1"})

    assert (result.kind, result.message) == ("assertion", "until: output.value | int == 9: actual 2")
    assert lines(result)[-1] == (2, 2, "until: output.value | int == 9: actual 2")


def test_an_expected_error_is_waited_for(tmp_path: Path) -> None:
    result = retried(tmp_path, f"{COUNT} exit $n", {"attempts": 9}, expect_error="exit code 3")

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_no_attempt_begins_that_would_be_too_late(tmp_path: Path) -> None:
    result = retried(tmp_path, "exit 4", {"every": "1h", "within": "2h"}, timeout="20s")

    assert (result.message, result.attempts) == ("exit code 4", 1)
    assert result.notes == ("no time was left for another attempt",)
    assert result.seconds < 10


def test_an_attempt_that_hangs_is_ended_and_the_next_one_is_made(tmp_path: Path) -> None:
    result = retried(tmp_path, f"{COUNT} test $n = 2 || sleep 60", {"attempts": 3, "attempt_timeout": "300ms"})

    assert (result.outcome, lines(result)) == (
        "passed",
        [(1, 1, "timed out (attempt_timeout 300 ms)"), (2, 2, None)],
    )


@pytest.mark.parametrize(
    ("retry", "keys", "message"),
    [
        ({"within": "300ms"}, {}, "timed out (retry within 300 ms)"),
        ({"within": "1h"}, {"timeout": "300ms"}, "timed out after 300 ms (limit 300 ms)"),
        ({"within": "300ms", "attempt_timeout": "1h"}, {"timeout": "1h"}, "timed out (retry within 300 ms)"),
    ],
)
def test_deadlines_hold_over_attempts(tmp_path: Path, retry: Block, keys: Block, message: str) -> None:
    result = retried(tmp_path, f"{COUNT} test $n = 1 && exit 1; sleep 60", retry, **keys)

    assert (result.kind, result.message) == ("timeout", message)
    assert lines(result) == [(1, 1, "exit code 1"), (2, 2, message)]


HOPELESS: list[tuple[str, Block]] = [
    ("a template", {"script": "echo {{ var.typo }}"}),
    ("an unknown name", {"script": "echo", "assert": "var.typo == 1"}),
    ("a bad URI", {"http": "ftp://127.0.0.1/"}),
    ("an unknown name in until", {"script": "echo", "retry": {"attempts": 3, "until": "var.typo == 1"}}),
    ("a missing secret", {"script": "echo", "assert": "secret.nobody == 1"}),
]


@pytest.mark.parametrize("block", [row[1] for row in HOPELESS], ids=[row[0] for row in HOPELESS])
def test_errors_of_the_file_are_never_retried(tmp_path: Path, block: Block) -> None:
    result = run_book(tmp_path, {"retry": {"attempts": 3, "every": "1ms"}, **block}).result

    assert (result.outcome, result.attempts) == ("failed", 1)


@pytest.mark.parametrize(
    ("script", "condition"),
    [
        (f"{COUNT} test $n = 1 || echo 5", "output.value | int == 5"),
        (f"{COUNT} test $n = 1 || echo leader=a >> $RUNBOOK_OUTPUT_VARS", 'var.leader == "a"'),
    ],
)
def test_what_the_block_itself_may_still_set_is_waited_for(tmp_path: Path, script: str, condition: str) -> None:
    result = retried(tmp_path, script, {"attempts": 3}, **{"assert": condition})

    assert (result.outcome, result.attempts) == ("passed", 2)


def test_each_attempt_begins_as_the_first_did(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    result = retried(tmp_path, f"{COUNT} test $n = 3 -a $(basename $PWD) = below", {"attempts": 4}, directory="below")

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_variables_are_those_of_the_attempt_that_did_well(tmp_path: Path) -> None:
    book = ran(
        tmp_path,
        f"""
        blocks:
          - name: A
            script: '{COUNT} echo seen_$n=1 >> $RUNBOOK_OUTPUT_VARS; test $n = 2'
            retry: {{every: 1ms, attempts: 3}}
          - {{name: B, script: echo, assert: [var.seen_1 is undefined, var.seen_2 is defined]}}
        """,
    )

    assert book.outcomes == {"A": "passed", "B": "passed"}


def test_a_secret_is_masked_in_the_lines_of_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    book = ran(
        tmp_path,
        """
        secrets: {TOKEN: {env: TOKEN}}
        blocks:
          - name: A
            script: 'echo {{ secret.TOKEN }}'
            assert: output.value == "x"
            retry: {every: 1ms, attempts: 2}
        """,
    )

    assert [line.failure for line in book.results["A"].attempt_log] == ["output.value == \"x\": actual '***'"]


def test_attempts_that_end_alike_are_one_line() -> None:
    log = AttemptLog()
    for at, failure in enumerate(["a", "a", "b", "a"]):
        log.begin(at)
        log.end(at + 0.5, failure)
    log.end(9, "nothing was begun")

    assert log.lines == (
        AttemptGroup(first=1, last=2, at=0, seconds=1.5, failure="a"),
        AttemptGroup(first=3, last=3, at=2, seconds=0.5, failure="b"),
        AttemptGroup(first=4, last=4, at=3, seconds=0.5, failure="a"),
    )


def test_of_very_many_attempts_the_first_and_the_last_are_kept() -> None:
    log = AttemptLog()
    for number in range(1000):
        log.begin(number)
        log.end(number, str(number))

    assert (log.count, len(log.lines)) == (1000, MAX_ATTEMPT_GROUPS)
    assert (log.lines[0].first, log.lines[-1].last) == (1, 1000)


WRONG = [
    ("retry: 5", "retry must be a mapping, not the number 5"),
    ("retry: {every: 1s}", "retry has no end"),
    ("retry: {within: 30}", "retry within must be a duration, not the number 30"),
    ("retry: {attempts: 0}", "retry attempts must be a whole number from 1 on, not the number 0"),
    ("retry: {attempts: true}", "retry attempts must be a whole number from 1 on, not true"),
    ("retry: {attempts: 2, backoff: 0.5}", "retry backoff must be a number from 1 on"),
    ("retry: {attempts: 2, evry: 1s}", 'unknown key "evry"'),
    ("retry: {attempts: 2, until: nothing.there == 1}", 'unknown name "nothing"'),
]


@pytest.mark.parametrize(("key", "message"), WRONG)
def test_a_retry_that_makes_no_sense_is_an_error_of_the_file(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.runbook\.yaml:3") as caught:
        seen(tmp_path, f"blocks:\n- script: echo\n  {key}\n", "")

    assert message in str(caught.value)
