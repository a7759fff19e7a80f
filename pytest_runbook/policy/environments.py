"""The environments in which a runbook may run."""

from __future__ import annotations

from ..model.runbook import Runbook
from ..text import nearest


def environment_refusal(runbook: Runbook, environment: str | None) -> str | None:
    """Return why a runbook may not run in an environment; None if it may.

    environment: the name of the run's environment; None if it has none.
    """
    names = [named.name for named in runbook.environments]
    if not names or environment in names:
        return None
    only = f"it runs in {' and '.join((', '.join(names[:-1]), names[-1])) if names[1:] else names[0]} alone"
    if environment is None:
        how = f"--runbook-environment {names[0]}"
        return f"{only}, and no environment is named ({how}): {runbook.environments[0].location}"
    near = nearest(environment, names)
    meant = f', did you mean "{near}"?' if near else ""
    return f'{only}, and not in "{environment}"{meant}: {runbook.environments[0].location}'
