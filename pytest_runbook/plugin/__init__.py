"""The pytest plugin's entry point: options, markers, fixtures, and the hook that collects runbooks.

pytest imports this module in every session of an environment where the package is installed. So it imports only pytest
and the standard library; the rest of the plugin is imported when a runbook is collected or a fixture of it is used.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator, Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..blocks.registry import BlockPlugin
    from ..context.resolver import ResolvedContext
    from ..document.document import Document
    from ..document.runtime import Runtime
    from .python_tests import RunbookCaller
    from .session import RunbookSession

DEFAULT_FILES = ("*.atrb", "*.runbook.yaml", "*.runbook.yml", "*.runbook.json", "*.runbook.md")
CHECKS_FILES = (".checks.yaml", ".checks.yml")
SUFFIXES = (".atrb", ".yaml", ".yml", ".json", ".md")
SESSION_PLUGIN = "runbook-session"
PASSED_OVER = pytest.StashKey[set[Path]]()
NAMED_PATHS = pytest.StashKey[Set[Path]]()
ARGS_SOURCE, PASSED_OVER_KEY = "runbook_args_source", "runbook_passed_over"


class RunbookHooks:
    """Hooks that other plugins and conftest files may implement."""

    @pytest.hookspec()
    def pytest_runbook_block_types(self) -> Sequence[BlockPlugin]:
        """Return block types to add: `BlockPlugin` pairs of a `BlockType` and the `BlockBehavior` that runs it."""
        raise NotImplementedError

    @pytest.hookspec(firstresult=True)
    def pytest_runbook_load(self, uri: str, id: str) -> Path | None:
        """Return the file of a runbook that a sub-runbook block names by a hub's uri or id; None if it is unknown.

        Called in a worker thread.
        """
        raise NotImplementedError


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(RunbookHooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("runbook", "runbooks")
    add, ini = group.addoption, parser.addini
    pairs: dict[str, Any] = {"type": _pair, "action": "append", "default": [], "metavar": "NAME=VALUE"}
    files: dict[str, Any] = {"action": "append", "default": [], "metavar": "FILE"}
    duration: dict[str, Any] = {"type": _duration, "metavar": "DURATION"}
    add("--runbook-var", help="give runbooks a variable", **pairs)
    ini("runbook_vars", type="linelist", default=[], help="variables for runbooks, NAME=VALUE, one a line")
    add("--runbook-vars-file", help="variables from a YAML or JSON file", **files)
    ini("runbook_vars_files", type="paths", default=[], help="variables from YAML or JSON files")
    add("--runbook-env-file", help="environment from a .env file", **files)
    ini("runbook_env_files", type="paths", default=[], help="environment from .env files")
    add("--runbook-answer", help="answer a block that asks", **pairs)
    ini("runbook_answers", type="linelist", default=[], help="answers for blocks that ask, NAME=VALUE, one a line")
    add("--runbook-saved-answers", action="store_true", default=None, help="take dropdowns' saved values as answers")
    ini("runbook_saved_answers", type="bool", default=False, help="take the values saved in dropdowns as answers")
    add("--runbook-timeout", help="deadline of a block that has none of its own (10m)", **duration)
    ini("runbook_timeout", default="10m", help="deadline of a block that has none of its own")
    add("--runbook-cleanup-timeout", help="deadline of all clean-ups of a runbook together (5m)", **duration)
    ini("runbook_cleanup_timeout", default="5m", help="deadline of all clean-ups of a runbook together")
    add("--runbook-shutdown", help="time for everything after Ctrl-C, clean-ups included (7s)", **duration)
    ini("runbook_shutdown", default="7s", help="time for everything after Ctrl-C or SIGTERM, clean-ups included")
    add("--runbook-cwd", choices=["auto", "file", "rootdir", "invocation"], help="where programs run by default")
    ini("runbook_cwd", default="auto", help="where programs run by default: auto, file, rootdir or invocation")
    add("--runbook-interpreter", help="use interpreter VALUE in place of NAME", **pairs)
    ini("runbook_interpreters", type="linelist", default=[], help="interpreters to replace: A = B, one a line")
    add("--runbook-login-shell", choices=["never", "once", "each"], help="give scripts a login shell's environment")
    ini("runbook_login_shell", default="never", help="give scripts a login shell's environment: never, once or each")
    add("--runbook-effects", choices=["read", "write", "destructive"], help="skip blocks that may do more than this")
    ini("runbook_effects", default="destructive", help="skip blocks that may do more: read, write or destructive")
    add("--runbook-read-only", action="store_true", default=None, help="the same as --runbook-effects read")
    ini("runbook_read_only", type="bool", default=False, help="the same as runbook_effects = read")
    ini("runbook_allow", type="linelist", default=[], help="what may run: type, interpreter, host or url: PATTERNS")
    add("--runbook-environment", metavar="NAME", help="the environment in which runbooks run; loads vars.NAME.yaml")
    ini("runbook_environment", type="string", default="", help="the environment in which runbooks run")
    add("--runbook-alone", action="store_true", help="run selected blocks without those above them")
    ini("runbook_alone", type="bool", default=False, help="run selected blocks without those above them")
    add("--runbook-unknown-blocks", choices=["error", "skip"], help="what becomes of unknown block types")
    ini("runbook_unknown_blocks", default="error", help="what becomes of unknown block types: error or skip")
    add("--runbook-errors", choices=["item", "collect"], help="a file that can't be read: a failed item, or pytest's")
    ini("runbook_errors", default="item", help="a file that can't be read fails as an item, or as a collect error")
    add("--runbook-store", choices=["auto", "yes", "no"], help="keep what blocks left in pytest's cache")
    ini("runbook_store", default="auto", help="keep what blocks left in pytest's cache: auto (not in CI), yes or no")
    add("--runbook-matrix-commands", action="store_true", help="let matrices run their commands during collection")
    ini("runbook_matrix_commands", type="bool", default=False, help="let matrices run commands during collection")
    add("--runbook-hosts", action="append", default=[], metavar="HOSTS", help="run once on each host: a,b or @file")
    ini("runbook_hosts", type="linelist", default=[], help="run runbooks once on each of these hosts, one a line")
    add("--runbook-plan", action="store_true", help="print what would run where, and run nothing")
    add("--runbook-plan-json", metavar="FILE", help="the same as JSON; - is standard output")
    add("--runbook-update-checks", action="store_true", help="bring checks files up to date, run nothing")
    add("--runbook-write-checks", action="store_true", help="write checks files for what passed and has none")
    verify = "look for secrets in all that a run wrote"
    add("--runbook-verify-secrets", action="store_true", help=f"{verify}, and fail it if there is one")
    ini("runbook_verify_secrets", type="bool", default=False, help=verify)
    ini(
        "runbook_sensitive_names", type="args", default=["default"], help="names whose values are secret: default *_DSN"
    )
    ini("runbook_files", type="args", default=list(DEFAULT_FILES), help="patterns of runbook files below folders")
    ini("runbook_root", type="string", default="", help="sub-runbooks lie below this folder (rootdir)")
    ini("runbook_paths", type="paths", default=[], help="where runbooks are when pytest is given no path")


def _pair(text: str) -> str:
    if not text.partition("=")[0].strip() or "=" not in text:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return text


def _duration(text: str) -> str:
    from ..text import DURATION_HINT, duration_seconds

    try:
        duration_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: {DURATION_HINT}") from error
    return text


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Start no workers of xdist for --runbook-update-checks: each of them would write the same files."""
    if config.option.runbook_update_checks:
        config.option.numprocesses, config.option.distload = 0, False
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runbook: a block of a runbook")
    if config.getoption("runbook_plan") or config.getoption("runbook_plan_json"):
        config.option.dist = "no"  # a worker has no terminal to print a plan on
    paths = config.getini("runbook_paths")
    if paths and config.args_source is not pytest.Config.ArgsSource.ARGS:
        named = [Path(argument) for argument in config.args]
        config.args += [str(path) for path in paths if not any(path.is_relative_to(other) for other in named)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in SUFFIXES:
        return None
    config = parent.config
    is_named = file_path in _named_paths(config)
    if not is_named and not _is_below_argument(file_path, config):
        return None
    is_ours = is_named or file_path.name.endswith(CHECKS_FILES) or _matches(file_path, config)
    if not is_ours:
        return None
    if not is_named and not _may_run(file_path, config):
        config.stash.setdefault(PASSED_OVER, set()).add(file_path)
        return None
    try:
        session = runbook_session(config)
    except pytest.UsageError as error:
        raise parent.CollectError(str(error)) from None
    return session.collector(file_path, parent, is_named=is_named)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    passed_over = config.stash.get(PASSED_OVER, set())
    if passed_over:
        noun = "runbook" if len(passed_over) == 1 else "runbooks"
        terminalreporter.line(f"{len(passed_over)} {noun} passed over: name the folder, or set runbook_paths")


def runbook_session(config: pytest.Config) -> RunbookSession:
    """Return the plugin's object of this session, imported and registered when it is first needed."""
    session: Any = config.pluginmanager.get_plugin(SESSION_PLUGIN)
    if session is None:
        from .session import RunbookSession

        session = RunbookSession(config)
        config.pluginmanager.register(session, SESSION_PLUGIN)
    assert session is not None
    return session  # type: ignore[no-any-return]  # registered under a name of ours


def _named_paths(config: pytest.Config) -> Set[Path]:
    """Return the paths that are arguments of the command line themselves."""
    if NAMED_PATHS not in config.stash:
        folder = config.invocation_params.dir
        named = (folder / str(argument).split("::")[0] for argument in config.args)
        config.stash[NAMED_PATHS] = frozenset(Path(os.path.abspath(path)) for path in named)  # noqa: PTH100  # pytest follows no links
    return config.stash[NAMED_PATHS]


def _is_below_argument(path: Path, config: pytest.Config) -> bool:
    """Return True if a file lies below an argument.

    pytest calls `pytest_collect_file` also for the files beside an argument.
    """
    return config.getoption("pyargs") or not _named_paths(config).isdisjoint(path.parents)


def _matches(path: Path, config: pytest.Config) -> bool:
    return any(path.match(pattern) for pattern in config.getini("runbook_files"))


def _may_run(path: Path, config: pytest.Config) -> bool:
    """Return True if the command line, testpaths or runbook_paths says that runbooks are here."""
    if _args_source(config) != pytest.Config.ArgsSource.INVOCATION_DIR.name:
        return True
    return any(path.is_relative_to(folder) for folder in config.getini("runbook_paths"))


# Workers of xdist get their paths from the controller as arguments, so the controller sends where its own came from.


def _args_source(config: pytest.Config) -> str:
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    return str(workerinput.get(ARGS_SOURCE, config.args_source.name))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[ARGS_SOURCE] = node.config.args_source.name


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[PASSED_OVER_KEY] = [str(path) for path in session.config.stash.get(PASSED_OVER, ())]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    passed_over = getattr(node, "workeroutput", {}).get(PASSED_OVER_KEY, ())
    node.config.stash.setdefault(PASSED_OVER, set()).update(map(Path, passed_over))


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Generator[None, Any, Any]:
    from .xdist import scheduler

    default_scheduler = yield
    return scheduler(config, log, default_scheduler, is_block_id)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    if any(map(is_block_id, ids)):
        runbook_session(node.config).handle_signals()


def is_block_id(node_id: str) -> bool:
    """Return True if a node id is that of a runbook's block."""
    return node_id.partition("::")[0].endswith(SUFFIXES)


@pytest.fixture(scope="session")
def runbook_runtime(pytestconfig: pytest.Config) -> Runtime:
    """The open runtime of all runbooks: event loop, processes, storage. Use it in its own thread only."""
    return runbook_session(pytestconfig).runtime()


@pytest.fixture(scope="session")
def runbook_vars() -> Mapping[str, object]:
    """Variables for the runbooks below a conftest.py that overrides this."""
    return {}


@pytest.fixture(scope="session")
def runbook_env() -> Mapping[str, str]:
    """Environment for the runbooks below a conftest.py that overrides this."""
    return {}


@pytest.fixture(scope="session")
def runbook_answers() -> Mapping[str, str]:
    """Answers for the runbooks below a conftest.py that overrides this, by name, id or type#n."""
    return {}


@pytest.fixture(scope="session")
def runbook_secrets() -> Mapping[str, object]:
    """Secrets for the runbooks below a conftest.py that overrides this, by name: the value, or where it is kept."""
    return {}


@pytest.fixture(scope="module")
def runbook_document(request: pytest.FixtureRequest) -> Iterator[Document]:
    """The document of a runbook file, or of one cell of it."""
    __tracebackhide__ = True
    from .options import with_secrets

    # Were the four parameters of this fixture, pytest would look each of them up again for every block.
    session, fixture_value = runbook_session(request.config), request.getfixturevalue
    folder = request.node.path.parent
    inputs = session.options.inputs(
        folder, fixture_value("runbook_vars"), fixture_value("runbook_env"), fixture_value("runbook_answers")
    )
    inputs = with_secrets(inputs, fixture_value("runbook_secrets"))
    with session.open_document(request.node, inputs) as document:
        yield document


@pytest.fixture
def runbook_context(request: pytest.FixtureRequest, runbook_document: Document) -> ResolvedContext:
    """The context that a block runs in: what all blocks above it declared or left."""
    return runbook_session(request.config).resolved_context(request.node, runbook_document)


@pytest.fixture(scope="session")
def runbook(pytestconfig: pytest.Config) -> RunbookCaller:
    """Runs whole runbooks from Python tests: ``runbook.run("deploy.atrb", vars={...})["Build"].output.exit_code``."""
    from .python_tests import RunbookCaller

    return RunbookCaller(runbook_session(pytestconfig))
