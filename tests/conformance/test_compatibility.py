"""docs/compatibility.md says what the rows of these tests prove: no section without a row, no row without a section."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
SECTION = re.compile(r"::\w+\[(\d+(?:\.\d+)?)[\] -]")
ROW = re.compile(r"^\| (?P<sections>[\d., ]+) \| [^|]+ \|$", re.MULTILINE)


def test_every_section_of_the_page_has_rows_and_every_row_its_section() -> None:
    kept = PAGE.read_text().partition("## What is kept")[2].partition("\n## ")[0]
    reported = [section for row in ROW.finditer(kept) for section in re.split(r", ", row["sections"])]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    files = sorted(str(path) for path in Path(__file__).parent.glob("test_format*.py"))
    listed = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True).stdout

    assert set(SECTION.findall(listed)) == set(reported)
    assert len(reported) == len(set(reported))
