"""`python -m tests.fuzzing [--seconds N] [target ...]`: fuzz each target for so long. Ends with 1 where one fails.

What breaks a target is written to ``findings/TARGET/``; from there on it is a test.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from .findings import folder_of
from .seeds import seeds
from .targets import TARGETS

SLOWEST_SECONDS = 10
MOST_MEGABYTES = 2048
LONGEST_INPUT = 4096
NOISE = ("INFO: Instrumenting", "WARNING: Failed to find function", "#")
RUN = "import sys; from tests.fuzzing.engine import fuzz; fuzz(sys.argv[1], sys.argv[2:])"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description="Fuzz what reads what others wrote.")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"{', '.join(TARGETS)}; all where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was learnt, for the next time")
    given = parser.parse_args()
    for unknown in set(given.targets) - TARGETS.keys():
        parser.error(f"no target {unknown}; there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        parser.error("there is no atheris for this Python on this system; Linux and Python 3.11 to 3.13 have it")
    failed = [name for name in given.targets or TARGETS if not fuzzed(name, given.seconds, given.corpus)]
    if failed:
        print(f"failed: {', '.join(failed)}; python -m pytest tests/fuzzing shows how", file=sys.stderr)
    return bool(failed)


def fuzzed(target: str, seconds: int, corpus: Path | None) -> bool:
    """True if nothing was found in that time."""
    print(f"=== {target}: {seconds} s", flush=True)
    found = folder_of(target)
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as passing:
        kept = Path(passing) if corpus is None else corpus / target
        kept.mkdir(parents=True, exist_ok=True)
        for seed in seeds(target):
            (kept / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}",
            f"-timeout={SLOWEST_SECONDS}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-max_len={LONGEST_INPUT}",
            f"-artifact_prefix={found}/",
            "-print_final_stats=1",
        ]
        command = [sys.executable, "-c", RUN, target, *limits, str(kept), str(found)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    said = [line for line in done.stderr.splitlines() if not line.startswith(NOISE)]
    print("\n".join(line for line in said if line.startswith("stat::") or done.returncode), flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
