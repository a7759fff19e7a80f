"""Renders templates: runs their statements and collects what these print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from jinja2 import nodes

from ..errors import TemplateError
from .evaluator import Evaluator, TemplateFunction, TemplateNamespace, TemplateScope
from .filters import escape
from .rules import LENIENT
from .syntax import STANDS_ALONE, is_template, parse_template
from .unparse import unparse
from .values import SafeText, Undefined, bounded, describe_value, elements, to_text

OnPrint = Callable[[str], None]


def render(
    text: str, names: Mapping[str, object], *, forbid_empty: bool = False, on_print: OnPrint = lambda text: None
) -> str:
    """Return the text with its templates rendered; a text without templates is returned unchanged.

    Values are inserted as they are: templates in them are not rendered.

    names: the values by their root names (``var``, ``env``, ``doc`` ...).
    forbid_empty: a ``{{ }}`` that prints nothing is an error, for texts whose meaning a gap would change.
    on_print: called with the text that each ``{{ }}`` prints.

    :raises TemplateError: if the template is invalid, uses something undefined, or exceeds a limit.
    """
    if not is_template(text):
        return text
    tree = parse_template(text)
    renderer = Renderer(names, forbid_empty=forbid_empty, on_print=on_print)
    with renderer.guarded():
        return renderer.captured(lambda: renderer.run(tree.body))


def _empty_error(name: str) -> TemplateError:
    return TemplateError(f"{name} is empty", name=name, hint="a gap would change what the text means")


class _Break(Exception):
    """Raised by ``{% break %}``."""


class _Continue(Exception):
    """Raised by ``{% continue %}``."""


class Renderer(Evaluator):
    """Runs statements and collects what they print."""

    def __init__(self, names: Mapping[str, object], *, forbid_empty: bool, on_print: OnPrint) -> None:
        super().__init__(names, LENIENT)
        self._on_print = on_print
        self._forbids_empty = forbid_empty
        self._printed: list[str] = []
        self._length = 0
        self._escapes = False

    def captured(self, run: Callable[[], None]) -> str:
        """Return what is printed during the call; it does not become part of the output."""
        before, self._printed = self._printed, []
        try:
            run()
            return "".join(self._printed)
        finally:
            self._printed = before

    def run(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            self.spend(1)
            self.line = node.lineno
            run = _STATEMENTS.get(type(node))
            if run is None:
                raise TemplateError(f"{{% {type(node).__name__.lower()} %}} is not supported")
            run(self, node)

    @contextmanager
    def scoped(self, scope: TemplateScope | None = None) -> Iterator[None]:
        """Open a scope for the names that are set inside the context. scope: its parent; None for the current scope."""
        before = self.scope
        self.scope = (before if scope is None else scope).new_child()  # type: ignore[attr-defined]  # always a ChainMap
        try:
            yield
        finally:
            self.scope = before

    def assign(self, target: nodes.Node, value: object) -> None:
        match target:
            case nodes.Name(name=name):
                self.scope[name] = value
            case nodes.Tuple(items=targets):
                self._unpack(targets, value)
            case nodes.NSRef(name=name, attr=attr):
                self._assign_to_namespace(name, attr, value)

    def _unpack(self, targets: Sequence[nodes.Node], value: object) -> None:
        values = elements(value)
        if len(values) != len(targets):
            raise TemplateError(f"{describe_value(value)} can't be unpacked into {len(targets)} names")
        for target, part in zip(targets, values, strict=True):
            self.assign(target, part)

    def _assign_to_namespace(self, name: str, attr: str, value: object) -> None:
        namespace = self.scope.get(name)
        if not isinstance(namespace, TemplateNamespace):
            raise TemplateError(f"{name} is no namespace", hint=f"{{% set {name} = namespace() %}} makes one")
        namespace[attr] = value

    def _print(self, text: str) -> None:
        self._length = bounded(self._length + len(text))
        self._printed.append(text)

    def _output(self, node: nodes.Output) -> None:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                self._print(part.data)
            else:
                value = self.value(part)
                text = escape(value) if self._escapes else to_text(value)
                if self._forbids_empty and not text.strip():
                    raise _empty_error(unparse(part))
                self._on_print(text)
                self._print(text)

    def _if(self, node: nodes.If) -> None:
        branches = (node, *node.elif_)
        self.run(next((branch.body for branch in branches if self.truth(branch.test)), node.else_))

    def _for(self, node: nodes.For) -> None:
        self.loop_over(node, self.value(node.iter), depth=1)

    def loop_over(self, node: nodes.For, value: object, depth: int) -> None:
        items = [item for item in elements(value) if self._passes_loop_test(node, item)]
        if not items:
            self.run(node.else_)
            return
        loop = LoopContext(self, node, items, depth)
        for loop.index0, item in enumerate(items):
            self.spend(4)
            with self.scoped():
                self.scope["loop"] = loop
                self.assign(node.target, item)
                try:
                    self.run(node.body)
                except _Continue:
                    continue
                except _Break:
                    break

    def _passes_loop_test(self, node: nodes.For, item: object) -> bool:
        if node.test is None:
            return True
        with self.scoped():
            self.assign(node.target, item)
            return self.truth(node.test)

    def _assign(self, node: nodes.Assign) -> None:
        self.assign(node.target, self.value(node.node))

    def _assign_block(self, node: nodes.AssignBlock) -> None:
        text: object = self.captured(lambda: self.run(node.body))
        self.assign(node.target, text if node.filter is None else self._apply_filters(text, node.filter))

    def _filter_block(self, node: nodes.FilterBlock) -> None:
        self._print(to_text(self._apply_filters(self.captured(lambda: self.run(node.body)), node.filter)))

    def _apply_filters(self, text: object, node: nodes.Filter) -> object:
        """Apply a chain of filters to the text, the innermost first."""
        return self.filtered(text if node.node is None else self._apply_filters(text, node.node), node)  # type: ignore[arg-type]  # a chain of filters

    def _with(self, node: nodes.With) -> None:
        with self.scoped():
            for target, value in zip(node.targets, node.values, strict=True):
                self.assign(target, self.value(value))
            self.run(node.body)

    def _macro(self, node: nodes.Macro) -> None:
        self.scope[node.name] = Macro(self, node.name, node)

    def _call_block(self, node: nodes.CallBlock) -> None:
        caller = Macro(self, "caller", node)
        function = self.scope.get(node.call.node.name) if isinstance(node.call.node, nodes.Name) else None
        if not isinstance(function, Macro):
            raise TemplateError("{% call %} wants a macro")
        args, kwargs = self._arguments(node.call)
        self._print(function.call(args, {**kwargs, "caller": caller}))

    def _do(self, node: nodes.ExprStmt) -> None:
        self.value(node.node)

    def _block(self, node: nodes.Block | nodes.Scope) -> None:
        with self.scoped():
            self.run(node.body)

    def _autoescape(self, node: nodes.ScopedEvalContextModifier) -> None:
        before = self._escapes
        try:
            self._escapes = all(self.truth(option.value) for option in node.options)
            self.run(node.body)
        finally:
            self._escapes = before

    def _break(self, node: nodes.Break) -> None:
        raise _Break

    def _continue(self, node: nodes.Continue) -> None:
        raise _Continue

    def _not_supported(self, node: nodes.Node) -> None:
        raise TemplateError(STANDS_ALONE)


class Macro(TemplateFunction):
    """A macro, or the body of a ``{% call %}``, with the scope in which it was defined."""

    def __init__(self, renderer: Renderer, name: str, node: nodes.Macro | nodes.CallBlock) -> None:
        self.name = name
        self._renderer = renderer
        self._node = node
        self._scope = renderer.scope

    def __str__(self) -> str:
        return f"<macro {self.name}>"

    def call(self, args: list[object], kwargs: dict[str, object]) -> SafeText:
        parameters = [parameter.name for parameter in self._node.args]
        if len(args) > len(parameters):
            raise TemplateError(f"{self.name} takes {len(parameters)} arguments, not {len(args)}")
        values = {**dict(zip(parameters, args, strict=False)), **kwargs}
        with self._renderer.scoped(self._scope):
            for name in values.keys() - {*parameters, "caller"}:
                raise TemplateError(f"{self.name} takes no argument {name}", hint=f"known: {', '.join(parameters)}")
            self._bind(parameters, values)
            return SafeText(self._renderer.captured(lambda: self._renderer.run(self._node.body)))

    def _bind(self, parameters: Sequence[str], values: Mapping[str, object]) -> None:
        scope = self._renderer.scope
        defaults = dict(zip(reversed(parameters), reversed(self._node.defaults), strict=False))
        scope.update(values)
        for name in parameters:
            if name not in values:
                default = defaults.get(name)
                scope[name] = self._missing(name) if default is None else self._renderer.value_or_undefined(default)

    def _missing(self, name: str) -> Undefined:
        return Undefined(name, reason=f"{self.name} was called without it")


class LoopContext(TemplateFunction):
    """The object ``loop`` inside of a ``{% for %}``. Its public attributes are what templates can read."""

    def __init__(self, renderer: Renderer, node: nodes.For, items: Sequence[object], depth: int) -> None:
        self.index0 = 0
        self.length = len(items)
        self.depth = depth
        self.depth0 = depth - 1
        self.methods = {"cycle": self._cycle, "changed": self._changed}
        self._renderer = renderer
        self._node = node
        self._items = items
        self._last_seen: tuple[object, ...] | None = None

    def __str__(self) -> str:
        return f"<loop {self.index0}/{self.length}>"

    @property
    def index(self) -> int:
        return self.index0 + 1

    @property
    def revindex(self) -> int:
        return self.length - self.index0

    @property
    def revindex0(self) -> int:
        return self.length - self.index0 - 1

    @property
    def first(self) -> bool:
        return self.index0 == 0

    @property
    def last(self) -> bool:
        return self.index0 == self.length - 1

    @property
    def previtem(self) -> object:
        if self.first:
            raise AttributeError("previtem")  # undefined in a template
        return self._items[self.index0 - 1]

    @property
    def nextitem(self) -> object:
        if self.last:
            raise AttributeError("nextitem")
        return self._items[self.index0 + 1]

    def call(self, args: list[object], kwargs: dict[str, object]) -> SafeText:
        """Run ``loop(items)`` of a recursive loop: the same loop over other items."""
        if not self._node.recursive or len(args) != 1 or kwargs:
            raise TemplateError("loop(items) wants one list and a loop that is recursive")
        loop = partial(self._renderer.loop_over, self._node, args[0], self.depth + 1)
        return SafeText(self._renderer.captured(loop))

    def _cycle(self, *values: object) -> object:
        if not values:
            raise TemplateError("cycle wants values")
        return values[self.index0 % len(values)]

    def _changed(self, *values: object) -> bool:
        is_changed = self._last_seen is None or not LENIENT.equal(self._last_seen, values)
        self._last_seen = values
        return is_changed


_STATEMENTS: Mapping[type[nodes.Node], Callable[..., None]] = {
    nodes.Output: Renderer._output,
    nodes.If: Renderer._if,
    nodes.For: Renderer._for,
    nodes.Assign: Renderer._assign,
    nodes.AssignBlock: Renderer._assign_block,
    nodes.FilterBlock: Renderer._filter_block,
    nodes.With: Renderer._with,
    nodes.Macro: Renderer._macro,
    nodes.CallBlock: Renderer._call_block,
    nodes.ExprStmt: Renderer._do,
    nodes.Block: Renderer._block,
    nodes.Scope: Renderer._block,
    nodes.ScopedEvalContextModifier: Renderer._autoescape,
    nodes.Break: Renderer._break,
    nodes.Continue: Renderer._continue,
    nodes.Include: Renderer._not_supported,
    nodes.Import: Renderer._not_supported,
    nodes.FromImport: Renderer._not_supported,
    nodes.Extends: Renderer._not_supported,
}
