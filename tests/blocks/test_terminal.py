"""Terminals for real: real shells, real programs that ask, and what is left of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import psutil
import pytest

from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult
from pytest_runbook.messages.client_messages import BlockOutput
from pytest_runbook.messages.events import EventKind
from pytest_runbook.resources.process.login_environment import LoginShell
from tests.harness import Opened, inside, opened

SHELLS = ("bash", "zsh", "fish", "sh", "dash")
POSIX = ("bash", "zsh", "sh", "dash")


@dataclass(kw_only=True)
class Ended:
    """A terminal block after its end."""

    result: BlockResult
    output: Mapping[str, object]
    book: Opened

    @property
    def text(self) -> str:
        return str(self.output["text"])


def terminal(folder: Path, code: str, shell: str = "bash", *, keys: str = "", **options: object) -> Ended:
    """Run one terminal. keys: further lines of the block."""

    async def work(book: Opened) -> Ended:
        await book.run.run_all()
        output = book.document.output(book.block("T"))
        return Ended(result=book.results["T"], output=output or {}, book=book)

    return inside(folder, block(code, shell, keys), work, **options)


def block(code: str, shell: str, keys: str = "") -> str:
    if "/" not in shell and shutil.which(shell) is None and shell in SHELLS:
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    more = "".join(f"    {line}\n" for line in keys.splitlines())
    return f"blocks:\n  - name: T\n    terminal: {{type: {json.dumps(shell)}, code: {json.dumps(code)}}}\n{more}"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEnding:
    def test_ends_by_itself_when_the_last_command_is_done(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "echo one\necho two", shell)

        assert ended.result.message is None
        assert ended.output["exit_code"] == 0
        assert ended.text == "$ echo one\none\n$ echo two\ntwo\n"

    def test_its_status_is_that_of_the_last_command(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "true\nsh -c 'exit 7'", shell)

        assert ended.result.message == "exit code 7"
        assert ended.output["exit_code"] == 7

    def test_a_failure_before_the_last_command_does_not_count(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "false\ntrue", shell)

        assert ended.output["exit_code"] == 0

    def test_code_may_exit_itself(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "echo bye\nexit 3\necho never", shell)

        assert ended.output["exit_code"] == 3
        assert "never" not in ended.text

    def test_a_terminal_without_code_succeeds(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "{{ '' }}", shell)

        assert ended.result.message is None
        assert ended.text == ""

    def test_an_assertion_about_the_exit_code_replaces_the_requirement(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "false", keys="assert: output.exit_code == 1")

        assert ended.result.outcome == "passed"

    def test_a_signal_is_reported_by_its_name(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "kill -KILL $$")

        assert ended.result.message == "ended by SIGKILL (Killed)"
        assert ended.output["signal"] == "SIGKILL"

    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_what_a_shell_shows_on_leaving_is_seen(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "trap 'echo left' EXIT", shell)

        assert ended.text.endswith("\nleft\n")
        assert ended.output["exit_code"] == 0

    @pytest.mark.parametrize("code", ["set -o ignoreeof", "sleep 60 & kill -STOP $!"])
    def test_a_shell_that_does_not_want_to_go_is_reported_more_than_once(self, tmp_path: Path, code: str) -> None:
        ended = terminal(tmp_path, code, keys="timeout: 20s")

        assert ended.result.message is None

    @pytest.mark.parametrize("code", ["PS1='# '", "set -x", "set -u", "PROMPT_COMMAND="])
    def test_it_ends_whatever_the_code_does_to_prompts(self, tmp_path: Path, code: str) -> None:
        ended = terminal(tmp_path, f"{code}\necho hi", keys="timeout: 20s")

        assert ended.result.message is None
        assert "_runbook" not in ended.text


class TestTyping:
    def test_constructs_may_go_over_lines(self, tmp_path: Path, shell: str) -> None:
        loop = "for i in a b\necho got $i\nend" if shell == "fish" else "for i in a b\ndo\n\n  echo got $i\ndone"

        ended = terminal(tmp_path, f"{loop}\necho after", shell, keys="timeout: 10s")

        assert ended.result.message is None
        assert "\ngot a\ngot b\n" in ended.text
        assert ended.text.endswith("\nafter\n")

    def test_quotes_may_go_over_lines(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "echo 'a\nb'", shell)

        assert ended.text.endswith("\na\nb\n")

    @pytest.mark.parametrize("shell", POSIX)
    def test_here_documents_and_functions_may_go_over_lines(self, tmp_path: Path, shell: str) -> None:
        code = "greet() {\n\tcat <<-END\n\thello $1\n\tEND\n}\ngreet you"

        ended = terminal(tmp_path, code, shell, keys="timeout: 10s")

        assert ended.text.endswith("\nhello you\n")

    def test_tabs_exclamation_marks_and_comments_are_what_they_are_in_scripts(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "# a comment\necho 'a\tb!c!d' | tr '\\t' -", shell)

        assert "a-b!c!d" in ended.text

    @pytest.mark.parametrize("code", ["echo 'never closed", "cat <<END\nnever closed", "echo $(date"])
    @pytest.mark.parametrize("shell", POSIX)
    def test_code_that_is_not_complete_is_reported_at_once(self, tmp_path: Path, shell: str, code: str) -> None:
        ended = terminal(tmp_path, code, shell)

        assert ended.result.message == "the code is not complete: the shell waits for more of it"
        assert ended.result.hint is not None
        assert ended.text.endswith("\n>\n")

    def test_fish_reports_what_it_can_not_read(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "echo )\necho next", "fish")

        assert ended.result.message == "the shell can't read line 'echo )'"
        assert "Unexpected" in ended.text

    def test_a_repl_gets_its_lines_and_the_shell_its_own(self, tmp_path: Path, shell: str) -> None:
        code = f"{sys.executable} -q -i\nprint(6 * 7)\nexit()\necho back"

        ended = terminal(tmp_path, code, shell, keys="timeout: 20s")

        assert "\n42\n" in ended.text
        assert ended.text.endswith("\nback\n")
        assert "exit\n" not in ended.text.partition("exit()")[2]

    def test_a_program_that_reads_lines_gets_those_that_follow(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, 'read name\nWorld\necho "Hello $name"', keys="timeout: 20s")

        assert ended.text.endswith("\nHello World\n")

    def test_a_password_prompt_gets_the_line_that_follows_unseen(self, tmp_path: Path) -> None:
        code = f"{sys.executable} -c 'import getpass; print(len(getpass.getpass()))'\nhunter2\necho done"

        ended = terminal(tmp_path, code, keys="timeout: 20s")

        assert "\n7\n" in ended.text
        assert "hunter2" not in ended.text

    @pytest.mark.parametrize("shell", ["bash", "dash"])
    def test_a_slow_command_keeps_its_order(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "sleep 1.5\necho after\nsh -c 'exit 5'", shell)

        assert ended.output["exit_code"] == 5
        assert ended.text.endswith("$ after\n$ sh -c 'exit 5'\n")

    def test_a_command_that_asks_gets_no_end_for_an_answer(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "sleep 1.2\nread answer", keys="timeout: 4s")

        assert ended.result.kind == "timeout"

    def test_a_line_that_no_terminal_takes_is_refused(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, f"echo start\necho {'x' * 5000}")

        assert "line 2 has 5005 bytes" in str(ended.result.message)

    def test_long_lines_pass_whole(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, f"echo {'x' * 900} | wc -c")

        assert ended.text.endswith("\n901\n")


class TestDeadlines:
    @pytest.mark.parametrize(
        ("code", "seen"),
        [
            (f"{sys.executable} -q -i", ">>>"),
            ("cat", "$ cat"),
            ("read -p 'Really? ' answer", "Really?"),
            ("top -b -d 0.2", "PID USER"),
            (f"{sys.executable} -c 'import getpass; getpass.getpass()'", "Password:"),
        ],
    )
    def test_a_program_that_waits_is_ended_with_its_screen_shown(self, tmp_path: Path, code: str, seen: str) -> None:
        ended = terminal(tmp_path, code, keys="timeout: 1500ms")

        assert ended.result.kind == "timeout"
        assert any(seen in section.text for section in ended.result.sections)
        assert any("was not done" in note for note in ended.result.notes)
        assert ended.output["cancelled"] is True

    def test_nothing_is_left_of_what_was_started(self, tmp_path: Path) -> None:
        sleep = f"sleep {987_000_000 + os.getpid()}"
        code = f"{sleep} & (setsid {sleep} &) ; nohup {sleep} >/dev/null & trap '' HUP; {sleep}"

        ended = terminal(tmp_path, code, keys="timeout: 1s")

        assert ended.result.kind == "timeout"
        assert not [process for process in psutil.process_iter() if _command(process) == sleep]

    def test_cancelled_it_ends_at_once(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> BlockResult:
            handle = book.document.start_execution(book.block("T"))
            await screen_shows(book, "begun")
            handle.cancel("enough")
            with anyio.fail_after(5):
                return await handle.wait()

        result = inside(tmp_path, block("echo be''gun\nsleep 600", "bash"), work)

        assert result.message == "enough"

    def test_what_runs_in_the_background_lives_on_until_the_runbook_ends(self, tmp_path: Path) -> None:
        later = "  - {name: U, script: 'kill -0 $(cat pid)', directory: .}\n"
        text = block("sleep 600 & echo $! > pid", "bash") + later

        async def work(book: Opened) -> int:
            await book.run.run_all()
            assert book.results["U"].message is None
            return int((tmp_path / "pid").read_text())

        assert not psutil.pid_exists(inside(tmp_path, text, work))


class TestScreen:
    def test_output_is_raw_and_text_is_what_a_person_sees(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, r"printf '\033[1;31mred\033[0m 10%%\r\033[7C20\n'")

        assert "\x1b[1;31mred" in str(ended.output["output"])
        assert ended.text.endswith("\nred 10%20\n") or ended.text.endswith("\nred 10%\n") or "red" in ended.text
        assert ended.output["byte_count"] == len(str(ended.output["output"]))

    def test_it_has_the_size_that_the_block_shows(self, tmp_path: Path) -> None:
        text = block("stty size", "bash").replace('type: "bash"', 'type: "bash", rows: 33, cols: 77')

        async def work(book: Opened) -> str:
            await book.run.run_all()
            return str((book.document.output(book.block("T")) or {})["text"])

        assert inside(tmp_path, text, work).endswith("\n33 77\n")

    def test_no_line_is_lost_or_broken(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, f"seq 1 5000\necho {'wide ' * 60}")

        assert all(f"\n{number}\n" in ended.text for number in (1, 2500, 5000))
        assert "wide " * 59 in ended.text

    def test_a_full_screen_program_returns_the_screen_back(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, r"printf '\033[?1049h\033[HFULL\033[?1049l'; echo back")

        assert "\nback\n" in ended.text
        assert "\nFULL" not in ended.text

    def test_a_flood_passes_through(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "head -c 10000000 /dev/zero | tr '\\0' x | fold -w 99", keys="timeout: 60s")

        assert ended.result.message is None
        assert int(str(ended.output["byte_count"])) > 10_000_000
        assert ended.text.count("x" * 99) == 10_000_000 // 99

    def test_bytes_that_are_no_text_are_replaced(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, r"printf 'a\377b\n'")

        assert ended.text.endswith("\na\N{REPLACEMENT CHARACTER}b\n")


class TestSurroundings:
    def test_programs_see_a_terminal(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "test -t 0; and tty; echo $TERM $ATUIN_DESKTOP_PTY".replace("; and", " &&"), shell)

        assert "/dev/" in ended.text
        assert ended.text.endswith("\nxterm-256color true\n")

    def test_variables_are_set(self, tmp_path: Path, shell: str) -> None:
        text = block('echo "a=1" >> $ATUIN_OUTPUT_VARS\necho "b=2" >> $RUNBOOK_OUTPUT_VARS', shell)
        later = "  - {name: U, script: 'true', assert: var.a == '1' and var.b == '2'}\n"

        async def work(book: Opened) -> str | None:
            await book.run.run_all()
            return book.results["U"].message

        assert inside(tmp_path, text + later, work) is None

    def test_env_blocks_and_directories_count(self, tmp_path: Path, shell: str) -> None:
        (tmp_path / "sub").mkdir()

        keys = "directory: sub\nenv: {COLOUR: red, TERM: vt100, ENV: staging}"

        ended = terminal(tmp_path, "pwd; echo $COLOUR $TERM $ENV", shell, keys=keys)

        assert f"{tmp_path}/sub\nred vt100 staging\n" in ended.text

    def test_a_directory_that_does_not_exist_fails_it(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "pwd", keys="directory: nowhere")

        assert ended.result.message == f"the directory {tmp_path}/nowhere does not exist"

    @pytest.mark.parametrize("shell", ["fush", "/opt/fush", "{{ var.x }}"])
    def test_a_shell_that_does_not_exist_is_named(self, tmp_path: Path, shell: str) -> None:
        ended = terminal(tmp_path, "pwd", shell)

        assert ended.result.outcome == "failed"
        assert "no program" in str(ended.result.message)

    def test_without_a_type_it_is_the_users_shell(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHELL", shutil.which("dash") or pytest.skip("needs dash: apt-get install dash"))

        ended = terminal(tmp_path, "readlink /proc/$$/exe || echo dash", "")

        assert "dash" in ended.text

    def test_the_users_own_settings_are_not_loaded(
        self, tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _home(tmp_path, monkeypatch)

        ended = terminal(tmp_path, "echo hi", shell)

        assert ended.text == "$ echo hi\nhi\n"

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_they_are_in_a_login_shell(self, tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
        _home(tmp_path, monkeypatch)
        settings = Settings(root=tmp_path, invocation=tmp_path, login_shell=LoginShell.EACH)

        ended = terminal(tmp_path, "echo hi", shell, settings=settings)

        assert "the user's own" in ended.text
        assert ended.output["exit_code"] == 0

    def test_no_history_is_written(self, tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("HISTFILE", str(home / "history"))

        terminal(tmp_path, "echo remember me", shell)

        texts = [path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()]
        assert not any("remember me" in text for text in texts)


class TestMessages:
    def test_output_comes_as_it_is_made(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> str:
            handle = book.document.start_execution(book.block("T"))
            await screen_shows(book, "\r\nfirst")
            early = screen_of(book)
            (tmp_path / "go").touch()
            await handle.wait()
            return early

        code = "echo fir''st; until [ -e go ]; do sleep 0.05; done; echo sec''ond"
        early = inside(tmp_path, block(code, "bash"), work)

        assert "\r\nsecond" not in early

    def test_characters_come_whole_whatever_the_pieces(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> list[bytes]:
            await book.run.run_all()
            return [message.binary for message in book.channel.of(BlockOutput) if message.binary]

        code = r"for b in '\303' '\251' '\360' '\237' '\232' '\200'; do printf $b; sleep 0.02; done"
        pieces = inside(tmp_path, block(code, "bash"), work)

        assert all(piece.decode() for piece in pieces)
        assert "é🚀" in b"".join(pieces).decode()

    def test_secrets_are_masked(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> tuple[str, str]:
            book.runtime.masker.add("s3cr3t-value", "a secret")
            await book.run.run_all()
            return screen_of(book), str(book.results["T"].sections)

        text = block("printf s3cr3t; sleep 0.1; echo -value; false", "bash")
        streamed, shown = inside(tmp_path, text, work)

        assert "s3cr3t-value" not in streamed + shown
        assert "***" in streamed
        assert "***" in shown

    def test_its_opening_and_closing_are_events(self, tmp_path: Path) -> None:
        ended = terminal(tmp_path, "true")

        kinds = ended.book.kinds
        assert kinds.index(EventKind.PTY_OPENED) < kinds.index(EventKind.PTY_CLOSED)
        assert [message.data["pid"] for message in ended.book.channel.of(BlockOutput) if message.data]

    def test_others_may_type_resize_and_kill(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> BlockResult:
            handle = book.document.start_execution(book.block("T"))
            ptys = book.runtime.resources.ptys
            await screen_shows(book, "20 120")
            ptys.resize_pty(handle.id, rows=40, cols=100)
            ptys.write_pty(handle.id, b"\r")
            await screen_shows(book, "40 100")
            ptys.kill_pty(handle.id)
            result = await handle.wait()
            with pytest.raises(KeyError):
                ptys.write_pty(handle.id, b"x")
            return result

        result = inside(tmp_path, block("stty size; read; stty size; sleep 600", "bash"), work)

        assert result.message == "ended by SIGHUP (Hangup)"

    def test_a_program_that_does_not_heed_a_hangup_is_killed(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> BlockResult:
            handle = book.document.start_execution(book.block("T"))
            await screen_shows(book, "\r\ndeaf")
            book.runtime.resources.ptys.kill_pty(handle.id)
            return await handle.wait()

        result = inside(tmp_path, block("trap '' HUP; echo de''af; exec sleep 600", "bash"), work)

        assert result.message == "ended by SIGKILL (Killed)"


class TestFiles:
    def test_stdin_beside_a_terminal_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match="a terminal has a keyboard"):
            terminal(tmp_path, "cat", keys="stdin: text")

    def test_no_file_descriptor_is_left_open(self, tmp_path: Path) -> None:
        async def work(book: Opened) -> tuple[int, int]:
            counts = []
            for _ in range(4):
                await book.document.start_execution(book.block("T")).wait()
                counts.append(psutil.Process().num_fds())
            return counts[0], counts[-1]

        first, last = inside(tmp_path, block("cat <<END\nx\nEND", "bash"), work)

        assert first == last

    def test_many_run_side_by_side(self, tmp_path: Path) -> None:
        text = "blocks:\n" + "".join(
            f"  - {{name: T{number}, terminal: {{type: bash, code: 'sleep 0.3'}}}}\n" for number in range(8)
        )

        async def main() -> list[str]:
            async with opened(tmp_path, text) as book:
                handles = [book.document.start_execution(spec.id) for spec in book.document.runbook.blocks]
                with anyio.fail_after(20):
                    return [str((await handle.wait()).outcome) for handle in handles]

        assert set(anyio.run(main)) == {"passed"}


def screen_of(book: Opened) -> str:
    """All bytes that were passed on, as text."""
    return b"".join(message.binary or b"" for message in book.channel.of(BlockOutput)).decode()


async def screen_shows(book: Opened, text: str) -> None:
    with anyio.fail_after(20):
        while text not in screen_of(book):  # noqa: ASYNC110 - a recording channel wakes nobody
            await anyio.sleep(0.005)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def _home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder / "home"
    (home / ".config/fish").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in (".bashrc", ".bash_profile", ".zshrc", ".profile", ".config/fish/config.fish"):
        (home / name).write_text("echo the user\\'s own\n")
