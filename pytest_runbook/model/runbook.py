"""What a runbook file says, frozen, with the line of everything.

Both forms - Atuin documents and the plain form - become this one model, and checks files are merged into it, so that
nothing above this floor knows which file a word came from; a `Location` says it to people.
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
    """How the file is written. Plain runbooks are strict, Atuin documents carry what another program put into them."""

    ATUIN = "atuin"
    PLAIN = "plain"


class OnFailure(StrEnum):
    """What a failed block does to the blocks below it."""

    STOP = "stop"
    CONTINUE = "continue"


class Below(StrEnum):
    """What becomes of the blocks below one that was left out: skipped, refused, or not selected."""

    RUN = "run"
    SKIP = "skip"


class Effects(StrEnum):
    """What a block does to the world, the most harmless first."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"

    def exceeds(self, limit: Effects) -> bool:
        """True if it is more than that."""
        order = tuple(Effects)
        return order.index(self) > order.index(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of the flattened document, prose included: what ``doc`` shows to templates.

    props: as the file has them, values untouched.
    content: the raw rich-text content: a list of inline items, a text, a mapping, or None.
    """

    id: str
    type: str
    props: Mapping[str, object] = field(default_factory=dict)
    content: object = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An expression of the author's (assert, when, capture ...) and where it stands. Without braces."""

    source: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A variable that a block sets from its output, typed."""

    name: str
    expression: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A shape that a part of the output must have.

    path: the keys and indexes that lead there; source: the same as written. value: the shape, in plain data.
    """

    path: tuple[str | int, ...]
    source: str
    value: object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFailure:
    """That a block is expected to fail.

    strict: its success is a failure; None: as pytest's settings have it.
    """

    reason: str
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRule:
    """That a block is skipped, why, and what that means for those below it; None: what its other keys say."""

    reason: str
    below: Below | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A name with a value from the file: a text is a template, everything else is kept as it is."""

    name: str
    value: object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret comes from: one of these. Read once, when it is first needed.

    env: the name of an environment variable. file: relative to the file that declares it.
    command: the text of a shell, or words; what it prints is the secret. timeout: seconds that it may take.
    fixture: a fixture of pytest. value: the secret itself, as a fixture gave it.
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
    """A database that blocks call by name. type: of those blocks. via: the host that leads to it. Templates."""

    name: str
    type: str
    uri: Declaration
    via: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How to log in to the hosts of a runbook, where that is not left to ssh_config. Texts are templates.

    identity: a private key, or where one is. known_hosts: lines of such a file, or where it is.
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
    """Whom a script runs as, through sudo. Texts are templates."""

    user: Declaration
    password: Declaration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisSource:
    """Where values are taken from when the file is collected. Exactly one of them is set.

    var: a variable. file: YAML, JSON or CSV, relative to the runbook. command: its lines.
    """

    var: str | None = None
    file: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A variable that takes several values. values: in plain data, or where they come from."""

    name: str
    values: AxisSource | Sequence[object]
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRows:
    """Cells that are added or left out: mappings of variables, or where they come from."""

    rows: AxisSource | Sequence[Mapping[str, object]] = ()
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """That a runbook runs once for each cell: the product of its axes, less `exclude`, and `include`."""

    axes: tuple[Axis, ...]
    include: MatrixRows | None = None
    exclude: MatrixRows | None = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines in seconds; None: the run's default.

    total: for the whole runbook without its clean-ups. block: for each block that has none of its own.
    finally_: for all clean-ups together.
    """

    total: float | None = None
    block: float | None = None
    finally_: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReference:
    """A name that the file gives, and where."""

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
    """That a block runs once for each item of something.

    name: how a turn calls its item: ``each.NAME``. over: an expression, or the items themselves in plain data.
    """

    name: str
    over: Condition | object
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long a block is tried again until it comes out well.

    every: seconds from the end of an attempt to the next. backoff: each pause is so many times the one before.
    jitter: up to so many seconds more, by chance. within: seconds for all attempts together. attempts: at most so many.
    attempt_timeout: seconds for one of them.
    until: what is waited for; None: for the block's success and all of its assertions.
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
    """The common keys of a block: what must hold, how long it may take, when it runs.

    assertions: all are evaluated; expressions over output, var, env, doc, block, host, fixture.
    warnings: the same, but what does not hold is only told. expectations: shapes of parts of the output.
    expect_error: a regular expression that the block's error must match; the block then passes by failing that way.
    timeout: seconds, over all attempts; None: the runbook's or the run's default.
    retry: None: the block has one attempt. for_each: None: it has one turn.
    when: the block is skipped unless this is true.
    skip: None: it is not skipped. xfail: None: nobody expects it to fail.
    below: what becomes of the blocks below if this one is left out.
    is_cleanup: runs at the end, whatever happened before (``finally``).
    if_started: names or ids of blocks; unless one of them was started, the clean-up is skipped. Empty: always runs.
    effects: what the block does to the world; None: its author does not say.
    become: the user to run as, through sudo.
    template: False sends the block's texts as they stand.
    sensitive: the block's output and what is captured from it are secrets.
    prose: the block's own description; owner, runbook_url and on_red are those of its runbook unless it has its own.
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
        """True if the blocks below run although this one was left out. on_failure: what holds for the whole file.

        Who says that they go on after its failure says that they stand on their own.
        """
        below = (self.skip.below if self.skip else None) or self.below
        if below is not None:
            return below is Below.RUN
        return (self.on_failure or on_failure) is OnFailure.CONTINUE


def display_type(name: str) -> str:
    """How reports call a block type: what the format calls `run` is a terminal, where plain runbooks run scripts."""
    return "terminal" if name == "run" else name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSpec:
    """One block of a type that the catalog knows.

    id: unique within its runbook.
    type: the canonical name of its type.
    name: as written, "" where it has none.
    props: by the format's names, every prop of the type present, defaults filled in.
    location: the line where the block begins.
    lines: 1-based lines of the values of props and keys: ``code`` (first line of the text itself), ``assert``.
    node: its index in `Runbook.nodes`.
    checks_location: where its checks file speaks of it, if one does.
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
        """How errors and reports call it: ``block "Count users" (postgres)``."""
        name, kind = escape_controls(shorten(self.name, 60)), display_type(self.type)
        return f'block "{name}" ({kind})' if name else f"block {self.id} ({kind})"

    def may_set(self, variable: str) -> bool:
        """True if the block says that it sets this variable, or its program may do so."""
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
        """The line of a prop or key; the block's own where that is not known."""
        return self.location.at(self.lines.get(key, self.location.line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """One runbook file, read in full.

    path: absolute. location: the file as it is shown to people.
    nodes: all nodes, flattened, prose included, in document order.
    blocks: the nodes of known types, in document order; clean-ups of a ``finally`` section come last.
    effects: what its blocks may do at most.
    answers: what a person would be asked, by name, id or type#n.
    load_warnings: what is odd but does no harm (unknown props, renamed checks), one line each, for the summary.
    require: names or ids of blocks that must have passed.
    needs: paths of runbooks that run first, relative to this one. matrix: None: it runs once.
    hosts: it runs once on each; none: once, where its blocks say.
    environments: where it runs; none: everywhere. requires: ``secret.NAME`` and ``env.NAME``, without which all of it
    is skipped.
    prose: what the file says about itself as a whole.
    checks_location: where its checks file is, if it has one.
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
        """The fixtures that all of its blocks need: those that it names, and those that are secrets."""
        secret = (source.fixture for source in self.secrets if source.fixture is not None)
        return tuple(dict.fromkeys((*self.fixtures, *secret)))
