"""What programs, servers and files say can neither steer a terminal nor break a report, wherever it is shown."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests.plugin.project import Project

# Colours, a cleared screen, a title, a link, the clipboard, 8-bit CSI; what writes over what stands there; what turns
# the direction of text around, or breaks lines unseen; what is no text.
HOSTILE = {
    "escape sequences": "\x1b[31mred \x1b[2J\x1b[H \x1b]0;owned\x07 \x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\"
    " \x1b]52;c;b3duZWQ=\x07 \x9b31m",
    "writing over": "FAILED\rPASSED bad\b\b\bgood a\x7fb",
    "direction and lines": "user\u202e\u2066txt.exe\u2069\u202c one\u2028two\u2029three\x85four",
    "no text": "a\x00b a\ud800b a\ufffeb\uffffc",
}
# What no report may hold: raw controls, lone surrogates, and all that turns text around.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def book(text: str) -> str:
    """A runbook in which that text is in all places that a report shows."""
    # NUL and surrogates can't be in arguments of programs: those say them by themselves.
    says = f"import sys; sys.stdout.buffer.write({text.encode(errors='surrogatepass')!r}); sys.stderr.write(ascii('x'))"
    text = text.replace("\ud800", "?")  # no file can hold it
    by_python = {"interpreter": "python3", "code": says}
    blocks = [
        {"name": f"Says {text}", "script": by_python, "capture": {"said": "output.stdout"}, "tags": ["x"]},
        {"name": "Fails", "script": {**by_python, "code": f"{says}; sys.exit(3)"}},
        {"name": "Asserts", "script": by_python, "assert": [f"output.stdout == {json.dumps(text)} ~ '!'"]},
        {"name": "Warns", "script": by_python, "warn": ["output.stdout == 'x'"]},
        {"name": "Expects", "script": by_python, "expect": {"stdout": text + "!"}},
        {"name": "Reads", "script": "exit 4", "env": {"SAID": "{{ var.said | replace('\\0', '') }}"}},
        {"name": "Skips", "script": "true", "skip": f"because {text}"},
        {"name": "Looks", "sqlite": {"uri": ":memory:", "query": f"select '{text}' from nowhere"}},
    ]
    return json.dumps({"name": text, "on_failure": "continue", "vars": {"v": text}, "blocks": blocks})


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_report_holds_what_steers_a_terminal_or_is_no_xml(project: Project, kind: str) -> None:
    project.write("a.runbook.json", book(HOSTILE[kind]))

    result = project.run(".", "-rA", "-vv", "--junit-xml=report.xml")

    result.assert_outcomes(passed=2, failed=5, skipped=1)
    shown = [line for line in result.outlines if RAW.search(line)]
    assert shown == []
    report = (project.path / "report.xml").read_bytes().decode()
    assert RAW.search(report) is None
    assert len(list(ElementTree.fromstring(report).iter("testcase"))) == 8


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_can_not_be_read_is_reported_without_it_either(project: Project, kind: str) -> None:
    text = HOSTILE[kind]
    project.write("a.runbook.json", json.dumps({"blocks": [{f"scr{text}": text}]}))
    path = project.path / "b.runbook.yaml"
    path.write_bytes(f"blocks:\n- {text}: x\n- script: [".encode(errors="surrogatepass"))

    result = project.run(".", "-rA", "--junit-xml=report.xml")

    result.assert_outcomes(failed=2)
    assert [line for line in result.outlines if RAW.search(line)] == []
    report = (project.path / "report.xml").read_bytes().decode()
    assert RAW.search(report) is None
    ElementTree.fromstring(report)


def test_enormous_output_is_shown_in_part(project: Project) -> None:
    flood = 'head -c 30000000 /dev/zero | tr "\\\\0" x | fold -w 100'
    project.write("a.runbook.yaml", f"""
        on_failure: continue
        blocks:
          - {{name: Fails, script: '{flood}; exit 1'}}
          - {{name: Passes, script: '{flood}; {flood} >&2'}}
          - {{name: Line, script: 'tr -d "\\n" < <({flood}); exit 1'}}
          - {{name: Asserts, script: '{flood}', assert: 'output.stdout == "x"'}}
        """)  # fmt: skip

    result = project.run(".", "-rA", "--junit-xml=report.xml")

    result.assert_outcomes(passed=1, failed=3)
    assert len(result.stdout.str()) < 1_000_000
    assert (project.path / "report.xml").stat().st_size < 1_000_000
