"""Reads options, ini settings, and the files that they name, into the engine's `Settings` and `Inputs`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from ..document.hosts import hosts_of
from ..document.inputs import Inputs
from ..document.settings import DefaultDirectory, Settings
from ..errors import BlockFailed, Location, RunbookError
from ..execution.child_runbooks import ChildReference, RunbookLoader
from ..model.keys.access import ENVIRONMENT
from ..model.keys.secrets import InvalidSecretSource, secret_source
from ..model.runbook import Effects, NameReference, SecretSource
from ..policy.allow_list import AllowList
from ..resources.process.login_environment import LoginShell
from ..secrets.provenance import ContextValue, Origin
from ..text import DURATION_HINT, duration_seconds
from .prompts import is_interactive

if TYPE_CHECKING:
    from ..context.resolver import Values
    from ..execution.assertions import Difference
    from ..model.catalog import BlockCatalog


def option(config: pytest.Config, name: str) -> Any:
    """Return an option's value, or that of the ini setting of the same name if the option was not given."""
    value = config.getoption(f"runbook_{name}")
    return config.getini(f"runbook_{name}") if value is None else value


def flag(config: pytest.Config, name: str) -> bool:
    """Return True if an option or the ini setting of the same name is on."""
    return bool(config.getoption(f"runbook_{name}") or config.getini(f"runbook_{name}"))


def settings_of(config: pytest.Config, difference: Difference, catalog: BlockCatalog) -> Settings:
    """Return the engine's settings. difference: shows where two values of an equality differ.

    :raises pytest.UsageError: if a value is invalid.
    """
    interpreters = [*config.getini("runbook_interpreters"), *config.getoption("runbook_interpreter")]
    return Settings(
        root=config.rootpath,
        invocation=config.invocation_params.dir,
        block_timeout=_duration(config, "timeout"),
        cleanup_timeout=_duration(config, "cleanup_timeout"),
        shutdown_timeout=_duration(config, "shutdown"),
        default_directory=DefaultDirectory(choice(config, "cwd", [*DefaultDirectory])),
        interpreters={old.strip(): new.strip() for old, new in _pairs(interpreters, "runbook_interpreters").items()},
        login_shell=LoginShell(choice(config, "login_shell", [*LoginShell])),
        effects=_effects(config),
        allow_list=_allowed(config, catalog),
        environment=environment_name(config),
        saved_answers=option(config, "saved_answers"),
        unknown_blocks=choice(config, "unknown_blocks", ("error", "skip")),
        runbook_root=_folder(config, "runbook_root"),
        runbook_loader=_loader(config),
        is_interactive=is_interactive(config),
        difference=difference,
    )


def _allowed(config: pytest.Config, catalog: BlockCatalog) -> AllowList:
    """Return the allow list. Block types go by their names in both file forms.

    A name that the two forms give to different types has its meaning in the plain form.
    """
    types = {name: block_type.name for name in catalog.atuin_names if (block_type := catalog.atuin_type(name))}
    types |= {name: block_type.name for name in catalog.plain_names if (block_type := catalog.plain_type(name))}
    try:
        return AllowList.of(config.getini("runbook_allow"), types)
    except ValueError as error:
        raise pytest.UsageError(f"runbook_allow: {error}") from error


def environment_name(config: pytest.Config) -> str | None:
    """Return the name of the environment that runbooks run in; None if there is none.

    It is that of the option, else of the ini setting, else of the environment variable RUNBOOK_ENVIRONMENT.
    :raises pytest.UsageError: if it is no valid name.
    """
    name = str(option(config, "environment") or os.environ.get("RUNBOOK_ENVIRONMENT", "")).strip()
    if name and not ENVIRONMENT.fullmatch(name):
        raise pytest.UsageError(f'runbook_environment: "{name}" is no name: letters, digits and _ . -')
    return name or None


def _effects(config: pytest.Config) -> Effects:
    return Effects.READ if option(config, "read_only") else Effects(choice(config, "effects", [*Effects]))


def hosts(config: pytest.Config) -> tuple[NameReference, ...]:
    """Return the hosts of `--runbook-hosts`, or of the ini setting, for all runbooks; none if neither is given.

    :raises pytest.UsageError: if one is no host.
    """
    source_name, entries, folder = "--runbook-hosts", config.getoption("runbook_hosts"), config.invocation_params.dir
    if not entries:
        source_name, entries, folder = "runbook_hosts", config.getini("runbook_hosts"), config.rootpath
    try:
        return tuple(NameReference(name=name, location=Location(source_name)) for name in hosts_of(entries, folder))
    except (ValueError, BlockFailed) as error:
        raise pytest.UsageError(f"{source_name}: {error}") from error


def _folder(config: pytest.Config, ini: str) -> Path | None:
    text = config.getini(ini)
    return config.rootpath / text if text else None


def _loader(config: pytest.Config) -> RunbookLoader | None:
    """Return a loader that calls the hook `pytest_runbook_load`; None if no plugin implements it."""
    hook = config.hook.pytest_runbook_load
    if not hook.get_hookimpls():
        return None

    async def load(reference: ChildReference) -> Path:
        found = await to_thread.run_sync(lambda: hook(uri=reference.uri, id=reference.id))
        if found is None:
            raise BlockFailed(f'there is no runbook "{reference}"', hint="the hook pytest_runbook_load found none")
        return Path(found)

    return load


class EnvironmentVarsFiles:
    """Variables of the environment's files, ``vars.NAME.yaml``, each read once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._name = environment_name(config)
        self._loaded: dict[Path, Values] = {}

    def for_folder(self, folder: Path) -> Values:
        """Return the variables for runbooks in a folder: its own file wins over the one in pytest's rootdir.

        :raises UnreadableFile: if one can't be read.
        """
        if self._name is None:
            return {}
        return {**self._load(self._config.rootpath), **self._load(folder)}

    def _load(self, folder: Path) -> Values:
        if folder not in self._loaded:
            path = folder / f"vars.{self._name}.yaml"
            self._loaded[folder] = variables_of_file(path, self._config) if path.is_file() else {}
        return self._loaded[folder]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookOptions:
    """The inputs that the command line, the ini file, and the files that they name give to every runbook.

    variables, answers: they win over all others. file_variables, file_environment: all others win over them.
    """

    variables: Values
    answers: Values
    file_variables: Values
    file_environment: Values
    environment_vars_files: EnvironmentVarsFiles

    @classmethod
    def of(cls, config: pytest.Config) -> RunbookOptions:
        """:raises pytest.UsageError: if a value is invalid or a file can't be read."""
        return cls(
            variables=_pairs_of(config, ini="runbook_vars", option="runbook_var"),
            answers=_pairs_of(config, ini="runbook_answers", option="runbook_answer"),
            file_variables=variables_of_files(config),
            file_environment=environment_of_files(config),
            environment_vars_files=EnvironmentVarsFiles(config),
        )

    def variables_for(self, folder: Path) -> Values:
        """Return the variables of files for a runbook in a folder.

        :raises UnreadableFile: if a file of the environment can't be read.
        """
        return {**self.file_environment, **self.environment_vars_files.for_folder(folder), **self.file_variables}

    def inputs(
        self, folder: Path, vars: Mapping[str, object], env: Mapping[str, object], answers: Mapping[str, object]
    ) -> Inputs:
        """Return the inputs of a runbook: these options, and the values of its fixtures. folder: the runbook's."""
        return Inputs(
            fixed=self.variables,
            vars={**self.variables_for(folder), **typed_fixture_values(vars, "fixture runbook_vars")},
            env={**self.file_environment, **text_fixture_values(env, "fixture runbook_env")},
            answers=(self.answers, text_fixture_values(answers, "fixture runbook_answers")),
        )


def variables_of_files(config: pytest.Config) -> Values:
    """Return the typed variables of YAML and JSON files; a later file wins, and options come after ini settings."""
    values: dict[str, ContextValue] = {}
    for path in (*config.getini("runbook_vars_files"), *_paths(config, "runbook_vars_file")):
        try:
            values |= variables_of_file(path, config)
        except RunbookError as error:
            raise pytest.UsageError(str(error)) from error
    return values


def variables_of_file(path: Path, config: pytest.Config) -> Values:
    """Return the typed variables of one YAML or JSON file.

    :raises RunbookError: if it can't be read.
    """
    from ..model.loading import load_values

    path_text = display_path(path, config)
    source = Origin("vars file", Location(path_text))
    return {name: ContextValue(value, source) for name, value in load_values(path, display_path=path_text).items()}


def environment_of_files(config: pytest.Config) -> Values:
    """Return the variables of .env files, as texts; a later file wins."""
    files = (*config.getini("runbook_env_files"), *_paths(config, "runbook_env_file"))
    if not files:
        return {}
    from dotenv import dotenv_values

    values: dict[str, ContextValue] = {}
    for path in files:
        if not path.is_file():
            raise pytest.UsageError(f"runbook env file {display_path(path, config)}: there is no such file")
        found = {name: text for name, text in dotenv_values(path).items() if text is not None}
        values |= _text_values(found, f"env file {display_path(path, config)}")
    return values


def display_path(path: Path, config: pytest.Config) -> str:
    """Return a path as reports show it: relative to the invocation folder or the rootdir if it is below."""
    for folder in (config.invocation_params.dir, config.rootpath):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def text_fixture_values(values: Mapping[str, object], label: str) -> Values:
    """Return the values of a fixture, as texts."""
    return {str(name): ContextValue(str(value), Origin(label)) for name, value in _mapping(values, label).items()}


def typed_fixture_values(values: Mapping[str, object], label: str) -> Values:
    """Return the values of a fixture, with their types."""
    return {str(name): ContextValue(value, Origin(label)) for name, value in _mapping(values, label).items()}


def with_secrets(inputs: Inputs, secrets: object) -> Inputs:
    """Return the inputs with the secrets of the fixture `runbook_secrets`.

    secrets: by name the value itself, or a mapping that says where it is kept.
    """
    label = "fixture runbook_secrets"
    if not isinstance(secrets, Mapping):
        pytest.fail(f"{label} gave {type(secrets).__name__}; a mapping of names is needed", pytrace=False)
    sources = tuple(_secret(str(name), declared, Location(label)) for name, declared in secrets.items())
    return replace(inputs, secrets=sources)


def _secret(name: str, declared: object, location: Location) -> SecretSource:
    if isinstance(declared, str):
        return SecretSource(name=name, location=location, value=declared)
    try:
        source = secret_source(name, declared, location)
    except InvalidSecretSource as error:
        pytest.fail(f"{location}: {error}\n  hint: {error.hint}", pytrace=False)
    if source.fixture is not None:
        pytest.fail(f"{location}: secret {name} is a fixture: ask for it here, and give its value", pytrace=False)
    return source


def _mapping(values: object, label: str) -> Mapping[object, object]:
    if not isinstance(values, Mapping):
        pytest.fail(f"{label} gave {values!r}; a mapping of names to values is needed", pytrace=False)
    return values


def _text_values(values: Mapping[str, str], label: str) -> dict[str, ContextValue]:
    return {name: ContextValue(value, Origin(label)) for name, value in values.items()}


def _pairs_of(config: pytest.Config, *, ini: str, option: str) -> Values:
    option_name = f"--{option.replace('_', '-')}"
    return {
        **_text_values(_pairs(config.getini(ini), ini), f"{ini} of the ini file"),
        **_text_values(_pairs(config.getoption(option), option_name), option_name),
    }


def _pairs(lines: Iterable[str], label: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise pytest.UsageError(f'{label}: "{line}" is not NAME=VALUE')
        pairs[name.strip()] = value
    return pairs


def _duration(config: pytest.Config, name: str) -> float:
    text = str(option(config, name))
    try:
        return duration_seconds(text)
    except ValueError as error:
        raise pytest.UsageError(f"runbook_{name}: {error}: {DURATION_HINT}") from error


def choice(config: pytest.Config, name: str, known: Iterable[str]) -> Any:
    """Return an option's value, which is one of the known ones.

    :raises pytest.UsageError: if it is another one.
    """
    text = str(option(config, name))
    if text not in known:
        raise pytest.UsageError(f'runbook_{name}: "{text}" is none of {", ".join(known)}')
    return text


def _paths(config: pytest.Config, name: str) -> list[Path]:
    return [config.invocation_params.dir / path for path in config.getoption(name)]
