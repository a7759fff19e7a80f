"""Ten things that people do with runners of steps, written in our form."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.plugin.project import Project
from tests.servers.json_server import json_server


@pytest.fixture
def orders() -> Iterator[str]:
    """An API that takes three requests to get ready; gives its address."""
    listed = [{"id": 1, "total": 9.5}, {"id": 2, "total": 3}]

    def answer(asked: int) -> tuple[int, object]:
        return 200, {"state": "ready" if asked > 2 else "starting", "orders": listed, "next": None}

    with json_server(answer) as url:
        yield url


def test_a_step_with_its_own_environment_and_standard_input(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Greet
            env: {GREETING: hello}
            stdin: "world\\n"
            script: read name; echo "$GREETING $name"
            assert: output.value == "hello world"
          - name: The next one has neither
            script: echo "${GREETING:-none} $(cat)"
            assert: output.stdout == "none \\n"
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=2)


def test_capture_by_a_regular_expression_with_a_default(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Version
            script: echo "tool v12 (build unknown)"
            capture:
              version: output.stdout | regex("v(\\d+)", default="0") | int
              build: output.stdout | regex("build (\\d+)", default="0") | int
          - name: Use them
            script: echo {{ var.version + 1 }} {{ var.build }}
            assert: output.value == "13 0"
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=2)


def test_retry_until_a_counter_reaches_three(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Count
            script: echo x >> counter; wc -l < counter
            retry: {every: 1ms, attempts: 10, until: output.value | int == 3}
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=1)

    assert (project.path / "counter").read_text() == "x\n" * 3


def test_a_loop_over_a_list_a_map_and_a_number(project: Project) -> None:
    project.write("a.runbook.yaml", """
        vars: {colours: [red, green]}
        blocks:
          - {name: List, for_each: {c: var.colours}, script: "echo {{ each.c }} >> log"}
          - {name: Map, for_each: {p: {http: 80}}, script: "echo {{ each.p.key }}={{ each.p.value }} >> log"}
          - {name: Number, for_each: {n: 2}, script: "echo {{ each.n }}/{{ loop.length }} >> log"}
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=3)

    assert (project.path / "log").read_text().split() == ["red", "green", "http=80", "1/2", "2/2"]


def test_a_product_of_two_axes_with_an_excluded_cell(project: Project) -> None:
    project.write("a.runbook.yaml", """
        matrix: {os: [linux, bsd], version: [1, 2], exclude: [{os: bsd, version: 1}]}
        blocks: [{name: Run, script: "echo {{ var.os }} {{ var.version }} >> log"}]
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=3)

    assert (project.path / "log").read_text().splitlines() == ["linux 1", "linux 2", "bsd 2"]


def test_clean_up_after_a_failure_in_order(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Begin, script: echo begin >> log}
          - {name: Break, script: echo break >> log; exit 3}
          - {name: Skipped, script: echo skipped >> log}
        finally:
          - {name: One, script: echo one >> log}
          - {name: Two, script: echo two >> log}
        """)  # fmt: skip

    result = project.run("-v", ".")

    result.assert_outcomes(passed=3, failed=1, skipped=1)
    assert (project.path / "log").read_text().split() == ["begin", "break", "one", "two"]
    result.stdout.fnmatch_lines(["*::Break FAILED*", "*::Skipped SKIPPED*", "*::One PASSED*", "*::Two PASSED*"])


def test_a_step_that_fails_while_the_rest_goes_on(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Lint, script: exit 3, on_failure: continue}
          - {name: Build, script: 'true'}
        """)  # fmt: skip

    project.run(".").assert_outcomes(failed=1, passed=1)


def test_two_databases_in_one_runbook(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rows in (("shop", 3), ("stock", 2)):
        with sqlite3.connect(project.path / f"{name}.db") as database:
            database.execute("create table t (n integer)")
            database.executemany("insert into t values (?)", [(n,) for n in range(rows)])
        database.close()
    project.write("a.runbook.yaml", """
        blocks:
          - name: Shop
            sqlite: {uri: "sqlite://{{ env.FOLDER }}/shop.db", query: select count(*) from t}
            capture: shop
          - name: Stock
            sqlite: {uri: "sqlite://{{ env.FOLDER }}/stock.db", query: select count(*) from t}
            assert: output.value < var.shop
        """)  # fmt: skip
    monkeypatch.setenv("FOLDER", str(project.path))

    project.run(".").assert_outcomes(passed=2)


def test_a_polling_check_of_an_api_with_typed_expectations(project: Project, orders: str) -> None:
    project.write("a.runbook.yaml", f"""
        blocks:
          - name: Orders
            http: {orders}
            retry: {{every: 1ms, within: 20s}}
            expect:
              status: 200
              headers: {{content-type: /json/}}
              body_json:
                state: ready
                orders: {{$length: 2, $each: {{id: <number>, total: <number>}}}}
              body_json.next: <none>
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=1)


def test_one_runbook_needed_by_two_others_runs_once(project: Project) -> None:
    project.write("base.runbook.yaml", """
        blocks: [{name: Base, script: echo base >> log; echo 7, capture: release}]
        """)  # fmt: skip
    for name in ("one", "two"):
        project.write(f"{name}.runbook.yaml", """
            needs: [base.runbook.yaml]
            blocks: [{name: Use, script: "test {{ var.release }} = 7"}]
            """)  # fmt: skip

    project.run("one.runbook.yaml", "two.runbook.yaml").assert_outcomes(passed=2)

    assert (project.path / "log").read_text() == "base\n"
