"""Checks files: each entry finds its block, or says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_runbook.errors import Location, UnreadableFile
from pytest_runbook.model import is_checks_file, load_runbook, orphan_checks
from pytest_runbook.model.loaders.checks import block_digest
from pytest_runbook.model.runbook import (
    Below,
    BlockRules,
    BlockSpec,
    Capture,
    Condition,
    Declaration,
    OnFailure,
    Runbook,
    SecretSource,
    SkipRule,
    Timeouts,
)

RUNBOOK = """\
id: book
content:
- {id: a, type: script, props: {name: Build, code: make}}
- {id: b1, type: http, props: {name: HTTP, url: http://a}}
- {id: b2, type: http, props: {name: HTTP, url: http://b}}
- {id: c, type: var, props: {name: base, value: x}}
- {id: d, type: pause}
"""

Merge = Callable[..., Runbook]


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    """The runbook of these tests with a checks file of that text."""

    def merged(checks: str, name: str = "pay.checks.yaml", **options: object) -> Runbook:
        (tmp_path / "pay.atrb").write_text(RUNBOOK)
        (tmp_path / name).write_text(checks)
        return load_runbook(tmp_path / "pay.atrb", display_path="books/pay.atrb", **options)  # type: ignore[arg-type]  # passed on

    return merged


@pytest.fixture
def faults(merge: Merge) -> Callable[[str], list[str]]:
    """What is wrong with a checks file of that text."""

    def faults_of(checks: str) -> list[str]:
        with pytest.raises(UnreadableFile) as caught:
            merge(checks)
        return [str(error) for error in caught.value.errors]

    return faults_of


def at(line: int) -> Location:
    return Location("books/pay.checks.yaml", line)


def named(runbook: Runbook, block_id: str) -> BlockSpec:
    return next(spec for spec in runbook.blocks if spec.id == block_id)


def test_keys_of_the_file(merge: Merge) -> None:
    runbook = merge("""\
vars: {env: staging}
env: {PORT: 8080}
answers: {"pause#1": continue}
timeout: {block: 2m}
secrets: {TOKEN: {env: T}}
fixtures: [pg]
tags: [smoke]
on_failure: continue
""")

    assert runbook.checks_location == Location("books/pay.checks.yaml")
    assert (runbook.vars, runbook.checks_vars) == ((), (Declaration(name="env", value="staging", location=at(1)),))
    assert runbook.env == (Declaration(name="PORT", value="8080", location=at(2)),)
    assert runbook.answers == {"pause#1": "continue"}
    assert runbook.timeouts == Timeouts(block=120.0)
    assert runbook.secrets == (SecretSource(name="TOKEN", env="T", location=at(5)),)
    assert (runbook.fixtures, runbook.tags, runbook.on_failure) == (("pg",), ("smoke",), OnFailure.CONTINUE)


def test_an_entry_rules_its_block(merge: Merge) -> None:
    spec = named(
        merge("""\
blocks:
  Build:
    assert:
      - output.n == 1
    capture: n
    timeout: 2m
    when: var.x
    on_failure: continue
    finally: true
    if_started: HTTP
    expect_error: refused
    template: false
    sensitive: true
    tags: slow
    fixtures: pg
"""),
        "a",
    )

    assert spec.rules == BlockRules(
        assertions=(Condition(source="output.n == 1", location=at(4)),),
        captures=(Capture(name="n", expression=Condition(source="output.value", location=at(5))),),
        timeout=120.0,
        when=Condition(source="var.x", location=at(7)),
        on_failure=OnFailure.CONTINUE,
        is_cleanup=True,
        if_started=("HTTP",),
        expect_error=Condition(source="refused", location=at(11)),
        template=False,
        sensitive=True,
        tags=("slow",),
        fixtures=("pg",),
    )
    assert (spec.location, spec.checks_location) == (Location("books/pay.atrb", 3), at(2))


def test_blocks_without_an_entry_stay_as_they_are(merge: Merge) -> None:
    spec = named(merge("blocks: {Build: {skip: true}}"), "d")

    assert (spec.rules, spec.checks_location) == (BlockRules(), None)


@pytest.mark.parametrize("name", ["pay.checks.yaml", "pay.checks.yml"])
def test_both_endings(merge: Merge, name: str) -> None:
    assert named(merge("blocks: {Build: {skip: later}}", name), "a").rules.skip == SkipRule(reason="later")


@pytest.mark.parametrize("key", ["b2", '"HTTP#2": {id: b2, skip: x}\n  Build', "HTTP: {id: b2, skip: x}\n  Build"])
def test_a_block_is_found_by_its_id(merge: Merge, key: str) -> None:
    runbook = merge(f"blocks:\n  {key}: {{skip: x}}\n")

    assert named(runbook, "b2").rules.skip == SkipRule(reason="x")
    assert runbook.load_warnings == ()


def test_an_id_wins_over_a_name_that_no_longer_fits(merge: Merge) -> None:
    runbook = merge("blocks:\n  Compile: {id: a, skip: x}\n")

    assert named(runbook, "a").rules.skip == SkipRule(reason="x")
    assert runbook.load_warnings == ('books/pay.checks.yaml:2: block "Compile" is renamed: it is called "Build" now',)


def test_a_context_block_can_be_sensitive(merge: Merge) -> None:
    assert named(merge("blocks: {base: {sensitive: true}}"), "c").rules.sensitive


def test_a_block_of_unknown_type_stays_skipped(tmp_path: Path) -> None:
    (tmp_path / "pay.json").write_text('[{"id": "a", "type": "magic"}]')
    (tmp_path / "pay.checks.yaml").write_text("blocks: {a: {assert: output.x}}")

    spec = load_runbook(tmp_path / "pay.json", unknown_blocks="skip").blocks[0]

    assert (spec.rules.skip, len(spec.rules.assertions)) == (
        SkipRule(reason='unknown block type "magic"', below=Below.RUN),
        1,
    )


SOME = "its blocks: Build, HTTP, a, b1, b2"
FAULTS = [
    ("5", 1, "a checks file must be a mapping, not the number 5", None),
    ("[]", 1, "no part of it is for pay.atrb", "- runbook: NAME.atrb"),
    (
        "blocks: []",
        1,
        "blocks must be a mapping, not a list",
        "for example: blocks: {NAME: {assert: output.exit_code == 0}}",
    ),
    ("runbook: 5", 1, "runbook must be text, not the number 5", 'quote it: runbook: "5"'),
    ("runbook: pya.atrb", 1, "there is no runbook pya.atrb", 'did you mean "pay.atrb"?'),
    ("runbook: ./pay.atrb", 1, "there is no runbook ./pay.atrb", 'did you mean "pay.atrb"?'),
    (
        "name: x",
        1,
        'unknown key "name"',
        "known: description, owner, runbook_url, on_red, vars, env, secrets, timeout, on_failure, tags, fixtures, "
        "answers, require, needs, matrix, hosts, environments, requires, connections, ssh, effects, blocks, defaults, "
        "runbook",
    ),
    ("answer: {}", 1, 'unknown key "answer"', "did you mean answers?"),
    ("blocks:\n  Build: x", 2, 'Build must be a mapping of keys such as assert, not the text "x"', None),
    ("blocks:\n  Build:", 2, "Build must be a mapping of keys such as assert, not nothing", None),
    ("blocks:\n  Buidl: {skip: true}", 2, 'no block is called "Buidl"', 'did you mean "Build"?'),
    ("blocks:\n  Zzz: {skip: true}", 2, 'no block is called "Zzz"', "its blocks: Build, HTTP, base, a, b1"),
    (
        "blocks:\n  HTTP: {skip: true}",
        2,
        '2 blocks are called "HTTP": books/pay.atrb:4, books/pay.atrb:5',
        'name one: "HTTP#2": {id: b2}',
    ),
    (
        "blocks:\n  HTTP#1: {skip: true}",
        2,
        '"HTTP#1" needs an id: numbers change when blocks are added',
        '"HTTP#1": {id: b1}',
    ),
    ("blocks:\n  HTTP#3: {skip: true}", 2, 'no block is called "HTTP#3"', 'did you mean "HTTP"?'),
    (
        "blocks:\n  Build: {id: x9, skip: true}",
        2,
        'block "Build": no block has the id "x9"',
        '"Build" has the id a',
    ),
    ("blocks:\n  Zzz: {id: x9}", 2, 'block "Zzz": no block has the id "x9"', "its blocks: a, b1, b2, c, d"),
    ("blocks:\n  Build: {skip: true}\n  a: {skip: true}", 3, '"a" is the block that line 2 is about already', None),
    (
        "blocks:\n  Build: {name: x}",
        2,
        'block "Build": name means nothing here: it is a key of plain runbooks',
        "a checks file holds assertions about a block, not its work",
    ),
    (
        "blocks:\n  Build: {version: 1}",
        2,
        'block "Build": version means nothing here: it is a key of plain runbooks',
        "a checks file holds assertions about a block, not its work",
    ),
    (
        "blocks:\n  Build: {runbook: pay.atrb}",
        2,
        'block "Build": runbook means nothing here: it is a key of the whole file',
        "runbook stands at the top of the file",
    ),
    ("blocks:\n  Build: {asert: x}", 2, 'block "Build": unknown key "asert"', "did you mean assert?"),
    ("blocks:\n  Build: {if_started: x, finally: true}", 2, 'block "Build": no block that runs is called "x"', SOME),
    (
        "blocks:\n  Build: {if_started: base, finally: true}",
        2,
        'block "Build": no block that runs is called "base"',
        SOME,
    ),
    ("require: [x]", 1, 'require: no block that runs is called "x"', SOME),
    ("blocks:\n  pause 1: {skip: true}", 2, 'no block is called "pause 1"', 'name one: "pause 1": {id: d}'),
    ("blocks:\n  script#1: {skip: true}", 2, 'no block is called "script#1"', 'it is called "Build"'),
    (
        "blocks:\n  Build: {script: echo}",
        2,
        'block "Build": script can\'t be set for a block of another program',
        "a checks file holds assertions about a block, not its work",
    ),
    (
        "blocks:\n  Build: &a {skip: x}\n  d: {<<: *a}",
        3,
        'block "d": unknown key "<<"',
        "YAML 1.2 merges nothing: write the keys out, or write them once in `defaults`",
    ),
    (
        "blocks:\n  Build: {expect: {}}",
        2,
        'block "Build": expect is an empty mapping',
        "for example: expect: {status: 200}",
    ),
    (
        "blocks:\n  Build: {capture: {}}",
        2,
        'block "Build": capture is an empty mapping',
        "for example: capture: {version: output.value}",
    ),
    (
        "blocks:\n  Build: {tags: [a, 5]}",
        2,
        'block "Build": an entry of tags must be text, not the number 5',
        'quote it: "5"',
    ),
    ("blocks:\n  Build: {assert: [[a]]}", 2, 'block "Build": an entry of assert must be text, not a list', None),
    (
        "blocks:\n  Build: {timeout: 5}",
        2,
        'block "Build": timeout must be a duration, not the number 5',
        "a number with a unit: 500ms, 90s, 2m, 1h",
    ),
    (
        "blocks:\n  base: {assert: x}",
        2,
        'block "base": assert means nothing here: var blocks do not run',
        "they only set what holds below them",
    ),
    (
        'blocks:\n  Build:\n    assert: "a" in x',
        3,
        "not valid YAML: more text after a text in quotes",
        """quote the whole value: assert: '"a" in x'""",
    ),
]


@pytest.mark.parametrize(("text", "line", "said", "hint"), FAULTS, ids=[row[0][-40:] for row in FAULTS])
def test_faults(faults: Callable[[str], list[str]], text: str, line: int, said: str, hint: str | None) -> None:
    assert faults(text) == [f"books/pay.checks.yaml:{line}: {said}" + (f"\n  hint: {hint}" if hint else "")]


def test_hosts_of_a_block(faults: Callable[[str], list[str]]) -> None:
    reported = faults("blocks:\n  Build:\n    hosts: x\n")

    assert reported[0].startswith('books/pay.checks.yaml:3: block "Build": hosts means nothing here: a block runs on')


def test_two_checks_files(merge: Merge, tmp_path: Path) -> None:
    (tmp_path / "pay.checks.yml").write_text("{}")

    with pytest.raises(
        UnreadableFile, match=r"pay.checks.yaml: pay.checks.yml is there, too\n  hint: keep one of them"
    ):
        merge("{}")


@pytest.mark.parametrize("name", ["pay.checks.yaml", "pay.checks.yml", "pay.runbook.checks.yaml"])
def test_a_plain_runbook_holds_its_own_checks(tmp_path: Path, name: str) -> None:
    (tmp_path / "pay.runbook.yaml").write_text("blocks: []")
    (tmp_path / name).write_text("{}")

    with pytest.raises(UnreadableFile) as caught:
        load_runbook(tmp_path / "pay.runbook.yaml", display_path="books/pay.runbook.yaml")

    assert str(caught.value) == (
        f"books/{name}: checks files are for runbooks that another program owns\n"
        "  hint: write its keys into pay.runbook.yaml itself"
    )


def test_checks_of_another_runbook_of_that_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pay.runbook.yaml").write_text("blocks: []")
    (tmp_path / "pay.atrb").write_text("content: []")
    (tmp_path / "pay.checks.yaml").write_text("{}")

    assert load_runbook(tmp_path / "pay.runbook.yaml").checks_location is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.checks.yaml", True),
        ("a.checks.yml", True),
        ("checks.yaml", False),
        ("a.checks.json", False),
        ("a.atrb", False),
    ],
)
def test_checks_files_are_recognised_by_their_name(name: str, expected: bool) -> None:
    assert is_checks_file(Path(name)) is expected


@pytest.mark.parametrize("owner", ["pay.atrb", "pay.json", "pay.runbook.yaml"])
def test_checks_with_their_runbook_are_no_orphans(tmp_path: Path, owner: str) -> None:
    (tmp_path / owner).touch()

    assert orphan_checks(tmp_path / "pay.checks.yaml") is None


def test_checks_without_a_runbook(tmp_path: Path) -> None:
    (tmp_path / "payments.atrb").touch()
    (tmp_path / "payment.checks.yml").write_text("tags: [a]")
    fault = orphan_checks(tmp_path / "payment.checks.yml", display_path="books/payment.checks.yml")

    assert str(fault) == (
        "books/payment.checks.yml: checks for a runbook that is not there: payment.atrb or payment.json\n"
        '  hint: did you mean "payments.atrb"?'
    )


def test_defaults_hold_where_an_entry_has_no_such_key(merge: Merge) -> None:
    book = merge("defaults: {timeout: 2m, template: false}\nblocks: {Build: {timeout: 5s}}\n")

    reported = {spec.id: (spec.rules.timeout, spec.rules.template) for spec in book.blocks}
    assert reported == {"a": (5, False), "b1": (120, False), "b2": (120, False), "c": (None, True), "d": (120, False)}


def test_shell_options_are_given_to_shells_that_have_none(merge: Merge) -> None:
    book = merge("defaults: {shell_options: -eo pipefail}")

    assert named(book, "a").props["interpreter"] == "bash -eo pipefail -c"


def test_the_scope_of_an_entry_holds_for_its_block_alone(merge: Merge) -> None:
    book = merge("blocks: {Build: {env: {A: b}, stdin: x}}")

    scope = named(book, "a").rules.scope
    assert [(given.name, given.value) for given in scope.env] == [("A", "b")]
    assert scope.stdin is not None


def test_a_block_that_changed_since_its_check_was_written_is_reported(merge: Merge) -> None:
    same = block_digest(named(merge("{}"), "a"))

    assert merge(f"blocks: {{Build: {{code: sha256:{same}}}}}").load_warnings == ()
    assert merge(f"defaults: {{shell_options: -e}}\nblocks: {{Build: {{code: {same[:12]}}}}}").load_warnings == ()
    assert merge(f"blocks: {{Build: {{code: sha256:{'0' * 64}}}}}").load_warnings == (
        'books/pay.checks.yaml:1: block "Build" (script) has changed since its check was written (books/pay.atrb:3): '
        f"see whether the check still fits; then write code: sha256:{same}",
    )


def test_a_code_that_is_no_digest_is_an_error_with_the_right_one(faults: Callable[[str], list[str]]) -> None:
    (reported,) = faults("blocks: {Build: {code: make}}")

    assert 'code "make" is no SHA-256\n  hint: code: sha256:' in reported


def test_one_file_speaks_of_several_runbooks(merge: Merge, tmp_path: Path) -> None:
    text = "- runbook: [pay.atrb, other.atrb]\n  tags: [a]\n- {runbook: third.atrb, tags: [b]}\n"
    (tmp_path / "third.atrb").write_text(RUNBOOK)
    book = merge(text, "all.checks.yaml")

    assert (book.tags, book.checks_location) == (("a",), Location("books/all.checks.yaml"))
    assert load_runbook(tmp_path / "third.atrb").tags == ("b",)


def test_a_mapping_may_name_its_runbook(merge: Merge) -> None:
    assert merge("{runbook: pay.atrb, tags: [a]}", "all.checks.yaml").tags == ("a",)


def test_a_file_that_names_another_runbook_is_not_for_the_one_that_it_is_named_like(
    merge: Merge, tmp_path: Path
) -> None:
    (tmp_path / "other.atrb").touch()

    assert merge("{runbook: other.atrb, tags: [a]}").tags == ()


@pytest.mark.parametrize("name", ["pay.checks.json", "pay.check.yaml"])
def test_a_file_that_is_meant_to_be_checks_and_is_not_named_so(merge: Merge, name: str) -> None:
    with pytest.raises(
        UnreadableFile, match=rf"books/{name}: nothing reads this file\n  hint: call it pay.checks.yaml"
    ):
        merge("{}", name)


def test_two_files_for_one_runbook(merge: Merge, tmp_path: Path) -> None:
    (tmp_path / "pay.checks.yaml").write_text("{}")

    with pytest.raises(UnreadableFile, match=r"all\.checks\.yaml is there, too"):
        merge("{runbook: pay.atrb}", "all.checks.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {runbook: pay.atrb}\n- {tags: [a]}\n", "2: a part of a list of checks must name its runbook"),
        ("- {runbook: pay.atrb}\n- {runbook: pay.atrb}\n", "2: pay.atrb has a part above already"),
    ],
)
def test_a_list_of_checks_that_makes_no_sense(merge: Merge, text: str, message: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        merge(text, "all.checks.yaml")

    assert f"books/all.checks.yaml:{message}" in str(caught.value)


def test_a_file_that_names_a_runbook_which_is_gone_is_an_error(merge: Merge, tmp_path: Path) -> None:
    merge("- {runbook: pay.atrb}\n- {runbook: pays.atrb}\n", "all.checks.yaml")

    fault = orphan_checks(tmp_path / "all.checks.yaml", display_path="all.checks.yaml")

    assert str(fault) == (
        'all.checks.yaml: checks for a runbook that is not there: pays.atrb\n  hint: did you mean "pay.atrb"?'
    )


def test_a_file_that_can_not_be_read_falls_off_nothing_that_it_names(merge: Merge, tmp_path: Path) -> None:
    text = "runbook: pay.atrb\nblocks: {Build: {skip: x}"
    with pytest.raises(UnreadableFile, match=r"books/all.checks.yaml:2: not valid YAML"):
        merge(text, "all.checks.yaml")

    assert "all.checks.yaml:2: not valid YAML" in str(
        orphan_checks(tmp_path / "all.checks.yaml", display_path="all.checks.yaml")
    )


def test_a_plain_runbook_can_not_be_named(tmp_path: Path) -> None:
    (tmp_path / "pay.runbook.yaml").write_text("blocks: []")
    (tmp_path / "all.checks.yaml").write_text("runbook: pay.runbook.yaml")

    with pytest.raises(UnreadableFile, match="checks files are for runbooks that another program owns"):
        load_runbook(tmp_path / "pay.runbook.yaml")
