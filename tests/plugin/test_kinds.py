"""The kinds of failures: in JUnit, and counted at the end."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

BOOK = """
    on_failure: continue
    require: Fails
    blocks:
      - {name: Asserts, script: echo 1, assert: output.value == "2"}
      - {name: Fails, script: exit 3}
      - {name: Slow, script: sleep 60, timeout: 0.2s}
      - {name: Away, http: 'GET http://127.0.0.1:1/'}
      - {name: Also away, http: 'GET http://127.0.0.1:1/x'}
      - {name: Undefined, script: 'echo {{ var.x }}'}
      - {name: Broken, script: 'true', fixtures: breaks}
      - {name: Unknown, script: 'true', fixtures: nowhere}
      - {name: Ends, script: 'true', fixtures: breaks_late}
      - {name: Passes, script: 'true'}
      - {name: Writes, http: 'DELETE http://127.0.0.1:1/'}
    """
CONFTEST = """
    import pytest

    @pytest.fixture
    def breaks():
        raise RuntimeError("broken")

    @pytest.fixture
    def breaks_late():
        yield
        raise RuntimeError("broken")
    """
KINDS = {
    "Asserts": "assertion",
    "Fails": "block",
    "Slow": "timeout",
    "Away": "unreachable",
    "Also away": "unreachable",
    "Undefined": "file",
    "Broken": "fixture",
    "Unknown": "file",
    "Ends": "fixture",
    "Passes": None,
    "Writes": "refused",
    "(required)": "assertion",
    "(unreadable)": "file",
}


def kinds(project: Project) -> dict[str, str | None]:
    found = {}
    for name, case in project.junit().items():
        values = [
            element.attrib["value"]
            for element in case.iter("property")
            if element.attrib["name"] == "runbook_failure_kind"
        ]
        assert len(values) <= 1, name
        found[name] = values[0] if values else None
    return found


@pytest.mark.parametrize("options", [(), ("-n1",)])
def test_every_failure_has_a_kind_in_junit_and_is_counted(project: Project, options: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", BOOK)
    project.write("b.runbook.yaml", "blocks: [{nonsense: 1}]")
    project.write("conftest.py", CONFTEST)

    result = project.run(".", "--junitxml=report.xml", "--runbook-effects=write", *options)

    assert kinds(project) == KINDS
    result.stdout.fnmatch_lines(
        [
            "failures: 3 file, 2 assertion, 2 fixture, 1 block, 1 timeout, 1 unreachable",
            "refused: 1 block that may not run here",
        ]
    )


def test_a_fault_of_a_block_type_is_internal(project: Project) -> None:
    project.write("conftest.py", """
        from pytest_runbook import BlockBehavior, BlockPlugin, BlockType

        class Faulty(BlockBehavior):
            async def execute(self, context):
                raise ZeroDivisionError

        def pytest_runbook_block_types():
            return [BlockPlugin(BlockType(name="faulty", plain_names=("faulty",)), Faulty)]
        """)  # fmt: skip
    project.write("a.runbook.yaml", "blocks: [{faulty: {}}]")

    result = project.run(".", "--junitxml=report.xml")

    assert list(kinds(project).values()) == ["internal"]
    result.stdout.fnmatch_lines(["failures: 1 internal"])


def test_a_run_in_which_nothing_could_be_reached_fails_and_shows_why(project: Project) -> None:
    project.write("a.runbook.yaml", """
        on_failure: continue
        blocks:
          - {name: First, http: 'GET http://127.0.0.1:1/', xfail: the shop is down on Sundays}
          - {name: Second, http: 'GET http://127.0.0.1:1/x'}
          - {name: Third, http: 'GET http://127.0.0.1:1/y'}
        """)  # fmt: skip

    result = project.run(".")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(xfailed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "no block ran: 3 skipped; this is not green",
            "  2 x *First* no connection to 127.0.0.1:1*",
            "  1 x *the shop is down on Sundays*",
        ]
    )


def test_a_run_in_which_nothing_was_selected_with_what_it_needs_shows_why(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: A, script: 'true'}, {name: B, script: 'true'}]")

    result = project.run("a.runbook.yaml::B")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "no block ran: 1 skipped; this is not green",
            '  1 x block 1 "A" was not selected (--runbook-alone runs this one all the same): a.runbook.yaml:1',
        ]
    )
