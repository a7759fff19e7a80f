"""Scripts on another host: what they give, what they get, and how they end."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
from pathlib import Path

import anyio
import pytest

from pytest_runbook.messages.client_messages import BlockOutput
from tests.harness import Opened, inside
from tests.resources.ssh.conftest import Home
from tests.resources.ssh.processes import is_running, until
from tests.run_book import run_book, text_of
from tests.servers.sshd import Sshd, sshd

pytestmark = pytest.mark.usefixtures("web")
HOST = {"host": "web"}


def test_exit_code_and_both_streams_come_back(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": "echo out; echo err >&2; exit 3"})

    assert ran.result.message == "exit code 3"
    assert (ran.output["exit_code"], ran.output["stdout"], ran.output["stderr"]) == (3, "out\n", "err\n")
    assert ran.result.host == "web"


def test_both_streams_are_in_the_order_of_arrival(tmp_path: Path) -> None:
    code = "for i in 1 2 3; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done"
    ran = run_book(tmp_path, HOST, {"script": code})

    assert ran.output["combined"] == "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"


def test_a_signal_is_reported_by_its_name(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": "kill -SEGV $$"})

    assert (ran.result.message, ran.output["signal"]) == ("ended by SIGSEGV (Segmentation fault)", "SIGSEGV")


def test_an_exit_code_above_128_is_no_signal(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": "exit 137"})

    assert (ran.output["exit_code"], ran.output["signal"]) == (137, None)


@pytest.mark.parametrize("interpreter", ["bash", "sh", "python3", "/usr/bin/env python3", "perl"])
def test_environment_reaches_any_interpreter(tmp_path: Path, interpreter: str) -> None:
    code = {
        "perl": "print $ENV{GREETING}",
        "bash": 'printf %s "$GREETING"',
        "sh": 'printf %s "$GREETING"',
    }.get(interpreter, "import os; print(os.environ['GREETING'], end='')")
    value = 'it\'s "a" $HOME `b`\n\\n\tü 🎉 !'
    ran = run_book(tmp_path, HOST, {"env": {"GREETING": value}}, {"script": {"code": code, "interpreter": interpreter}})

    assert ran.output["stdout"] == value


def test_a_name_that_no_shell_takes_is_an_error(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"env": {"A.B": "1"}}, {"script": "echo"})

    assert ran.result.message == 'no shell takes "A.B" for the name of a variable'


def test_our_own_environment_stays_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONLY_HERE", "1")
    ran = run_book(tmp_path, HOST, {"script": 'echo "[$ONLY_HERE]"'})

    assert ran.output["stdout"] == "[]\n"


@pytest.mark.parametrize(
    ("directories", "expected"),
    [
        ((), "{login}"),
        (("/usr",), "/usr"),
        (("/usr", "lib"), "/usr/lib"),
        (("etc/..", "..", "usr"), "/usr"),
        (("~",), "{home}"),
        (("~/sub dir",), "{home}/sub dir"),
        (("/usr", ""), "{login}"),
    ],
)
def test_a_directory_that_a_block_set_holds_there(
    tmp_path: Path, server: Sshd, directories: tuple[str, ...], expected: str
) -> None:
    (server.home / "sub dir").mkdir(exist_ok=True)
    ran = run_book(tmp_path, HOST, *({"directory": path} for path in directories), {"script": "pwd"})

    login = pwd.getpwuid(os.getuid()).pw_dir  # where sshd puts us, whatever it sets HOME to
    assert ran.output["stdout"] == expected.format(home=server.home, login=login) + "\n"


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"directory": "/no/such"}, {"script": "echo ran"})

    assert ran.result.message == "the directory /no/such can't be entered on web"


@pytest.mark.parametrize("name", ["ATUIN_OUTPUT_VARS", "RUNBOOK_OUTPUT_VARS"])
def test_output_variables_come_back_and_their_file_is_gone(tmp_path: Path, name: str) -> None:
    code = f'test -f "${name}"; echo file=${name} >> "${name}"; printf "a<<E\\nx\\ny\\nE\\n" >> "${name}"'
    ran = run_book(tmp_path, HOST, {"script": code}, {"script": "echo {{ var.file }} '{{ var.a | tojson }}'"})

    file, _, rest = str(ran.output["stdout"]).partition(" ")
    assert rest == '"x\\ny"\n'
    assert not Path(file).exists()
    assert not Path(file).parent.exists()


def test_output_variables_that_are_no_utf8_fail_the_block(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": "printf 'a=\\377\\n' >> $RUNBOOK_OUTPUT_VARS"})

    assert ran.result.message == "output variables, line 1: byte 0xff is no UTF-8"


def test_output_variables_count_as_long_as_something_holds_the_output(tmp_path: Path) -> None:
    code = "(sleep 0.2; echo a=late >> $RUNBOOK_OUTPUT_VARS) & true"
    ran = run_book(tmp_path, HOST, {"script": code}, {"script": "echo {{ var.a }}"})

    assert ran.output["stdout"] == "late\n"


@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
@pytest.mark.parametrize("block", ["script", "terminal"])
def test_what_takes_the_place_of_the_file_for_output_variables_is_reported(
    tmp_path: Path, block: str, make: str
) -> None:
    code = f"rm $RUNBOOK_OUTPUT_VARS; {make} $RUNBOOK_OUTPUT_VARS"
    after = {"script": "ls $(dirname $RUNBOOK_OUTPUT_VARS) | wc -l"}
    ran = run_book(tmp_path, HOST, {block: code, "on_failure": "continue"}, after)

    message = "the output variables can't be read from $RUNBOOK_OUTPUT_VARS: it is no file any more"
    assert ran.results[0].message == message
    assert int(str(ran.output["stdout"])) <= 2  # its own, and that of the other one as long as it waits to be removed


@pytest.mark.parametrize("interpreter", ["bash", "sh", "python3"])
@pytest.mark.parametrize("size", [100, 20_000, 1_000_000])
def test_code_of_any_size_arrives_as_it_was_written(tmp_path: Path, interpreter: str, size: int) -> None:
    line = 'it\'s "q" $NO `no` \\n ü 🎉 !\n'
    text = line * (size // len(line.encode()) + 1)
    if interpreter == "python3":
        code = f"import hashlib\nprint(hashlib.sha256({text!r}.encode()).hexdigest())"
    else:
        code = f"sha256sum <<'END_OF_IT' | cut -d' ' -f1\n{text}END_OF_IT\n"
    ran = run_book(tmp_path, HOST, {"script": {"code": code, "interpreter": interpreter}, "template": False})

    assert str(ran.output["stdout"]).strip() == hashlib.sha256(text.encode()).hexdigest()


def test_output_may_hold_any_byte(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)"
    ran = run_book(tmp_path, HOST, {"script": {"code": code, "interpreter": "python3"}})

    assert ran.output["stdout"] == (bytes(range(256)) * 1000).decode(errors="replace")


def test_standard_input_arrives_whole(tmp_path: Path) -> None:
    text = "a'b\nü\n" * 100_000
    ran = run_book(tmp_path, HOST, {"script": "sha256sum | cut -d' ' -f1", "stdin": text})

    assert str(ran.output["stdout"]).strip() == hashlib.sha256(text.encode()).hexdigest()


def test_without_any_there_is_no_standard_input(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": "wc -c"})

    assert ran.output["stdout"] == "0\n"


def test_what_rc_files_print_is_no_output(tmp_path: Path, server: Sshd) -> None:
    rc = server.home / ".bashrc"
    rc.write_text("printf 'Welcome, no newline'; echo 'Last login: never' >&2\n")
    try:
        ran = run_book(tmp_path, HOST, {"script": "echo out; echo err >&2; echo a=1 >> $RUNBOOK_OUTPUT_VARS"})
    finally:
        rc.unlink()

    assert (ran.output["stdout"], ran.output["stderr"]) == ("out\n", "err\n")


def test_what_a_script_writes_into_rc_files_counts_for_the_next_one(tmp_path: Path, server: Sshd) -> None:
    blocks = [{"script": f"echo 'export NEW={number}' > ~/.bashrc; echo $NEW"} for number in range(4)]
    try:
        ran = run_book(tmp_path, HOST, *blocks)
    finally:
        (server.home / ".bashrc").unlink()

    assert [output and output["stdout"] for output in ran.outputs] == ["\n", "0\n", "1\n", "2\n"]


def test_the_next_script_finds_its_login_done(tmp_path: Path, server: Sshd) -> None:
    rc, logins = server.home / ".bashrc", tmp_path / "logins"
    rc.write_text(f"echo >> {logins}\n")

    async def work(book: Opened) -> None:
        for name in ("A", "B"):
            await book.run.step(book.block(name))
        await until(lambda: logins.read_text() == "\n\n\n\n")  # that of the helper shell, two scripts, and the next one
        rc.unlink()
        await book.run.step(book.block("C"))
        await book.run.finish()
        assert set(book.outcomes.values()) == {"passed"}

    blocks = "".join(f"- {{name: {name}, script: echo}}\n" for name in "ABC")
    inside(tmp_path, f"blocks:\n- host: web\n{blocks}", work)


@pytest.mark.parametrize("shell", ["bash", "dash", "fish", "zsh"])
def test_any_login_shell_will_do(tmp_path: Path, home: Home, shell: str) -> None:
    path = shutil.which(shell)
    assert path is not None, f"apt-get install {shell}"
    users = re.sub(r"^(root:.*:).*$", rf"\g<1>{path}", Path("/etc/passwd").read_text(), flags=re.MULTILINE)
    (tmp_path / "passwd").write_text(users)
    machine = ["unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path}/passwd /etc/passwd && exec "$@"', "sh"]
    codes = [f'echo "it\'s {number}"; exit {140 + number}' for number in range(4)]
    scripts = [{"script": code, "on_failure": "continue"} for code in codes]
    with sshd(tmp_path / "server", prefix=machine) as server:
        home.has_alias(server)
        home.knows(server)
        ran = run_book(tmp_path, HOST, *scripts, {"script": "kill -TERM $$"})

    assert [output and (output["stdout"], output["exit_code"]) for output in ran.outputs[:-1]] == [
        (f"it's {number}\n", 140 + number) for number in range(4)
    ]
    assert ran.output["signal"] == "SIGTERM"


@pytest.mark.parametrize("sessions", [2, 3])
def test_a_host_needs_to_allow_two_sessions(tmp_path: Path, home: Home, sessions: int) -> None:
    code = "true\n" * 10_000 + "echo done"
    with sshd(tmp_path / "server", settings=[f"MaxSessions {sessions}"]) as server:
        home.has_alias(server)
        home.knows(server)
        short, long = {"script": "echo done"}, {"script": code}
        ran = run_book(tmp_path, HOST, short, long, short, {"terminal": "true"}, short, short, long, short)

    assert [result.message for result in ran.results if result.outcome != "passed"] == []


def test_a_host_that_allows_too_few_sessions_is_reported(tmp_path: Path, home: Home) -> None:
    with sshd(tmp_path / "server", settings=["MaxSessions 1"]) as server:
        home.has_alias(server)
        home.knows(server)
        result = run_book(tmp_path, HOST, {"script": "echo"}).result

    assert result.message == "web opens no session on our connection: open failed"
    assert "MaxSessions in its sshd_config" in (result.hint or "")


def test_a_line_is_received_before_the_next_one_is_made(tmp_path: Path) -> None:
    async def work(book: Opened) -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await book.waits_for("one")
            early = book.said
            (tmp_path / "go").touch()
        return early

    code = f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo two"
    text = f"blocks: [{{host: web}}, {{name: S, script: '{code}', assert: output.exit_code == 0}}]"

    assert inside(tmp_path, text, work) == "one\n"


def test_characters_come_whole_whatever_the_pieces(tmp_path: Path) -> None:
    async def work(book: Opened) -> list[str]:
        await book.run.run_all()
        return [message.stdout for message in book.channel.of(BlockOutput) if message.stdout]

    code = r"for b in '\303' '\251' '\360' '\237' '\232' '\200'; do printf $b; sleep 0.05; done"
    pieces = inside(tmp_path, text_of(HOST, {"script": code}), work)

    assert "".join(pieces) == "é🚀"


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": {"code": "1", "interpreter": "no-such-ruby -w"}})

    assert ran.result.message == 'there is no program "no-such-ruby" on web'


def test_what_a_script_leaves_in_the_background_lives_until_the_end_of_the_run(tmp_path: Path) -> None:
    ran = run_book(
        tmp_path,
        HOST,
        {"script": "sleep 987 >/dev/null 2>&1 & echo pid=$! >> $RUNBOOK_OUTPUT_VARS"},
        {"script": "kill -0 {{ var.pid }} && echo {{ var.pid }}"},
    )

    assert ran.result.exit_code == 0
    assert not is_running(int(str(ran.output["stdout"])))


LOOK = (
    "import glob; print(sum(b'canary-of-' + b'hosts' in open(f, 'rb').read() for f in glob.glob('/proc/self/cmdline')))"
)


@pytest.mark.parametrize(
    ("interpreter", "code"),
    [
        ("bash", "echo {{ secret.KEY }} >/dev/null; tr '\\0' '\\n' </proc/$$/cmdline | grep -c canary || true"),
        ("python3", f"x = '{{{{ secret.KEY }}}}'; {LOOK}"),
        ("awk", 'BEGIN { print "{{ secret.KEY }}" }'),
    ],
)
def test_no_secret_stands_on_a_command_line_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str, code: str
) -> None:
    monkeypatch.setenv("THE_KEY", "canary-of-hosts")
    block = {"script": {"code": code, "interpreter": interpreter}}
    ran = run_book(tmp_path, HOST, block, secrets={"KEY": {"env": "THE_KEY"}})

    if interpreter == "awk":
        assert "awk would get that on its command line" in str(ran.result.message)
    else:
        assert ran.output["stdout"] == "0\n"
