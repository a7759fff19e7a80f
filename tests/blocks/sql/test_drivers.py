"""Drivers are loaded when a block needs them, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DRIVERS = ("aiomysql", "asyncpg", "asyncssh", "httpx2", "pymysql")
BOOK = "blocks: [{sqlite: {uri: ':memory:', query: select 1}}]"


def test_runbook_that_uses_only_sqlite_loads_no_other_driver(tmp_path: Path) -> None:
    book = tmp_path / "a.runbook.yaml"
    book.write_text(BOOK)
    code = f"""
import sys, pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:anyio", {str(book)!r}])
print("STATUS", int(status), "DRIVERS", *sorted(set(sys.modules) & set({DRIVERS!r})))
"""

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)

    assert ended.stdout.splitlines()[-1] == "STATUS 0 DRIVERS"
