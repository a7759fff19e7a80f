"""The runbook format, fact by fact: scripts and terminals on another host, a real sshd. Named after their sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook import EventKind
from tests.conformance.documents import Node, after_run, directory, env, node, script, var
from tests.servers.sshd import Sshd

WEB = node("host-select", host="web")

SAID: dict[str, tuple[Sequence[Node], str]] = {
    "6.3 a script runs there": ([script("echo ${SSH_CONNECTION:+there}")], "there\n"),
    "6.3 several lines": ([script("x=1\necho $x\necho 2")], "1\n2\n"),
    "6.3 its code is rendered": ([var("x", "it's"), script("echo {{ var.x | shellquote }}")], "it's\n"),
    "6.3 env blocks go there": ([env("A", "it's $HOME"), script('echo "$A"')], "it's $HOME\n"),
    "6.3 the environment of the process stays here": ([script('echo "[$ONLY_OURS]"')], "[]\n"),
    "6.3 standard input is empty": ([script("wc -c")], "0\n"),
    "6.3 the interpreter is the block's": ([script("print(1 + 1)", interpreter="python3")], "2\n"),
    "6.3 variables of the file come back": (
        [script("echo a=1 >> $ATUIN_OUTPUT_VARS"), script("echo {{ var.a }}")], "1\n"
    ),
    "6.3 the output variable comes back": (
        [script("printf '5\\n\\n'", outputVariable="x"), script("echo [{{ var.x }}]")], "5\n\n[5]\n"
    ),
    "6.3 a block below may run here again": (
        [node("host-select", host="local"), script("echo ${SSH_CONNECTION:-here}")], "here\n"
    ),
    "7 a port and a user may be given": ([node("host-select", host="root@web"), script("id -un")], "root\n"),
}  # fmt: skip


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize(("nodes", "said"), SAID.values(), ids=SAID)
def test_a_script_elsewhere_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: Sequence[Node], said: str
) -> None:
    monkeypatch.setenv("ONLY_OURS", "1")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    book = after_run(tmp_path, [WEB, *nodes])

    assert book.said == said, book.run.results


ENDS: dict[str, tuple[Node, dict[str, Any]]] = {
    "6.3 both streams": (script("echo o; echo e >&2"), {"exit_code": 0, "stdout": "o\n", "stderr": "e\n"}),
    "6.3 an exit code": (script("exit 5"), {"exit_code": 5, "stdout": None}),
    "6.3 a command that is not there": (script("no-such-command"), {"exit_code": 127}),
    "2.2 a terminal": (node("run", name="t", type="bash", code="echo $TERM; stty size"), {"cancelled": False}),
}


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize(("block", "fields"), ENDS.values(), ids=ENDS)
def test_a_block_elsewhere_returns(tmp_path: Path, block: Node, fields: dict[str, Any]) -> None:
    book = after_run(tmp_path, [WEB, block])
    output = book.document.output("n2")

    assert output is not None
    assert {name: output[name] for name in fields} == fields


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize("section", ["2.2"])
def test_a_terminal_elsewhere_has_its_size_and_kind(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [WEB, node("run", name="t", type="bash", code="echo $TERM; stty size")])
    output = book.document.output("n2")

    assert output is not None
    assert [line for line in str(output["text"]).splitlines() if line[:1] != "$"] == ["xterm-256color", "20 120"]


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize("section", ["6.3"])
def test_nothing_is_left_of_the_file_of_variables(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [WEB, script("echo $ATUIN_OUTPUT_VARS", outputVariable="path")])

    assert not Path(str(book.document.final_variables()["path"])).exists()


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize("section", ["7"])
def test_blocks_of_a_host_share_a_connection(tmp_path: Path, section: str) -> None:
    book = after_run(tmp_path, [WEB, script("true"), script("true"), directory("/"), script("true")])

    assert [kind for kind in book.kinds if kind.startswith("ssh")] == [EventKind.SSH_CONNECTED]


UNREACHABLE = {"7 a host that is not there": "nobody.invalid", "7 a port that nobody listens on": "root@127.0.0.1:1"}


@pytest.mark.usefixtures("other_host")
@pytest.mark.parametrize("host", UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_host_that_can_not_be_reached_is_an_error(tmp_path: Path, host: str) -> None:
    book = after_run(tmp_path, [node("host-select", host=host), script("true")])
    (result,) = book.run.results.values()

    assert (result.outcome, result.kind) == ("failed", "unreachable")
    assert EventKind.SSH_CONNECTION_FAILED in book.kinds


@pytest.mark.parametrize("section", ["2.14"])
def test_a_key_of_the_block_is_used(tmp_path: Path, other_host: Sshd, section: str) -> None:
    (tmp_path / "home/.ssh/config").write_text("")
    connect = node("ssh-connect", userHost="", user="root", hostname=other_host.address, port=other_host.port)
    key = {"ssh-connect#1.identityKey": str(other_host.identity)}
    book = after_run(tmp_path, [connect, script("echo in")], key)

    assert book.said == "in\n", book.run.results
