"""No secret stands on the command line of what a block starts, here or as another user."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.harness import ran

SECRET = "canary-of-command-lines"
LOOK = f"""#!{sys.executable}
from pathlib import Path
files = [file for file in Path("/proc").glob("[0-9]*/cmdline") if file.parent.exists()]
def text(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""
print("seen", sum(b"canary-of-" + b"command-lines" in text(file) for file in files))
"""
CODE = "echo {{ secret.KEY }} >/dev/null; ./look; true"
BLOCKS: dict[str, dict[str, object]] = {
    "bash": {"script": CODE},
    "sh": {"script": {"code": CODE, "interpreter": "sh"}},
    "zsh": {"script": {"code": CODE, "interpreter": "zsh"}},
    "fish": {"script": {"code": CODE, "interpreter": "fish"}},
    "python": {"script": {"code": "import os; x = '{{ secret.KEY }}'; os.system('./look')", "interpreter": "python3"}},
    "perl": {"script": {"code": "$x = '{{ secret.KEY }}'; print `./look`", "interpreter": "perl"}},
    "long": {"script": CODE + "\n#" + "x" * (128 << 10)},
    "another user": {"script": CODE, "become": "root"},
    "kubernetes": {"kubernetes": {"command": CODE}, "assert": "output.exit_code == 0"},
    "terminal": {"terminal": {"code": CODE}},
}


def looked(folder: Path, block: dict[str, object]) -> str:
    """What a block that looks at the process list says."""
    (folder / "look").write_text(LOOK)
    (folder / "look").chmod(0o755)
    book = {"secrets": {"KEY": {"env": "THE_KEY"}}, "blocks": [{"name": "Look", **block}]}
    result = ran(folder, json.dumps(book), name="a.runbook.json").results["Look"]
    return f"{[section.text for section in result.sections]} {result.message} {result.did}"


@pytest.mark.parametrize("name", BLOCKS)
def test_nobody_sees_a_secret_in_the_process_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("THE_KEY", SECRET)
    said = looked(tmp_path, BLOCKS[name])

    assert "seen 0" in said
    assert SECRET not in said


def test_a_look_at_the_process_list_sees_what_is_there(tmp_path: Path) -> None:
    assert "seen 1" in looked(tmp_path, {"script": f"echo {SECRET} >/dev/null; ./look; true"})


def test_a_program_that_can_get_its_code_in_no_other_way_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", SECRET)
    said = looked(tmp_path, {"script": {"code": 'BEGIN { print "{{ secret.KEY }}" }', "interpreter": "awk"}})

    assert "awk would get that on its command line" in said
