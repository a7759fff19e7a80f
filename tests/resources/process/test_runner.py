"""A program is run to its end: output, exit status, input, and what the system refuses."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.process.captured_output import CapturedOutput, Stream
from pytest_runbook.resources.process.runner import ProcessOutcome, run_process

CWD = Path.cwd()


def open_files() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


@pytest.fixture(autouse=True)
def _no_file_is_left_open() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() <= before


def run(
    *argv: str,
    cwd: Path = CWD,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    on_output: Callable[[Stream, bytes], None] | None = None,
    output: CapturedOutput | None = None,
) -> ProcessOutcome:
    async def wait() -> ProcessOutcome:
        environment = dict(os.environ) if env is None else env
        with anyio.fail_after(20):
            return await run_process(argv, cwd=cwd, env=environment, stdin=stdin, on_output=on_output, output=output)

    return anyio.run(wait)


def sh(code: str, **options: object) -> ProcessOutcome:
    return run("sh", "-c", code, **options)  # type: ignore[arg-type]  # passed on as they are


@contextmanager
def limit(kind: int, value: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_outcome_has_output_and_exit_code() -> None:
    outcome = sh("echo out; echo err >&2; exit 3")

    assert (outcome.exit_code, outcome.signal) == (3, None)
    assert (outcome.output.stdout, outcome.output.stderr) == ("out\n", "err\n")
    assert outcome.pid > 0
    assert not outcome.holds_pipe


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_signal_is_reported_by_its_name(name: str) -> None:
    outcome = sh(f"kill -{name.removeprefix('SIG')} $$")

    assert (outcome.exit_code, outcome.signal) == (None, name)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: real-time signals")
def test_signal_without_a_name_is_reported_by_its_number() -> None:
    assert sh(f"kill -{signal.SIGRTMIN + 1} $$").signal == f"signal {signal.SIGRTMIN + 1}"


def test_time_is_that_of_the_process() -> None:
    outcome = sh("sleep 0.2")

    assert 0.2 <= outcome.seconds < 5


def test_output_arrives_before_the_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    def let_go(stream: Stream, data: bytes) -> None:
        if data == b"one\n":
            (tmp_path / "go").write_text("go\n")

    outcome = sh("echo one; read go < go; echo $go", cwd=tmp_path, on_output=let_go)

    assert outcome.output.stdout == "one\ngo\n"


def test_both_streams_are_read_side_by_side() -> None:
    outcome = sh("yes out | head -c 300000; yes err | head -c 300000 >&2; yes out | head -c 300000")

    assert (outcome.output.size(Stream.STDOUT), outcome.output.size(Stream.STDERR)) == (600000, 300000)


def test_stdin_is_empty_unless_given() -> None:
    assert run("cat").output.stdout == ""
    assert run("cat", stdin=b"").output.stdout == ""


def test_stdin_larger_than_a_pipe_comes_through() -> None:
    text = "0123456789" * 100_000

    assert run("cat", stdin=text.encode()).output.stdout == text


def test_program_need_not_read_its_stdin() -> None:
    outcome = run("true", stdin=b"x" * 1_000_000)

    assert outcome.exit_code == 0


def test_stdin_is_closed_while_the_program_goes_on() -> None:
    outcome = sh("exec <&-; sleep 0.1; echo done", stdin=b"x" * 1_000_000)

    assert outcome.output.stdout == "done\n"


def test_program_may_close_its_output_early() -> None:
    outcome = sh("echo one; exec >&- 2>&-; sleep 0.1; exit 4")

    assert (outcome.exit_code, outcome.output.stdout) == (4, "one\n")


def test_large_output_is_exact() -> None:
    outcome = sh("seq 1 400000; seq 1 300000 >&2")

    with outcome.output as output:
        assert not output.is_in_memory
        assert output.stdout == "".join(f"{number}\n" for number in range(1, 400_001))
        assert output.stderr == "".join(f"{number}\n" for number in range(1, 300_001))
        assert output.tail(Stream.STDOUT, lines=1) == "400000\n"


def test_one_huge_line_comes_through() -> None:
    with sh("head -c 5000000 /dev/zero | tr '\\0' x").output as output:
        assert output.stdout == "x" * 5_000_000


def test_binary_output_is_kept_as_it_is() -> None:
    outcome = sh(r"printf '\000\377\200abc'")

    assert [data for _, data in outcome.output.chunks] == [b"\x00\xff\x80abc"]


def test_characters_split_over_reads_come_out_whole() -> None:
    outcome = run(sys.executable, "-c", "print('\N{EURO SIGN}' * 100_000, end='')", env={"PYTHONUTF8": "1"})

    assert outcome.output.stdout == "\N{EURO SIGN}" * 100_000


def test_program_has_a_session_of_its_own() -> None:
    outcome = run(sys.executable, "-c", "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))")

    assert outcome.output.stdout == "True\n"


def test_environment_is_what_was_given_and_the_mark() -> None:
    lines = run("/usr/bin/env", env={"A": "1", "B": "\N{EURO SIGN}"}).output.stdout.splitlines()

    assert {line.partition("=")[0] for line in lines} == {"A", "B", "RUNBOOK_RUN_ID", "RUNBOOK_EXECUTION_ID"}
    assert "B=\N{EURO SIGN}" in lines


def test_runs_in_its_folder(tmp_path: Path) -> None:
    assert sh("pwd -P", cwd=tmp_path).output.stdout == f"{tmp_path.resolve()}\n"


def test_failing_listener_ends_the_process_and_is_received() -> None:
    def fail(stream: Stream, data: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sh("while :; do echo x; done", on_output=fail)


def test_output_that_finds_no_room_ends_the_process_and_is_reported() -> None:
    with (
        CapturedOutput(memory_limit=1 << 16) as output,
        limit(resource.RLIMIT_FSIZE, 1 << 16),
        pytest.raises(BlockFailed, match="output can't be kept"),
    ):
        run("yes", output=output)


def test_works_in_an_event_loop_of_another_thread() -> None:
    async def wait() -> ProcessOutcome:
        assert threading.current_thread() is not threading.main_thread()
        return await run_process(["sh", "-c", "echo hi"], cwd=CWD, env=os.environ)

    with anyio.from_thread.start_blocking_portal() as portal:
        outcome = portal.call(wait)

    assert outcome.output.stdout == "hi\n"


def test_many_run_side_by_side() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def one(number: int) -> None:
            outcome = await run_process(["sh", "-c", f"sleep 0.2; echo {number}"], cwd=CWD, env=os.environ)
            said.append(outcome.output.stdout)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(one, number)
        return said

    assert sorted(anyio.run(main)) == sorted(f"{number}\n" for number in range(20))


def test_without_help_of_the_kernel_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(pid: int) -> int:
        raise OSError(errno.ENOSYS, "no such system call")

    monkeypatch.setattr(os, "pidfd_open", not_there, raising=False)

    assert sh("echo hi; exit 5").exit_code == 5
    assert sh("kill -9 $$").signal == "SIGKILL"


def test_exit_status_that_other_code_took_is_reported() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(BlockFailed, match=r"exit status of process \d+ is lost"):
            sh("exit 1")
    finally:
        signal.signal(signal.SIGCHLD, before)


def refusal(*argv: str, cwd: Path = CWD, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(BlockFailed) as caught:
        run(*argv, cwd=cwd, env=env)
    assert caught.value.hint is not None
    assert "\n" not in caught.value.message
    return caught.value.message


def test_missing_program_is_named_with_the_path() -> None:
    assert refusal("no-such", env={"PATH": "/a:/b"}) == 'no program "no-such" on PATH (/a:/b)'


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal("./no-such", cwd=tmp_path) == f"no program {tmp_path}/no-such"


def test_file_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")

    assert refusal("./tool", cwd=tmp_path) == f"{tmp_path}/tool is not executable"


def test_file_without_a_first_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x00\x01")
    (tmp_path / "tool").chmod(0o755)

    assert "Exec format error" in refusal("./tool", cwd=tmp_path)


def test_first_line_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/no/such\n")
    (tmp_path / "tool").chmod(0o755)

    assert "first line (#!) does not exist" in refusal("./tool", cwd=tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert refusal("true", cwd=tmp_path / "gone") == f"the directory {tmp_path}/gone does not exist"


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert refusal("true", cwd=tmp_path / "file") == f"the directory {tmp_path}/file is no directory"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: its limit for one argument")
def test_argument_that_is_too_long_is_reported() -> None:
    assert "too long" in refusal("sh", "-c", "x" * (128 << 10))


def test_nul_is_reported() -> None:
    assert "null byte" in refusal("sh", "-c", "a\0b")
    assert "null byte" in refusal("true", env={"A": "a\0b"})


def test_name_of_a_variable_with_an_equals_sign_is_reported() -> None:
    assert "illegal environment variable name" in refusal("true", env={"A=B": "1"})


def test_no_file_descriptors_left_is_reported() -> None:
    async def main() -> None:
        used = len(open_files())
        for spare in range(12):
            with limit(resource.RLIMIT_NOFILE, used + spare):
                try:
                    outcome = await run_process(["true"], cwd=CWD, env=os.environ)
                except BlockFailed as error:
                    refusals.append(error.message)
                else:
                    assert outcome.exit_code == 0

    refusals: list[str] = []
    anyio.run(main)

    assert refusals
    assert set(refusals) == {'"true" can\'t be started: no file descriptors are left'}
