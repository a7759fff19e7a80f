"""The content of a runbook file: immutable, with the line of everything.

All forms - Atuin documents, plain and Markdown runbooks - become this one model. Checks files are merged into it, so
that no other floor needs to know which file a value came from: its `Location` has the file and the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..errors import Location
from ..text import escape_controls, shorten
from .prose import Prose


class Form(StrEnum):
    """The form of a file. Plain runbooks are strict; Atuin documents may have keys that only the desktop app knows."""

    ATUIN = "atuin"
    PLAIN = "plain"


class OnFailure(StrEnum):
    """What happens to the blocks below a block that failed."""

    STOP = "stop"
    CONTINUE = "continue"


class Below(StrEnum):
    """What happens to the blocks below one that was skipped, refused or not selected."""

    RUN = "run"
    SKIP = "skip"


class Effects(StrEnum):
    """The effects of a block, from the most harmless to the worst."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"

    def exceeds(self, limit: Effects) -> bool:
        """Return True if these effects are worse than a limit."""
        order = tuple(Effects)
        return order.index(self) > order.index(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of the flattened document, prose included. Templates see it through ``doc``.

    props: as the file has them, unchanged.
    content: the raw rich-text content: a list of inline items, a text, a mapping, or None.
    """

    id: str
    type: str
    props: Mapping[str, object] = field(default_factory=dict)
    content: object = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An expression of the author's (assert, when, capture ...) without braces, and its location."""

    source: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A variable that a block sets from its output; the value keeps its type."""

    name: str
    expression: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A shape that a part of the output must have.

    path: the keys and indexes that lead to the part; source: the path as written. value: the shape, as plain data.
    """

    path: tuple[str | int, ...]
    source: str
    value: object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFailure:
    """A block's expectation to fail.

    strict: True if its success is a failure; None: as pytest is configured.
    """

    reason: str
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRule:
    """The reason why a block is skipped.

    below: what happens to the blocks below it; None: as its other keys decide.
    """

    reason: str
    below: Below | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A name with its value in the file. A text is a template, any other value is used as it is."""

    name: str
    value: object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """The source of a secret: exactly one of the fields below. It is read once, when the secret is first needed.

    env: the name of an environment variable. file: relative to the file that declares it.
    command: a text for a shell, or a list of words; the secret is what it prints. timeout: its limit in seconds.
    fixture: a pytest fixture. value: the secret itself, from a fixture.
    """

    name: str
    location: Location
    env: str | None = None
    file: str | None = None
    command: str | tuple[str, ...] | None = None
    timeout: float | None = None
    fixture: str | None = None
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A named database. Its texts are templates.

    type: the type of the blocks that may use it. via: the host to go through, over SSH.
    """

    name: str
    type: str
    uri: Declaration
    via: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How to log in to the hosts of a runbook, where that is not left to ssh_config. Its texts are templates.

    identity: a private key, or the path of one. known_hosts: lines of a known_hosts file, or its path.
    config: an ssh_config in place of the user's and the system's.
    """

    identity: Declaration | None = None
    certificate: Declaration | None = None
    passphrase: Declaration | None = None
    password: Declaration | None = None
    known_hosts: Declaration | None = None
    config: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BecomeUser:
    """The user that a script runs as, through sudo. The texts are templates."""

    user: Declaration
    password: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisSource:
    """The source of values that are read at collection. Exactly one field is set.

    var: a variable. file: YAML, JSON or CSV, relative to the runbook. command: the lines that it prints.
    """

    var: str | None = None
    file: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A variable of a matrix. values: its values as plain data, or their source."""

    name: str
    values: AxisSource | Sequence[object]
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRows:
    """Cells to add or to leave out. rows: mappings of variables, or their source."""

    rows: AxisSource | Sequence[Mapping[str, object]] = ()
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The cells that a runbook runs once for: the product of its axes, without `exclude`, and `include`."""

    axes: tuple[Axis, ...]
    include: MatrixRows | None = None
    exclude: MatrixRows | None = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines in seconds; None: the default of the run.

    total: for the whole runbook without its clean-ups. block: for each block without a timeout of its own.
    finally_: for all clean-ups together.
    """

    total: float | None = None
    block: float | None = None
    finally_: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReference:
    """A name in a file, and its location."""

    name: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockScope:
    """What holds for one block alone: the keys env, vars, directory, host and stdin beside its type."""

    env: tuple[Declaration, ...] = ()
    vars: tuple[Declaration, ...] = ()
    directory: Declaration | None = None
    host: Declaration | None = None
    stdin: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach:
    """The items that a block runs once for.

    name: the name of the item: ``each.NAME``. over: an expression, or the items themselves as plain data.
    """

    name: str
    over: Condition | object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long a block is tried again until it succeeds.

    every: seconds from the end of an attempt to the next. backoff: each pause is so many times the one before.
    jitter: up to so many seconds are added to each pause at random. within: seconds for all attempts together.
    attempts: the most attempts. attempt_timeout: seconds for one attempt.
    until: the condition to wait for; None: the block's success and all of its assertions.
    """

    every: float = 1.0
    backoff: float = 1.0
    jitter: float = 0.0
    within: float | None = None
    attempts: int | None = None
    attempt_timeout: float | None = None
    until: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRules:
    """The common keys of a block: its assertions, its limits, and when it runs.

    assertions: expressions over output, var, env, doc, block, host, fixture; all of them are evaluated.
    warnings: assertions that are only reported. expectations: shapes of parts of the output.
    expect_error: a regular expression that the block's error must match; the block then passes by failing that way.
    timeout: seconds, over all attempts; None: the runbook's or the run's default.
    retry: None: the block has one attempt. for_each: None: it runs once.
    when: the block is skipped unless this is true.
    skip: None: it is not skipped. xfail: None: it is not expected to fail.
    below: what happens to the blocks below if this one is skipped, refused or not selected.
    is_cleanup: True if it runs at the end, whatever happened before (``finally``).
    if_started: names or ids of blocks; the clean-up is skipped unless one of them was started. Empty: it always runs.
    effects: the effects that its author declares; None: none are declared.
    become: the user to run as, through sudo.
    template: False if the block's texts are not rendered.
    sensitive: True if the block's output and its captures are secrets.
    prose: its prose keys; those that are inherited are the runbook's unless it has its own.
    """

    assertions: tuple[Condition, ...] = ()
    warnings: tuple[Condition, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    expect_error: Condition | None = None
    captures: tuple[Capture, ...] = ()
    timeout: float | None = None
    retry: Retry | None = None
    for_each: ForEach | None = None
    when: Condition | None = None
    skip: SkipRule | None = None
    below: Below | None = None
    xfail: ExpectedFailure | None = None
    on_failure: OnFailure | None = None
    is_cleanup: bool = False
    if_started: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fixtures: tuple[str, ...] = ()
    effects: Effects | None = None
    sensitive: bool = False
    become: BecomeUser | None = None
    template: bool = True
    # Not in the repr: the plan looks there for the variables that a block reads, and prose reads none.
    prose: Prose = field(default_factory=Prose, repr=False)
    scope: BlockScope = field(default_factory=BlockScope)

    def runs_blocks_below(self, on_failure: OnFailure) -> bool:
        """Return True if the blocks below run although this one was skipped, refused or not selected.

        on_failure: the key of the whole file. If the rest continues after a block's failure, it does not depend on the
        block; so it runs, too, if the block does not.
        """
        below = (self.skip.below if self.skip else None) or self.below
        if below is not None:
            return below is Below.RUN
        return (self.on_failure or on_failure) is OnFailure.CONTINUE


def display_type(name: str) -> str:
    """Return the name of a block type in reports.

    The format's `run` is shown as ``terminal``, because ``run`` is a script in plain runbooks.
    """
    return "terminal" if name == "run" else name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSpec:
    """One block of a runbook.

    id: unique within its runbook.
    type: the canonical name of its type.
    name: as written, "" if it has none.
    props: every prop of the type by the format's name, with defaults filled in.
    location: the line where the block begins.
    lines: 1-based lines of the values of props and keys: ``code`` (first line of the text itself), ``assert``.
    node: its index in `Runbook.nodes`.
    checks_location: its entry in the checks file, if it has one.
    """

    id: str
    type: str
    name: str
    props: Mapping[str, object]
    rules: BlockRules
    location: Location
    lines: Mapping[str, int] = field(default_factory=dict)
    node: int
    checks_location: Location | None = None

    @property
    def label(self) -> str:
        """The block in errors and reports: ``block "Count users" (postgres)``."""
        name, kind = escape_controls(shorten(self.name, 60)), display_type(self.type)
        return f'block "{name}" ({kind})' if name else f"block {self.id} ({kind})"

    def may_set(self, variable: str) -> bool:
        """Return True if the block declares that it sets a variable, or its program may set it."""
        if variable in (self.props.get("outputVariable"), self.props.get("variableName")):
            return True
        if any(capture.name == variable for capture in self.rules.captures):
            return True
        if self.type in ("var", "local-var", "dropdown") and self.props.get("name") == variable:
            return True
        code = self.props.get("code")
        if not isinstance(code, str) or "_OUTPUT_VARS" not in code:
            return False
        return re.search(rf"\b{re.escape(variable)}\b", code) is not None

    def location_of(self, key: str) -> Location:
        """Return the line of a prop or key; the line of the block if it is not known."""
        return self.location.at(self.lines.get(key, self.location.line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """One runbook file.

    path: absolute. location: the file as reports show it.
    nodes: all nodes in document order, flattened, prose included.
    blocks: the blocks in document order; the clean-ups of a ``finally`` section come last.
    effects: the worst effects that its blocks may have.
    answers: answers to its questions, by name, id or type#n.
    load_warnings: oddities that do no harm (unknown props, renamed checks), one line each, for the summary.
    require: names or ids of blocks that must have passed.
    needs: paths of runbooks that run first, relative to this one. matrix: None: it runs once.
    hosts: it runs once on each; empty: once, on the hosts of its blocks.
    environments: the environments where it runs; empty: all.
    requires: ``secret.NAME`` and ``env.NAME``; all of it is skipped if one is missing.
    prose: the prose keys of the file.
    checks_location: its checks file, if it has one.
    """

    path: Path
    location: Location
    form: Form
    id: str
    name: str
    prose: Prose = field(default_factory=Prose)
    nodes: tuple[Node, ...]
    blocks: tuple[BlockSpec, ...]
    vars: tuple[Declaration, ...] = ()
    env: tuple[Declaration, ...] = ()
    checks_vars: tuple[Declaration, ...] = ()
    secrets: tuple[SecretSource, ...] = ()
    connections: Mapping[str, Connection] = field(default_factory=dict)
    ssh: SshAccess = field(default_factory=SshAccess)
    answers: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=Timeouts)
    on_failure: OnFailure = OnFailure.STOP
    effects: Effects | None = None
    tags: tuple[str, ...] = ()
    fixtures: tuple[str, ...] = ()
    require: tuple[NameReference, ...] = ()
    needs: tuple[NameReference, ...] = ()
    matrix: Matrix | None = None
    hosts: tuple[NameReference, ...] = ()
    environments: tuple[NameReference, ...] = ()
    requires: tuple[NameReference, ...] = ()
    load_warnings: tuple[str, ...] = ()
    checks_location: Location | None = None

    @property
    def required_fixtures(self) -> tuple[str, ...]:
        """The fixtures that all of its blocks need: those that it names, and those that provide secrets."""
        secret = (source.fixture for source in self.secrets if source.fixture is not None)
        return tuple(dict.fromkeys((*self.fixtures, *secret)))
