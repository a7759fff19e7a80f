"""Evaluates the syntax tree of an expression, in a sandbox.

Expressions can't reach Python: they look up keys and public attributes, and call only what is in the tables of this
package. Steps are counted, so that no expression runs forever.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from functools import reduce
from types import MappingProxyType, TracebackType
from typing import cast

from jinja2 import nodes

from ..errors import RunbookError, TemplateError, unknown_name_message
from .arithmetic import OPERATORS, concat, negate
from .filters import COMPARING_FILTERS, FILTERS, whole_number
from .lookup import NOT_FOUND, attribute, find, look_up_path, missing, slice_value
from .methods import METHODS
from .predicates import PREDICATES
from .rules import LENIENT, ComparisonRules
from .unparse import unparse
from .values import Kind, Undefined, bounded_items, describe_value, elements, kind_of, to_text

NO_ELSE = Undefined("the value of an if without else", is_replaceable=False, reason="its condition is false")
"""The value of the missing else of ``x if c``: empty text in a template, an error in an expression."""
MAX_STEPS = 3_000_000
"""The limit of work for one template or expression: a step for every node, every 2 items and every 256 characters."""
EVALUATED_FILTERS = frozenset({"map", "reject", "rejectattr", "select", "selectattr"})
EVALUATED_TESTS = frozenset({"defined", "undefined", "filter", "test"})
FILTER_NAMES = frozenset({*FILTERS, *COMPARING_FILTERS, *EVALUATED_FILTERS})
TEST_NAMES = frozenset({*PREDICATES, *EVALUATED_TESTS})
_FILTER_FOR_FUNCTION = {"len": "length", "str": "string", "sorted": "sort"}
_FILTER_ALTERNATIVES = {
    "b64encode": "encode it in the program that uses it",
    "center": "pad it in the program that prints it",
    "filesizeformat": "divide: x / 1024",
    "forceescape": "| escape",
    "format": "join texts with ~",
    "random": "a runbook does the same on every run",
    "truncate": "cut it: x[:20]",
    "wordcount": "| split | length",
}
_MAY_BE_NONE = frozenset({"default", "d", "tojson", "string", "pprint"})

TemplateScope = MutableMapping[str, object]


class TemplateFunction(ABC):
    """A callable that a template defines itself: a macro, or a recursive loop."""

    methods: Mapping[str, Callable[..., object]] = MappingProxyType({})

    @abstractmethod
    def call(self, args: list[object], kwargs: dict[str, object]) -> object: ...


class TemplateNamespace(dict[str, object]):
    """The result of ``namespace()``: a mapping whose keys ``{% set ns.key = ... %}`` may change."""


def range_(start: object, stop: object = None, step: object = 1) -> list[int]:
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise TemplateError("a range can't have a step of 0")
    numbers = range(whole_number(start, "start"), whole_number(stop, "stop"), whole_number(step, "step"))
    bounded_items(len(numbers))
    return list(numbers)


def dict_(mapping: object = MappingProxyType({}), **pairs: object) -> dict[str, object]:
    return {**_mapping(mapping), **pairs}


def namespace(mapping: object = MappingProxyType({}), **pairs: object) -> TemplateNamespace:
    return TemplateNamespace({**_mapping(mapping), **pairs})


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise TemplateError(f"{describe_value(value)} is no mapping")
    return dict(value)


FUNCTIONS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {"dict": dict_, "namespace": namespace, "range": range_}
)


class Evaluator:
    """Evaluates expressions.

    names: the values by their root names. rules: lenient for templates, strict for expressions.
    seen: receives the value of each evaluated node by the node's id; None to keep no values.
    """

    def __init__(
        self, names: Mapping[str, object], rules: ComparisonRules, seen: dict[int, object] | None = None
    ) -> None:
        self.scope: TemplateScope = ChainMap({}, cast(TemplateScope, names))
        self.line = 1
        self._rules = rules
        self._seen = seen
        self._steps = 0

    def guarded(self) -> _Guard:
        """Return a context manager that adds the line to errors, and turns other exceptions into a `TemplateError`."""
        return _Guard(self)

    def value(self, node: nodes.Node) -> object:
        """Return the value of an expression.

        :raises TemplateError: if it is undefined.
        """
        return self._defined(self.value_or_undefined(node))

    def value_or_undefined(self, node: nodes.Node) -> object:
        """Return the value of an expression, which may be `Undefined`."""
        self.spend(1)
        self.line = node.lineno
        result = _EXPRESSIONS[type(node)](self, node)
        if self._seen is not None:
            self._seen[id(node)] = result
        return result

    def truth(self, node: nodes.Node) -> bool:
        return self._rules.truth(self.value(node))

    def spend(self, steps: int) -> None:
        """Count steps of work.

        :raises TemplateError: if there are more than `MAX_STEPS`.
        """
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise TemplateError(f"it takes more than {MAX_STEPS:,} steps", hint="fewer or shorter loops")

    def filtered(self, value: object, node: nodes.Filter) -> object:
        """Return the value after a filter, which may be `Undefined`."""
        args, kwargs = self._arguments(node)
        return self._filter_with(node.name, self._defined(value), args, kwargs)

    def _defined(self, value: object) -> object:
        if isinstance(value, Undefined):
            if value is NO_ELSE and not self._rules.strict:
                return ""
            raise value.error()
        return value

    # Names and literals

    def _name(self, node: nodes.Name) -> object:
        try:
            return self.scope[node.name]
        except KeyError:
            return Undefined(node.name, node.name, self.scope, is_replaceable=not self._rules.strict)

    def _const(self, node: nodes.Const) -> object:
        return node.value

    def _data(self, node: nodes.TemplateData) -> str:
        return node.data

    def _list(self, node: nodes.List | nodes.Tuple) -> list[object]:
        return [self.value(item) for item in node.items]

    def _dict(self, node: nodes.Dict) -> dict[object, object]:
        return {self._key(pair.key): self.value(pair.value) for pair in node.items}

    def _key(self, node: nodes.Node) -> object:
        key = self.value(node)
        if kind_of(key) in (Kind.LIST, Kind.MAPPING):
            raise TemplateError(f"{describe_value(key)} can't be a key")
        return key

    # Attributes and items

    def _getattr(self, node: nodes.Getattr) -> object:
        return self._look_up(node, node.node, node.attr)

    def _getitem(self, node: nodes.Getitem) -> object:
        if isinstance(node.arg, nodes.Slice):
            bounds = (
                None if part is None else self.value(part) for part in (node.arg.start, node.arg.stop, node.arg.step)
            )
            return slice_value(self.value(node.node), *bounds)
        return self._look_up(node, node.node, self.value(node.arg))

    def _look_up(self, node: nodes.Expr, parent: nodes.Expr, key: object) -> object:
        value = self.value_or_undefined(parent)
        found = NOT_FOUND if isinstance(value, Undefined) else find(value, key)
        return missing(value, key, unparse(node), unparse(parent)) if found is NOT_FOUND else found

    # Operators

    def _and(self, node: nodes.And) -> object:
        left = self.value(node.left)
        return self.value(node.right) if self._rules.truth(left) else left

    def _or(self, node: nodes.Or) -> object:
        left = self.value(node.left)
        return left if self._rules.truth(left) else self.value(node.right)

    def _not(self, node: nodes.Not) -> bool:
        return not self.truth(node.node)

    def _conditional(self, node: nodes.CondExpr) -> object:
        if self.truth(node.test):
            return self.value_or_undefined(node.expr1)
        return NO_ELSE if node.expr2 is None else self.value_or_undefined(node.expr2)

    def _compare(self, node: nodes.Compare) -> bool:
        left_node, left = node.expr, self.value(node.expr)
        for operand in node.ops:
            right = self.value(operand.expr)
            if self._rules.strict and operand.op in ("ne", "notin"):
                _must_not_be_none((left_node, left), (operand.expr, right))
            if not self._holds(operand.op, left, right):
                return False
            left_node, left = operand.expr, right
        return True

    def _holds(self, op: str, left: object, right: object) -> bool:
        self.spend(_size(left) + _size(right))
        match op:
            case "eq" | "ne":
                return self._rules.equal(left, right) is (op == "eq")
            case "in" | "notin":
                return self._rules.contains(right, left) is (op == "in")
        return self._rules.ordered(op, left, right)

    def _binary(self, node: nodes.BinExpr) -> object:
        return self._sized(OPERATORS[node.operator](self.value(node.left), self.value(node.right)))

    def _concat(self, node: nodes.Concat) -> object:
        return self._sized(reduce(concat, map(self.value, node.nodes)))

    def _negative(self, node: nodes.Neg) -> object:
        return negate(self.value(node.node))

    def _positive(self, node: nodes.Pos) -> object:
        return negate(negate(self.value(node.node)))

    def _sized(self, value: object) -> object:
        self.spend(_size(value))
        return value

    # Filters, tests, calls

    def _filter(self, node: nodes.Filter) -> object:
        if node.name in ("default", "d"):
            return self._default(node)
        return self.filtered(self.value(_operand(node)), node)

    def _default(self, node: nodes.Filter) -> object:
        value = self._replaceable(_operand(node))
        if isinstance(value, Undefined):
            return self.value_or_undefined(node.args[0]) if node.args else ""
        flags = [*node.args[1:], *(pair.value for pair in _named(node))]
        replaces_falsy = any(self.truth(flag) for flag in flags)
        return self.value_or_undefined(node.args[0]) if replaces_falsy and not LENIENT.truth(value) else value

    def _replaceable(self, node: nodes.Expr) -> object:
        """Return the value; `Undefined` only where `default`, `defined` and `undefined` accept that.

        :raises TemplateError: in an expression, if it is undefined and not only the last key or index is missing.
        """
        value = self.value_or_undefined(node)
        if isinstance(value, Undefined) and self._rules.strict and not value.is_replaceable:
            raise value.error()
        return value

    def _filter_with(self, name: str, value: object, args: list[object], kwargs: dict[str, object]) -> object:
        self.spend(_size(value))
        if value is None and self._rules.strict and name not in _MAY_BE_NONE:
            raise TemplateError(f"none goes into the filter {name}", hint="give none a value: | default(0, true)")
        if name in _ITEM_FILTERS:
            return _call_function(name, _ITEM_FILTERS[name], self, value, *args, **kwargs)
        if name in COMPARING_FILTERS:
            return _call_function(name, COMPARING_FILTERS[name], self._rules, value, *args, **kwargs)
        if name in FILTERS:
            return self._sized(_call_function(name, FILTERS[name], value, *args, **kwargs))
        raise unknown_filter(name)

    def _map(self, value: object, *args: object, **kwargs: object) -> list[object]:
        if "attribute" in kwargs:
            return [attribute(item, **_renamed(kwargs)) for item in self._each(value)]
        if not args:
            raise TemplateError("map wants the name of a filter, or attribute=")
        name, *rest = args
        return [self._defined(self._filter_with(to_text(name), item, rest, kwargs)) for item in self._each(value)]

    def _select(self, value: object, *args: object) -> list[object]:
        return [item for item in self._each(value) if self._passes(item, args)]

    def _reject(self, value: object, *args: object) -> list[object]:
        return [item for item in self._each(value) if not self._passes(item, args)]

    def _select_attribute(self, value: object, path: object, *args: object) -> list[object]:
        return [item for item in self._each(value) if self._passes(look_up_path(item, path), args)]

    def _reject_attribute(self, value: object, path: object, *args: object) -> list[object]:
        return [item for item in self._each(value) if not self._passes(look_up_path(item, path), args)]

    def _each(self, value: object) -> Iterator[object]:
        for item in elements(value):
            self.spend(1)
            yield item

    def _passes(self, value: object, test: tuple[object, ...]) -> bool:
        if not test:
            return self._rules.truth(self._defined(value))
        return self._test_with(to_text(test[0]), value, list(test[1:]), {})

    def _test(self, node: nodes.Test) -> bool:
        value = self._replaceable(node.node) if node.name in ("defined", "undefined") else self.value(node.node)
        return self._test_with(node.name, value, *self._arguments(node))

    def _test_with(self, name: str, value: object, args: list[object], kwargs: dict[str, object]) -> bool:
        match name:
            case "defined" | "undefined":
                return isinstance(value, Undefined) is (name == "undefined")
            case "filter" | "test":
                return to_text(self._defined(value)) in (FILTER_NAMES if name == "filter" else TEST_NAMES)
        if name not in PREDICATES:
            raise unknown_name("test", name, TEST_NAMES)
        return bool(_call_function(name, PREDICATES[name], self._rules, self._defined(value), *args, **kwargs))

    def _call(self, node: nodes.Call) -> object:
        args, kwargs = self._arguments(node)
        match node.node:
            case nodes.Name(name=name):
                return self._call_name(name, args, kwargs)
            case nodes.Getattr(node=receiver, attr=name):
                return self._sized(self._call_method(self.value(receiver), name, args, kwargs))
        raise TemplateError(f"{unparse(node.node)} can't be called")

    def _call_name(self, name: str, args: list[object], kwargs: dict[str, object]) -> object:
        function = self.scope.get(name)
        if isinstance(function, TemplateFunction):
            return function.call(args, kwargs)
        if function is not None or name not in FUNCTIONS:
            raise unknown_function(name)
        return _call_function(name, FUNCTIONS[name], *args, **kwargs)

    def _call_method(self, value: object, name: str, args: list[object], kwargs: dict[str, object]) -> object:
        is_ours = isinstance(value, TemplateFunction)
        methods = value.methods if isinstance(value, TemplateFunction) else METHODS.get(kind_of(value), {})
        if name not in methods or (isinstance(value, Mapping) and name in value):
            raise TemplateError(f"{describe_value(value)} has no method {name}", hint=_known_methods(methods))
        return _call_function(name, methods[name], *(() if is_ours else (value,)), *args, **kwargs)

    def _arguments(self, node: nodes.Filter | nodes.Test | nodes.Call) -> tuple[list[object], dict[str, object]]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateError("arguments can't be unpacked with * or **")
        return [self.value(arg) for arg in node.args], {pair.key: self.value(pair.value) for pair in _named(node)}


class _Guard:
    """The context manager of `Evaluator.guarded`."""

    # A class and no generator: entering and leaving one takes longer than evaluating a short expression.

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        line = self._evaluator.line
        match error:
            case TemplateError():
                error.line = error.line or line
            case RunbookError():
                pass
            case RecursionError():
                raise TemplateError("nested too deeply: does it call itself without end?", line=line) from error
            case Exception():
                raise TemplateError(f"it can't be evaluated: {error}", line=line) from error


def unknown_name(what: str, name: str, known: Collection[str]) -> TemplateError:
    message, hint = unknown_name_message(what, name, sorted(known))
    return TemplateError(message, hint=hint)


def unknown_filter(name: str) -> TemplateError:
    error = unknown_name("filter", name, FILTER_NAMES)
    return TemplateError(error.message, hint=_FILTER_ALTERNATIVES.get(name, error.hint))


def unknown_function(name: str) -> TemplateError:
    filter_name = _FILTER_FOR_FUNCTION.get(name, name)
    if filter_name in FILTER_NAMES:
        return TemplateError(f'unknown function "{name}"', hint=f"it is a filter: x | {filter_name}")
    return unknown_name("function", name, FUNCTIONS)


def _call_function(name: str, function: Callable[..., object], *args: object, **kwargs: object) -> object:
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        raise TemplateError(f"{name} can't take these arguments", hint=_known_arguments(function)) from error


def _known_arguments(function: Callable[..., object]) -> str | None:
    names = [name for name in inspect.signature(function).parameters if name not in ("self", "rules", "value")]
    return f"it takes {', '.join(names)}" if names else "it takes none"


def _known_methods(methods: Mapping[str, object]) -> str | None:
    return f"known: {', '.join(methods)}" if methods else None


def _renamed(kwargs: Mapping[str, object]) -> dict[str, object]:
    return {"path" if key == "attribute" else key: value for key, value in kwargs.items()}


def _must_not_be_none(*sides: tuple[nodes.Expr, object]) -> None:
    """Refuse ``!=`` and ``not in`` with a value that is none, unless `none` is written out in the expression."""
    # None differs from everything, so that the comparison would be true whatever the other value is.
    if any(isinstance(node, nodes.Const) and node.value is None for node, _ in sides):
        return
    for node, value in sides:
        if value is None:
            message = f"{unparse(node)} is none, which differs from everything"
            raise TemplateError(message, hint="check that first: x is not none and ...")


def _named(node: nodes.Filter | nodes.Test | nodes.Call) -> list[nodes.Keyword]:
    """Return the keyword arguments."""
    return cast(list[nodes.Keyword], node.kwargs)


def _operand(node: nodes.Filter) -> nodes.Expr:
    """Return the operand of a filter; only the filter of a ``{% filter %}`` section has none."""
    assert node.node is not None
    return node.node


def _size(value: object) -> int:
    """Return the number of steps that work on the whole value counts as."""
    match kind_of(value):
        case Kind.TEXT:
            return len(value) >> 8  # type: ignore[arg-type]  # text
        case Kind.LIST | Kind.MAPPING:
            return len(value) >> 1  # type: ignore[arg-type]  # both have a length
    return 0


_ITEM_FILTERS: Mapping[str, Callable[..., object]] = {
    "map": Evaluator._map,
    "reject": Evaluator._reject,
    "rejectattr": Evaluator._reject_attribute,
    "select": Evaluator._select,
    "selectattr": Evaluator._select_attribute,
}
_EXPRESSIONS: Mapping[type[nodes.Node], Callable[..., object]] = {
    nodes.Name: Evaluator._name,
    nodes.Const: Evaluator._const,
    nodes.TemplateData: Evaluator._data,
    nodes.List: Evaluator._list,
    nodes.Tuple: Evaluator._list,
    nodes.Dict: Evaluator._dict,
    nodes.Getattr: Evaluator._getattr,
    nodes.Getitem: Evaluator._getitem,
    nodes.And: Evaluator._and,
    nodes.Or: Evaluator._or,
    nodes.Not: Evaluator._not,
    nodes.CondExpr: Evaluator._conditional,
    nodes.Compare: Evaluator._compare,
    nodes.Concat: Evaluator._concat,
    nodes.Neg: Evaluator._negative,
    nodes.Pos: Evaluator._positive,
    nodes.Filter: Evaluator._filter,
    nodes.Test: Evaluator._test,
    nodes.Call: Evaluator._call,
    **dict.fromkeys(
        (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow), Evaluator._binary
    ),
}
