"""One block, once for each item of something."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import Effects, Settings, UnreadableFile
from pytest_runbook.execution.result import BlockResult
from tests.harness import ran, seen
from tests.run_book import Block, run_book


def looped(folder: Path, over: object, script: str = "echo {{ each.x }}", **keys: object) -> BlockResult:
    return run_book(folder, {"script": script, "for_each": {"x": over}, **keys}, vars={"tables": ["a", "b"]}).result


def labels(result: BlockResult) -> list[str]:
    return [turn.label for turn in result.iterations]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("var.tables", ["x = 'a'", "x = 'b'"]),
        (["a", 2, None], ["x = 'a'", "x = 2", "x = None"]),
        (3, ["x = 1", "x = 2", "x = 3"]),
        ({"k": 1, "l": 2}, ["x = {'key': 'k', 'value': 1}", "x = {'key': 'l', 'value': 2}"]),
        ("var.tables | length", ["x = 1", "x = 2"]),
        ("'[5]' | fromjson", ["x = 5"]),
    ],
)
def test_it_goes_over_lists_mappings_and_numbers_known_at_run_time(
    tmp_path: Path, over: object, expected: list[str]
) -> None:
    result = looped(tmp_path, over, "true")

    assert (result.outcome, labels(result)) == ("passed", expected)


def test_a_turn_knows_its_item_and_its_number(tmp_path: Path) -> None:
    script = "echo {{ loop.index }}/{{ loop.length }} {{ each.x.key }}={{ each.x.value }} {{ loop.first }}"
    ran = run_book(
        tmp_path,
        {"name": "A", "script": script, "for_each": {"x": {"k": 1, "l": 2}}, "assert": "loop.index in [1, 2]"},
        {"name": "B", "script": "echo", "assert": ["doc.named['A'].output.turns[1].value == '2/2 l=2 false'"]},
    )

    assert [result.outcome for result in ran.results] == ["passed", "passed"]


def test_keys_beside_the_type_see_the_turn(tmp_path: Path) -> None:
    result = looped(tmp_path, ["a"], "echo $NAME", env={"NAME": "{{ each.x }}"}, expect={"value": "{{ each.x }}"})

    assert result.outcome == "passed"


def test_all_turns_run_and_the_failing_ones_are_shown(tmp_path: Path) -> None:
    result = looped(tmp_path, 4, "echo said {{ each.x }}; exit $(( {{ each.x }} % 2 * 3 ))")

    assert (result.outcome, result.kind, result.exit_code) == ("failed", "block", 3)
    assert result.message == "2 of 4 turns failed; x = 1: exit code 3"
    assert [turn.outcome for turn in result.iterations] == ["failed", "passed", "failed", "passed"]
    assert [(s.title, s.text) for s in result.sections] == [
        ("stdout of turn 1", "said 1\n"),
        ("stdout of turn 3", "said 3\n"),
    ]


def test_assertions_are_judged_for_each_turn(tmp_path: Path) -> None:
    result = looped(tmp_path, 3, **{"assert": "output.value | int < 2"})

    assert result.kind == "assertion"
    assert [(trace.source, trace.actual) for trace in result.assertions] == [
        ("x = 2: output.value | int < 2", "2"),
        ("x = 3: output.value | int < 2", "3"),
    ]


def test_warnings_are_reported_for_each_turn(tmp_path: Path) -> None:
    result = looped(tmp_path, 3, warn="output.value | int < 3")

    assert [trace.source for trace in result.warnings] == ["x = 3: output.value | int < 3"]


def test_variables_become_lists_of_what_the_turns_set(tmp_path: Path) -> None:
    book = ran(
        tmp_path,
        """
        blocks:
          - name: A
            for_each: {x: [1, 2]}
            script: echo "y={{ each.x }}" >> $RUNBOOK_OUTPUT_VARS; echo {{ each.x * 10 }}
            capture: {ten: output.value | int}
            assert: var.ten == each.x * 10
          - {name: B, script: echo, assert: ['var.ten == [10, 20]', 'var.y == ["1", "2"]']}
        """,
    )

    assert book.outcomes == {"A": "passed", "B": "passed"}


def test_each_turn_is_retried_for_itself(tmp_path: Path) -> None:
    script = "echo x >> n; test $(wc -l < n) -ge $(( {{ each.x }} * 2 ))"
    result = looped(tmp_path, 2, script, retry={"attempts": 5, "every": "1ms"}, capture={"n": "output.exit_code"})

    assert [turn.attempts for turn in result.iterations] == [2, 2]
    assert (result.outcome, result.attempts) == ("passed", 4)


def test_the_deadline_holds_over_all_turns_and_shows_which_one_it_cut(tmp_path: Path) -> None:
    result = looped(tmp_path, ["a", "b", "c"], "test {{ each.x }} != b || sleep 60", timeout="1s")

    assert (result.kind, result.message) == ("timeout", "timed out after 1.0 s (limit 1 s) in turn 2: x = 'b'")
    assert labels(result) == ["x = 'a'"]


@pytest.mark.parametrize("over", ["[]", 0, {}])
def test_nothing_to_go_over_is_a_block_that_was_not_tried(tmp_path: Path, over: object) -> None:
    result = looped(tmp_path, over)

    assert (result.outcome, result.message) == ("skipped", "for_each: there is nothing to go over")


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("'a b'", "for_each goes over a list, a mapping or a number, not str"),
        ("true", "not bool"),
        ("var.nobody", "var.nobody is undefined"),
        ("100000", "100,000 turns; at most 10,000"),
    ],
)
def test_what_can_not_be_gone_over_fails_the_block(tmp_path: Path, over: str, message: str) -> None:
    result = looped(tmp_path, over)

    assert (result.outcome, result.kind) == ("failed", "file")
    assert message in str(result.message)


def test_an_error_in_one_turn_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    result = looped(tmp_path, [{"a": 1}, {"b": 2}], "echo {{ each.x.b }}")

    assert [turn.outcome for turn in result.iterations] == ["failed", "passed"]
    assert result.kind == "file"


def test_items_made_of_secrets_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENS", "hunter2hunter2,swordfish99")
    block: Block = {"script": "echo {{ each.x }}; exit 1", "for_each": {"x": "secret.TOKENS.split(',')"}}

    result = run_book(tmp_path, block, secrets={"TOKENS": {"env": "TOKENS"}}).result

    assert labels(result) == ["x = '***'", "x = '***'"]
    assert "hunter2hunter2" not in str(result.to_json())


WRONG = [
    ("for_each: {a: [1], b: [2]}", "for_each has 2 names, not one"),
    ("for_each: [1]", "for_each must be a mapping, not a list"),
    ("for_each: {a b: [1]}", '"a b" is not a variable name'),
    ("for_each: {a: true}", "for_each a must be an expression, a list, a mapping or a number, not true"),
    ("for_each: {a: nothing.there}", 'unknown name "nothing"'),
]


@pytest.mark.parametrize(("key", "message"), WRONG)
def test_a_loop_that_makes_no_sense_is_an_error_of_the_file(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        seen(tmp_path, f"blocks:\n- script: echo\n  {key}\n", "")

    assert message in str(caught.value)
    assert "a.runbook.yaml:3" in str(caught.value)


def test_only_blocks_with_for_each_know_each(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match='unknown name "each"'):
        seen(tmp_path, "blocks:\n- script: echo {{ each.x }}\n", "")


READS, DROPS = "select 1", "drop table t"


@pytest.mark.parametrize(
    ("queries", "outcome", "message"),
    [
        ([DROPS, DROPS], "skipped", "2 of 2 turns failed; q = 'drop table t': "),
        ([DROPS, "select nothing"], "failed", "2 of 2 turns failed; q = 'select nothing': "),
        (["select nothing", DROPS], "failed", "2 of 2 turns failed; q = 'select nothing': "),
        ([READS, DROPS], "skipped", "1 of 2 turns failed; q = 'drop table t': "),
    ],
    ids=["all refused", "one refused, then one failed", "one failed, then one refused", "one refused"],
)
def test_a_failed_iteration_counts_more_than_a_refused_one(
    tmp_path: Path, queries: list[str], outcome: str, message: str
) -> None:
    block: Block = {"sqlite": {"uri": "sqlite::memory:", "query": "{{ each.q }}"}, "for_each": {"q": queries}}
    result = run_book(tmp_path, block, settings=Settings(effects=Effects.READ)).result

    assert (result.outcome, result.message and result.message[: len(message)]) == (outcome, message)
