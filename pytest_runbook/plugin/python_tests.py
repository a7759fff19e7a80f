"""The `runbook` fixture: Python tests run whole runbooks with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from ..context.json_form import plain_data
from ..errors import FileError
from ..execution.result import BlockResult, Outcome
from ..secrets.provenance import ContextValue, Origin
from ..text import nearest
from .options import with_secrets

if TYPE_CHECKING:
    from ..document.run import RunbookRun
    from ..model.runbook import Runbook
    from .session import RunbookSession


@dataclass(frozen=True, slots=True)
class CalledBlock:
    """The result of a block in a runbook that a test ran.

    output: the keys of ``output`` as attributes; None if the block left none.
    """

    result: BlockResult
    output: SimpleNamespace | None

    @property
    def passed(self) -> bool:
        return self.result.outcome is Outcome.PASSED


class CalledRunbook(Mapping[str, CalledBlock]):
    """The results of a runbook that a test ran, by the names of its blocks.

    variables: the values of its variables at the end, by name.
    required_failure: the message that a required block did not pass; None if all did.
    """

    def __init__(
        self, blocks: Mapping[str, CalledBlock], variables: Mapping[str, object], required_failure: str | None = None
    ) -> None:
        self._blocks = blocks
        self.variables = variables
        self.required_failure = required_failure

    def __getitem__(self, name: str) -> CalledBlock:
        __tracebackhide__ = True
        if name not in self._blocks:
            near = nearest(name, self._blocks)
            raise KeyError(f'no block is called "{name}"; {f"did you mean {near}?" if near else f"there are {self!r}"}')
        return self._blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def passed(self) -> bool:
        """True if no block failed, at least one passed, and all required ones passed."""
        outcomes = {block.result.outcome for block in self._blocks.values()}
        return Outcome.FAILED not in outcomes and Outcome.PASSED in outcomes and self.required_failure is None

    def __repr__(self) -> str:
        return f"<CalledRunbook {'; '.join(f'{name} {_brief(block.result)}' for name, block in self.items())}>"


def _brief(result: BlockResult) -> str:
    return f"failed: {result.message} ({result.location})" if result.outcome is Outcome.FAILED else result.outcome


class RunbookCaller:
    """Runs whole runbooks."""

    def __init__(self, session: RunbookSession) -> None:
        self._session = session

    def run(
        self,
        path: str | Path,
        *,
        vars: Mapping[str, object] | None = None,
        env: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
        secrets: Mapping[str, object] | None = None,
        host: str | None = None,
    ) -> CalledRunbook:
        """Run a runbook to its end, clean-ups included.

        path: relative to pytest's rootdir.
        vars, env, answers, secrets: as the fixtures `runbook_vars`, `runbook_env`, `runbook_answers` and
        `runbook_secrets` return them.
        host: the host that its first block runs on; one of the runbook's hosts, if it has any.
        :raises UnreadableFile: if the file can't be read.
        :raises FileError: if it has hosts and none is given, or a matrix and an axis without a value.
        """
        __tracebackhide__ = True
        session = self._session
        runbook = session.read(session.config.rootpath / path)
        if runbook.hosts and host is None:
            raise FileError(
                "it has hosts", location=runbook.hosts[0].location, hint='say which one: runbook.run(..., host="...")'
            )
        inputs = session.options.inputs(runbook.path.parent, vars or {}, env or {}, answers or {})
        _check_matrix(runbook, {*inputs.vars, *inputs.fixed})
        inputs = with_secrets(inputs, secrets or {})
        host_value = None if host is None else ContextValue(host, Origin("runbook.run"))
        run = session.run_whole(runbook, replace(inputs, host=host_value))
        if session.portal.interruption.name is not None:
            raise KeyboardInterrupt
        return session.portal.call(_called_runbook, run)


def _check_matrix(runbook: Runbook, known: Set[str]) -> None:
    """:raises FileError: if a runbook has a matrix, and an axis of it has no value."""
    known = known | {declared.name for declared in (*runbook.vars, *runbook.checks_vars)}
    axis = next((axis for axis in runbook.matrix.axes if axis.name not in known), None) if runbook.matrix else None
    if axis is not None:
        hint = f'say with which value: runbook.run(..., vars={{"{axis.name}": ...}})'
        raise FileError("it has a matrix", location=axis.location, hint=hint)


def _called_runbook(run: RunbookRun) -> CalledRunbook:
    blocks, document = {}, run.document
    for result in run.results.values():
        fields = document.output(result.block_id)
        output = None if fields is None else SimpleNamespace(**{name: plain_data(fields[name]) for name in fields})
        blocks[result.name or f"{result.type} {result.number}"] = CalledBlock(result, output)
    required_failure = run.required_failure()
    return CalledRunbook(blocks, document.final_variables(), required_failure.message if required_failure else None)
