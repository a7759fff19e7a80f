"""Terminals on another host: the same as here."""

from __future__ import annotations

from pathlib import Path

import anyio
import psutil
import pytest

from pytest_runbook.execution.result import BlockResult
from pytest_runbook.messages.client_messages import BlockOutput
from tests.harness import Opened, inside
from tests.resources.ssh.processes import running, until
from tests.run_book import run_book, text_of
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.usefixtures("web")
HOST = {"host": "web"}
SHELLS = ("bash", "zsh", "fish", "sh", "dash")


@pytest.mark.parametrize("shell", SHELLS)
def test_ends_by_itself_with_the_status_of_the_last_command(tmp_path: Path, shell: str) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": {"code": "echo one\nsh -c 'exit 7'", "type": shell}})

    assert ran.result.message == "exit code 7"
    assert ran.output["text"] == "$ echo one\none\n$ sh -c 'exit 7'\n"
    assert ran.result.host == "web"


@pytest.mark.parametrize("shell", SHELLS)
def test_code_may_exit_itself(tmp_path: Path, shell: str) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": {"code": "exit 3", "type": shell}})

    assert ran.output["exit_code"] == 3


def test_it_has_size_directory_environment_and_variables(tmp_path: Path) -> None:
    code = 'stty size; pwd; echo $TERM $COLOUR $ENV; echo "a=1" >> $RUNBOOK_OUTPUT_VARS'
    terminal = {"code": code, "type": "bash", "rows": 33, "cols": 77}
    surroundings = {"env": {"COLOUR": "red", "ENV": "x"}, "directory": "/var"}
    ran = run_book(tmp_path, HOST, {"terminal": terminal, **surroundings}, {"script": "echo {{ var.a }}"})

    assert str((ran.outputs[-2] or {})["text"]).endswith("\n33 77\n/var\nxterm-256color red x\n")
    assert ran.output["stdout"] == "1\n"


def test_without_a_type_it_is_the_login_shell(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": "echo $0"})

    assert "sh" in str(ran.output["text"]).splitlines()[1]


def test_a_program_that_asks_gets_the_lines_that_follow(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": {"code": "read name\nWorld\necho Hello $name", "type": "bash"}})

    assert str(ran.output["text"]).endswith("\nHello World\n")


def test_a_shell_that_does_not_exist_is_named(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": {"code": "true", "type": "fush"}})

    assert ran.result.message == 'there is no program "fush" on web'


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"terminal": {"code": "true", "type": "bash"}, "directory": "/nowhere"})

    assert ran.result.message == "the directory /nowhere can't be entered on web"


def test_nothing_is_left_there_of_a_terminal_that_ran_out_of_time(tmp_path: Path) -> None:
    code = "sleep 471147 &\n(setsid sleep 471147 &)\ntrap '' HUP\nsleep 471147"
    terminal = {"name": "T", "terminal": {"code": code, "type": "bash"}, "timeout": "3s"}

    async def work(book: Opened) -> BlockResult:
        result = await book.run.step(book.block("T"))
        assert running("471147") == []  # before the run looks for what was left behind
        await book.run.finish()
        return result

    result = inside(tmp_path, text_of(HOST, terminal), work)

    assert result.kind == "timeout"
    assert any("sleep 471147" in section.text for section in result.sections)


def test_others_may_type_resize_and_kill(tmp_path: Path) -> None:
    async def shows(book: Opened, text: str) -> None:
        with anyio.fail_after(20):
            while text not in screen_of(book):  # noqa: ASYNC110 - a recording channel wakes nobody
                await anyio.sleep(0.005)

    async def work(book: Opened) -> BlockResult:
        handle = book.document.start_execution(book.block("T"))
        ptys = book.runtime.resources.ptys
        await shows(book, "20 120")
        ptys.resize_pty(handle.id, rows=40, cols=100)  # gets there before what is typed after it
        ptys.write_pty(handle.id, b"\r")
        await shows(book, "40 100")
        ptys.kill_pty(handle.id)
        return await handle.wait()

    code = "stty size; read; stty size; sleep 600"
    text = f"blocks:\n  - host: web\n  - {{name: T, terminal: {{type: bash, code: '{code}'}}}}\n"
    result = inside(tmp_path, text, work)

    assert result.message is not None
    assert result.message.startswith("ended by SIG")


def test_a_lost_connection_is_an_error_and_ends_the_terminal_there(tmp_path: Path, server: Sshd) -> None:
    async def work(book: Opened) -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: bool(running("471148")))
            for process in psutil.Process(server.process.pid).children():
                process.kill()
        await until(lambda: running("471148") == [])
        return book.results["T"].message or ""

    text = "blocks:\n  - host: web\n  - {name: T, terminal: {type: bash, code: sleep 471148}}\n"

    assert inside(tmp_path, text, work).startswith("the connection to web was lost")


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("python3 -q -i", ">>>"),
        ("top -b -d 0.2", "PID USER"),
        ("python3 -c 'import getpass; getpass.getpass()'", "Password:"),
    ],
)
def test_a_program_that_waits_is_ended_with_its_screen_shown(tmp_path: Path, code: str, seen: str) -> None:
    async def work(book: Opened) -> BlockResult:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: seen in screen_of(book))
            book.run.cancel("enough")
        return book.results["T"]

    result = inside(tmp_path, text_of(HOST, {"name": "T", "terminal": {"code": code, "type": "bash"}}), work)

    assert result.message == "enough"
    assert any(seen in section.text for section in result.sections)


def screen_of(book: Opened) -> str:
    return b"".join(message.binary or b"" for message in book.channel.of(BlockOutput)).decode()
