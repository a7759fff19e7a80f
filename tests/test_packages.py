"""What is installed along with the package: from the index alone, with lower bounds, under licences that are known."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [Requirement(text) for text in PROJECT["dependencies"]]
# Of none of these anything is changed or copied: the weak copyleft of the EPL asks for nothing beyond that.
KNOWN_LICENCES = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|CNRI-Python|EPL-2\.0|MPL-2\.0|ISC|Unlicense", re.IGNORECASE
)


def closure() -> Iterator[metadata.Distribution]:
    """The distributions that come with the package, as they are installed here."""
    waiting, seen = list(DIRECT), set[tuple[str, frozenset[str]]]()
    while waiting:
        requirement = waiting.pop()
        key = requirement.name.lower(), frozenset(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        distribution = metadata.distribution(requirement.name)
        yield distribution
        for needed in map(Requirement, distribution.requires or ()):
            extras = [*requirement.extras, ""]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)


def licence(distribution: metadata.Distribution) -> str:
    reported = distribution.metadata
    fields = [text for name in ("License-Expression", "License") for text in reported.get_all(name) or ()]
    classifiers = [text for text in reported.get_all("Classifier") or () if text.startswith("License ::")]
    return " ".join([*(text[:200] for text in fields), *classifiers])


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_a_dependency_has_a_lower_bound_and_comes_from_the_index(requirement: Requirement) -> None:
    assert requirement.url is None
    assert [bound for bound in requirement.specifier if bound.operator in (">=", "~=")]


def test_all_that_is_installed_along_has_a_licence_that_is_known() -> None:
    installed = {distribution.metadata["Name"]: licence(distribution) for distribution in closure()}

    assert len(installed) > len(DIRECT)
    assert {name: said for name, said in installed.items() if not KNOWN_LICENCES.search(said)} == {}
