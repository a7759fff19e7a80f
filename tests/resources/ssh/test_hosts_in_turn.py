"""A runbook on several hosts, each by its own connection."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project
from tests.resources.ssh.conftest import Home
from tests.servers.sshd import Sshd


def test_a_runbook_runs_on_each_of_its_hosts(pytester: pytest.Pytester, web: Home, server: Sshd) -> None:
    for name in ("web-1", "web-2"):
        web.has_alias(server, name)
    project = Project(pytester)
    project.write("book.runbook.yaml", """
        hosts: [web-1, web-2, local]
        blocks:
          - {name: Where, script: 'echo {{ host }} "${SSH_CONNECTION:+remote}" $(hostname)', capture: told}
          - {name: Second alone, script: 'test -n "$SSH_CONNECTION"', when: host == "web-2"}
        """)  # fmt: skip

    result = project.run("-rP", ".")

    result.assert_outcomes(passed=4, skipped=2)
    result.stdout.fnmatch_lines(["*web-1 remote ?*", "*web-2 remote ?*", "*local  ?*"])
