"""The block types of the runbook format, as data: each prop with its type, its default and what loaders need to know.

Defaults are those of the format's own engine for a missing prop, and not what its editor writes into new blocks.
"""

from __future__ import annotations

from .catalog import BlockCatalog, BlockType, Prop, PropType

_STRICT_BASH = "bash -eo pipefail -c"
_PORTS = (0, 65_535)
_CELLS = (1, 65_535)
_BODY_BYTES = (1, 4 * 1024**3)

# Props that the desktop app keeps in many blocks for its own use.
_DEPENDENCY = Prop(name="dependency", default="{}", app_only=True)
_VISIBLE = Prop(name="outputVisible", type=PropType.BOOLEAN, default=True, app_only=True)
_TERMINAL_ROWS = Prop(name="terminalRows", type=PropType.NUMBER, app_only=True)
_AUTO_REFRESH = Prop(
    name="autoRefresh", type=PropType.NUMBER, alternative_types=(PropType.BOOLEAN,), default=0, app_only=True
)
_COLLAPSED = Prop(name="collapsed", type=PropType.BOOLEAN, alternative_types=(PropType.TEXT,), app_only=True)

TEXT_NODE_TYPES = frozenset(
    {
        "paragraph", "heading", "quote", "codeBlock", "toggleListItem", "bulletListItem", "numberedListItem",
        "checkListItem", "table", "file", "image", "video", "audio", "horizontal_rule", "table_of_contents",
        "githubPreview", "codebergPreview", "gitlabPreview",
    }
)  # fmt: skip


def _name(default: str) -> Prop:
    return Prop(name="name", default=default, help="how reports call the block")


def _required_name(help_text: str) -> Prop:
    return Prop(name="name", required=True, plain_required=True, templated=True, help=help_text)


_VIA = Prop(name="via", templated=True, plain_only=True, help="the host that leads there, over SSH: user@bastion")


def _sql(name: str, default_name: str, *more: Prop) -> BlockType:
    return BlockType(
        name=name,
        plain_names=(name,),
        main="query",
        one_of=(("query", "queryFile"), ("uri", "connection")),
        props=(
            _name(default_name),
            Prop(name="query", default="", templated=True, help="the SQL, one or more statements"),
            Prop(name="uri", default="", templated=True, help="where the database is"),
            Prop(name="queryFile", templated=True, plain_only=True, help="a file with the SQL, beside the runbook"),
            Prop(name="connection", plain_only=True, help="one of the runbook's connections"),
            *(() if name == "sqlite" else (_VIA,)),
            Prop(
                name="params", type=PropType.MAPPING, alternative_types=(PropType.LIST,),
                templated=True, plain_only=True,
                help="values that the driver binds: by name, or a list",
            ),
            Prop(name="connectTimeout", type=PropType.DURATION, default="10s", plain_only=True, help="until connected"),
            *more,
            _AUTO_REFRESH,
            _DEPENDENCY,
            _COLLAPSED,
        ),
        help=f"run SQL on {name}",
    )  # fmt: skip


_SCRIPT = BlockType(
    name="script",
    plain_names=("script", "run"),
    main="code",
    props=(
        _name("Script"),
        Prop(name="code", default="", plain_required=True, templated=True, help="the program's text"),
        Prop(name="interpreter", default="bash", plain_default=_STRICT_BASH, help="a command line"),
        Prop(name="outputVariable", templated=True, help="the variable that gets standard output"),
        _VISIBLE,
        _TERMINAL_ROWS,
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="run a script",
)

_TERMINAL = BlockType(
    name="run",
    aliases=("terminal",),
    plain_names=("terminal",),
    main="code",
    props=(
        _name("Terminal"),
        Prop(name="code", default="", plain_required=True, templated=True, help="what is typed into the shell"),
        Prop(name="type", help="the shell; $SHELL where it is missing"),
        Prop(name="rows", type=PropType.WHOLE, default=20, limits=_CELLS, help="height of the terminal"),
        Prop(name="cols", type=PropType.WHOLE, default=120, limits=_CELLS, help="width of the terminal"),
        Prop(name="pty", app_only=True),
        Prop(name="global", type=PropType.BOOLEAN, default=False, app_only=True),
        _VISIBLE,
        _TERMINAL_ROWS,
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="type commands into a terminal",
)

_HTTP_CONNECTION = (
    _VIA,
    Prop(
        name="auth", type=PropType.MAPPING, templated=True, plain_only=True,
        help="user and password, or a bearer token",
    ),
    Prop(name="verify", type=PropType.BOOLEAN, default=True, plain_only=True, help="false: any certificate will do"),
    Prop(name="ca", templated=True, plain_only=True, help="a file of the certificates to trust (PEM)"),
    Prop(name="cert", templated=True, plain_only=True, help="a file with the client's certificate (PEM)"),
    Prop(name="key", templated=True, plain_only=True, help="the file of its key, where that is another one"),
    Prop(name="keyPassword", templated=True, plain_only=True, help="the key's password"),
    Prop(name="connectTimeout", type=PropType.DURATION, default="10s", plain_only=True, help="until connected"),
)  # fmt: skip

_HTTP_PLAIN = (
    Prop(name="query", type=PropType.MAPPING, templated=True, plain_only=True, help="parameters to add to the url"),
    Prop(name="json", type=PropType.ANY, templated=True, plain_only=True, help="a body, sent as JSON"),
    Prop(name="form", type=PropType.MAPPING, templated=True, plain_only=True, help="fields of a form, as the body"),
    Prop(
        name="files", type=PropType.MAPPING, templated=True, plain_only=True,
        help="files to upload, by the name of their field: a path, or a mapping of path, name and type",
    ),
    Prop(name="bodyFile", templated=True, plain_only=True, help="a file whose bytes are the body"),
    *_HTTP_CONNECTION,
    Prop(name="redirects", type=PropType.BOOLEAN, default=True, plain_only=True, help="false: not followed"),
    Prop(
        name="readTimeout", type=PropType.DURATION, plain_only=True,
        help="how long the server may be silent; 30s unless the block has a timeout",
    ),
    Prop(
        name="maxBody", type=PropType.WHOLE, default=64 * 1024 * 1024, limits=_BODY_BYTES, plain_only=True,
        help="the most bytes that the answer's body may have",
    ),
)  # fmt: skip

_HTTP = BlockType(
    name="http",
    plain_names=("http",),
    main="url",
    main_pattern=r"(?:(?P<verb>[A-Z]+)\s+)?(?P<url>.+)",
    props=(
        _name("HTTP Request"),
        Prop(name="url", default="", plain_required=True, templated=True),
        Prop(name="verb", default="GET", aliases=("method",), help="the request's method"),
        Prop(
            name="headers", type=PropType.MAPPING, alternative_types=(PropType.TEXT,), templated=True,
            help="names and values, or the same as a text of JSON",
        ),
        Prop(name="body", default="", templated=True),
        *_HTTP_PLAIN,
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="send an HTTP request",
)  # fmt: skip

_PROMETHEUS_PLAIN = (
    Prop(name="headers", type=PropType.MAPPING, templated=True, plain_only=True, help="headers of the request"),
    *_HTTP_CONNECTION,
    Prop(name="readTimeout", type=PropType.DURATION, default="30s", plain_only=True, help="until the server answers"),
)

_PROMETHEUS = BlockType(
    name="prometheus",
    plain_names=("prometheus",),
    main="query",
    props=(
        _name("Prometheus Query"),
        Prop(name="query", default="", plain_required=True, templated=True, help="PromQL"),
        Prop(name="endpoint", default="http://localhost:9090", templated=True),
        Prop(name="period", default="5m", help="how far back a range goes, or: instant"),
        *_PROMETHEUS_PLAIN,
        _AUTO_REFRESH,
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="ask Prometheus",
)

_KUBERNETES = BlockType(
    name="kubernetes-get",
    plain_names=("kubernetes",),
    main="command",
    props=(
        _name("Kubernetes Query"),
        Prop(name="command", default="kubectl get pods -o json", templated=True),
        Prop(name="interpreter", default="bash", help="the program that runs the command"),
        Prop(name="namespace", templated=True),
        Prop(name="context", templated=True),
        Prop(name="mode", default="preset", app_only=True),
        _AUTO_REFRESH,
        Prop(name="refreshInterval", type=PropType.NUMBER, default=0, app_only=True),
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="ask a Kubernetes cluster with kubectl",
)

_SUB_RUNBOOK = BlockType(
    name="sub-runbook",
    plain_names=("sub-runbook",),
    main="runbookPath",
    props=(
        _name("Sub-Runbook"),
        Prop(name="runbookPath", default="", aliases=("path",), templated=True, help="the runbook's file"),
        Prop(name="runbookUri", default="", templated=True),
        Prop(name="runbookId", default="", templated=True),
        Prop(name="runbookName", default="", templated=True),
        Prop(name="exportEnv", type=PropType.BOOLEAN, default=False, help="its env variables go on here"),
        Prop(name="exportVars", type=PropType.BOOLEAN, default=False, help="its variables go on here"),
        Prop(name="exportCwd", type=PropType.BOOLEAN, default=False, help="its directory goes on here"),
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="run another runbook",
)

_DROPDOWN = BlockType(
    name="dropdown",
    plain_names=("dropdown",),
    main="fixedOptions",
    implied=(("optionsType", "fixed"),),
    is_context=True,
    props=(
        _required_name("the variable that gets the answer"),
        Prop(name="value", default="", required=True, templated=True, help="the saved answer"),
        Prop(name="optionsType", required=True, plain_required=True, choices=("fixed", "variable", "command")),
        Prop(
            name="fixedOptions", default="", required=True, help="options, one a line or separated by comma and space"
        ),
        Prop(name="variableOptions", default="", required=True, templated=True, help="the variable that holds them"),
        Prop(name="commandOptions", default="", required=True, templated=True, help="the command that prints them"),
        Prop(name="options", default=""),
        Prop(name="interpreter", default="bash", required=True, help="the program that runs the command"),
        Prop(name="delimiter", default=":", help="stands between an option's label and its value"),
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="a choice that a person makes",
)

_PAUSE = BlockType(
    name="pause",
    plain_names=("pause",),
    main="if",
    props=(
        Prop(name="if", expression=True, plain_only=True, help="pauses where this holds; without one, always"),
        Prop(name="condition", default="", templated=True, help="pauses where this renders to true, yes or a number"),
        Prop(name="pauseIfTruthy", type=PropType.BOOLEAN, default=False, help="False: always pauses"),
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="wait for a person",
)

_EDITOR = BlockType(
    name="editor",
    plain_names=("editor",),
    main="code",
    is_item=False,
    is_context=True,
    props=(
        _name("Editor"),
        Prop(name="code", default="", plain_required=True, templated=True, help="the text"),
        Prop(name="language", default="text"),
        Prop(name="variableName", plain_required=True, templated=True, help="the variable that gets the text"),
        Prop(name="syncVariable", type=PropType.BOOLEAN, app_only=True),
        _DEPENDENCY,
        _COLLAPSED,
    ),
    help="a text as a variable",
)

_VAR = BlockType(
    name="var",
    plain_names=("vars", "var"),
    is_item=False,
    is_context=True,
    props=(_required_name("the variable"), Prop(name="value", default="", templated=True)),
    help="set variables from here on",
)

_LOCAL_VAR = BlockType(
    name="local-var",
    plain_names=("local-var",),
    main="name",
    is_item=False,
    is_context=True,
    props=(
        _required_name("the variable"),
        Prop(name="obscured", type=PropType.BOOLEAN, default=True, app_only=True),
    ),
    help="a variable whose value is given on each machine",
)

_ENV = BlockType(
    name="env",
    plain_names=("env",),
    is_item=False,
    is_context=True,
    props=(_required_name("the environment variable"), Prop(name="value", default="", templated=True)),
    help="set environment variables from here on",
)

_DIRECTORY = BlockType(
    name="directory",
    plain_names=("directory",),
    main="path",
    is_item=False,
    is_context=True,
    props=(
        Prop(
            name="path", required=True, plain_required=True, may_be_empty=True, templated=True,
            help="relative to the one before; empty: back to where the runbook began",
        ),
    ),
    help="the working directory from here on",
)  # fmt: skip

_LOCAL_DIRECTORY = BlockType(
    name="local-directory",
    plain_names=("local-directory",),
    main="name",
    is_item=False,
    is_context=True,
    props=(
        Prop(name="name", default="", plain_only=True, help="how answers call it"),
        Prop(name="path", app_only=True),
    ),
    help="a working directory that is given on each machine",
)

_HOST = BlockType(
    name="host-select",
    plain_names=("host",),
    main="host",
    is_item=False,
    is_context=True,
    props=(Prop(name="host", default="localhost", plain_required=True, templated=True),),
    help="the host that scripts run on from here on; local goes back",
)

_SSH_CONNECT = BlockType(
    name="ssh-connect",
    plain_names=("ssh-connect",),
    main="userHost",
    is_item=False,
    is_context=True,
    props=(
        Prop(name="userHost", default="", templated=True, help="user@host:port"),
        Prop(name="user", templated=True),
        Prop(name="hostname", templated=True),
        Prop(name="port", type=PropType.WHOLE, limits=_PORTS, help="0: as ssh has it"),
        Prop(name="identityKey", aliases=("identity",), templated=True, plain_only=True, help="a key, or its path"),
        Prop(name="certificate", templated=True, plain_only=True, help="the key's certificate, or its path"),
        Prop(name="passphrase", templated=True, plain_only=True, help="that of the private key, from a secret"),
        Prop(name="password", templated=True, plain_only=True, help="that of the user there, from a secret"),
    ),
    help="the host that scripts run on from here on, with its connection",
)

_VAR_DISPLAY = BlockType(
    name="var_display",
    is_item=False,
    props=(_required_name("the variable to show"),),
    help="show a variable",
)

_MARKDOWN_RENDER = BlockType(
    name="markdown_render",
    is_item=False,
    props=(Prop(name="variableName"), Prop(name="maxLines", type=PropType.NUMBER, default=12, app_only=True)),
    help="show a variable as Markdown",
)

BLOCK_TYPES: tuple[BlockType, ...] = (
    _SCRIPT,
    _TERMINAL,
    _HTTP,
    _sql("sqlite", "SQLite Query"),
    _sql("postgres", "Postgres Query"),
    _sql("mysql", "MySQL Query", Prop(name="skipSqlModeInit", type=PropType.BOOLEAN, default=False)),
    _sql("clickhouse", "ClickHouse Query"),
    _PROMETHEUS,
    _KUBERNETES,
    _SUB_RUNBOOK,
    _DROPDOWN,
    _PAUSE,
    _EDITOR,
    _VAR,
    _ENV,
    _DIRECTORY,
    _HOST,
    _SSH_CONNECT,
    _LOCAL_VAR,
    _LOCAL_DIRECTORY,
    _VAR_DISPLAY,
    _MARKDOWN_RENDER,
)


def default_catalog() -> BlockCatalog:
    """Return a new catalog of the types that come with this package."""
    return BlockCatalog.of(BLOCK_TYPES)
