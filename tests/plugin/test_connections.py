"""Connections by name: in a runbook, in a checks file for a block of another program, from a fixture."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

CONFTEST = """
    import sqlite3
    import pytest

    @pytest.fixture(scope="session")
    def shop(tmp_path_factory):
        path = tmp_path_factory.mktemp("shop") / "shop.db"
        with sqlite3.connect(path) as database:
            database.execute("create table orders (id integer)")
        database.close()
        return str(path)
    """
DOCUMENT = """
    id: 0198c0de-0000-7000-8000-000000000001
    name: A
    version: 1
    content:
      - {id: i-count, type: sqlite, props: {name: Count, query: select count(*) from orders, uri: production.db}}
      - {id: i-echo, type: script, props: {name: Echo, code: echo}}
    """


@pytest.fixture
def with_shop(project: Project) -> Project:
    project.write("conftest.py", CONFTEST)
    return project


def test_connection_comes_from_a_fixture(with_shop: Project) -> None:
    with_shop.write("a.runbook.yaml", """
        fixtures: [shop]
        connections: {shop: {sqlite: "{{ fixture.shop }}"}}
        blocks:
          - {sqlite: {connection: shop, query: select count(*) from orders}, assert: output.value == 0}
        """)  # fmt: skip

    with_shop.run("a.runbook.yaml").assert_outcomes(passed=1)


def test_checks_file_connects_a_block_of_another_program_elsewhere(with_shop: Project) -> None:
    with_shop.write("a.atrb", DOCUMENT)
    with_shop.write("a.checks.yaml", """
        fixtures: [shop]
        connections: {shop: {sqlite: "{{ fixture.shop }}"}}
        blocks:
          Count: {connection: shop, assert: output.value == 0}
        """)  # fmt: skip

    with_shop.run("a.atrb").assert_outcomes(passed=2)
    assert not (with_shop.path / "production.db").exists()


FAULTS = [
    (
        "connections: {shop: {sqlite: a.db}}\nblocks: {Count: {connection: shup}}",
        'a.checks.yaml:2: block "Count" (sqlite): unknown connection of sqlite blocks "shup"',
        "did you mean shop?",
    ),
    (
        "blocks:\n  Echo: {connection: shop}",
        'a.checks.yaml:2: block "Echo": script blocks have no connection',
        "blocks that run SQL have",
    ),
]


@pytest.mark.parametrize(("checks", "said", "hint"), FAULTS)
def test_connection_that_is_none_is_found_before_anything_runs(
    project: Project, checks: str, said: str, hint: str
) -> None:
    project.write("a.atrb", DOCUMENT)
    project.write("a.checks.yaml", checks)

    result = project.run("a.atrb")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([said, f"  hint: {hint}"])
