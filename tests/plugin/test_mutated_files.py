"""Whatever a file holds, a session of it ends with pytest's own words: no crash, no traceback of ours."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plugin.project import Project

PLAIN = """\
name: Book
vars: {size: 4, folder: /tmp}
tags: [nightly]
timeout: {block: 5s}
blocks:
  - directory: "{{ var.folder }}"
  - env: {LC_ALL: C}
  - name: One
    script: echo {{ var.size }}
    capture: {one: output.stdout | trim}
    assert: [output.exit_code == 0, var.one | int == 4]
    tags: [smoke]
  - {name: Two, script: 'test {{ var.one }} = 4', when: var.size > 3, timeout: 2s}
finally:
  - {name: Sweep, script: 'true', if_started: One}
"""
ATUIN = """\
id: 0198c0de-0000-7000-8000-000000000001
name: Deploy
version: 1
content:
  - {id: v, type: var, props: {name: size, value: "4"}}
  - {id: s, type: script, props: {name: Build, code: "echo {{ var.size }}", interpreter: bash, outputVariable: out}}
  - {id: d, type: directory, props: {path: /tmp}}
  - {id: t, type: script, props: {name: Check, code: "test {{ var.out }} = 4"}}
"""
CHECKS = """\
vars: {size: 4}
blocks:
  Build: {assert: output.exit_code == 0, timeout: 2s}
  "Check": {id: t, finally: true}
"""
PIECES = ["", "{", "}", "[", "]", ":", "- ", "\n", "  ", '"', "'", "{{", "}}", "{% if", "|", "&a", "*a", "!!x", "\t"]
PIECES += [
    "\x00",
    "::",
    "null",
    "true",
    "-1",
    "1e999",
    "é",
    "\u2028",
    "#",
    "%",
    "@",
    "`",
    "?",
    "fixtures: [nope]",
    "assert",
]


def mutated(text: str, seed: int, times: int) -> str:
    """The text with some pieces of it taken out, doubled, or replaced by what files trip over."""
    chance = random.Random(seed)
    for _ in range(times):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 1, 1, 3, 10, 40]))
        text = text[:start] + chance.choice([*PIECES, text[start:end] * 2]) + text[end:]
    return text


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_mutated_files_end_in_words(project: Project, seed: int, times: int) -> None:
    for number in range(12):
        project.write(f"plain{number}.runbook.yaml", mutated(PLAIN, seed + number, times))
        project.write(f"atuin{number}.atrb", mutated(ATUIN, seed + number, times))
        project.write(f"atuin{number}.checks.yaml", mutated(CHECKS, seed + number, times - 1))

    result = project.run(".", "-q", "--runbook-timeout=5s", "-p", "no:cacheprovider")

    said = result.stdout.str()
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert "pytest_runbook/" not in said
    assert "a fault in the block type's code" not in said
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


HOPELESS = {
    "empty": b"",
    "blank": b"\n",
    "nul": b"\x00",
    "utf-16 mark": b"\xff\xfe",
    "latin-1": "é".encode("latin-1"),
    "deep": b"[" * 100_000,
    "recursive": b"a: &a [*a]",
    "version": b"%YAML 9.9\n---\n",
    "two documents": b"- 1\n---\n- 2",
}


@pytest.mark.parametrize("kind", HOPELESS)
@pytest.mark.parametrize("name", ["a.atrb", "a.runbook.yaml", "a.runbook.json"])
def test_hopeless_files_are_one_failed_item(project: Project, name: str, kind: str) -> None:
    (project.path / name).write_bytes(HOPELESS[kind])
    project.write("b.runbook.yaml", PLAIN)

    result = project.run(".")

    assert result.parseoutcomes() == {"passed": 3, "failed": 1}
    result.stdout.fnmatch_lines([f"FAILED {name}::(unreadable) - *"])
    result.stdout.no_fnmatch_line("*Traceback*")
