"""What options, ini settings and files give to runbooks, as the engine takes it."""

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
from ..document.settings import Settings
from ..document.workspace import DefaultDirectory
from ..errors import BlockFailed, Place, RunbookError
from ..execution.sub_runbooks import ChildReference, RunbookLoader
from ..model.keys.access import ENVIRONMENT
from ..model.runbook import Effects, Named, SecretSource
from ..model.secret_sources import NoSource, secret_source
from ..policy.allow_list import Allowed
from ..resources.process.login_environment import LoginShell
from ..secrets.provenance import ContextValue, Source
from ..text import DURATION_HINT, duration_seconds
from .prompts import somebody_is_there

if TYPE_CHECKING:
    from ..context.resolver import Values
    from ..execution.assertions import Difference
    from ..model.catalog import BlockCatalog


def option(config: pytest.Config, name: str) -> Any:
    """An option's value, or that of its ini twin."""
    given = config.getoption(f"runbook_{name}")
    return config.getini(f"runbook_{name}") if given is None else given


def flag(config: pytest.Config, name: str) -> bool:
    """True if an option or its ini twin says so."""
    return bool(config.getoption(f"runbook_{name}") or config.getini(f"runbook_{name}"))


def settings_of(config: pytest.Config, difference: Difference, catalog: BlockCatalog) -> Settings:
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
        default_directory=DefaultDirectory(choice(config, "cwd", [*DefaultDirectory])),
        interpreters={old.strip(): new.strip() for old, new in _pairs(interpreters, "runbook_interpreters").items()},
        login_shell=LoginShell(choice(config, "login_shell", [*LoginShell])),
        effects=_effects(config),
        allowed=_allowed(config, catalog),
        environment=environment(config),
        saved_answers=option(config, "saved_answers"),
        unknown_blocks=choice(config, "unknown_blocks", ("error", "skip")),
        runbook_root=_folder(config, "runbook_root"),
        runbook_loader=_loader(config),
        asks_people=somebody_is_there(config),
        difference=difference,
    )


def _allowed(config: pytest.Config, catalog: BlockCatalog) -> Allowed:
    """What may run, by block types with the names of both forms; where these differ, that of the plain form counts."""
    types = {name: block_type.name for name in catalog.atuin_names if (block_type := catalog.atuin(name))}
    types |= {name: block_type.name for name in catalog.plain_names if (block_type := catalog.plain(name))}
    try:
        return Allowed.of(config.getini("runbook_allow"), types)
    except ValueError as error:
        raise pytest.UsageError(f"runbook_allow: {error}") from error


def environment(config: pytest.Config) -> str | None:
    """The name of the environment in which runbooks run: of the option, the ini setting or the process's environment.

    :raises pytest.UsageError: if it is no name.
    """
    name = str(option(config, "environment") or os.environ.get("RUNBOOK_ENVIRONMENT", "")).strip()
    if name and not ENVIRONMENT.fullmatch(name):
        raise pytest.UsageError(f'runbook_environment: "{name}" is no name: letters, digits and _ . -')
    return name or None


def _effects(config: pytest.Config) -> Effects:
    return Effects.READ if option(config, "read_only") else Effects(choice(config, "effects", [*Effects]))


def hosts(config: pytest.Config) -> tuple[Named, ...]:
    """The hosts that the option or its ini twin names for all runbooks; none where neither does.

    :raises pytest.UsageError: if one is no host.
    """
    shown, entries, folder = "--runbook-hosts", config.getoption("runbook_hosts"), config.invocation_params.dir
    if not entries:
        shown, entries, folder = "runbook_hosts", config.getini("runbook_hosts"), config.rootpath
    try:
        return tuple(Named(name=name, place=Place(shown)) for name in hosts_of(entries, folder))
    except (ValueError, BlockFailed) as error:
        raise pytest.UsageError(f"{shown}: {error}") from error


def _folder(config: pytest.Config, ini: str) -> Path | None:
    text = config.getini(ini)
    return config.rootpath / text if text else None


def _loader(config: pytest.Config) -> RunbookLoader | None:
    """The hook that finds runbooks on a hub, if somebody implements it."""
    hook = config.hook.pytest_runbook_load
    if not hook.get_hookimpls():
        return None

    async def load(reference: ChildReference) -> Path:
        found = await to_thread.run_sync(lambda: hook(uri=reference.uri, id=reference.id))
        if found is None:
            raise BlockFailed(f'nobody knows a runbook "{reference}"', hint="the hook pytest_runbook_load found none")
        return Path(found)

    return load


class EnvironmentVariables:
    """The variables of files that go by the name of the environment, ``vars.NAME.yaml``, each read once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._name = environment(config)
        self._known: dict[Path, Values] = {}

    def below(self, folder: Path) -> Values:
        """Those of the file beside a runbook, then those of the one in pytest's rootdir.

        :raises UnreadableFile: if one can't be read.
        """
        if self._name is None:
            return {}
        return {**self._of(self._config.rootpath), **self._of(folder)}

    def _of(self, folder: Path) -> Values:
        if folder not in self._known:
            path = folder / f"vars.{self._name}.yaml"
            self._known[folder] = variables_of_file(path, self._config) if path.is_file() else {}
        return self._known[folder]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenValues:
    """What the command line, the ini file and the files that they name give to every runbook.

    variables, answers: the strongest of all. file_variables, file_environment: the weakest.
    """

    variables: Values
    answers: Values
    file_variables: Values
    file_environment: Values
    environment: EnvironmentVariables

    @classmethod
    def of(cls, config: pytest.Config) -> GivenValues:
        """:raises pytest.UsageError: if a value makes no sense or a file can't be read."""
        return cls(
            variables=_pairs_of(config, ini="runbook_vars", option="runbook_var"),
            answers=_pairs_of(config, ini="runbook_answers", option="runbook_answer"),
            file_variables=variables_of_files(config),
            file_environment=environment_of_files(config),
            environment=EnvironmentVariables(config),
        )

    def of_files(self, folder: Path) -> Values:
        """The variables of files for a runbook in a folder.

        :raises UnreadableFile: if one can't be read that goes by the name of the environment.
        """
        return {**self.file_environment, **self.environment.below(folder), **self.file_variables}

    def inputs(
        self, folder: Path, vars: Mapping[str, object], env: Mapping[str, object], answers: Mapping[str, object]
    ) -> Inputs:
        """These together with what the fixtures of a runbook give. folder: where it is."""
        return Inputs(
            fixed=self.variables,
            vars={**self.of_files(folder), **typed(vars, "fixture runbook_vars")},
            env={**self.file_environment, **texts(env, "fixture runbook_env")},
            answers=(self.answers, texts(answers, "fixture runbook_answers")),
        )


def variables_of_files(config: pytest.Config) -> Values:
    """Variables of YAML and JSON files, typed; a later file wins, those of options last."""
    values: dict[str, ContextValue] = {}
    for path in (*config.getini("runbook_vars_files"), *_paths(config, "runbook_vars_file")):
        try:
            values |= variables_of_file(path, config)
        except RunbookError as error:
            raise pytest.UsageError(str(error)) from error
    return values


def variables_of_file(path: Path, config: pytest.Config) -> Values:
    """The variables of one YAML or JSON file, typed.

    :raises RunbookError: if it can't be read.
    """
    from ..model.loading import load_values

    shown = shown_path(path, config)
    source = Source("vars file", Place(shown))
    return {name: ContextValue(value, source) for name, value in load_values(path, shown=shown).items()}


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
    return {str(name): ContextValue(str(value), Source(label)) for name, value in _mapping(values, label).items()}


def typed(values: Mapping[str, object], label: str) -> Values:
    """Values of a fixture, as they are."""
    return {str(name): ContextValue(value, Source(label)) for name, value in _mapping(values, label).items()}


def with_secrets(inputs: Inputs, secrets: object) -> Inputs:
    """The same with what the fixture `runbook_secrets` gives: the secret itself, or where it is kept."""
    label = "fixture runbook_secrets"
    if not isinstance(secrets, Mapping):
        pytest.fail(f"{label} gave {type(secrets).__name__}; a mapping of names is needed", pytrace=False)
    sources = tuple(_secret(str(name), said, Place(label)) for name, said in secrets.items())
    return replace(inputs, secrets=sources)


def _secret(name: str, said: object, place: Place) -> SecretSource:
    if isinstance(said, str):
        return SecretSource(name=name, place=place, value=said)
    try:
        source = secret_source(name, said, place)
    except NoSource as error:
        pytest.fail(f"{place}: {error}\n  hint: {error.hint}", pytrace=False)
    if source.fixture is not None:
        pytest.fail(f"{place}: secret {name} is a fixture: ask for it here, and give its value", pytrace=False)
    return source


def _mapping(values: object, label: str) -> Mapping[object, object]:
    if not isinstance(values, Mapping):
        pytest.fail(f"{label} gave {values!r}; a mapping of names to values is needed", pytrace=False)
    return values


def _texts(values: Mapping[str, str], label: str) -> dict[str, ContextValue]:
    return {name: ContextValue(value, Source(label)) for name, value in values.items()}


def _pairs_of(config: pytest.Config, *, ini: str, option: str) -> Values:
    shown = f"--{option.replace('_', '-')}"
    return {
        **_texts(_pairs(config.getini(ini), ini), f"{ini} of the ini file"),
        **_texts(_pairs(config.getoption(option), shown), shown),
    }


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


def choice(config: pytest.Config, name: str, known: Iterable[str]) -> Any:
    """An option that has one of these values.

    :raises pytest.UsageError: if it has another one.
    """
    text = str(option(config, name))
    if text not in known:
        raise pytest.UsageError(f'runbook_{name}: "{text}" is none of {", ".join(known)}')
    return text


def _paths(config: pytest.Config, name: str) -> list[Path]:
    return [config.invocation_params.dir / path for path in config.getoption(name)]
