"""The runbook format, fact by fact: a row says what a document must come to, and is named after its section.

The sections are those of docs/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_runbook import ContextError, Settings, UnreadableFile
from tests.conformance.documents import Node, after_run, directory, document, dropdown, env, node, script, var
from tests.harness import Opened, inside

# What templates come to


ABOVE: list[Node] = [
    {"id": "prose", "type": "paragraph", "props": {"textColor": "default"}, "content": [
        {"type": "text", "text": "One ", "styles": {}},
        {"type": "link", "href": "x", "content": [{"type": "text", "text": "link", "styles": {}}]},
        {"type": "text", "text": "two", "styles": {"bold": True}},
    ]},
    {"id": "plain", "type": "quote", "props": {}, "content": "as it is"},
    {"id": "term", "type": "codeBlock", "props": {"name": "code", "language": "sh", "start": 3}, "content": []},
    var("x", "a,b"), var("n", "7"), var("empty", ""), var("flag", "false"), var("items", "mine"),
    env("E", "block"),
    node("editor", name="Ed", code="{{ raw }}", language="text"),
]  # fmt: skip

RENDERED: list[tuple[str, str, str]] = [
    ("4.1", "{# no comment #} ${#array[@]}", "{# no comment #} ${#array[@]}"),
    ("4.1", "{{ var.n }}\n", "7"),
    ("4.1", "{{ var.n }}\n\n", "7\n"),
    ("4.1", "no braces\n", "no braces\n"),
    ("4.1", "{% if true %}\nx\n{% endif %}\ny", "x\ny"),
    ("4.1", "  {% if true %}x{% endif %}", "  x"),
    ("4.1", '{{ "<b>" }}', "<b>"),
    ("4.1", """{{ "it's" | shellquote }}""", "'it'\\''s'"),
    ("4.1", "{{ 123 | shellquote }}", "'123'"),
    ("4.2", "{{ var.x }} {{ var['n'] }} {{ env.E }}", "a,b 7 block"),
    ("4.2", "{{ var.items }}", "mine"),
    ("4.2", "{{ doc.first.content }}", "One two"),
    ("4.2", "{{ doc.content[1].content }}", "as it is"),
    ("4.2", "{{ doc.first.block_type }} {{ doc.last.block_type }}", "paragraph var"),
    ("4.2", "{{ doc.content | length }}", "11"),
    ("4.2", "{{ doc.previous.content }}", "{{ raw }}"),
    ("4.2", "{{ doc.named['Ed'].content }}", "{{ raw }}"),
    ("4.2", "{{ doc.named['code'].props.language }}", "sh"),
    ("4.2", "[{{ doc.named['code'].props.start }}]", "[]"),
    ("4.2", "{{ doc.named['n'].props.value }}", "7"),
    ("4.2", "{{ doc.named['Ed'].output is defined }}", "false"),
    ("4.2", "{{ runbook.id }}", "doc"),
    ("4.4", "{{ none }} {{ true }} {{ false }}", "none true false"),
    ("4.4", '{{ [1, "a", none, true] }}', '[1, "a", none, true]'),
    ("4.4", "{{ (1, 2) }}", "[1, 2]"),
    ("4.4", '{{ {"k": "v"} }}', '{"k": "v"}'),
    ("4.4", "{{ 1.0 }} {{ 1e20 }}", "1.0 100000000000000000000.0"),
    ("4.4", "{{ 4 / 2 }}", "2.0"),
    ("4.4", "{{ -7 % 3 }} {{ 7 % -3 }}", "2 1"),
    ("4.4", "{{ -7 // 2 }} {{ 7 // -2 }}", "-4 -3"),
    ("4.4", "{{ 2.5 | round }} {{ 3 | round }}", "3.0 3"),
    ("4.4", '{{ [1, 2] | map("string") }} {{ range(3) }}', '["1", "2"] [0, 1, 2]'),
    ("4.4", '{{ "a\\nb" | lines }}', '["a", "b"]'),
    ("4.4", '{{ var.x | split(",") | last }} {{ (var.x | split(","))[0] }}', "b a"),
    ("4.4", '{% for part in var.x | split(",") %}{{ part }};{% endfor %}', "a;b;"),
    ("4.4", '{{ {"b": 1, "a": 2} | dictsort }}', '[["a", 2], ["b", 1]]'),
    ("4.4", '{{ "3.7" | int }} {{ var.n | int + 1 }}', "3 8"),
    ("4.4", "{{ var.n ~ 1 }} {{ 'a' * 3 }}", "71 aaa"),
    ("4.4", '{{ "1" == 1 }} {{ true == 1 }}', "false true"),
    ("4.4", "{% if var.flag %}yes{% else %}no{% endif %}", "yes"),
    ("4.4", "{% if var.empty %}yes{% else %}no{% endif %}", "no"),
    ("4.4", "{{ var.flag | bool }}", "true"),
    ("4.4", "{{ var.missing is defined }}", "false"),
    ("4.4", '{{ var.missing | default("x") }} {{ none | default("x") }}', "x none"),
    ("4.4", '{{ "" | default("x", true) }}', "x"),
    ("4.4", '{{ "x" if false }}', ""),
    ("4.4", '{{ {"b": [1, "é"], "a": "<"} | tojson }}', '{"b":[1,"é"],"a":"\\u003c"}'),
    ("4.4", '{{ "a b/c" | urlencode }}', "a%20b/c"),
    ("4.4", "{% for c in 'ab' %}{{ c }}.{% endfor %}", "a.b."),
    ("4.4", "{% for c in none %}x{% endfor %}", ""),
    ("4.4", '{{ ["b", "A"] | sort }}', '["A", "b"]'),
]  # fmt: skip
FILTERS = {
    "-3 | abs": "3", "{'a': 1} | attr('a')": "1", "[1, 2, 3] | batch(2)": "[[1, 2], [3]]", "'x' | bool": "true",
    "'hELLO' | capitalize": "Hello", "[1] | chain([2]) | list": "[1, 2]", "[1] | count": "1",
    "var.missing | d('x')": "x",
    "var.missing | default('x')": "x", "{'b': 1, 'a': 2} | dictsort": '[["a", 2], ["b", 1]]', "'<' | e": "&lt;",
    "'<' | escape": "&lt;", "'ab' | first": "a", "'1.5' | float": "1.5",
    "[{'a': 1}] | groupby('a') | length": "1", "'a\\nb' | indent(2)": "a\n  b", "'3' | int": "3",
    "{'a': 1} | items": '[["a", 1]]', "[1, 2] | join('-')": "1-2", "'ab' | last": "b", "'ab' | length": "2",
    "'a\\nb' | lines": '["a", "b"]', "'ab' | list": '["a", "b"]', "'AB' | lower": "ab",
    "[1] | map('string')": '["1"]', "[1, 3, 2] | max": "3", "[1, 3] | min": "1", "[] | pprint": "[]",
    "[1, 2] | reject('odd')": "[2]", "[{'a': 0}] | rejectattr('a') | length": "1", "'aXb' | replace('X', '-')": "a-b",
    "'ab' | reverse": "ba", "1.5 | round": "2.0", "'<' | safe": "<", "[0, 1] | select": "[1]",
    "[{'a': 1}] | selectattr('a') | length": "1", "[1, 2, 3] | slice(2) | length": "2", "[2, 1] | sort": "[1, 2]",
    "'a,b' | split(',') | list": '["a", "b"]', "5 | string": "5", "[1, 2] | sum": "3", "'ab cd' | title": "Ab Cd",
    "[1] | tojson": "[1]", "' a ' | trim": "a", "[1, 1] | unique": "[1]", "'a' | upper": "A",
    "'a b/' | urlencode": "a%20b/", "[1] | zip([2]) | list": "[[1, 2]]", "'a' | shellquote": "'a'",
}  # fmt: skip
TESTS = {
    "true is boolean": True, "1 is defined": True, "4 is divisibleby(2)": True, "'ab' is endingwith('b')": True,
    "1 is eq(1)": True, "1 is equalto(1)": True, "1 is ne(2)": True, "2 is gt(1)": True, "2 is greaterthan(1)": True,
    "2 is ge(2)": True, "1 is lt(2)": True, "1 is lessthan(2)": True, "1 is le(1)": True, "2 is even": True,
    "1 is odd": True, "false is false": True, "true is true": True, "'upper' is filter": True, "'odd' is test": True,
    "1.0 is float": True, "1 is integer": True, "[] is iterable": True, "'a' is lower": True, "'A' is upper": True,
    "{} is mapping": True, "none is none": True, "1 is number": True, "('a' | safe) is safe": True,
    "1 is sameas(1)": True,
    "[] is sequence": True, "'ab' is startingwith('a')": True, "'a' is string": True, "var.missing is undefined": True,
    "1 is in([1])": True, "1 is none": False, "'1' is number": False, "1 is string": False,
}  # fmt: skip
SYNTAX = {
    "{% for i in range(3) if i %}{{ loop.index }}{{ loop.last }} {% else %}-{% endfor %}": "1false 2true ",
    "{% for i in [] %}x{% else %}none{% endfor %}": "none",
    "{% for i in [1, [2]] recursive %}{{ i if i is number else loop(i) }}{% endfor %}": "12",
    "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}": "01",
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}": "02",
    "{% with a = 1 %}{{ a }}{% endwith %}": "1",
    "{% set a = 1 %}{{ a }}": "1",
    "{% set a | upper %}x{% endset %}{{ a }}": "X",
    "{% filter upper %}x{% endfilter %}": "X",
    "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}": "<1>",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{% endcall %}": "<x>",
    "{% raw %}{{ x }}{% endraw %}": "{{ x }}",
    "{% do range(3) %}x": "x",
    "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ ns.a }}": "2",
    "{{ dict(a=1).a }}": "1",
    "{{ 1 < 2 < 3 }} {{ 'a' in 'abc' }} {{ [1, 2, 3][1:] }} {{ 'abc'[-1] }}": "true true [2, 3] c",
}
RENDERED += [
    *(("4.3", f"{{{{ {expression} }}}}", text) for expression, text in FILTERS.items()),
    *(("4.3", f"{{{{ {expression} }}}}", str(truth).lower()) for expression, truth in TESTS.items()),
    *(("4.3", template, text) for template, text in SYNTAX.items()),
]
ABSENT = [
    "format(1)",
    "wordcount",
    "wordwrap(3)",
    "truncate(1)",
    "random",
    "xmlattr",
    "forceescape",
    "center(9)",
    "urlize",
]
UNDEFINED = [
    "{% for x in var.nobody %}{% endfor %}", "{% if var.nobody %}{% endif %}", "{{ 1 if var.nobody else 2 }}",
    "{{ var.nobody and 1 }}", "{{ 'x' in var.nobody }}", "{{ var.nobody.attr }}", "{{ var.nobody | trim }}",
    "{{ var.nobody | length }}", "{{ var.nobody | first }}", "{{ 'a' ~ var.nobody }}", "{{ var.nobody + 1 }}",
    "{{ var.nobody == 'x' }}", "{{ not var.nobody }}", "{{ var.nobody | int }}", "{{ var.nobody | tojson }}",
    "{{ var.nobody | shellquote }}", "{{ [var.nobody] }}",
]  # fmt: skip
REFUSED: list[tuple[str, str]] = [
    ("4.1", "{% include 'x' %}"),
    ("4.1", "{% extends 'x' %}"),
    *(("4.3", f"{{{{ 'a' | {name} }}}}") for name in ABSENT),
    ("4.3", "{{ joiner(1) }}"),
    ("4.3", "{{ lipsum() }}"),
    ("4.3", "{{ cycler(1) }}"),
    ("4.3", "{% import 'x' as y %}"),
    ("4.4", "{{ nobody.attr | default('x') }}"),
    *(("4.4", template) for template in UNDEFINED),
    ("4.4", "{{ nobody }}"),
    ("4.4", "{{ var.nobody }}"),
    ("4.4", "{{ nobody.x is defined }}"),
    ("4.4", "{{ var.x | nobody }}"),
    ("4.4", '{{ "a" | int }}'),
    ("4.4", '{{ "x" + 1 }}'),
    ("4.4", "{{ 1 // 0 }}"),
]


def final_variables(folder: Path, nodes: Sequence[Node]) -> Mapping[str, object]:
    async def work(book: Opened) -> Mapping[str, object]:
        return book.document.final_context().variables

    settings = Settings(root=folder, invocation=folder)
    return inside(folder, document(nodes), work, name="a.atrb", settings=settings)


@pytest.mark.parametrize(("section", "template", "text"), RENDERED)
def test_a_template_renders_as_the_format_shows(tmp_path: Path, section: str, template: str, text: str) -> None:
    assert final_variables(tmp_path, [*ABOVE, var("out", template)])["out"] == text


@pytest.mark.parametrize(("section", "template"), REFUSED)
def test_a_template_that_makes_no_sense_is_an_error(tmp_path: Path, section: str, template: str) -> None:
    with pytest.raises((ContextError, UnreadableFile)):
        final_variables(tmp_path, [*ABOVE, var("out", template)])


# Where programs run


HOME = "/home/somebody"
DIRECTORIES: list[tuple[str, Sequence[Node], str]] = [
    ("2.11", [directory("/base"), directory("")], "START"),
    ("3.4", [directory("/base"), directory("subdir1"), directory("subdir2")], "/base/subdir1/subdir2"),
    ("3.4", [directory("/base/path/current"), directory("../sibling")], "/base/path/sibling"),
    ("3.4", [directory("/base"), directory("../../../../../../etc")], "/etc"),
    ("3.4", [directory("  /path/to/dir  ")], "/path/to/dir"),
    ("3.4", [directory("/path/to/dir/")], "/path/to/dir"),
    ("3.4", [directory("/base"), directory("./subdir")], "/base/subdir"),
    ("3.4", [directory("/path/to/.hidden/dir.name.with.dots")], "/path/to/.hidden/dir.name.with.dots"),
    ("3.4", [directory("/with space/ünïcode/!@")], "/with space/ünïcode/!@"),
    ("3.4", [var("base", "/b"), var("sub", "s"), directory("{{ var.base }}/{{ var.sub }}")], "/b/s"),
    ("3.4", [env("HOME", "/h"), directory("{{ env.HOME }}/documents")], "/h/documents"),
    ("3.4", [env("HOME", "/h"), directory("$HOME/a")], "/h/a"),
    ("3.4", [env("HOME", "/h"), directory("${HOME}/a")], "/h/a"),
    ("3.4", [env("SUB", "s"), directory("/base"), directory("$SUB/src")], "/base/s/src"),
    ("3.4", [directory("/a/${NOBODY:-default}")], "/a/default"),
    ("3.4", [directory("/path/with/$dollar")], "/path/with/$dollar"),
    ("3.4", [directory("/a/$$b")], "/a/$b"),
    ("3.4", [directory("~")], HOME),
    ("3.4", [directory("~/a")], f"{HOME}/a"),
    ("3.4", [directory("/path/with/~tilde")], "/path/with/~tilde"),
    ("3.4", [directory("/one"), directory("/two")], "/two"),
    ("3.4", [directory("/nobody/made/this")], "/nobody/made/this"),
]


@pytest.mark.parametrize(("section", "nodes", "path"), DIRECTORIES)
def test_directories_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, nodes: Sequence[Node], path: str
) -> None:
    monkeypatch.setenv("HOME", HOME)

    async def work(book: Opened) -> str:
        return book.document.final_context().cwd

    settings = Settings(root=tmp_path, invocation=tmp_path)
    cwd = inside(tmp_path, document(nodes), work, name="a.atrb", settings=settings)

    assert cwd == path.replace("START", str(tmp_path))


# Hosts


HOSTS: list[tuple[str, Sequence[Node], str | None]] = [
    ("2.13", [node("host-select", host="deploy@web-1")], "deploy@web-1"),
    ("2.13", [node("host-select", host="  deploy@1.2.3.4:22 ")], "deploy@1.2.3.4:22"),
    ("2.13", [node("host-select", host="LOCALHOST")], None),
    ("2.13", [node("host-select", host="a"), node("host-select")], None),
    ("2.13", [node("host-select", host="a"), node("host-select", host="")], None),
    ("2.14", [node("ssh-connect", userHost="u@h:2222", port=0)], "u@h:2222"),
    ("2.14", [node("ssh-connect", userHost="", user="u", hostname="h", port=2222)], "u@h:2222"),
    ("2.14", [node("ssh-connect", userHost="old", user="u", hostname="h")], "u@h"),
    ("2.14", [var("h", "web"), node("ssh-connect", user="u", hostname="{{ var.h }}.x")], "u@web.x"),
    ("3.5", [node("ssh-connect", userHost="u@h"), node("host-select", host="b")], "b"),
    ("3.5", [node("ssh-connect", userHost="u@h"), node("host-select", host="local")], None),
]


@pytest.mark.parametrize(("section", "nodes", "host"), HOSTS)
def test_the_last_host_holds(tmp_path: Path, section: str, nodes: Sequence[Node], host: str | None) -> None:
    async def work(book: Opened) -> str | None:
        return book.document.final_context().ssh_host

    assert inside(tmp_path, document(nodes), work, name="a.atrb") == host


# What runs


@dataclass(frozen=True, kw_only=True)
class Run:
    """A document's blocks and what comes of them.

    outcomes: of the items in their order; passed, where nothing is said. said: what they wrote. seen: variables below.
    message: of the last item that failed.
    """

    nodes: Sequence[Node]
    outcomes: Sequence[str] = ("passed",)
    said: str | None = None
    seen: Mapping[str, object] = field(default_factory=dict)
    message: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)


def nested(*children: Node) -> Node:
    kids = [{"id": f"child{number}", "children": [], **child} for number, child in enumerate(children)]
    return {"id": "list", "type": "toggleListItem", "props": {}, "content": [], "children": kids}


PAUSE = node("pause", condition="", pauseIfTruthy=False)
RUNS: dict[str, Run] = {
    "1.4 terminal is another name of run": Run(nodes=[node("terminal", name="t", type="bash", code="exit")]),
    "1.5 children run in pre-order whatever holds them": Run(
        nodes=[nested(script("echo 1"), nested(script("echo 2"))), script("echo 3")],
        outcomes=["passed"] * 3,
        said="1\n2\n3\n",
    ),
    "1.5 prose has no items": Run(nodes=[{"type": "paragraph", "props": {}, "content": []}], outcomes=[]),
    "1.7 dependency is for the app alone": Run(
        nodes=[script("echo ok", dependency='{"parents":["nobody"],"within":0,"autoRunParents":true}')]
    ),
    "1.10 props of old documents do no harm": Run(
        nodes=[script("true", terminalRows=12), node("local-directory", path="/nobody")]
    ),
    "2.0 context blocks are no items": Run(
        nodes=[var("a", "1"), env("B", "2"), directory("/"), node("var_display", name="a"), node("host-select")],
        outcomes=[],
    ),
    "2.0 the last of a name counts": Run(
        nodes=[script("echo 1"), script("echo 2"), var("o", "{{ doc.named['s'].output.stdout | default('-') }}")],
        outcomes=["passed", "passed"],
        seen={"o": "2\n"},
    ),
    "2.1 exit 0 succeeds": Run(nodes=[script("exit 0")]),
    "2.1 another exit code fails": Run(nodes=[script("exit 3")], outcomes=["failed"], message="exit code 3"),
    "2.1 bash is the default": Run(nodes=[node("script", name="s", code="echo ${BASH_VERSION:+bash}")], said="bash\n"),
    "2.1 code is rendered": Run(nodes=[var("x", "1"), script("echo {{ var.x }}")], said="1\n"),
    "2.1 several lines run": Run(nodes=[script("x=1\necho $x")], said="1\n"),
    "2.1 nothing else changes the shell's options": Run(nodes=[script("false\necho on")], said="on\n"),
    "2.1 output is exact": Run(
        nodes=[script("printf ' a\\n\\nb '"), var("o", "[{{ doc.named['s'].output.stdout }}]")],
        seen={"o": "[ a\n\nb ]"},
    ),
    "2.1 without any output there is none": Run(
        nodes=[script("true"), var("o", "{{ doc.named['s'].output.stdout }} {{ doc.named['s'].output.exit_code }}")],
        seen={"o": "none 0"},
    ),
    "2.1 one stream alone leaves the other empty": Run(
        nodes=[script("echo x >&2"), var("o", "[{{ doc.named['s'].output.stdout }}]")], seen={"o": "[]"}
    ),
    "2.1 both streams are combined": Run(
        nodes=[script("echo 1; sleep 0.05; echo 2 >&2"), var("o", "{{ doc.named['s'].output.combined }}")],
        seen={"o": "1\n2\n"},
    ),
    "2.1 the output variable's name is rendered": Run(
        nodes=[var("which", "out"), script("echo 1", outputVariable="{{ var.which }}")], seen={"out": "1"}
    ),
    "2.1 an output variable is set without output": Run(
        nodes=[script("true", outputVariable="out")], seen={"out": ""}
    ),
    "2.1 the output variable wins over the file": Run(
        nodes=[script("echo out=file >> $ATUIN_OUTPUT_VARS; echo stdout", outputVariable="out")],
        seen={"out": "stdout"},
    ),
    "2.1 a failure sets no variables": Run(
        nodes=[script("echo a=1 >> $ATUIN_OUTPUT_VARS; echo x; exit 1", outputVariable="out")],
        outcomes=["failed"],
        seen={"a": None, "out": None},
    ),
    "2.1 standard input is empty": Run(nodes=[script("cat; echo end")], said="end\n"),
    "2.1 environment of blocks reaches the program": Run(nodes=[env("X", "a b"), script('echo "$X"')], said="a b\n"),
    "2.7 an editor sets its variable": Run(
        nodes=[var("x", "1"), node("editor", name="e", code="v{{ var.x }}", variableName="text")],
        outcomes=[],
        seen={"text": "v1"},
    ),
    "2.7 the variable's name is rendered": Run(
        nodes=[var("x", "t"), node("editor", name="e", code="c", variableName="{{ var.x }}")],
        outcomes=[],
        seen={"t": "c"},
    ),
    "2.8 an empty value is one": Run(nodes=[var("x", "")], outcomes=[], seen={"x": ""}),
    "2.8 symbols, newlines and emoji stay": Run(nodes=[var("x", "$!\n🎉")], outcomes=[], seen={"x": "$!\n🎉"}),
    "2.8 letters of any script, digits first": Run(nodes=[var("1ü_", "y")], outcomes=[], seen={"1ü_": "y"}),
    "2.8 a variable may build on itself": Run(
        nodes=[var("x", "a"), var("x", "{{ var.x }}!")], outcomes=[], seen={"x": "a!"}
    ),
    **{
        f"2.8 {name!r} is no name": Run(
            nodes=[var(name, "x"), script("true")], outcomes=["failed"], message=f'"{name}" is no name for a variable'
        )
        for name in ("a b", "a-b", "a!")
    },
    "2.9 an answer is the value": Run(
        nodes=[node("local-var", name="x", obscured=False)], outcomes=[], answers={"x": "7"}, seen={"x": "7"}
    ),
    "2.10 an empty value is one": Run(nodes=[env("X", ""), script("echo ${X-unset}.")], said=".\n"),
    "2.10 values stay": Run(nodes=[env("X", "a\n$b ü"), script('printf %s "$X"')], said="a\n$b ü"),
    "2.16 the answer is the variable": Run(
        nodes=[
            dropdown(fixedOptions="EU:e, US:u", delimiter=":"),
            script("echo {{ var.r }}"),
        ],
        outcomes=["passed", "passed"],
        answers={"r": "u"},
        said="u\n",
    ),
    "2.17 always": Run(nodes=[PAUSE], outcomes=["failed"]),
    "2.17 a blank condition does not pause": Run(nodes=[node("pause", condition=" ", pauseIfTruthy=True)]),
    "3.2 what a run left overrides what is declared": Run(
        nodes=[var("x", "declared"), script("echo x=left >> $ATUIN_OUTPUT_VARS")], seen={"x": "left"}
    ),
    "3.2 below a run, declarations count again": Run(
        nodes=[script("echo x=left >> $ATUIN_OUTPUT_VARS"), var("x", "declared")], seen={"x": "declared"}
    ),
    "3.2 a declaration below a script reads what it left": Run(
        nodes=[script("echo 1", outputVariable="a"), var("x", "{{ var.a }}!")], seen={"x": "1!"}
    ),
    "5.4 the first failure stops the run": Run(
        nodes=[script("echo 1"), script("exit 1"), script("echo 3")], outcomes=["passed", "failed", "skipped"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNS.values(), ids=RUNS)
def test_a_document_runs_as_the_format_shows(tmp_path: Path, row: Run) -> None:
    book = after_run(tmp_path, row.nodes, row.answers)
    results = list(book.run.results.values())
    variables = book.document.final_variables() if row.message is None else {}

    assert [str(result.outcome) for result in results] == list(row.outcomes), [result.message for result in results]
    assert row.said is None or book.said == row.said
    assert {name: variables.get(name) for name in row.seen} == row.seen
    assert row.message in (None, *(result.message for result in results))


# The file of output variables


OUTPUT_FILES: list[tuple[str, Mapping[str, str]]] = [
    ("", {}),
    ("a=1\nb=2\n", {"a": "1", "b": "2"}),
    ("a=\n", {"a": ""}),
    ("url=a=b\n", {"url": "a=b"}),
    ("\n\na=1\n\n", {"a": "1"}),
    ("a=1\na=2\n", {"a": "2"}),
    ("junk\na=1\n", {"a": "1"}),
    ("a=1\r\n", {"a": "1"}),
    ("a = 1 \n", {"a ": " 1 "}),
    ('a="1"\n', {"a": '"1"'}),
    ("#a=1\n", {"#a": "1"}),
    ("a<<EOF\n1\n 2=\nEOF\nb=3\n", {"a": "1\n 2=", "b": "3"}),
    ("a << END\nx\n END \n", {"a": "x"}),
    ("a<<EOF\nEOF\n", {"a": ""}),
    ("a<<EOF\nnot EOF here\nEOF\n", {"a": "not EOF here"}),
    ("a<<EOF\n$VAR `x` 'y' \"z\"\nEOF\n", {"a": "$VAR `x` 'y' \"z\""}),
    ("a<<EOF\nrest\nof it", {"a": "rest\nof it"}),
    ("redirect=command<<input\n", {"redirect": "command<<input"}),
    ("cmd=cat f <<< 'x'\n", {"cmd": "cat f <<< 'x'"}),
]


@pytest.mark.parametrize(("section", "text", "variables"), [("3.8", *row) for row in OUTPUT_FILES])
def test_a_file_of_output_variables_is_read(
    tmp_path: Path, section: str, text: str, variables: Mapping[str, str]
) -> None:
    (tmp_path / "given").write_bytes(text.encode())
    book = after_run(tmp_path, [script('cat given >> "$ATUIN_OUTPUT_VARS"')])

    assert book.document.final_variables() == variables
