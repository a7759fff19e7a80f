"""Markdown documents: what each fence gives, and what is wrong with those that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_runbook.errors import Location, UnreadableFile
from pytest_runbook.model import default_catalog
from pytest_runbook.model.loaders.markdown import read_markdown
from pytest_runbook.model.loading import looks_like_runbook
from pytest_runbook.model.runbook import Runbook
from pytest_runbook.model.source.source_file import SourceFile

Load = Callable[..., Runbook]
Faults = Callable[..., list[str]]
NAME = "x.runbook.md"


@pytest.mark.parametrize(
    ("language", "interpreter"),
    [("bash", "bash -eo pipefail -c"), ("sh", "sh -e"), ("zsh", "zsh -e"), ("python", "python3")],
)
def test_code_of_a_shell_or_of_python_is_a_script(load: Load, language: str, interpreter: str) -> None:
    (block,) = load(f"```{language}\nx\ny\n```\n", NAME).blocks

    assert (block.type, block.props["code"], block.props["interpreter"]) == ("script", "x\ny\n", interpreter)
    assert (block.location.line, block.lines["code"]) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nx\n```",
        "```bash\r\nx\r\n```\r\n",
        "~~~ bash\nx\n~~~\n",
        "`````bash\nx\n`````\n",
        "   ```bash\n   x\n   ```\n",
        "- step\n\n  ```bash\n  x\n  ```\n",
        "1. step\n   - deeper\n\n     ```bash\n     x\n     ```\n",
        "> ```bash\n> x\n> ```\n",
    ],
)
def test_a_fence_is_found_wherever_markdown_has_one(load: Load, text: str) -> None:
    (block,) = load(text, NAME).blocks

    assert block.props["code"] == "x\n"


@pytest.mark.parametrize(
    "text",
    ["```\nx\n```\n", "```yaml\nx\n```\n", "    ```bash\n    x\n    ```\n", "`bash x`\n", "```bashful\nx\n```\n"],
)
def test_other_code_is_prose(load: Load, text: str) -> None:
    book = load(text, NAME)

    assert book.blocks == ()
    assert len(book.nodes) == 1


def test_prose_is_kept_in_its_order(load: Load) -> None:
    text = "# Disk `full`\n\nCall Ann.\n\n```bash\nx\n```\n\n```json\n{}\n```\n\n```sh\ny\n```\n"

    book = load(text, NAME)

    assert [(node.type, node.location.line) for node in book.nodes] == [
        ("heading", 1), ("paragraph", 3), ("script", 5), ("codeBlock", 9), ("script", 13),
    ]  # fmt: skip
    assert [node.content for node in book.nodes[:2]] == ["Disk full", "Call Ann."]
    assert [block.node for block in book.blocks] == [2, 4]


def test_a_block_is_called_by_the_heading_above_it_or_by_its_own_name(load: Load) -> None:
    text = "# A\n```sh\nx\n```\n## B\n```sh\nx\n```\n```sh {name: C}\nx\n```\n"

    assert [block.name for block in load(text, NAME).blocks] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "name"), [("# A\n\n# B\n", "A"), ("---\nname: F\n---\n# A\n", "F"), ("## A\n", "x"), ("---\n\n# A\n", "A")]
)
def test_a_runbook_is_called_by_its_front_matter_its_title_or_its_file(load: Load, text: str, name: str) -> None:
    assert load(text, NAME).name == name


def test_front_matter_carries_the_keys_of_a_file(load: Load) -> None:
    book = load("---\nvars: {a: 1}\ntimeout: 5m\ntags: [smoke]\n---\n\n```sh\nx\n```\n", NAME)

    assert [(var.name, var.value, var.location.line) for var in book.vars] == [("a", 1, 2)]
    assert (book.timeouts.total, book.tags) == (300, ("smoke",))
    assert book.blocks[0].location.line == 7


def test_a_fence_carries_the_keys_and_the_props_of_its_block(load: Load) -> None:
    text = '```sh {assert: "a < 5", timeout: 30s, finally: true, outputVariable: v, id: k}\nx\n```\n'

    (block,) = load(text, NAME).blocks

    assert [(condition.source, condition.location.line) for condition in block.rules.assertions] == [("a < 5", 1)]
    assert (block.rules.timeout, block.rules.is_cleanup, block.id) == (30, True, "k")
    assert block.props["outputVariable"] == "v"


@pytest.mark.parametrize(
    ("text", "is_template"),
    [
        ("```sh\n{{ x }}\n```\n", False),
        ("```sh {template: true}\n{{ x }}\n```\n", True),
        ("---\ndefaults: {template: true}\n---\n```sh\n{{ x }}\n```\n", True),
    ],
)
def test_braces_are_a_template_only_where_that_is_asked_for(load: Load, text: str, is_template: bool) -> None:
    assert load(text, NAME).blocks[0].rules.template is is_template


def test_each_command_of_a_console_asserts_what_is_shown_below_it(load: Load) -> None:
    text = '```console {assert: output.seconds < 9}\n$ a \\\n> b\nsaid "x"\n\nmore  \n\n$ c\n```\n'

    first, second = load(text, NAME).blocks

    assert [first.props["code"], second.props["code"]] == ["a \\\nb", "c"]
    assert [(condition.source, condition.location.line) for condition in first.rules.assertions] == [
        ('(output.stdout or "").rstrip() == "said \\"x\\"\\n\\nmore"', 4),
        ("output.seconds < 9", 1),
    ]
    assert [condition.source for condition in second.rules.assertions] == ["output.seconds < 9"]
    assert [first.lines["script"], second.lines["script"]] == [1, 1]
    assert [first.location_of("code").line, second.location_of("code").line] == [2, 8]


def test_sql_asks_the_connection_that_its_fence_names(load: Load) -> None:
    front = "---\nconnections: {pay: {postgres: 'postgres://db'}}\n---\n"

    (block,) = load(front + "```sql {connection: pay, params: [1]}\nselect 1\n```\n", NAME).blocks

    assert (block.type, block.props["connection"], block.props["params"]) == ("postgres", "pay", [1])
    assert block.props["query"] == "select 1\n"


@pytest.mark.parametrize(
    ("text", "props"),
    [
        ("GET https://a/b", {"verb": "GET", "url": "https://a/b"}),
        ("https://a/b HTTP/1.1", {"verb": "GET", "url": "https://a/b"}),
        (
            'POST https://a\nAccept: a/b\nX-Id:  7 \n\n{"a":\n\n 1}',
            {"verb": "POST", "url": "https://a", "headers": {"Accept": "a/b", "X-Id": "7"}, "body": '{"a":\n\n 1}'},
        ),
    ],
)
def test_http_is_a_request_as_it_is_sent(load: Load, text: str, props: dict[str, object]) -> None:
    (block,) = load(f"```http\n{text}\n```\n", NAME).blocks

    assert {name: block.props[name] for name in props} == props


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A\n\n```bash\nx\n", "x.runbook.md:3: this fence is never closed\n  hint: end it with a line of ```"),
        ("```text\nx", "x.runbook.md:1: this fence is never closed\n  hint: end it with a line of ```"),
        (
            "```sh title=x\nx\n```\n",
            'x.runbook.md:1: "title=x" after the language of a fence means nothing\n'
            "  hint: a mapping in braces: ```sh {name: Disk, timeout: 30s}",
        ),
        ("\n```sh {a: 1, a: 2}\nx\n```\n", 'x.runbook.md:2: attributes of a fence: key "a" is there twice: '),
        ("\n```sh {a: [}\nx\n```\n", "x.runbook.md:2: attributes of a fence: "),
        (
            "\n```sh {tiemout: 3s}\nx\n```\n",
            'x.runbook.md:2: block #1 (script): unknown key "tiemout"\n  hint: did you mean timeout?',
        ),
        ("\n```sh {code: 3s}\nx\n```\n", "x.runbook.md:2: code is what the fence holds"),
        ("```sql\nx\n```\n", "x.runbook.md:1: sql names no connection\n  hint: ```sql {connection: NAME}"),
        (
            "---\nconnections: {pay: {sqlite: a.db}}\n---\n```sql {connection: pray}\nx\n```\n",
            'x.runbook.md:4: no connection is called "pray"\n  hint: did you mean "pay"?',
        ),
        ("```http\nGET https://a\nno header\n```\n", 'x.runbook.md:3: "no header" is no header'),
        ("```http\nGET https://a\nA: 1\nA: 2\n```\n", "x.runbook.md:4: header A is there twice"),
        ("```http\n\n```\n", "x.runbook.md:2: http begins with a method and a URL"),
        ("```console\nhello\n```\n", "x.runbook.md:2: a console begins with a prompt"),
        ("---\n- a\n---\n", "x.runbook.md:1: what is between --- at the top must be a mapping"),
        ("---\na: 1\n b: 2\n---\n", "x.runbook.md:3: front matter: "),
        ("---\nvarz: {}\n---\n", 'x.runbook.md:2: unknown key "varz"\n  hint: did you mean vars?'),
        ("---\nblocks: []\n---\n", "x.runbook.md:2: blocks means nothing here: blocks are fenced code"),
    ],
)
def test_what_makes_no_sense_is_reported_with_its_line(faults: Faults, text: str, message: str) -> None:
    (fault,) = faults(text, NAME)

    assert fault.startswith(message)


def test_all_faults_of_a_document_are_reported_at_once(faults: Faults) -> None:
    text = "---\nfinally: []\n---\n```sh {x: 1}\na\n```\n```sql\na\n```\n```sh\n```\n"

    found = [fault.partition(": ")[0] for fault in faults(text, NAME)]

    assert found == [f"{NAME}:{line}" for line in (2, 4, 7, 10)]


@pytest.mark.parametrize(("text", "is_one"), [("- ```sh\n  x\n", True), ("# A\n\n```yaml\na: 1\n```\nbash\n", False)])
def test_a_document_looks_like_a_runbook_if_there_is_something_to_run(tmp_path: Path, text: str, is_one: bool) -> None:
    path = tmp_path / "x.md"
    path.write_text(text)

    assert looks_like_runbook(path) is is_one


PIECES = st.sampled_from(
    ["```", "~~~", "sh", "sql", "http", "console", " ", "\n", "\r", "    ", "- ", "> ", "$ ", "---\n", "{", "}", "a: 1",
     "connections:", "connection: ", "[", "&a", "*a", "# ", "GET x", "\x00", "\u2028", "\ud800", "|"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=30).map("".join))
@settings(max_examples=300, deadline=None)
def test_no_text_is_anything_but_a_runbook_or_unreadable(text: str) -> None:
    with suppress(UnreadableFile):
        book = read_markdown(Path("/x.md"), SourceFile(Location("x.md"), is_json=True, text=text), default_catalog())

        assert all(book.nodes[block.node].id == block.id for block in book.blocks)
