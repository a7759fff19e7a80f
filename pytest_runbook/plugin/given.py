"""What options, ini settings and files give to runbooks, as the engine takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..context.values import ContextValue, Source
from ..document.settings import Settings
from ..document.workspace import DefaultDirectory
from ..errors import Place, RunbookError
from ..resources.login_environment import LoginShell
from ..text import DURATION_HINT, duration_seconds

if TYPE_CHECKING:
    from ..context.resolver import Values
    from ..execution.assertions import Difference


def option(config: pytest.Config, name: str) -> Any:
    """An option's value, or that of its ini twin."""
    given = config.getoption(f"runbook_{name}")
    return config.getini(f"runbook_{name}") if given is None else given


def settings_of(config: pytest.Config, difference: Difference) -> Settings:
    """How runbooks run.

    :raises pytest.UsageError: if a value makes no sense.
    """
    interpreters = [*config.getini("runbook_interpreters"), *config.getoption("runbook_interpreter")]
    return Settings(
        root=config.rootpath,
        invocation=config.invocation_params.dir,
        block_timeout=_duration(config, "timeout"),
        cleanup_timeout=_duration(config, "cleanup_timeout"),
        shutdown=_duration(config, "shutdown"),
        default_directory=_choice(config, "cwd", DefaultDirectory),
        interpreters={old.strip(): new.strip() for old, new in _pairs(interpreters, "runbook_interpreters").items()},
        login_shell=_choice(config, "login_shell", LoginShell),
        difference=difference,
    )


def given_variables(config: pytest.Config) -> Values:
    """Variables of the command line and of the ini file: the strongest of all."""
    return {
        **_texts(_pairs(config.getini("runbook_vars"), "runbook_vars"), "runbook_vars of the ini file"),
        **_texts(_pairs(config.getoption("runbook_var"), "--runbook-var"), "--runbook-var"),
    }


def given_answers(config: pytest.Config) -> Values:
    """Answers of the command line and of the ini file."""
    return {
        **_texts(_pairs(config.getini("runbook_answers"), "runbook_answers"), "runbook_answers of the ini file"),
        **_texts(_pairs(config.getoption("runbook_answer"), "--runbook-answer"), "--runbook-answer"),
    }


def variables_of_files(config: pytest.Config) -> Values:
    """Variables of YAML and JSON files, typed; a later file wins, those of options last."""
    values: dict[str, ContextValue] = {}
    for path in (*config.getini("runbook_vars_files"), *_paths(config, "runbook_vars_file")):
        source = Source("vars file", Place(shown_path(path, config)))
        values |= {name: ContextValue(value, source) for name, value in _mapping_of(path, config).items()}
    return values


def environment_of_files(config: pytest.Config) -> Values:
    """The variables of .env files; a later file wins."""
    files = (*config.getini("runbook_env_files"), *_paths(config, "runbook_env_file"))
    if not files:
        return {}
    from dotenv import dotenv_values

    values: dict[str, ContextValue] = {}
    for path in files:
        if not path.is_file():
            raise pytest.UsageError(f"runbook env file {shown_path(path, config)}: there is no such file")
        found = {name: text for name, text in dotenv_values(path).items() if text is not None}
        values |= _texts(found, f"env file {shown_path(path, config)}")
    return values


def shown_path(path: Path, config: pytest.Config) -> str:
    """A path as people see it: relative to where pytest was started, if it is below."""
    for folder in (config.invocation_params.dir, config.rootpath):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def texts(values: Mapping[str, object], label: str) -> Values:
    """Values of a fixture, as texts."""
    return {str(name): ContextValue(str(value), Source(label)) for name, value in values.items()}


def typed(values: Mapping[str, object], label: str) -> Values:
    """Values of a fixture, as they are."""
    return {str(name): ContextValue(value, Source(label)) for name, value in values.items()}


def _texts(values: Mapping[str, str], label: str) -> dict[str, ContextValue]:
    return {name: ContextValue(value, Source(label)) for name, value in values.items()}


def _pairs(lines: Iterable[str], whose: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise pytest.UsageError(f'{whose}: "{line}" is not NAME=VALUE')
        pairs[name.strip()] = value
    return pairs


def _duration(config: pytest.Config, name: str) -> float:
    text = str(option(config, name))
    try:
        return duration_seconds(text)
    except ValueError as error:
        raise pytest.UsageError(f"runbook_{name}: {error}: {DURATION_HINT}") from error


def _choice(config: pytest.Config, name: str, kind: type[Any]) -> Any:
    text = str(option(config, name))
    try:
        return kind(text)
    except ValueError as error:
        raise pytest.UsageError(f'runbook_{name}: "{text}" is none of {", ".join(kind)}') from error


def _paths(config: pytest.Config, name: str) -> list[Path]:
    return [config.invocation_params.dir / path for path in config.getoption(name)]


def _mapping_of(path: Path, config: pytest.Config) -> dict[str, object]:
    from ..model.loading import load_values

    try:
        return load_values(path, shown=shown_path(path, config))
    except RunbookError as error:
        raise pytest.UsageError(str(error)) from error
