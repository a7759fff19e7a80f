"""The fuzzer's own process: it is instrumented before what is fuzzed is imported."""

from __future__ import annotations

from collections.abc import Sequence

import atheris  # type: ignore[import-untyped]  # it has no types


def fuzz(target: str, arguments: Sequence[str]) -> None:
    """Fuzz a target until libFuzzer's limits, which are among the arguments, are reached; does not return."""
    with atheris.instrument_imports(include=["pytest_runbook", "jinja2", "markdown_it"], enable_loader_override=False):
        from .targets import TARGETS
    atheris.Setup(["fuzz", *arguments], TARGETS[target])
    atheris.Fuzz()
