"""An interpreter's name and a text become a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.process.interpreters import Command, find_program, interpreter_argv, script_interpreter


@pytest.mark.parametrize(
    ("interpreter", "argv"),
    [
        ("bash", ["bash", "-c"]),
        ("sh -e", ["sh", "-e", "-c"]),
        ("zsh -lc", ["zsh", "-lc"]),
        ("bash -ec", ["bash", "-ec"]),
        ("bash --login", ["bash", "--login", "-c"]),
        ("dash", ["dash", "-c"]),
        ("fish", ["fish", "-c"]),
        ("/run/current-system/sw/bin/zsh -lc", ["/run/current-system/sw/bin/zsh", "-lc"]),
        ("python3 -u", ["python3", "-u", "-c"]),
        ("python3.10", ["python3.10", "-c"]),
        ("python3 -Xtracemalloc", ["python3", "-Xtracemalloc", "-c"]),
        ("ruby", ["ruby", "-e"]),
        ("ruby -rset", ["ruby", "-rset", "-e"]),
        ("ruby3.1", ["ruby3.1", "-e"]),
        ("node", ["node", "-e"]),
        ("nodejs", ["nodejs", "-e"]),
        ("perl", ["perl", "-e"]),
        ("perl -we", ["perl", "-we"]),
        ("perl -MData::Dumper", ["perl", "-MData::Dumper", "-e"]),
        ("lua5.4", ["lua5.4", "-e"]),
        ("php", ["php", "-r"]),
        ("awk", ["awk"]),
        ("deno eval", ["deno", "eval"]),
        ("  bash   -x ", ["bash", "-x", "-c"]),
        ("bash --rcfile 'my file'", ["bash", "--rcfile", "my file", "-c"]),
        ("/usr/bin/env python3", ["/usr/bin/env", "python3", "-c"]),
        ("env bash -x", ["env", "bash", "-x", "-c"]),
        ("env FOO=1 -u BAR --chdir /tmp sh", ["env", "FOO=1", "-u", "BAR", "--chdir", "/tmp", "sh", "-c"]),
        ("env -i PATH=/bin sh", ["env", "-i", "PATH=/bin", "sh", "-c"]),
        ("env -S python3 -u", ["env", "python3", "-u", "-c"]),
        ("env -S 'python3 -u'", ["env", "python3", "-u", "-c"]),
        ("env '-Spython3 -u'", ["env", "python3", "-u", "-c"]),
        ("env --split-string='FOO=1 perl -w'", ["env", "FOO=1", "perl", "-w", "-e"]),
        ("env awk", ["env", "awk"]),
    ],
)
def test_code_follows_the_option_that_takes_it(interpreter: str, argv: list[str]) -> None:
    assert interpreter_argv(interpreter, "CODE") == [*argv, "CODE"]


@pytest.mark.parametrize(
    ("interpreter", "argv"),
    [
        ("bash", ["bash", "-l", "-c"]),
        ("bash -x", ["bash", "-l", "-x", "-c"]),
        ("zsh -lc", ["zsh", "-lc"]),
        ("bash --login", ["bash", "--login", "-c"]),
        ("env bash", ["env", "bash", "-l", "-c"]),
        ("python3", ["python3", "-c"]),
    ],
)
def test_shell_is_a_login_shell_only_on_demand(interpreter: str, argv: list[str]) -> None:
    assert interpreter_argv(interpreter, "CODE", login=True) == [*argv, "CODE"]


@pytest.mark.parametrize(
    ("interpreter", "argv"),
    [
        ("bash", ["bash", "-eo", "pipefail", "-c"]),
        ("bash -lc", ["bash", "-eo", "pipefail", "-lc"]),
        ("env bash", ["env", "bash", "-eo", "pipefail", "-c"]),
        ("python3", ["python3", "-c"]),
    ],
)
def test_shell_options_are_for_shells(interpreter: str, argv: list[str]) -> None:
    assert interpreter_argv(interpreter, "CODE", shell_options="-eo pipefail") == [*argv, "CODE"]


def test_plain_script_runs_in_a_strict_bash() -> None:
    assert interpreter_argv("", "CODE", plain=True) == ["bash", "-eo", "pipefail", "-c", "CODE"]


def test_plain_script_runs_as_its_interpreter_shows() -> None:
    assert interpreter_argv("bash", "CODE", plain=True) == ["bash", "-c", "CODE"]


@pytest.mark.parametrize(
    ("interpreter", "interpreters", "argv"),
    [
        ("zsh", {"zsh": "bash"}, ["bash", "-c"]),
        ("/bin/zsh -lc", {"zsh": "bash"}, ["bash", "-lc"]),
        ("/bin/zsh", {"/bin/zsh": "/bin/bash -e"}, ["/bin/bash", "-e", "-c"]),
        ("/usr/bin/env zsh", {"zsh": "bash"}, ["/usr/bin/env", "bash", "-c"]),
        ("zsh -lc", {"zsh -lc": "bash"}, ["bash", "-c"]),
        ("bash", {"zsh": "bash"}, ["bash", "-c"]),
    ],
)
def test_interpreter_is_replaced_by_another(interpreter: str, interpreters: dict[str, str], argv: list[str]) -> None:
    assert interpreter_argv(interpreter, "CODE", interpreters=interpreters) == [*argv, "CODE"]


@pytest.mark.parametrize("interpreter", ["", "   ", "env", "env FOO=1", "env -u"])
def test_interpreter_without_a_program_is_an_error(interpreter: str) -> None:
    with pytest.raises(BlockFailed, match="names no program"):
        interpreter_argv(interpreter, "CODE")


def test_interpreter_with_open_quotes_is_an_error() -> None:
    with pytest.raises(BlockFailed, match="No closing quotation"):
        interpreter_argv("bash 'x", "CODE")


@pytest.mark.parametrize(
    ("interpreter", "code", "said"),
    [
        ("bash", 'echo "$0 $#"', "bash 0"),
        ("sh", 'echo "$0 $#"', "sh 0"),
        ("bash -eo pipefail", "false | true; echo unreachable", ""),
        (sys.executable, "import sys; print(sys.argv, repr(sys.path[0]), __name__)", "['-c'] '' __main__"),
        ("perl", 'print "hello $_" for 1 .. 2', "hello 1hello 2"),
    ],
)
def test_code_in_a_file_runs_as_it_does_in_an_argument(tmp_path: Path, interpreter: str, code: str, said: str) -> None:
    path = tmp_path / "it's the code"
    path.write_text(code)
    command = script_interpreter(interpreter)
    if shutil.which(command.program) is None:
        pytest.skip(f"needs {command.program} on PATH")

    from_argument, from_file = (
        subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
        for argv in (command.argv(code), command.argv_for_file(path))
    )

    assert from_argument.stdout.strip() == said
    assert (from_file.stdout, from_file.returncode) == (from_argument.stdout, from_argument.returncode)


@pytest.mark.parametrize(("size", "files"), [((128 << 10) - 1, 0), (128 << 10, 1), (1 << 20, 1)])
def test_code_too_long_for_an_argument_goes_through_a_file(tmp_path: Path, size: int, files: int) -> None:
    code = "echo $0".ljust(size - 1) + "\n"

    with script_interpreter("sh").command(code, tmp_path) as command:
        assert len(list(tmp_path.iterdir())) == files
        ran = subprocess.run(command.argv, capture_output=True, text=True, check=True)

    assert ran.stdout == "sh\n"
    assert list(tmp_path.iterdir()) == []


HIDDEN = [
    ("bash", 'echo "$0 $# $-"; nosuchcommand; exit 3'),
    ("bash -eo pipefail", 'echo $LINENO\necho $LINENO; trap "echo bye" EXIT; false | true; echo unreachable'),
    ("bash", "cat <<X\n$0\nX\nenv | grep -c RUNBOOK_CODE; kill -9 $$"),
    ("sh -e", "#!/bin/sh\n\nf() { return 4; }; f; echo unreachable"),
    ("zsh", "echo $0 $#; # a remark\nexit 5"),
    ("fish", "echo (status)\nset -q RUNBOOK_CODE; echo $status\nexit 3"),
    (
        sys.executable,
        "from __future__ import annotations\nimport os, sys; print(sys.argv, sorted(globals()), os.environ)",
    ),
    (sys.executable, "def f(): return x\nx = 'ü'\nprint(f()); raise SystemExit(4)"),
    (
        "perl",
        'use strict; my $x = 1; print "$0 $x ü ", __FILE__, __LINE__, exists $ENV{RUNBOOK_CODE} ? 1 : 0; die "oh"',
    ),
    ("env FOO=1 bash", "echo $FOO"),
]


@pytest.mark.parametrize(("interpreter", "code"), HIDDEN)
def test_code_that_is_hidden_runs_as_it_does_in_an_argument(tmp_path: Path, interpreter: str, code: str) -> None:
    command, environment = script_interpreter(interpreter), {**os.environ, "RUNBOOK_LINE": "x"}

    def ran(started: Command) -> tuple[str, str, int]:
        done = subprocess.run(
            started.argv,
            capture_output=True,
            text=True,
            check=False,
            input="a\nb\n",
            env={**environment, **started.environment},
        )
        return done.stdout, done.stderr, done.returncode

    with command.command(code, tmp_path, is_secret=True) as hidden:
        assert not any(code in word for word in hidden.argv)
        assert ran(hidden) == ran(Command(command.argv(code)))


def test_code_that_did_not_arrive_is_no_success(tmp_path: Path) -> None:
    for interpreter in ("env -i bash", "env -i fish", f"env -i {sys.executable}", "env -i perl"):
        with script_interpreter(interpreter).command("true", tmp_path, is_secret=True) as hidden:
            done = subprocess.run(
                hidden.argv, check=False, capture_output=True, env={**os.environ, **hidden.environment}
            )

        assert done.returncode != 0, interpreter


@pytest.mark.parametrize("interpreter", ["ruby", "node", "lua5.4", "php"])
def test_interpreters_that_take_no_hidden_code_get_a_private_file(tmp_path: Path, interpreter: str) -> None:
    with script_interpreter(interpreter).command("CODE", tmp_path, is_secret=True) as command:
        (file,) = tmp_path.iterdir()

        assert command.argv == [interpreter, str(file)]
        assert (file.read_text(), file.stat().st_mode & 0o777) == ("CODE", 0o600)


@pytest.mark.parametrize("interpreter", ["awk", "perl -ne", "ruby -ne"])
def test_a_program_that_would_show_a_secret_on_its_command_line_is_refused(interpreter: str) -> None:
    with pytest.raises(BlockFailed, match="would get that on its command line"):
        script_interpreter(interpreter).direct_command("CODE", is_secret=True)


def test_folder_that_takes_no_code_is_reported(tmp_path: Path) -> None:
    command = script_interpreter("sh").command("x" * (128 << 10), tmp_path / "gone")

    with pytest.raises(BlockFailed, match="code can't be written"), command:
        pass


def test_interpreter_shows_which_program_it_is() -> None:
    assert script_interpreter("/usr/bin/env FOO=1 /opt/python3.12 -u").program == "/opt/python3.12"


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_program_is_looked_for_on_the_path_of_the_child(tmp_path: Path) -> None:
    found = program(tmp_path / "bin/tool")

    assert find_program("tool", cwd=tmp_path, path=f"/nowhere{os.pathsep}{tmp_path}/bin") == found
    assert find_program("tool", cwd=tmp_path, path="bin") == found
    assert find_program("bin/tool", cwd=tmp_path, path=None) == found
    assert find_program("tool", cwd=tmp_path, path="/nowhere") is None
    assert find_program("sh", cwd=tmp_path, path=None) is not None
