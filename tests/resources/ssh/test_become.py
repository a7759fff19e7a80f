"""Scripts as another user, through a real sudo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import anyio
import psutil
import pytest

from tests.harness import Opened, inside
from tests.resources.ssh.conftest import Home
from tests.resources.ssh.processes import running, until
from tests.run_book import Ran, run_book
from tests.servers.sshd import PASSWORD, Sshd, machine

ROOT = Path(__file__).parents[3]


@pytest.fixture
def users(home: Home, accounts: Sshd) -> Home:
    """Hosts called like the users who log in there."""
    for user in ("plain", "asked", "free"):
        home.has_alias(accounts, user, extra=f"Match originalhost {user}")
        home.config.write_text(home.config.read_text().replace("  User root\n", f"  User {user}\n", 1))
    home.knows(accounts)
    return home


def whoami(folder: Path, host: str, become: object, **block: object) -> Ran:
    return run_book(folder, {"host": host}, {"script": "id -un", "become": become, **block})


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("user", ["root", "plain"])
@pytest.mark.parametrize("host", ["free", "asked"])
def test_a_script_runs_as_another_user(tmp_path: Path, host: str, user: str) -> None:
    become = {"user": user, "password": PASSWORD}

    assert whoami(tmp_path, host, become).output["stdout"] == f"{user}\n"


@pytest.mark.usefixtures("users")
def test_a_name_is_enough_where_sudo_asks_for_nothing(tmp_path: Path) -> None:
    assert whoami(tmp_path, "free", "root").output["stdout"] == "root\n"


@pytest.mark.usefixtures("users")
def test_all_that_a_script_gets_reaches_it_as_the_other_user_too(tmp_path: Path) -> None:
    code = 'echo "$GREETING $(pwd) $(cat)"; echo v=1 >> "$RUNBOOK_OUTPUT_VARS"; exit 4'
    ran = run_book(
        tmp_path,
        {"host": "asked"},
        {"env": {"GREETING": "it's\nme"}},
        {"directory": "/usr"},
        {
            "script": code,
            "become": {"user": "root", "password": PASSWORD},
            "stdin": "in",
            "assert": "output.exit_code == 4",
        },
        {"script": "echo {{ var.v }}"},
    )

    assert ran.outputs[0] is not None
    assert ran.outputs[0]["stdout"] == "it's\nme /usr in\n"
    assert ran.output["stdout"] == "1\n"


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("host", "become", "message"),
    [
        ("asked", "root", "sudo on asked asks for a password to become root"),
        ("asked", {"user": "root", "password": "wrong-password"}, "sudo on asked refuses to run programs as root: "),
        ("plain", {"user": "root", "password": PASSWORD}, "sudo on plain refuses to run programs as root: "),
        ("free", "nobody-9", "sudo on free refuses to run programs as nobody-9: "),
    ],
)
def test_what_sudo_refuses_is_reported(tmp_path: Path, host: str, become: object, message: str) -> None:
    result = whoami(tmp_path, host, become).result

    assert (result.message or "").startswith(message)
    assert "wrong-password" not in str(result)
    assert PASSWORD not in str(result)


@pytest.mark.usefixtures("users")
def test_the_password_is_in_no_process_list(tmp_path: Path) -> None:
    code = "tr '\\000' ' ' < /proc/$PPID/cmdline; cat /proc/[0-9]*/cmdline | tr '\\000' ' '; env"
    become = {"user": "root", "password": PASSWORD}
    ran = run_book(tmp_path, {"host": "asked"}, {"script": code, "become": become})

    assert "sudo" in str(ran.output["stdout"])
    assert "battery" not in str(ran.output["stdout"])


@pytest.mark.usefixtures("users")
def test_a_script_of_another_user_is_ended_with_its_family(tmp_path: Path) -> None:
    n = str(10_000 + uuid4().int % 1_000_000_000)

    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.step, book.block("S"))
            await until(lambda: len(running(n)) == 2 or bool(book.results))
            assert book.results == {}
            book.run.cancel("enough")
        assert running(n) == []  # before the run looks for what was left behind
        await book.run.finish()

    code = f"setsid sleep {n} & sleep {n}"
    inside(tmp_path, f'blocks:\n- host: free\n- name: S\n  become: root\n  script: "{code}"\n', work)


def test_a_local_script_runs_as_another_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    ran = run_book(
        tmp_path,
        {"directory": "/"},
        {"env": {"A": "it's"}},
        {"script": 'id -un; echo "$A"; cat', "stdin": "in", "become": "nobody"},
    )

    assert ran.output["stdout"] == "nobody\nit's\nin"


def test_a_local_script_of_another_user_is_ended_with_its_family(tmp_path: Path) -> None:
    n = str(10_000 + uuid4().int % 1_000_000_000)
    ran = run_book(
        tmp_path, {"directory": "/"}, {"script": f"setsid sleep {n} & sleep {n}", "become": "nobody", "timeout": "1s"}
    )

    assert ran.result.kind == "timeout"
    assert running(n) == []
    assert os.getuid() == psutil.Process().uids().real


AS_SOMEBODY = """
import json, os, sys
from pathlib import Path
from tests.run_book import run_book
script = {"script": sys.argv[1], "become": json.load(sys.stdin), "timeout": "3s"}
after = {"script": f"! pgrep -xf 'sleep {sys.argv[2]}'"}
result, left = run_book(Path.cwd(), {"directory": "/"}, script, after).results
texts = [section.text for section in result.sections]
print(json.dumps([os.getuid(), str(result.kind), result.message, texts, str(left.outcome)]))
"""


@pytest.mark.parametrize("trap", ["", "trap '' INT TERM; "])
@pytest.mark.parametrize("user", ["free", "asked"])
def test_a_local_script_of_another_user_is_ended_by_who_is_not_root(user: str, trap: str) -> None:
    n = str(10_000 + uuid4().int % 1_000_000_000)
    become = json.dumps({"user": "root", "password": PASSWORD})
    code = f"{trap}id -un; (setsid sleep {n} >/dev/null 2>&1 &); setsid sleep {n} & sleep {n}; sleep {n}"
    with tempfile.TemporaryDirectory() as folder:
        command = [*machine(Path(folder) / "machine", user), sys.executable, "-c", AS_SOMEBODY, code, n]
        home = Path(folder) / "machine" / user
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            command, cwd=home, env=environment, input=become, capture_output=True, text=True, timeout=60
        )

    assert ran.returncode == 0, ran.stderr
    uid, kind, message, sections, after = json.loads(ran.stdout)
    assert (uid != 0, kind, sections) == (True, "timeout", ["root\n"]), message
    assert after == "passed"  # nothing was left that the end of the run had to end
    assert running(n) == []
