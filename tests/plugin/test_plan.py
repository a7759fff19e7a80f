"""Plans: what would run where, without touching anything."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.project import Project

CANARY = "canary-7f3a-long-enough"
BOOK = """
    name: Deploy
    timeout: {total: 15m, block: 1m}
    secrets: {TOKEN: {env: TOKEN}, PRINTED: {command: touch touched}}
    vars: {stage: test}
    blocks:
      - env: {API_TOKEN: '{{ secret.TOKEN }}'}
      - directory: /srv/{{ var.stage }}
      - {name: Build, script: 'touch touched; echo 12', capture: version}
      - {name: Push, http: 'POST https://{{ var.stage }}.corp/{{ var.version }}?t={{ env.API_TOKEN }}'}
      - name: Look
        postgres:
          {uri: 'postgres://app:{{ secret.PRINTED }}@db.corp/shop', query: 'select {{ var.version | int }}'}
      - {name: Ship, script: ./ship, host: 'deploy@{{ var.stage }}-1', timeout: 5s, when: var.version == "12"}
    finally:
      - {name: Sweep, script: touch touched}
    """


@pytest.fixture
def planned(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TOKEN", CANARY)
    project.write("a.runbook.yaml", BOOK)
    return project


def as_json(project: Project, *arguments: str) -> Any:
    project.run("--runbook-plan-json=plan.json", *arguments)
    return json.loads((project.path / "plan.json").read_text())


def blocks(project: Project, *arguments: str) -> dict[str, Any]:
    plan = as_json(project, *arguments)
    return {block["name"]: block for runbook in plan["runbooks"] for block in runbook["blocks"]}


def test_a_plan_shows_what_would_run_where(planned: Project) -> None:
    result = planned.run("--runbook-plan", ".")

    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        [
            "a.runbook.yaml  Deploy  limit 15 m",
            "  1 Build * script, write, limit 1 m  a.runbook.yaml:9",
            "    | touch touched; echo 12",
            "    where    local, cwd /srv/test <- directory block (a.runbook.yaml:8), bash -eo pipefail -c",
            "    sets     var.version",
            "  2 Push * http, write, limit 1 m  a.runbook.yaml:10",
            "    | POST https://test.corp/⟨var.version⟩?t=*",
            '    unknown  var.version <- block 1 "Build" (a.runbook.yaml:9)',
            "    secrets  TOKEN",
            "  3 Look * postgres, read, limit 1 m  a.runbook.yaml:11",
            "    | select ⟨var.version | int⟩",
            "    where    postgres://app@db.corp/shop",
            "    secrets  PRINTED",
            "  4 Ship * script, write, limit 5 s  a.runbook.yaml:14",
            '    if       var.version == "12"',
            "    where    deploy@test-1, cwd *",
            "  5 Sweep * script, write, limit 1 m, clean-up  a.runbook.yaml:16",
            "plan: 5 blocks of 1 runbook would run, no problems found",
        ]
    )


def test_nothing_is_touched_and_no_secret_read(planned: Project) -> None:
    planned.write("conftest.py", """
        import pathlib, pytest

        @pytest.fixture(autouse=True)
        def toucher():
            pathlib.Path("touched").touch()
        """)  # fmt: skip

    result = planned.run("--runbook-plan", "--runbook-plan-json=plan.json", ".")

    assert result.ret == 0
    assert not (planned.path / "touched").exists()
    assert CANARY not in result.stdout.str() + (planned.path / "plan.json").read_text()


PROBLEMS = [
    ("{name: A, script: 'echo {{ var.typo }}'}", "var.typo is undefined", "a.runbook.yaml:3"),
    ("{name: A, script: 'true', assert: var.typo == 1}", "var.typo is undefined", "a.runbook.yaml:3"),
    ("{name: A, http: {url: 'http://x/', query: {a: '{{ var.typo }}'}}}", "var.typo is undefined", "a.runbook.yaml:3"),
    (
        "{name: A, http: {url: 'http://x/', headers: {a: '{{ var.typo }}'}}}",
        "var.typo is undefined",
        "a.runbook.yaml:3",
    ),
    ("{name: A, http: {url: 'http://x/', json: {a: ['{{ var.typo }}']}}}", "var.typo is undefined", "a.runbook.yaml:3"),
    ("{name: A, script: 'true', when: var.typo == 1}", "var.typo is undefined", "a.runbook.yaml:3"),
    ("vars: {x: '{{ var.typo }}'}", "var.typo is undefined", "a.runbook.yaml:3"),
    ("{name: A, script: 'echo {{ secret.NONE }}'}", "secret.NONE is undefined", "a.runbook.yaml:3"),
    ("{name: A, script: 'echo {{ env.NOWHERE }}'}", "env.NOWHERE is undefined", "a.runbook.yaml:3"),
    (
        "{name: A, script: {code: x, interpreter: no-such-shell}}",
        "there is no no-such-shell here",
        "a.runbook.yaml:3",
    ),
    ("{name: A, pause: ''}", "the pause has no answer", "a.runbook.yaml:3"),
    ("{name: region, dropdown: 'a, b'}", "no answer; options: a, b", "a.runbook.yaml:3"),
    ("{name: A, sub-runbook: gone.runbook.yaml}", 'there is no runbook "gone.runbook.yaml"', "a.runbook.yaml:3"),
    ("local-var: owner", "var.owner is undefined", "a.runbook.yaml:4"),
]


@pytest.mark.parametrize(("block", "message", "place"), PROBLEMS)
def test_problems_are_reported_and_fail_the_plan(project: Project, block: str, message: str, place: str) -> None:
    last = "{name: Last, script: 'echo {{ var.owner }}'}" if "owner" in block else "{name: Last, script: 'true'}"
    project.write("a.runbook.yaml", f"\nblocks:\n  - {block}\n  - {last}\n")

    result = project.run("--runbook-plan", ".")

    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*PROBLEM  {message}  {place}", "plan: * would run, 1 problem"])


def test_answers_that_are_given_are_no_problem(project: Project) -> None:
    project.write("a.runbook.yaml", """
        answers: {owner: me}
        blocks:
          - local-var: owner
          - {name: Ask, pause: ''}
          - {name: region, dropdown: 'a, b'}
          - {name: Use, script: 'echo {{ var.owner }} {{ var.region }}'}
        """)  # fmt: skip

    result = project.run("--runbook-plan", "--runbook-answer=Ask=continue", "--runbook-answer=region=b", ".")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*| continue, answered by --runbook-answer", "*| region = b*", "*| echo ⟨var.owner⟩ b"]
    )


@pytest.mark.parametrize("fixture", ["runbook_vars", "runbook_answers"])
def test_what_a_conftest_may_return_is_no_problem(project: Project, fixture: str) -> None:
    project.write("conftest.py", f"""
        import pytest

        @pytest.fixture(scope="session")
        def {fixture}():
            raise RuntimeError("nobody asks for it")
        """)  # fmt: skip
    project.write("a.runbook.yaml", "blocks: [{local-var: owner}, {name: A, script: 'echo {{ var.owner }}'}]")

    result = project.run("--runbook-plan", ".")

    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*unknown  var.owner <- *fixture {fixture}*"])


def test_what_would_not_run_shows_why(project: Project) -> None:
    project.write("a.runbook.yaml", """
        on_failure: stop
        blocks:
          - {name: Skipped, script: 'true', skip: {reason: not now, below: run}}
          - {name: Reads, http: 'GET http://127.0.0.1:1/'}
          - {name: Drops, sqlite: {uri: ':memory:', query: drop table t}}
          - {name: Below, http: 'GET http://127.0.0.1:1/'}
        """)  # fmt: skip

    found = blocks(project, "--runbook-effects=read", ".")

    assert {name: block["action"] for name, block in found.items()} == {
        "Skipped": "skip",
        "Reads": "run",
        "Drops": "refuse",
        "Below": "skip",
    }
    assert found["Skipped"]["why"] == "not now"
    assert found["Drops"]["effects"] == "destructive"
    assert found["Drops"]["why"] == "--runbook-effects read: statement 1: DROP TABLE deletes its content"
    assert found["Below"]["why"] == 'block 3 "Drops" is refused: a.runbook.yaml:6'


@pytest.mark.parametrize(
    ("options", "allow", "why"),
    [
        ((), "type: http", "runbook_allow has no type script; it has http"),
        ((), "interpreter: sh", "runbook_allow has no interpreter bash -eo pipefail -c; it has sh"),
    ],
)
def test_what_is_not_allowed_is_reported(project: Project, options: tuple[str, ...], allow: str, why: str) -> None:
    project.pytester.makeini(f"[pytest]\nrunbook_allow = {allow}\n")
    project.write("a.runbook.yaml", "blocks: [{name: A, script: 'true'}]")

    assert blocks(project, ".")["A"]["why"] == why


def test_only_what_was_selected_is_planned(planned: Project) -> None:
    found = blocks(planned, "-k", "Push", ".")

    assert found["Build"]["why"].startswith("was not selected")
    assert found["Push"]["action"] == "skip"


def test_runbooks_within_one_are_planned_in_their_place(project: Project) -> None:
    project.write("child.runbook.yaml", """
        blocks:
          - {name: Inner, script: 'echo {{ var.stage }} {{ var.version }}', capture: made}
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        vars: {stage: test}
        blocks:
          - {name: Build, script: echo 1, capture: version}
          - {name: Child, sub-runbook: {path: child.runbook.yaml, exportVars: true}}
          - {name: After, script: 'echo {{ var.made }}'}
        """)  # fmt: skip

    found = blocks(project, "a.runbook.yaml")

    (inner,) = found["Child"]["blocks"]
    assert inner["does"] == "echo test ⟨var.version⟩"
    assert inner["unknown"] == {"var.version": 'block 1 "Build" (a.runbook.yaml:4)'}
    assert found["After"]["unknown"] == {"var.made": 'block 2 "Child" (a.runbook.yaml:5)'}


TEMPLATES = [
    ("{% if var.x == '1' %}a{% else %}b{% endif %}", "⟨% if ... %⟩"),
    ("{% if var.known == '1' %}a{% else %}b{% endif %}", "a"),
    ("{% set y = var.x %}{{ y }}-{{ var.known }}", "⟨y⟩-1"),
    ("{% for i in [1, 2] %}{{ i }}{{ var.x }}{% endfor %}", "1⟨var.x⟩2⟨var.x⟩"),
    ("{{ var.x | default('z') }}", '⟨var.x | default("z")⟩'),
    ("{{ var.made }}", "<⟨var.x⟩>"),
    ("{{ var['x'] }}", "⟨var.x⟩"),
    ("{{ doc.named['X'].output.stdout }}", "⟨doc.named['X'].output.stdout⟩"),
    ("{{ host }} {{ runbook.name }}", "local T"),
]


@pytest.mark.parametrize(("template", "text"), TEMPLATES)
def test_templates_are_rendered_as_far_as_they_are_known(project: Project, template: str, text: str) -> None:
    runbook = {
        "name": "T",
        "vars": {"known": "1"},
        "blocks": [
            {"name": "X", "script": "echo 1", "capture": "x"},
            {"vars": {"made": "<{{ var.x }}>"}},
            {"name": "A", "script": f"echo {template}"},
        ],
    }
    project.write("a.runbook.json", json.dumps(runbook))

    found = blocks(project, ".")["A"]

    assert found["problems"] == []
    assert found["does"].replace('"', "'") == f"echo {text}".replace('"', "'")


def test_variables_that_a_program_writes_are_known_by_it(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Build, script: 'echo "build=42" >> "$RUNBOOK_OUTPUT_VARS"'}
          - {name: Use, script: 'echo {{ var.build }}'}
        """)  # fmt: skip

    assert blocks(project, ".")["Use"]["unknown"] == {"var.build": 'block 1 "Build" (a.runbook.yaml:3)'}


def test_json_may_go_to_standard_output(planned: Project) -> None:
    result = planned.run("--runbook-plan-json=-", "-q", ".")

    text = result.stdout.str()
    plan = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert [block["name"] for block in plan["runbooks"][0]["blocks"]] == ["Build", "Push", "Look", "Ship", "Sweep"]


def test_a_file_that_can_not_be_read_is_a_problem(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{nonsense: 1}]")

    result = project.run("--runbook-plan", ".")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["PROBLEM  * a.runbook.yaml:1", "plan: 0 blocks of 0 runbooks would run, 1 problem"])


def test_workers_are_not_started_for_a_plan(planned: Project) -> None:
    result = planned.run("--runbook-plan", "-n", "2", ".")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["plan: 5 blocks of 1 runbook would run, no problems found"])


def test_environments_and_requirements_are_reported(project: Project) -> None:
    project.write(
        "a.runbook.yaml", "environments: [staging]\nrequires: [secret.X]\nblocks: [{name: A, script: 'true'}]"
    )

    assert blocks(project, ".")["A"]["action"] == "refuse"
    project.run("--runbook-plan", "--runbook-environment=staging", ".").stdout.fnmatch_lines(
        [
            "a.runbook.yaml  *environment staging",
            "  requires secret.X",
            "  PROBLEM  requires: there is no secret X  a.runbook.yaml:2",
        ]
    )


def test_the_page_shows_what_is_printed(project: Project) -> None:
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    runbook, shown = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("yaml", "text"))
    assert runbook is not None
    assert shown is not None
    project.write("deploy.runbook.yaml", runbook[1])

    result = project.run("--runbook-plan", "-q", ".")

    assert shown[1] in "\n".join(result.outlines) + "\n"


def test_a_block_type_of_others_is_reported_by_its_main_prop(project: Project) -> None:
    project.write("conftest.py", """
        from pytest_runbook import BlockBehavior, BlockPlugin, BlockType, Prop

        class Port(BlockBehavior):
            async def execute(self, context):
                raise AssertionError("it does not run")

        def pytest_runbook_block_types():
            props = (Prop(name="address", templated=True),)
            return [BlockPlugin(BlockType(name="port", plain_names=("port",), main="address", props=props), Port)]
        """)  # fmt: skip
    project.write("a.runbook.yaml", "vars: {zone: eu}\nblocks: [{name: A, port: 'web.{{ var.zone }}:80'}]")

    found = blocks(project, ".")["A"]

    assert (found["type"], found["does"], found["effects"]) == ("port", "web.eu:80", "write")
