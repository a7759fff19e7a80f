"""A user's tests: runbooks and blocks within Python tests. Run as the tests of a project of its own."""

from __future__ import annotations

from pytest_runbook import BlockOutput, Lifecycle
from pytest_runbook.testing import BlockRun, CalledBlock, CalledRunbook, RecordingChannel, RunbookCaller, run_block
from tests.programs.block_types import GREET


def test_a_runbook(runbook: RunbookCaller) -> None:
    called: CalledRunbook = runbook.run("deploy.runbook.yaml", vars={"version": "1.4.2"}, env={"STAGE": "test"})
    block: CalledBlock = called["Deploy"]

    assert called.passed
    assert called.required_failure is None
    assert called.variables == {"version": "1.4.2"}
    assert block.passed
    assert block.result.exit_code == 0
    assert block.output is not None
    assert block.output.stdout == "1.4.2 to test\n"


def test_a_block() -> None:
    run: BlockRun = run_block(GREET, {"whom": "you", "times": 2})
    channel: RecordingChannel = run.channel

    assert run.output is not None
    assert run.output["length"] == 3
    assert run.context_below.variables == {"greeted": "you"}
    assert channel.stdout == "hello you\n"
    assert channel.lifecycles == [Lifecycle.STARTED, Lifecycle.FINISHED]
    assert len(channel.of(BlockOutput)) <= len(channel.messages)
    assert len(run.events) == 3
    channel.send(BlockOutput(block_id="b", stdout="more"))
