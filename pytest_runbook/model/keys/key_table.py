"""The one table of the keys of files and blocks.

A row makes a key: the loaders read by this table, and the JSON Schemas, the tables of the documentation and the hints
for unknown keys are made from it.
"""

from __future__ import annotations

from functools import cache

from ..prose import INHERITED_PROSE
from ..runbook import Effects, OnFailure
from ..source.mapping_reader import MappingReader
from .access import (
    ENVIRONMENTS,
    REQUIRES,
    become,
    become_schema,
    connections,
    connections_schema,
    environments,
    requires,
    ssh,
    ssh_schema,
)
from .declarations import ANSWERS, CAPTURES, ENV, VARS, answers, captures, declared_env, declared_text, declared_vars
from .expect import EXPECT, expectations
from .expressions import REGEX, condition, conditions, regex
from .flow import (
    BELOW,
    FOR_EACH,
    below,
    expected_failure,
    expected_failure_schema,
    for_each,
    retry,
    retry_schema,
    skip,
    skip_schema,
    timeouts,
    timeouts_schema,
)
from .key import Key, KeyReader, Keys, Schema, Scope, add_unknown_key, mapping_schema, read_keys
from .matrix_key import matrix, matrix_schema
from .secrets import secrets, secrets_schema
from .value_readers import (
    BOOLEAN,
    DURATION,
    FIXTURES,
    SCALAR,
    TAGS,
    TEXT,
    TEXTS,
    URL,
    block_list,
    choices,
    fixtures,
    mapping_like,
    name_references,
    one_of,
    prose,
    tags,
    url,
)

_VERSION = 1
_BLOCK_LIST: Schema = {"type": "array", "items": {"$ref": "#/definitions/block"}}
_ENTRIES: Schema = {"type": "object", "additionalProperties": {"$ref": "#/definitions/entry"}}

_FILES: tuple[Scope, ...] = ("file", "checks")
_BLOCKS: tuple[Scope, ...] = ("block", "entry")
_ALL_BLOCKS: tuple[Scope, ...] = ("block", "entry", "context")
_PROSE: tuple[Scope, ...] = (*_FILES, *_ALL_BLOCKS)
_WITH_DEFAULTS: tuple[Scope, ...] = (*_BLOCKS, "defaults")
_ANY_WITH_DEFAULTS: tuple[Scope, ...] = (*_ALL_BLOCKS, "defaults")


def _version(reader: MappingReader, key: str) -> None:
    if reader.values[key] != _VERSION or isinstance(reader.values[key], bool):
        reader.add_wrong_value(key, str(_VERSION))


def _schema(reader: MappingReader, key: str) -> None:
    reader.text(key)  # editors read it


def _defaults_schema() -> Schema:
    return mapping_schema(keys_in("defaults"))


def _checks_defaults_schema() -> Schema:
    return mapping_schema(keys_in("defaults", "checks defaults"))


def _defaults_help() -> str:
    names = ", ".join(f"`{name}`" for name in keys_in("defaults"))
    return f"keys for every block that does not have them itself: {names}"


def _checks_defaults_help() -> str:
    shells = "`shell_options` for scripts whose interpreter is a shell without options: `-eo pipefail`"
    return f"{_defaults_help()}; and {shells}"


def _defaults_in(*scopes: Scope) -> KeyReader:
    def read(reader: MappingReader, key: str) -> dict[str, object] | None:
        inner = reader.mapping(key, "defaults: {timeout: 30s}")
        return None if inner is None else read_keys(inner, keys_in(*scopes), _add_no_default)

    return read


def _add_no_default(reader: MappingReader, name: str, keys: Keys) -> None:
    """Add a fault for a key that may not stand in ``defaults``."""
    part, _, field = keys_in("block")[name].field.rpartition(".") if name in keys_in("block") else ("", "", "")
    if part != "prose":
        add_unknown_key(reader, name, keys, keys)
    elif field in INHERITED_PROSE:
        reader.add_fault(name, f"{name} is no default", f"{name} at the top of the file holds for all blocks")
    else:
        reader.add_fault(name, f"{name} is no default", f"{name} stands at the top of the file, or in a block")


_entries = mapping_like("blocks: {NAME: {assert: output.exit_code == 0}}")
_on_failure = one_of(OnFailure)
_effects = one_of(Effects)

KEYS: tuple[Key, ...] = (
    Key(
        "$schema", "", _schema, TEXT, scope=("file",),
        help="what an [editor](#in-an-editor) checks a JSON file by; nothing else reads it",
    ),
    Key("version", "", _version, {"const": _VERSION}, scope=("file",), help="`1`, the version of the format"),
    Key(
        "name", "name", MappingReader.text, TEXT, scope=("file",), aliases=("title",),
        help="what reports call the runbook",
    ),
    Key(
        "name", "name", MappingReader.text, TEXT, scope=("block", "context"), aliases=("title",),
        help="what reports and `-k` call it",
    ),
    Key("id", "id", MappingReader.scalar_text, SCALAR, scope=_ALL_BLOCKS, help="an id of its own; else its position"),
    Key(
        "description", "prose.description", prose, TEXT, scope=_PROSE, aliases=("desc", "summary"),
        help="what it is for, in Markdown",
    ),
    Key(
        "owner", "prose.owner", prose, TEXT, scope=_PROSE, aliases=("team", "contact"),
        help="who answers for it: a person, a team, a channel",
    ),
    Key(
        "runbook_url", "prose.runbook_url", url, URL, scope=_PROSE, aliases=("link", "docs", "wiki"),
        help="an http or https page about it",
    ),
    Key(
        "on_red", "prose.on_red", prose, TEXT, scope=_PROSE, aliases=("remediation", "playbook"),
        help="what to do when it is red, in Markdown",
    ),
    Key(
        "vars", "vars", declared_vars, VARS, scope=("file",), aliases=("variables",),
        help="variables for all blocks; texts are templates, everything else keeps its type",
    ),
    Key(
        "vars", "checks_vars", declared_vars, VARS, scope=("checks",), aliases=("variables",),
        help="variables; they replace what a `var`, `local-var`, `editor` or `dropdown` block of that name sets, "
        "but never what a program put out",
    ),
    Key(
        "env", "env", declared_env, ENV, scope=("file",),
        help="environment for all programs",
    ),
    Key(
        "env", "env", declared_env, ENV, scope=("checks",),
        help="environment for all programs; env blocks of the runbook win over it",
    ),
    Key(
        "secrets", "secrets", secrets, secrets_schema, scope=_FILES,
        help="`NAME: {env: VARIABLE}`, or where else it is kept, read as `{{ secret.NAME }}`: "
        "[secrets](secrets.md). A missing or empty one is an error where it is read",
    ),
    Key(
        "timeout", "timeouts", timeouts, timeouts_schema, scope=_FILES, aliases=("deadline",),
        help="a duration for the whole runbook, or `total`, `block` (each block that has none of its own) and "
        "`finally` (all clean-ups together)",
    ),
    Key(
        "on_failure", "on_failure", _on_failure, choices(OnFailure), scope=_FILES, aliases=("ignore_errors",),
        help="`stop` (the default): the blocks below a failed one are skipped. `continue`: they run",
    ),
    Key(
        "tags", "tags", tags, TAGS, scope=_FILES, aliases=("labels", "markers"),
        help="markers for all blocks: `pytest -m smoke`",
    ),
    Key(
        "fixtures", "fixtures", fixtures, FIXTURES, scope=_FILES,
        help="pytest fixtures that templates read as `{{ fixture.NAME }}`",
    ),
    Key(
        "answers", "answers", answers, ANSWERS, scope=_FILES,
        help="answers for blocks that would ask a person, by name, id or `type#n`",
    ),
    Key(
        "require", "require", name_references, TEXTS, scope=_FILES,
        help="blocks that must [have passed](flow.md#what-must-have-passed-require), or the file fails",
    ),
    Key(
        "needs", "needs", name_references, TEXTS, scope=_FILES, aliases=("depends_on",),
        help="runbooks that [run first](flow.md#what-runs-before-needs), once in a session, and hand over their "
        "variables",
    ),
    Key(
        "matrix", "matrix", matrix, matrix_schema, scope=_FILES, aliases=("parametrize",),
        help="variables with several values: the runbook runs [once for each "
        "combination](flow.md#once-for-each-combination-matrix)",
    ),
    Key(
        "hosts", "hosts", name_references, TEXTS, scope=_FILES, aliases=("host", "inventory"),
        help="the runbook runs [once on each](hosts.md) of these hosts",
    ),
    Key(
        "environments", "environments", environments, ENVIRONMENTS, scope=_FILES,
        help="where it [runs](permissions.md#environments), and nowhere else",
    ),
    Key(
        "requires", "requires", requires, REQUIRES, scope=_FILES,
        help="secrets and variables, as `secret.NAME` and `env.NAME`, [without "
        "which](permissions.md#what-a-runbook-requires) all of it is skipped",
    ),
    Key(
        "connections", "connections", connections, connections_schema, scope=_FILES, aliases=("databases",),
        help="[databases](databases.md) by name, for all blocks, each a type with a URI",
    ),
    Key("ssh", "ssh", ssh, ssh_schema, scope=_FILES, help="how to [log in](hosts.md#logging-in) to hosts"),
    Key(
        "effects", "effects", _effects, choices(Effects), scope=_FILES,
        help="what its blocks [may do](permissions.md#effects) at most: `read`, `write`, `destructive`",
    ),
    Key("defaults", "defaults", _defaults_in("defaults"), _defaults_schema, scope=("file",), help=_defaults_help),
    Key(
        "blocks", "blocks", block_list, _BLOCK_LIST, scope=("file",), aliases=("steps", "tasks"),
        help="the blocks, in order",
    ),
    Key(
        "finally", "finally", block_list, _BLOCK_LIST, scope=("file",), aliases=("always", "teardown"),
        help="[clean-ups](flow.md#cleaning-up-finally-if_started): run at the end, whatever happened",
    ),
    Key(
        "blocks", "blocks", _entries, _ENTRIES, scope=("checks",), aliases=("checks", "steps"),
        help="the [keys of single blocks](runbooks.md#the-keys-of-every-block), `id`, `code`, and for blocks that "
        "run SQL `connection`: one of the `connections`, in place of the block's own URI",
    ),
    Key(
        "defaults", "defaults", _defaults_in("defaults", "checks defaults"), _checks_defaults_schema,
        scope=("checks",), help=_checks_defaults_help,
    ),
    Key(
        "runbook", "runbook", MappingReader.names, TEXTS, scope=("checks",), aliases=("runbooks",),
        help="the runbook that this is for, or a list of several, where the file is not named like it",
    ),
    Key(
        "shell_options", "shell_options", MappingReader.text, TEXT, scope=("checks defaults",),
        help="options for scripts whose interpreter is a shell without options: `-eo pipefail`",
    ),
    Key(
        "code", "code", MappingReader.text, TEXT, scope=("entry", "context"),
        help="the SHA-256 of the block for which the check was written: a change is reported",
    ),
    Key(
        "connection", "connection", MappingReader.text, TEXT, scope=("entry", "context"),
        help="one of the file's `connections`, in place of the block's own URI",
    ),
    Key(
        "assert", "assertions", conditions, TEXTS, scope=_BLOCKS, aliases=("check", "validate"),
        help="an [expression](expressions.md), or a list of them; all are evaluated, a failure shows each",
    ),
    Key(
        "warn", "warnings", conditions, TEXTS, scope=_BLOCKS,
        help="like `assert`, but what does not hold is only [reported](flow.md#warn-and-do-not-fail-warn)",
    ),
    Key(
        "expect", "expectations", expectations, EXPECT, scope=_BLOCKS,
        help="[shapes](flow.md#shapes-expect) that parts of the output must have",
    ),
    Key(
        "expect_error", "expect_error", regex, REGEX, scope=_BLOCKS,
        help="a regular expression that the block's error or standard error must match: it passes by [failing that "
        "way](flow.md#it-has-to-fail-expect_error)",
    ),
    Key(
        "capture", "captures", captures, CAPTURES, scope=_BLOCKS, aliases=("register",),
        help="a variable's name for `output.value`, or a mapping of names to "
        "[expressions](flow.md#take-values-out-capture); values keep their type",
    ),
    Key(
        "timeout", "timeout", MappingReader.duration, DURATION, scope=_WITH_DEFAULTS, aliases=("deadline",),
        help="this block's deadline",
    ),
    Key(
        "retry", "retry", retry, retry_schema, scope=_WITH_DEFAULTS,
        help="how often and how long it is [tried again](flow.md#try-again-retry)",
    ),
    Key(
        "for_each", "for_each", for_each, FOR_EACH, scope=_BLOCKS, aliases=("loop", "with_items"),
        help="the block runs [once for each](flow.md#once-for-each-for_each) item of a list, a mapping or a number",
    ),
    Key(
        "when", "when", condition, TEXT, scope=_BLOCKS, aliases=("if",),
        help="an expression; the block is [skipped](flow.md#skip-it-when-skip-tags) unless it is true",
    ),
    Key(
        "skip", "skip", skip, skip_schema, scope=_BLOCKS, aliases=("disabled",),
        help="the reason why it is skipped, or `true`; a mapping of `reason` and `below`",
    ),
    Key(
        "below", "below", below, BELOW, scope=_WITH_DEFAULTS,
        help="`run`: [the blocks below](permissions.md#blocks-below-a-skipped-block) run although this block was "
        "skipped, refused or not selected",
    ),
    Key(
        "xfail", "xfail", expected_failure, expected_failure_schema, scope=_BLOCKS,
        help="why it is [expected to fail](flow.md#expected-to-fail-xfail), or `true`",
    ),
    Key(
        "on_failure", "on_failure", _on_failure, choices(OnFailure), scope=_WITH_DEFAULTS, aliases=("ignore_errors",),
        help="`continue`: this one is red, the rest [goes on](flow.md#after-a-failure-on_failure)",
    ),
    Key(
        "finally", "is_cleanup", MappingReader.boolean, BOOLEAN, scope=_BLOCKS, aliases=("always", "teardown"),
        help="`true`: it is a clean-up, run at the end with the context of its own position",
    ),
    Key(
        "if_started", "if_started", MappingReader.names, TEXTS, scope=_BLOCKS,
        help="names or ids: the clean-up is skipped unless one of these blocks was started",
    ),
    Key(
        "tags", "tags", tags, TAGS, scope=_BLOCKS, aliases=("labels", "markers"),
        help="markers: `pytest -m 'smoke and not slow'`",
    ),
    Key(
        "fixtures", "fixtures", fixtures, FIXTURES, scope=_BLOCKS,
        help="fixtures of pytest that this block reads as `{{ fixture.NAME }}`",
    ),
    Key(
        "effects", "effects", _effects, choices(Effects), scope=_WITH_DEFAULTS,
        help="what the block [does](permissions.md#effects): `read`, `write`, `destructive`",
    ),
    Key(
        "become", "become", become, become_schema, scope=_BLOCKS, aliases=("become_user", "sudo"),
        help="the [other user](hosts.md#other-users) to run as, through sudo: a name, or `user` and `password`",
    ),
    Key(
        "sensitive", "sensitive", MappingReader.boolean, BOOLEAN, scope=_ANY_WITH_DEFAULTS, aliases=("no_log",),
        help="`true`: its output, and what is captured from it, are secrets",
    ),
    Key(
        "template", "template", MappingReader.boolean, BOOLEAN, scope=_ANY_WITH_DEFAULTS,
        help="`false`: its texts are sent as they stand, braces and all",
    ),
    Key(
        "env", "scope.env", declared_env, ENV, scope=_BLOCKS, aliases=("environment",),
        help="environment variables beside a type: for this block alone",
    ),
    Key(
        "vars", "scope.vars", declared_vars, VARS, scope=_BLOCKS, aliases=("variables",),
        help="variables beside a type: for this block alone",
    ),
    Key(
        "directory", "scope.directory", declared_text, TEXT, scope=_BLOCKS, aliases=("cwd", "workdir", "chdir"),
        help="the working directory beside a type: for this block alone",
    ),
    Key(
        "host", "scope.host", declared_text, TEXT, scope=_BLOCKS, aliases=("delegate_to",),
        help="the host beside a type: for this block alone",
    ),
    Key(
        "stdin", "scope.stdin", declared_text, TEXT, scope=_BLOCKS, aliases=("input",),
        help="standard input of this block's program",
    ),
)  # fmt: skip


@cache
def keys_in(*scopes: Scope) -> Keys:
    """Return the keys that may stand there, by name, in the order of the table."""
    return {key.name: key for key in KEYS if not set(scopes).isdisjoint(key.scope)}
