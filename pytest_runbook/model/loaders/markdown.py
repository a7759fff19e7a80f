"""Loads Markdown documents: fenced code in known languages becomes blocks, everything else is prose.

The fences are made into the tree of a plain runbook, which the loader of that form then reads and checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog import BlockCatalog
from ..keys.access import CONNECTED_TYPES
from ..keys.key_table import keys_in
from ..runbook import Node, Runbook
from ..source.located import EntryLocation, LocatedDict, LocatedList, SyntaxFault, split_lines
from ..source.mapping_reader import did_you_mean, excerpt
from ..source.source_file import SourceFile
from ..source.yaml_traps import explain_fault
from ..source.yaml_tree import parse_yaml
from .plain import BLOCK_LISTS, read_plain

if TYPE_CHECKING:
    from markdown_it.token import Token

# By language: the interpreter; None: that of every script.
SCRIPTS = {"bash": None, "sh": "sh -e", "zsh": "zsh -e", "python": "python3"}
LANGUAGES = (*SCRIPTS, "console", "sql", "http")
_FENCE = re.compile(r"[`~]{3,}\s*(?P<language>[^\s{]*)\s*(?P<rest>.*)")
_RUN = re.compile(rf"^[ \t>*+\-\d.)]*(?:```|~~~)[ \t]*(?:{'|'.join(LANGUAGES)})\b", re.MULTILINE)
_REQUEST = re.compile(r"(?:(?P<verb>[A-Z]+)[ \t]+)?(?P<url>\S.*?)(?:[ \t]+HTTP/[\d.]+)?\s*")
_HEADER = re.compile(r"([^\s:]+):[ \t]*(.*?)\s*")
_MARKUP = re.compile(r"[`*]+|!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class _Fence:
    """A fenced code. rest: the text after the language. line: that of the fence; its text begins one line below."""

    language: str
    rest: str
    text: str
    line: int
    heading: str


@dataclass(frozen=True, slots=True)
class _Command:
    """A command of a console and its expected output. line, last: the first and the last line of the command."""

    code: str
    expected: str
    line: int
    last: int


def read_markdown(path: Path, source: SourceFile, catalog: BlockCatalog) -> Runbook:
    """Return the runbook of a Markdown document.

    :raises UnreadableFile: with every fault of the file.
    """
    lines = split_lines(source.text)
    tree = front_matter(source, lines)
    document = _Document(source, tree, catalog)
    document.read(lines)
    for key in BLOCK_LISTS:
        if key in tree:
            hint = "clean-ups: ```bash {finally: true}" if key == "finally" else "```bash"
            source.add_fault(f"{key} means nothing here: blocks are fenced code", line=tree.key_line(key), hint=hint)
            del tree[key]
    if document.title and "name" not in tree:
        _put_entry(tree, "name", document.title, 1)
    _put_entry(tree, "blocks", document.blocks, 1)
    return document.with_text_nodes(read_plain(path, source, tree, catalog))


def holds_blocks(text: str) -> bool:
    """Return True if any line of the text looks like a fence in a language that runs."""
    return _RUN.search(text) is not None


def front_matter(source: SourceFile, lines: list[str]) -> LocatedDict:
    """Return the mapping between two lines of dashes at the top, and empty its lines. There need not be one."""
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if lines[0].rstrip() != "---" or end is None:
        return LocatedDict(1)
    text = "\n".join(["", *lines[1:end]])
    lines[: end + 1] = [""] * (end + 1)
    try:
        tree = parse_yaml(text)
    except SyntaxFault as fault:
        explained = explain_fault(fault, text)
        source.fail(f"front matter: {explained.message}", line=explained.line or 1, hint=explained.hint)
    if tree is not None and not isinstance(tree, LocatedDict):
        known = ", ".join(key for key in keys_in("file") if key not in BLOCK_LISTS)
        hint = f"keys and values, like name: ...; the keys are {known}"
        source.fail("what is between --- at the top must be a mapping", line=1, hint=hint)
    return tree or LocatedDict(1)


class _Document:
    """Reads the parts of a document in order: blocks, and the prose between them.

    title: its first heading of level 1; "" without one.
    """

    def __init__(self, source: SourceFile, front: LocatedDict, catalog: BlockCatalog) -> None:
        self.blocks = LocatedList(1)
        self.title = ""
        self._source = source
        self._front = front
        self._catalog = catalog
        self._heading = ""
        self._parts: list[Node | None] = []  # None: the next block

    def read(self, lines: list[str]) -> None:
        from markdown_it import MarkdownIt

        tokens = MarkdownIt("commonmark").parse("\n".join(lines) + "\n")
        for index, token in enumerate(tokens):
            if token.type == "fence":
                self._fence(token, lines)
            elif token.type == "inline":
                self._prose(token, tokens[index - 1])
            elif token.type == "code_block":
                self._add_node("codeBlock", token.content, _line(token))

    def with_text_nodes(self, runbook: Runbook) -> Runbook:
        """Return the runbook with the prose among its nodes."""
        block_nodes = iter(runbook.nodes)
        nodes = tuple(next(block_nodes) if part is None else part for part in self._parts)
        positions = [index for index, part in enumerate(self._parts) if part is None]
        blocks = tuple(replace(spec, node=positions[spec.node]) for spec in runbook.blocks)
        return replace(runbook, nodes=nodes, blocks=blocks)

    def _add_node(self, kind: str, text: str, line: int, **props: object) -> None:
        node = Node(id=f"{kind}@{line}", type=kind, props=props, content=text, location=self._source.location.at(line))
        self._parts.append(node)

    def _prose(self, token: Token, around: Token) -> None:
        if around.type != "heading_open":
            self._add_node("paragraph", token.content, _line(token))
            return
        self._heading = " ".join(_MARKUP.sub(r"\1", token.content).split())
        self._add_node("heading", self._heading, _line(token), level=int(around.tag[1:]))
        if around.tag == "h1":
            self.title = self.title or self._heading

    def _fence(self, token: Token, lines: list[str]) -> None:
        line, (start, end) = _line(token), token.map or (0, 0)
        if token.content.count("\n") == end - start - 1:
            self._source.add_fault(
                "this fence is never closed", line=line, hint=f"end it with a line of {token.markup}"
            )
            return
        opening = lines[line - 1]
        match = _FENCE.match(opening, opening.index(token.markup))
        assert match is not None
        if match["language"] not in LANGUAGES:
            self._add_node("codeBlock", token.content, line, language=match["language"])
            return
        fence = _Fence(match["language"], match["rest"].strip(), token.content, line, self._heading)
        attributes = self._attributes(fence)
        if attributes is not None:
            self._blocks(fence, attributes)

    def _attributes(self, fence: _Fence) -> LocatedDict | None:
        """Return the mapping in braces after the language; None, and a fault, if it is wrong."""
        hint = f"a mapping in braces: ```{fence.language} {{name: Disk, timeout: 30s}}"
        if not fence.rest:
            return LocatedDict(fence.line)
        try:
            tree = parse_yaml(fence.rest)
        except SyntaxFault as fault:
            self._source.add_fault(f"attributes of a fence: {fault.message}", line=fence.line, hint=fault.hint or hint)
            return None
        if not isinstance(tree, LocatedDict) or not fence.rest.startswith("{"):
            message = f'"{excerpt(fence.rest)}" after the language of a fence means nothing'
            self._source.add_fault(message, line=fence.line, hint=hint)
            return None
        _relocate(tree, fence.line)
        return tree

    def _blocks(self, fence: _Fence, attributes: LocatedDict) -> None:
        if fence.language == "console":
            self._console(fence, attributes)
        elif fence.language == "http":
            self._request(fence, attributes)
        elif fence.language == "sql":
            self._query(fence, attributes)
        else:
            props = _text("code", fence.text, fence.line + 1)
            interpreter = SCRIPTS[fence.language]
            if interpreter is not None and "interpreter" not in attributes:
                _put_entry(props, "interpreter", interpreter, fence.line)
            self._add(fence, attributes, "script", props)

    def _console(self, fence: _Fence, attributes: LocatedDict) -> None:
        commands = list(_commands(fence))
        if not commands or commands[0].line != fence.line + 1:
            hint = "a command: $ echo hello; below it, what it prints"
            self._source.add_fault("a console begins with a prompt", line=fence.line + 1, hint=hint)
        for command in commands:
            props = _text("code", command.code, command.line)
            self._add(fence, attributes, "script", props, command)

    def _query(self, fence: _Fence, attributes: LocatedDict) -> None:
        name, connections = attributes.get("connection"), self._front.get("connections")
        known = connections if isinstance(connections, LocatedDict) else LocatedDict(1)
        connection = known.get(name) if isinstance(name, str) else None
        if name is None:
            self._source.add_fault("sql names no connection", line=fence.line, hint="```sql {connection: NAME}")
        elif isinstance(connection, LocatedDict):
            kind = next((key for key in connection if key in CONNECTED_TYPES), CONNECTED_TYPES[0])
            self._add(fence, attributes, kind, _text("query", fence.text, fence.line + 1))
        else:
            hint = did_you_mean(str(name), known) or "front matter names them: connections: {NAME: {postgres: URI}}"
            self._source.add_fault(f'no connection is called "{excerpt(str(name))}"', line=fence.line, hint=hint)

    def _request(self, fence: _Fence, attributes: LocatedDict) -> None:
        """Read a request as it is sent: method and URL, headers, an empty line, the body."""
        head, *rest = fence.text.split("\n")
        match = _REQUEST.fullmatch(head)
        if match is None:
            hint = "for example: GET https://example.com/health"
            self._source.add_fault("http begins with a method and a URL", line=fence.line + 1, hint=hint)
            return
        props = LocatedDict(fence.line)
        for name, value in match.groupdict().items():
            if value is not None:
                _put_entry(props, name, value, fence.line + 1)
        end = next((number for number, line in enumerate(rest) if not line.strip()), len(rest))
        headers = self._headers(rest[:end], fence.line + 2)
        if headers:
            _put_entry(props, "headers", headers, headers.line)
        body = "\n".join(rest[end + 1 :]).rstrip("\n")
        if body:
            _put_entry(props, "body", body, fence.line + end + 3)
        self._add(fence, attributes, "http", props)

    def _headers(self, lines: list[str], first: int) -> LocatedDict:
        headers = LocatedDict(first)
        for number, line in enumerate(lines, first):
            match = _HEADER.fullmatch(line)
            if match is None:
                hint = "NAME: VALUE; the body comes below an empty line"
                self._source.add_fault(f'"{excerpt(line)}" is no header', line=number, hint=hint)
            elif match[1] in headers:
                self._source.add_fault(f"header {excerpt(match[1])} is there twice", line=number)
            else:
                _put_entry(headers, match[1], match[2], number)
        return headers

    def _add(
        self,
        fence: _Fence,
        attributes: LocatedDict,
        kind: str,
        props: LocatedDict,
        command: _Command | None = None,
    ) -> None:
        """Add a block of that type. props: those from the text; props among the attributes are added to them."""
        block_type = self._catalog.plain_type(kind)
        assert block_type is not None
        block = LocatedDict(fence.line)
        if fence.heading:
            _put_entry(block, "name", fence.heading, fence.line)
        defaults = self._front.get("defaults")
        if not (isinstance(defaults, LocatedDict) and "template" in defaults):
            _put_entry(block, "template", False, fence.line)
        for key, value in attributes.items():
            if key in props or key == kind:
                self._source.add_fault(f"{excerpt(key)} is what the fence holds", line=fence.line, hint="leave it out")
                continue
            is_prop = key not in keys_in("block") and key in block_type.plain_props
            _put_entry(props if is_prop else block, key, value, fence.line, attributes.locations[key].raw)
        if command is not None:
            _expect(block, command)
        _put_entry(block, kind, props, fence.line)
        self.blocks.append(block)
        self.blocks.locations.append(EntryLocation(fence.line, fence.line, None))
        self._parts.append(None)


def _commands(fence: _Fence) -> Iterator[_Command]:
    """Yield the commands of a console, each with the lines below it up to the next one."""
    found: _Command | None = None
    for line, text in enumerate(fence.text.split("\n")[:-1], fence.line + 1):
        if text.startswith("$ "):
            if found is not None:
                yield found
            found = _Command(text[2:], "", line, line)
        elif found is not None and not found.expected and text.startswith("> "):
            found = replace(found, code=f"{found.code}\n{text[2:]}", last=line)
        elif found is not None:
            found = replace(found, expected=f"{found.expected}{text}\n")
    if found is not None:
        yield found


def _expect(block: LocatedDict, command: _Command) -> None:
    """Assert the output that a console shows, before the author's own assertions."""
    expected = command.expected.rstrip()
    if not expected:
        return
    authored = block.get("assert")
    conditions = LocatedList(command.last + 1)
    conditions.append(f'(output.stdout or "").rstrip() == {json.dumps(expected, ensure_ascii=False)}')
    conditions += authored if isinstance(authored, LocatedList) else [] if authored is None else [authored]
    line = block.line_of("assert")
    conditions.locations = [
        EntryLocation(number, number, None) for number in (command.last + 1, *[line] * (len(conditions) - 1))
    ]
    _put_entry(block, "assert", conditions, command.last + 1)


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _put_entry(tree: LocatedDict, key: str, value: object, line: int, raw: str | None = None) -> None:
    tree[key], tree.locations[key] = value, EntryLocation(line, line, raw)


def _text(key: str, text: str, line: int) -> LocatedDict:
    props = LocatedDict(line)
    _put_entry(props, key, text, line)
    return props


def _relocate(tree: object, line: int) -> None:
    """Set the line of everything in a tree that was parsed from one line of the document."""
    if isinstance(tree, LocatedDict):
        tree.line = line
        tree.locations = {key: EntryLocation(line, line, location.raw) for key, location in tree.locations.items()}
        for value in tree.values():
            _relocate(value, line)
    elif isinstance(tree, LocatedList):
        tree.line = line
        tree.locations = [EntryLocation(line, line, mark.raw) for mark in tree.locations]
        for item in tree:
            _relocate(item, line)
