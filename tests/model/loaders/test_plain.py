"""Plain runbooks: what each key gives, and what is wrong with those that make no sense."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_runbook.errors import Location
from pytest_runbook.model import default_catalog
from pytest_runbook.model.runbook import (
    Below,
    BlockRules,
    BlockScope,
    BlockSpec,
    Capture,
    Condition,
    Declaration,
    Form,
    OnFailure,
    Runbook,
    SecretSource,
    SkipRule,
    Timeouts,
)

Load = Callable[..., Runbook]
Faults = Callable[..., list[str]]


def at(line: int) -> Location:
    return Location("x.runbook.yaml", line)


def condition(source: str, line: int) -> Condition:
    return Condition(source=source, location=at(line))


def given(name: str, value: object, line: int) -> Declaration:
    return Declaration(name=name, value=value, location=at(line))


def block(load: Load, text: str) -> BlockSpec:
    """The block of a mapping, written from column 0."""
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    return load(f"blocks:\n-{indented[1:]}").blocks[-1]


def test_keys_of_the_file(load: Load) -> None:
    runbook = load("""\
version: 1
name: Nightly
vars: {base: "http://{{ env.HOST }}", n: 5, names: [a, b]}
env:
  PORT: 8080
  RATE: 1.10
secrets: {TOKEN: {env: API_TOKEN}}
timeout: {total: 15m, block: 60s, finally: 1h30m}
on_failure: continue
tags: [smoke, eu.west-1]
fixtures: pg_url
answers: {region: eu-west-1, "pause#1": continue, port: 1.10}
blocks: []
""")

    assert (runbook.form, runbook.name, runbook.id, runbook.location) == (
        Form.PLAIN,
        "Nightly",
        "x.runbook.yaml",
        Location("x.runbook.yaml"),
    )
    assert runbook.vars == (
        given("base", "http://{{ env.HOST }}", 3),
        given("n", 5, 3),
        given("names", ["a", "b"], 3),
    )
    assert runbook.env == (given("PORT", "8080", 5), given("RATE", "1.10", 6))
    assert runbook.secrets == (SecretSource(name="TOKEN", env="API_TOKEN", location=at(7)),)
    assert runbook.timeouts == Timeouts(total=900.0, block=60.0, finally_=5400.0)
    assert (runbook.on_failure, runbook.tags, runbook.fixtures) == (
        OnFailure.CONTINUE,
        ("smoke", "eu.west-1"),
        ("pg_url",),
    )
    assert runbook.answers == {"region": "eu-west-1", "pause#1": "continue", "port": "1.10"}


def test_a_file_without_a_name_is_called_by_its_own(load: Load) -> None:
    assert load("blocks: []", "nightly.runbook.yml").name == "nightly"


def test_one_timeout_is_that_of_the_whole_runbook(load: Load) -> None:
    assert load("timeout: 15m\nblocks: []").timeouts == Timeouts(total=900.0)


@pytest.mark.parametrize(
    ("text", "type_name", "props"),
    [
        ("script: echo", "script", {"code": "echo", "interpreter": "bash -eo pipefail -c"}),
        ("run: echo", "script", {"code": "echo"}),
        (
            "script: {code: 1 + 1, interpreter: python3, output_variable: x}",
            "script",
            {"interpreter": "python3", "outputVariable": "x"},
        ),
        ("terminal: top", "run", {"code": "top", "rows": 20, "cols": 120}),
        ("http: http://a", "http", {"url": "http://a", "verb": "GET"}),
        ("http: DELETE  http://a/b c", "http", {"url": "http://a/b c", "verb": "DELETE"}),
        (
            "http: {url: http://a, method: PUT, json: {n: 1.50}, headers: {A: b}}",
            "http",
            {"verb": "PUT", "json": {"n": 1.5}, "headers": {"A": "b"}},
        ),
        ("http: {url: http://a, json: null}", "http", {"json": None}),
        ("sqlite: {uri: x.db, query: select 1}", "sqlite", {"uri": "x.db", "query": "select 1"}),
        ("postgres: {uri: u, query: q}", "postgres", {"uri": "u", "query": "q"}),
        ("mysql: {uri: u, query: q}", "mysql", {"skipSqlModeInit": False}),
        ("clickhouse: {uri: u, query: q}", "clickhouse", {"query": "q"}),
        ("prometheus: up", "prometheus", {"query": "up", "endpoint": "http://localhost:9090", "period": "5m"}),
        ("kubernetes: kubectl get nodes -o json", "kubernetes-get", {"command": "kubectl get nodes -o json"}),
        ("kubernetes: {namespace: a}", "kubernetes-get", {"command": "kubectl get pods -o json", "namespace": "a"}),
        ("sub-runbook: ../a.atrb", "sub-runbook", {"runbookPath": "../a.atrb", "exportVars": False}),
        (
            "sub-runbook: {path: a.atrb, export_vars: true}",
            "sub-runbook",
            {"runbookPath": "a.atrb", "exportVars": True},
        ),
        (
            "name: region\ndropdown: 'eu, us'",
            "dropdown",
            {"name": "region", "fixedOptions": "eu, us", "optionsType": "fixed"},
        ),
        (
            "dropdown: {name: r, options_type: command, command_options: ls}",
            "dropdown",
            {"commandOptions": "ls", "interpreter": "bash", "delimiter": ":"},
        ),
        ("pause: var.x > 1", "pause", {"if": "var.x > 1", "condition": "", "pauseIfTruthy": False}),
        ("pause: {}", "pause", {"condition": "", "pauseIfTruthy": False}),
        ("editor: {code: text, variable_name: notes}", "editor", {"code": "text", "variableName": "notes"}),
        ("vars: {a: [1]}", "var", {"name": "a", "value": [1]}),
        ("var: {name: a, value: x}", "var", {"name": "a", "value": "x"}),
        ("env: {A: on}", "env", {"name": "A", "value": "on"}),
        ("directory: /srv", "directory", {"path": "/srv"}),
        ("directory: ''", "directory", {"path": ""}),
        ("host: deploy@web-1", "host-select", {"host": "deploy@web-1"}),
        ("ssh-connect: deploy@web-1:22", "ssh-connect", {"userHost": "deploy@web-1:22"}),
        ("ssh-connect: {user: a, hostname: b, port: 22}", "ssh-connect", {"user": "a", "hostname": "b", "port": 22}),
        ("local-var: token", "local-var", {"name": "token"}),
        ("local-directory: checkout", "local-directory", {"name": "checkout"}),
    ],
)
def test_types_and_their_props(load: Load, text: str, type_name: str, props: dict[str, object]) -> None:
    spec = block(load, text)

    assert spec.type == type_name
    assert {name: spec.props[name] for name in props} == props


def test_every_prop_of_the_type_is_present(load: Load) -> None:
    spec = block(load, "script: x")

    assert set(spec.props) == {prop.name for prop in default_catalog()["script"].props}


def test_name_beside_the_type_is_its_prop(load: Load) -> None:
    spec = block(load, "name: Disk\nscript: df")

    assert (spec.name, spec.props["name"], spec.label) == ("Disk", "Disk", 'block "Disk" (script)')


def test_name_among_the_props_is_the_block_s(load: Load) -> None:
    assert block(load, "local-var: token").name == "token"


def test_vars_and_env_are_a_block_for_each_name(load: Load) -> None:
    runbook = load("blocks:\n- vars: {a: 1, b: x}\n- env:\n    C: 2\n    D: y\n- script: z\n")

    assert [(spec.id, spec.label, spec.location.line) for spec in runbook.blocks] == [
        ("#1.a", 'block "a" (var)', 2),
        ("#1.b", 'block "b" (var)', 2),
        ("#2.C", 'block "C" (env)', 4),
        ("#2.D", 'block "D" (env)', 5),
        ("#3", "block #3 (script)", 6),
    ]
    assert [(node.id, node.type) for node in runbook.nodes] == [(spec.id, spec.type) for spec in runbook.blocks]
    assert [spec.node for spec in runbook.blocks] == [0, 1, 2, 3, 4]


def test_common_keys(load: Load) -> None:
    spec = block(
        load,
        """\
name: Health
id: health
script: curl
assert: output.n == 1
expect_error: refused|timed out
capture: {lag: output.lag, n: output.n}
timeout: 90s
when: var.x == "a"
on_failure: continue
finally: true
if_started: Health
tags: smoke
fixtures: [pg_url, redis]
sensitive: true
template: false
env: {A: 1}
vars: {b: 2}
directory: /tmp
host: web-1
stdin: text
""",
    )

    assert (spec.id, spec.name, spec.location) == ("health", "Health", at(2))
    assert spec.rules == BlockRules(
        assertions=(condition("output.n == 1", 5),),
        expect_error=condition("refused|timed out", 6),
        captures=(
            Capture(name="lag", expression=condition("output.lag", 7)),
            Capture(name="n", expression=condition("output.n", 7)),
        ),
        timeout=90.0,
        when=condition('var.x == "a"', 9),
        on_failure=OnFailure.CONTINUE,
        is_cleanup=True,
        if_started=("Health",),
        tags=("smoke",),
        fixtures=("pg_url", "redis"),
        sensitive=True,
        template=False,
        scope=BlockScope(
            env=(given("A", "1", 17),),
            vars=(given("b", 2, 18),),
            directory=given("directory", "/tmp", 19),
            host=given("host", "web-1", 20),
            stdin=given("stdin", "text", 21),
        ),
    )


def test_without_keys_nothing_is_ruled(load: Load) -> None:
    assert block(load, "script: x").rules == BlockRules()


def test_each_assertion_has_its_line(load: Load) -> None:
    spec = block(load, "script: x\nassert:\n- a\n\n- |\n  b\n  c\n")

    assert spec.rules.assertions == (condition("a", 4), condition("b\nc\n", 7))


def test_a_bare_capture_takes_the_output_s_value(load: Load) -> None:
    spec = block(load, "script: x\ncapture: used")

    assert spec.rules.captures == (Capture(name="used", expression=condition("output.value", 3)),)


@pytest.mark.parametrize(
    ("skip", "left_out"),
    [
        ("true", SkipRule(reason="skip: true")),
        ("false", None),
        ("broken since May", SkipRule(reason="broken since May")),
        ("{reason: broken, below: run}", SkipRule(reason="broken", below=Below.RUN)),
        ("{below: skip}", SkipRule(reason="skip: true", below=Below.SKIP)),
    ],
)
def test_skip_has_a_reason(load: Load, skip: str, left_out: SkipRule | None) -> None:
    assert block(load, f"script: x\nskip: {skip}").rules.skip == left_out


def test_clean_ups_come_last(load: Load) -> None:
    runbook = load("finally:\n- script: a\n  if_started: [main]\nblocks:\n- {name: main, script: b}\n")

    assert [(spec.id, spec.props["code"], spec.rules.is_cleanup) for spec in runbook.blocks] == [
        ("#1", "b", False),
        ("finally#1", "a", True),
    ]


def test_props_know_the_line_of_their_text(load: Load) -> None:
    spec = block(load, "script:\n  interpreter: sh\n  code: |\n\n    a\n    b\nassert: x\n")

    assert (spec.lines["interpreter"], spec.lines["code"], spec.lines["assert"]) == (3, 5, 8)
    assert spec.location_of("code") == at(5)
    assert spec.props["code"] == "\na\nb\n"


def test_json_is_read_alike(load: Load) -> None:
    document = {
        "name": "x",
        "blocks": [{"script": "echo", "assert": ["a", "b"]}],
        "finally": [{"http": "POST http://a"}],
    }
    runbook = load(json.dumps(document, indent=1), "x.runbook.json")

    assert runbook.form is Form.PLAIN
    assert [spec.type for spec in runbook.blocks] == ["script", "http"]
    assert [str(rule.location) for rule in runbook.blocks[0].rules.assertions] == [
        "x.runbook.json:7",
        "x.runbook.json:8",
    ]


@pytest.mark.parametrize("name", ["x.yaml", "x.yml", "x.json"])
def test_another_name_is_plain_by_its_content(load: Load, name: str) -> None:
    assert load('{"blocks": []}', name).form is Form.PLAIN


WAYS = "{env: VARIABLE}, or {file: PATH}, {command: [pass, show, NAME]}, {fixture: NAME}"
SECRET_HINT = f"A: {WAYS}"
FILE_FAULTS = [
    ("[]", 1, "a runbook must be a mapping with blocks, not a list", None),
    ("text", 1, 'a runbook must be a mapping with blocks, not the text "text"', None),
    ("name: x", 1, "no blocks", "for example: blocks: [{script: echo hello}]"),
    ("blocks: {}", 1, "blocks must be a list of blocks, not a mapping", None),
    ("blocks:", 1, "blocks must be a list of blocks, not nothing", None),
    ("blocks: []\nversion: 2", 2, "version must be 1, not the number 2", None),
    ("blocks: []\nversion: true", 2, "version must be 1, not true", None),
    ("blocks: []\nname: 404", 2, "name must be text, not the number 404", 'quote it: name: "404"'),
    ("blocks: []\nname: ''", 2, "name is empty", None),
    ("blocks: []\nnam: x", 2, 'unknown key "nam"', "did you mean name?"),
    (
        "blocks: []\ntimeout: 60",
        2,
        "timeout must be a duration, not the number 60",
        "a number with a unit: 500ms, 90s, 2m, 1h",
    ),
    ("blocks: []\ntimeout: {blok: 1s}", 2, 'unknown key "blok"', "did you mean block?"),
    (
        "blocks: []\ntimeout: {block: 1}",
        2,
        "timeout block must be a duration, not the number 1",
        "a number with a unit: 500ms, 90s, 2m, 1h",
    ),
    ("blocks: []\non_failure: halt", 2, 'on_failure must be stop or continue, not the text "halt"', None),
    ("blocks: []\ntags: [a b]", 2, '"a b" can\'t stand in tags', "one word: letters, digits and _ . + / -"),
    ("blocks: []\nfixtures: [a-b]", 2, '"a-b" can\'t stand in fixtures', "the name of a pytest fixture"),
    (
        "blocks: []\nretry: {attempts: 2}",
        2,
        "retry means nothing here: it is a key of blocks",
        "retry stands in a block, or for all of them in `defaults: {retry: ...}`",
    ),
    ("blocks: []\nwhen: x", 2, "when means nothing here: it is a key of blocks", "when stands in a block"),
    ("blocks: []\nvars: [a]", 2, "vars must be a mapping, not a list", "for example: vars: {NAME: value}"),
    ("blocks: []\nvars: {a-b: 1}", 2, '"a-b" is not a variable name', "letters, digits and underscores"),
    ("blocks: []\nenv: {'A=B': 1}", 2, '"A=B" is not a name for an environment variable', None),
    ("blocks: []\nenv: {A: }", 2, "A must be text, not nothing", 'an empty text is written: A: ""'),
    ("blocks: []\nenv: {A: [1]}", 2, "A must be text, not a list", None),
    ("blocks: []\nanswers: {a: {b: c}}", 2, "a must be text, not a mapping", None),
    ("blocks: []\nsecrets: {A: x}", 2, "secret A names no source", SECRET_HINT),
    ("blocks: []\nsecrets: {A: {}}", 2, "secret A names no source", SECRET_HINT),
    (
        "blocks: []\nsecrets: {A: {env: x, file: y}}",
        2,
        "secret A comes from env and file; it can have one source",
        WAYS,
    ),
    ("blocks: []\nsecrets: {A: {evn: x}}", 2, "secret A names no source", SECRET_HINT),
    ("blocks: []\nsecrets: {A: {env: x, fole: y}}", 2, 'secret A: unknown key "fole"', "did you mean file?"),
    ("blocks: []\nsecrets: {A: {env: 5}}", 2, "secret A: env must be a text", WAYS),
    ("blocks: []\nsecrets: {A: {file: ''}}", 2, "secret A: file must be a text", WAYS),
    (
        "blocks: []\nsecrets: {A: {command: [pass, 5]}}",
        2,
        "secret A: command must be a text for a shell, or a list of words",
        "command: [pass, show, db/live]",
    ),
    ("blocks: []\nsecrets: {A: {env: x, timeout: 5s}}", 2, "secret A: only a command has a timeout", "take it out"),
    (
        "blocks: []\nsecrets: {A: {command: x, timeout: 5}}",
        2,
        'secret A: timeout "5" is not a duration',
        "a number with a unit: 500ms, 90s, 2m, 1h",
    ),
]


@pytest.mark.parametrize(("text", "line", "said", "hint"), FILE_FAULTS, ids=[row[2][:40] for row in FILE_FAULTS])
def test_faults_of_the_file(faults: Faults, text: str, line: int, said: str, hint: str | None) -> None:
    assert faults(text) == [f"x.runbook.yaml:{line}: {said}" + (f"\n  hint: {hint}" if hint else "")]


ONE = "block #1 (script)"
BLOCK_FAULTS = [
    (
        "just text",
        2,
        "block #1",
        'a block must be a mapping that names its type, not the text "just text"',
        "for example: - script: echo hello",
    ),
    ("scirpt: x", 2, "block #1", 'unknown key "scirpt"', "did you mean script?"),
    (
        "script: x\n  http: y",
        3,
        "block #1",
        "names 2 block types: script, http",
        "one block does one thing: write two blocks",
    ),
    (
        "env: {A: b}\n  directory: y",
        3,
        "block #1",
        "names 2 block types: env, directory",
        "one block does one thing: write two blocks",
    ),
    ("script: 5", 2, ONE, "script must be text, not the number 5", 'quote it: script: "5"'),
    ("script: yes\n  name: true", 3, ONE, "name must be text, not true", 'quote it: name: "true"'),
    ("script:", 2, ONE, "script needs code", "the program's text"),
    ("script: ''", 2, ONE, "code is empty", None),
    ("script: {}", 2, ONE, "script needs code", "the program's text"),
    ("script: [a]", 2, ONE, "script must be text, not a list", None),
    (
        "script: {code: x, interpreter: 3}",
        2,
        ONE,
        "interpreter must be text, not the number 3",
        'quote it: interpreter: "3"',
    ),
    ("script: {code: x, interpreter: }", 2, ONE, "interpreter has no value", "leave it out to take its default"),
    ("script: {code: x, intrepreter: sh}", 2, ONE, 'unknown key "intrepreter"', "did you mean interpreter?"),
    ("script: {code: x, outputVariable: a, output_variable: b}", 2, ONE, "outputVariable is there twice", None),
    (
        "script: {code: x, dependency: '{}'}",
        2,
        ONE,
        'unknown key "dependency"',
        "known: name, code, interpreter, outputVariable, output_variable",
    ),
    (
        "script: x\n  interpreter: sh",
        3,
        ONE,
        "interpreter is a prop of script and belongs into its mapping",
        "write script: {code: ..., interpreter: ...}",
    ),
    (
        "script: {code: x, name: a}\n  name: b",
        3,
        'block "b" (script)',
        "name is there twice: beside the type and among its props",
        None,
    ),
    ("script: x\n  asert: y", 3, ONE, 'unknown key "asert"', "did you mean assert?"),
    ("script: x\n  assert: true", 3, ONE, "assert must be text, not true", 'quote it: assert: "true"'),
    ("script: x\n  assert: []", 3, ONE, "assert is an empty list", None),
    ("script: x\n  assert: ''", 3, ONE, "assert is empty", None),
    ("script: x\n  assert: [a, '']", 3, ONE, "an entry of assert is empty", None),
    (
        "script: x\n  expect_error: '('",
        3,
        ONE,
        'expect_error "(" is not a regular expression: missing ), unterminated subpattern at position 0',
        None,
    ),
    (
        "script: x\n  capture: output.a",
        3,
        ONE,
        'capture "output.a" is not a variable name',
        "an expression needs a name: capture: {NAME: 'output.a'}",
    ),
    ("script: x\n  capture: {a: 1}", 3, ONE, "a must be text, not the number 1", 'quote it: a: "1"'),
    (
        "script: x\n  timeout: 5 fortnights",
        3,
        ONE,
        'timeout "5 fortnights" is not a duration',
        "a number with a unit: 500ms, 90s, 2m, 1h",
    ),
    ("script: x\n  timeout: 0s", 3, ONE, 'timeout "0s" is not a duration', "a number with a unit: 500ms, 90s, 2m, 1h"),
    ("script: x\n  below: walk", 3, ONE, 'below must be run or skip, not the text "walk"', None),
    ("script: x\n  skip: {why: x}", 3, ONE, 'unknown key "why"', "known: reason, below"),
    ("script: x\n  skip: 1", 3, ONE, "skip must be true or a reason, not the number 1", None),
    ("script: x\n  finally: yes", 3, ONE, 'finally must be true or false, not the text "yes"', None),
    ("script: x\n  if_started: y", 3, ONE, "if_started is for clean-ups", "add: finally: true"),
    ("script: x\n  id: [1]", 3, ONE, "id must be text, not a list", None),
    (
        "script: x\n  needs: [a]",
        3,
        ONE,
        "needs means nothing here: it is a key of the whole file",
        "needs stands at the top of the file",
    ),
    ("script: x\n  env: [A]", 3, ONE, "env must be a mapping, not a list", "for example: env: {NAME: value}"),
    ("script: x\n  stdin: 5", 3, ONE, "stdin must be text, not the number 5", 'quote it: stdin: "5"'),
    ("postgres: select 1", 2, "block #1 (postgres)", "postgres needs uri or connection", None),
    (
        "postgres: {uri: x, query: y, query_file: z}",
        2,
        "block #1 (postgres)",
        "postgres takes query or query_file, not both",
        None,
    ),
    ("script: x\n  effects: none", 3, ONE, 'effects must be read, write or destructive, not the text "none"', None),
    ("http: {url: x, headers: [a]}", 2, "block #1 (http)", "headers must be a mapping or text, not a list", None),
    ("terminal: {code: x, rows: 0}", 2, "block #1 (terminal)", "rows must be from 1 to 65535, not the number 0", None),
    (
        "terminal: {code: x, cols: 80.5}",
        2,
        "block #1 (terminal)",
        "cols must be a whole number, not the number 80.5",
        None,
    ),
    (
        "ssh-connect: {userHost: a, port: 65536}",
        2,
        "block #1 (ssh-connect)",
        "port must be from 0 to 65535, not the number 65536",
        None,
    ),
    (
        "ssh-connect: {userHost: a, port: '22'}",
        2,
        "block #1 (ssh-connect)",
        'port must be a whole number, not the text "22"',
        None,
    ),
    (
        "dropdown: {name: a, optionsType: menu}",
        2,
        "block #1 (dropdown)",
        'optionsType must be fixed or variable or command, not the text "menu"',
        None,
    ),
    ("dropdown: {name: a, commandOptions: ls}", 2, "block #1 (dropdown)", "dropdown needs optionsType", None),
    ("dropdown: 'a, b'", 2, "block #1 (dropdown)", "dropdown needs name", "the variable that gets the answer"),
    (
        "sub-runbook: {path: x, export_vars: 'yes'}",
        2,
        "block #1 (sub-runbook)",
        'export_vars must be true or false, not the text "yes"',
        None,
    ),
    ("pause:", 2, "block #1 (pause)", "pause has no value", "pause: {} takes its defaults"),
    ("var: x", 2, "block #1 (var)", 'var must be a mapping of props, not the text "x"', None),
    ("var: {a: 1, name: b}", 2, "block #1 (var)", 'unknown prop "a"', "several variables: vars: {NAME: value}"),
    (
        "vars: {a: 1}\n  name: x",
        3,
        'block "x" (var)',
        "name means nothing here: vars blocks are called by the names in them",
        None,
    ),
    ("vars: {a b: 1}", 2, "block #1 (var)", '"a b" is not a variable name', "letters, digits and underscores"),
    (
        "directory: /x\n  assert: y",
        3,
        "block #1 (directory)",
        "assert means nothing here: directory blocks do not run",
        "they only set what holds below them",
    ),
    (
        "env: {A: b}\n  skip: true",
        3,
        "block #1 (env)",
        "skip means nothing here: env blocks do not run",
        "they only set what holds below them",
    ),
]


@pytest.mark.parametrize(
    ("text", "line", "label", "said", "hint"), BLOCK_FAULTS, ids=[row[0][:40] for row in BLOCK_FAULTS]
)
def test_faults_of_a_block(faults: Faults, text: str, line: int, label: str, said: str, hint: str | None) -> None:
    assert faults(f"blocks:\n- {text}\n") == [
        f"x.runbook.yaml:{line}: {label}: {said}" + (f"\n  hint: {hint}" if hint else "")
    ]


def test_a_block_without_a_type(faults: Faults) -> None:
    assert faults("blocks:\n- name: Disk\n  timeout: 5s\n") == [
        'x.runbook.yaml:2: block "Disk": names no block type\n  hint: one of: script, run, terminal, http, sqlite, '
        "postgres, mysql, clickhouse, prometheus, kubernetes, sub-runbook, dropdown, pause, editor, vars, var, env, "
        "directory, host, ssh-connect, local-var, local-directory"
    ]


REPEATED = [
    ("blocks:\n- script: x\n  id: a\n- script: y\n  id: a\n", 5),
    ("blocks: [{script: x, id: a},\n {script: y, id: a}]", 2),
    ("blocks: [{script: x}, {id: '#1',\n script: y}]", 1),
]


@pytest.mark.parametrize(("text", "line"), REPEATED, ids=["lines", "flow", "derived"])
def test_a_repeated_id(faults: Faults, text: str, line: int) -> None:
    reported = faults(text)

    assert len(reported) == 1
    assert reported[0].startswith(f"x.runbook.yaml:{line}: block #2 (script): id ")
    assert reported[0].endswith(", too\n  hint: change one: ids are unique")


def test_a_clean_up_for_a_block_that_is_not_there(faults: Faults) -> None:
    assert faults("blocks: [{name: Start it, script: x}]\nfinally:\n- script: y\n  if_started: Start_it\n") == [
        'x.runbook.yaml:4: block finally#1 (script): no block that runs is called "Start_it"\n'
        '  hint: did you mean "Start it"?'
    ]


def test_hosts_of_a_block(faults: Faults) -> None:
    reported = faults("blocks:\n- http: x\n  hosts: x\n")

    assert reported[0].startswith(
        "x.runbook.yaml:3: block #1 (http): hosts means nothing here: a block runs on one host\n"
    )


def test_an_atuin_document_under_a_plain_name(faults: Faults) -> None:
    reported = faults("id: x\ncontent: []\n")

    assert "x.runbook.yaml:1: no blocks\n  hint: an Atuin document is named NAME.atrb" in reported
    assert not any("did you mean" in fault for fault in reported)


def test_long_and_strange_names_stay_on_one_line(faults: Faults) -> None:
    reported = faults(f'blocks:\n- script: 5\n  name: "a\\nb\\e{"c" * 100}"\n')

    assert reported[0].count("\n") == 1
    assert 'block "a b\\x1bccc' in reported[0]


CONNECTION_FAULTS = [
    ("pay: {postgress: x}", '"postgress" is no type of a connection', 'did you mean "postgres"?'),
    ("pay: {postgres: 5}", "postgres must be text, not the number 5", 'quote it: postgres: "5"'),
    ("pay: x", 'connection pay must be a type with a URI, not the text "x"', "pay: {postgres: URI}"),
    ("pay: {postgres: x, mysql: y}", "connection pay must be a type with a URI, not a mapping", "pay: {postgres: URI}"),
]


@pytest.mark.parametrize(("text", "said", "hint"), CONNECTION_FAULTS, ids=[row[0] for row in CONNECTION_FAULTS])
def test_faults_of_connections(faults: Faults, text: str, said: str, hint: str) -> None:
    assert faults(f"connections:\n  {text}\nblocks: []\n") == [f"x.runbook.yaml:2: {said}\n  hint: {hint}"]
