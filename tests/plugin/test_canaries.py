"""Secrets planted in every kind of block and failure, and looked for in every byte that a run writes.

Whether a canary is there is decided without any code of the project: by pieces of it, as they are, in base64 and in
hexadecimal, over the ends of lines.
"""

# ruff: noqa: E501  # a block stands on one line

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.plugin.project import QUIET, REPORTERS, Project
from tests.servers.database_servers import postgres_server
from tests.servers.http_servers import http_server
from tests.servers.sshd import sshd

PIECE = 9
"""Characters of a canary's words that may not be seen."""
CANARIES = {
    "ENVIRONMENT": "kX7wQbZr2mVt/+'\"&<%s \\Jh4LpNc9yDfGs",
    "FILE": "aP3eRtYuI8oLm=@:?#[] NbVcXz5AsDfGh",
    "COMMAND": "qW9eRtZ6uIoPasD|;$(x)`HjKlYxCvB2nM",
    "FIXTURE": "zU4iOpLkJh7GfDs,{{ }}YxCvBnM3QwErTz",
    "CONFTEST": "mN8bVcXyLk2JhGf!*~^ TrEwQzUiO5pAs",
    "ANSWER": "cV6bNmQwE2rTzUiOpAsDf%L8kJhGfDsAy",
    "DB_PASSWORD": "gH5jKlOiU3zTrEwQ7aSdFgYx",
    "SIGNED": "".join(f"{number:x}Zq" for number in range(400, 460)),
}
OF_A_SCRIPT_ITSELF = "sCrIpTsArGuMeNtIsItsOwNaFfAiR"
OF_ITS_OUTPUT = "sEnSiTiVe0uTpUtOfABlOcK4711xY"

BOOK = r"""
secrets:
  ENVIRONMENT: {env: KEPT_HERE}
  FILE: {file: kept.txt}
  COMMAND: {command: cat kept-by-a-program.txt}
  FIXTURE: {fixture: kept_by_a_fixture}
  SIGNED: {env: LONG_ONE}
vars: {all: "{{ secret.ENVIRONMENT }} {{ secret.FILE }} {{ secret.COMMAND }} {{ secret.FIXTURE }} {{ secret.CONFTEST }}"}
answers: {Confirm: "secret.FILE | int == 3"}
on_failure: continue
blocks:
  - env: {ALL: "{{ var.all }}", SIGNED: "{{ secret.SIGNED }}"}
  - {name: Printed, script: 'printf "%s\n" "$ALL" "$DB_PASSWORD"; printf "%s\n" "$ALL" >&2'}
  - {name: Printed and failed, script: 'printf "%s\n" "$ALL"; printf "%s\n" "$DB_PASSWORD" >&2; env; exit 3'}
  - {name: In the code, script: "cat <<'END' >/dev/null\n{{ var.all }}\nEND\n./look >>out/cmdlines; exit 3"}
  - {name: In a long line of code, script: "true                                       {{ secret.SIGNED }}; exit 3"}
  - {name: Traced, script: 'set -x; : "$ALL" "$SIGNED"; printf %q "$ALL"; exit 1'}
  - {name: Wrapped, script: 'printf %s "$SIGNED" | fold -w 80; printf "%s" "$ALL" | base64; printf %s "$SIGNED" | base64; exit 1'}
  - {name: In pieces, script: 'printf %s "${SIGNED:0:30}"; sleep 0.1; printf %s "${SIGNED:30}"; exit 1'}
  - name: Encoded
    script:
      interpreter: python3
      code: |
        import json, os, urllib.parse, html, shlex
        for name in ("ALL", "SIGNED", "DB_PASSWORD"):
            text = os.environ[name]
            for one in (json.dumps(text), repr(text), urllib.parse.quote(text), html.escape(text), shlex.quote(text), text.encode().hex()):
                print(one)
        raise SystemExit(4)
  - {name: Much, script: 'i=0; while [ $i -lt 300 ]; do printf "%s\n" "$SIGNED$ALL"; i=$((i+1)); done; exit 1'}
  - {name: Late, script: 'printf "%s\n" "$ALL"; sleep 20', timeout: 300ms}
  - {name: Nowhere, script: pwd, directory: "/{{ secret.FILE }}/{{ secret.SIGNED }}"}
  - {name: Left, script: 'bash -c "exec -a \"$ITS_TOKEN\" sleep 60" >/dev/null 2>&1 & true'}
  - {name: Captured, script: 'printf %s "$ALL"', capture: {ring: output.stdout, parts: output.stdout | split}}
  - {name: Set, script: {code: 'printf "SESSION_TOKEN=%s\n" "$DB_PASSWORD" >>"$RUNBOOK_OUTPUT_VARS"; printf %s "$ALL"', output_variable: put_out}}
  - {name: Read, script: "echo '{{ var.put_out | length }}'; exit 1", assert: [var.put_out == "x", var.ring == "y", var.SESSION_TOKEN == "z"]}
  - {name: Asserted, script: 'printf %s "$ALL"', assert: [output.stdout == secret.SIGNED, 'output.stdout in ["a"]', 'secret.FILE | int > 3', var.all == "x"]}
  - {name: Shaped, script: 'printf %s "$SIGNED"', expect: {stdout: "{{ secret.ENVIRONMENT }}"}, warn: output.stdout == secret.FILE}
  - {name: Undefined, script: "{{ secret.FILE.nothing }}"}
  - {name: Converted, script: "echo {{ secret.ENVIRONMENT | float }}"}
  - {name: Not now, script: 'true', when: secret.FILE == "x"}
  - {name: Retried, script: 'printf "%s\n" "$ALL"; exit 1', retry: {attempts: 2, every: 10ms}}
  - {name: In turns, for_each: {each_one: var.all | split}, script: 'echo "{{ each.each_one }}"; exit 1'}
  - {name: Expected, script: 'printf %s "$ALL" >&2; exit 1', xfail: "it prints what it should not"}
  - {name: Said as expected, script: 'printf %s "$ALL" >&2; exit 1', expect_error: "nothing of the kind"}
  - {name: Sensitive, sensitive: true, script: 'cat its-output.txt', capture: mine, assert: output.stdout == "x"}
  - {name: After it, script: 'cat its-output.txt; echo "{{ var.mine }}"; exit 1'}
  - {name: Typed, terminal: 'printf "%s\n" "{{ secret.SIGNED }}" "$DB_PASSWORD"; ./look >>out/cmdlines; false', timeout: 10s}
  - name: Sent
    http:
      url: "WEB/echo?access_token={{ secret.SIGNED }}"
      headers: {Authorization: "Bearer {{ secret.SIGNED }}", Cookie: "session={{ env.DB_PASSWORD }}", X-Api-Key: "{{ secret.SIGNED }}"}
      json: {all: "{{ var.all }}"}
    assert: output.body_json.path == "/elsewhere"
  - {name: Refused, http: {url: "WEB/status/500", auth: {user: me, password: "{{ secret.COMMAND }}"}}}
  - {name: Unreachable, http: "http://me:{{ secret.SIGNED }}@127.0.0.1:1/{{ secret.FILE | urlencode }}"}
  - {name: No address, http: "nothing://{{ secret.FILE }}"}
  - {name: Logged in wrongly, postgres: {uri: "postgresql://postgres:{{ secret.SIGNED }}@127.0.0.1:PORT/postgres", query: select 1}}
  - {name: Wrong query, postgres: {uri: "POSTGRES", query: "select '{{ secret.SIGNED }}'::int"}}
  - {name: Rows, postgres: {uri: "POSTGRES", query: "select '{{ secret.SIGNED }}' as a, '{{ env.DB_PASSWORD }}' as b"}, assert: output.total_rows == 2}
  - {name: MySQL, mysql: {uri: "mysql://root:{{ secret.SIGNED }}@127.0.0.1:1/shop", query: "select '{{ secret.SIGNED }}'"}}
  - {name: ClickHouse, clickhouse: {uri: "http://me:{{ secret.SIGNED }}@127.0.0.1:1/shop", query: "select 1"}}
  - {dropdown: {name: choice, fixedOptions: "a, b"}, sensitive: true}
  - {local-var: {name: pin}, sensitive: true}
  - {name: Asked for, script: "printf '%s\n' '{{ var.pin }}'; exit 1"}
  - {name: SQLite, sqlite: {uri: "sqlite:///shop.db", query: "selekt '{{ secret.SIGNED }}'"}}
  - {name: Metrics, prometheus: {endpoint: "http://me:{{ secret.SIGNED }}@127.0.0.1:1", query: 'up{a="{{ secret.SIGNED }}"}'}}
  - {name: Cluster, kubernetes: {command: 'echo "$ALL" "{{ secret.SIGNED }}" >&2; ./look >>out/cmdlines; exit 1'}}
  - {name: Confirm, pause: {}}
  - {name: Within, sub-runbook: "inner.runbook.yaml"}
  - {name: No runbook, sub-runbook: "{{ secret.SIGNED }}.runbook.yaml"}
  - {name: On a host, host: web, script: 'printf "%s\n" "{{ secret.SIGNED }}"; tr "\0" " " </proc/$$/cmdline; exit 1'}
  - {name: On no host, host: "me@{{ secret.DB_HOST }}", script: 'true'}
  - directory: "{{ secret.FILE | int }}"
  - {name: Below a broken context, script: 'true'}
"""
INNER = r"""
blocks: [{name: Inner, script: 'printf "%s\n" "{{ secret.SIGNED }}" "$ALL"; exit 1'}]
"""
CONFTEST = """
import logging, warnings
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def kept_by_a_fixture():
    return Path("kept-by-a-fixture.txt").read_text()

@pytest.fixture(scope="session")
def runbook_secrets():
    return {"CONFTEST": Path("kept-by-conftest.txt").read_text(), "DB_HOST": "h" + Path("kept.txt").read_text()[:12]}

@pytest.fixture(scope="session")
def runbook_answers():
    text = Path("kept-by-a-person.txt").read_text()
    return {"choice": text, "pin": text}

@pytest.fixture
def broken():
    raise RuntimeError("no " + Path("kept.txt").read_text())
"""
TESTS = """
import logging, os, sys, warnings
from pathlib import Path

def test_shows_all(runbook, record_property):
    texts = [path.read_text() for path in sorted(Path().glob("kept*.txt"))]
    done = runbook.run("called.runbook.yaml", secrets={f"S{number}": text for number, text in enumerate(texts)})
    for text in texts:
        print(text)
        print(text, file=sys.stderr)
        logging.getLogger("mine").error("it is %s", text, extra={"more": text})
        warnings.warn(f"beware of {text}")
        record_property("kept", text)
    try:
        raise OSError(texts[0])
    except OSError:
        logging.getLogger("mine").exception("then")
    assert {"all": texts, "a": 1, "out": done["Called"].output.stdout} == {"all": [], "a": 2}

def test_raises():
    text = Path("kept.txt").read_text()
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError("not " + text) from error

def test_sets_up_badly(broken):
    pass

def test_long():
    text = os.environ["LONG_ONE"]
    assert text * 4 == text[::-1]
"""
CALLED = "blocks: [{name: Called, script: 'echo \"{{ secret.S0 }}{{ secret.S1 }}{{ secret.S2 }}{{ secret.S3 }}\"'}]"
LOOK = """#!/bin/sh
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'
"""
REPORTS = (
    *(word for name in REPORTERS for word in ("-p", name)),
    *("--junit-xml=out/report.xml", "--html=out/report.html", "--self-contained-html", "--json-report"),
    *("--json-report-file=out/report.json", "--alluredir=out/allure", "--log-file=out/log", "--log-level=DEBUG"),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the servers are: words of the runbook and what stands for them."""
    with ExitStack() as stack:
        web, postgres = stack.enter_context(http_server()), stack.enter_context(postgres_server())
        host = stack.enter_context(sshd(tmp_path_factory.mktemp("sshd") / "server"))
        home = tmp_path_factory.mktemp("home")
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/known_hosts").write_text(host.known_hosts_line)
        login = f"HostName {host.address}\n Port {host.port}\n User root\n IdentityFile {host.identity}\n"
        (home / ".ssh/config").write_text(f"Host web\n {login}")
        yield {"HOME": str(home), "WEB": web.url, "POSTGRES": postgres.uri, "PORT": str(postgres.port)}


@pytest.fixture
def planted(project: Project, servers: dict[str, str]) -> Project:
    book = BOOK
    for word in ("WEB", "POSTGRES", "PORT"):
        book = re.sub(rf"\b{word}\b", servers[word], book)
    files = {"all.runbook.yaml": book, "inner.runbook.yaml": INNER, "called.runbook.yaml": CALLED, "look": LOOK}
    kept = {
        "kept": "FILE",
        "kept-by-a-program": "COMMAND",
        "kept-by-a-fixture": "FIXTURE",
        "kept-by-conftest": "CONFTEST",
        "kept-by-a-person": "ANSWER",
    }
    files |= {f"{name}.txt": CANARIES[canary] for name, canary in kept.items()}
    files |= {"conftest.py": CONFTEST, "test_python.py": TESTS, "its-output.txt": OF_ITS_OUTPUT}
    for name, text in files.items():
        (project.path / name).write_text(text)
    (project.path / "look").chmod(0o755)
    (project.path / "out").mkdir()
    return project


def written_by(project: Project, servers: dict[str, str], *options: str) -> dict[str, bytes]:
    """Everything that a run wrote, by where it is."""
    kept = {
        "KEPT_HERE": CANARIES["ENVIRONMENT"],
        "LONG_ONE": CANARIES["SIGNED"],
        "ITS_TOKEN": OF_A_SCRIPT_ITSELF,
        "DB_PASSWORD": CANARIES["DB_PASSWORD"],
    }
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    environment |= {**kept, "HOME": servers["HOME"], "GITHUB_ACTIONS": "true", "SHELL": "/bin/bash"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        *QUIET,
        *REPORTS,
        "-p",
        "no:timeout",
        "-p",
        "no:rerunfailures",
        *options,
    ]
    ran = subprocess.run(
        [*command, "all.runbook.yaml", "test_python.py"],
        cwd=project.path, env=environment, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout.decode()[-5000:] + ran.stderr.decode()[-2000:]
    files = [
        path for folder in ("out", ".pytest_cache") for path in (project.path / folder).rglob("*") if path.is_file()
    ]
    return {"stdout": ran.stdout, "stderr": ran.stderr} | {
        str(path.relative_to(project.path)): path.read_bytes() for path in files
    }


def traces(canary: str) -> Iterator[bytes]:
    """What may not be seen of a canary."""
    for word in re.findall(rf"\w{{{PIECE},}}", canary):
        for start in range(len(word) - PIECE + 1):
            yield word[start : start + PIECE].encode()
    data = canary.encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data)
        for start in range(4, len(encoded) - 16, 4):
            yield encoded[start : start + 12]
    yield data.hex().encode()[:24]


def seen(written: dict[str, bytes]) -> list[str]:
    """Which canaries are where, and a little of what is around them."""
    found = []
    for place, content in written.items():
        squeezed = re.sub(rb"\s+|\\n|&#10;", b"", content)
        for name, canary in {**CANARIES, "OUTPUT": OF_ITS_OUTPUT, "SCRIPT": OF_A_SCRIPT_ITSELF}.items():
            for trace in traces(canary):
                at = squeezed.find(trace)
                if at >= 0:
                    found.append(f"{name} in {place}: {squeezed[max(at - 150, 0) : at + 60].decode(errors='replace')}")
                    break
    return found


def test_no_canary_gets_out_of_a_run(planted: Project, servers: dict[str, str]) -> None:
    written = written_by(planted, servers, "-vv", "-rA", "--showlocals", "--runbook-store=yes")

    report = json.loads(written["out/report.json"])
    outcomes = {test["nodeid"].partition("::")[2]: test["outcome"] for test in report["tests"]}
    assert outcomes["Printed"] == outcomes["Captured"] == outcomes["Set"] == "passed", outcomes
    assert sum(outcome == "failed" for outcome in outcomes.values()) > 30, outcomes
    assert {"out/report.xml", "out/report.html", "out/log", "out/cmdlines"} <= written.keys()
    assert any(place.startswith("out/allure/") for place in written)
    assert any(place.startswith(".pytest_cache/d/runbook") for place in written)
    assert b"::error" in written["stderr"]
    assert [canary for canary in seen(written) if not canary.startswith("SCRIPT in out/cmdlines")] == []


def test_no_canary_gets_over_the_wire_of_workers(planted: Project, servers: dict[str, str]) -> None:
    written = written_by(planted, servers, "-n2", "--tb=line")

    assert [canary for canary in seen(written) if not canary.startswith("SCRIPT in out/cmdlines")] == []


def test_a_canary_that_got_out_is_seen() -> None:
    text = CANARIES["SIGNED"]
    forms = [text, "\n".join(re.findall(".{1,76}", base64.b64encode(b"ab" + text.encode()).decode())), text[20:40]]

    assert [len(seen({"stdout": form.encode()})) for form in forms] == [1, 1, 1]
