"""Checks the templates and expressions of a runbook without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import FileError, Location, unknown_name_message
from ..model.block_expressions import conditions_of, expression_props
from ..model.catalog import BlockCatalog
from ..model.runbook import BlockSpec, Connection, Declaration, Runbook
from ..templates import LOOP_ROOTS, TEMPLATE_ROOTS, Expression, Problem, is_template, template_problems


def runbook_problems(runbook: Runbook, catalog: BlockCatalog) -> tuple[FileError, ...]:
    """Return every error in the file's templates and expressions, in the order of the file."""
    uris = (connection.uri for connection in runbook.connections.values())
    found = [*_declaration_problems((*runbook.vars, *runbook.env, *runbook.checks_vars, *uris), None)]
    for spec in runbook.blocks:
        found += _block_problems(spec, catalog)
        found += _connection_problems(spec, runbook.connections)
    return tuple(found)


def _block_problems(spec: BlockSpec, catalog: BlockCatalog) -> Iterator[FileError]:
    stdin = spec.rules.scope.stdin
    if stdin is not None and spec.type == "run":
        hint = "put what is to be typed into its code; a script reads `stdin`"
        yield FileError(
            "a terminal has a keyboard, and no `stdin`", location=stdin.location, block=spec.label, hint=hint
        )
    if spec.rules.template and spec.type in catalog:
        roots = TEMPLATE_ROOTS if spec.rules.for_each is None else LOOP_ROOTS
        for prop in catalog[spec.type].props:
            value = spec.props.get(prop.name) if prop.templated else None
            if value and not _is_verbatim_text(spec, prop.name):
                for text in texts_in(value):
                    yield from _text_problems(text, spec.location_of(prop.name), spec.label, roots)
        scope = spec.rules.scope
        alone = (declaration for declaration in (scope.directory, scope.host, scope.stdin) if declaration is not None)
        yield from _declaration_problems((*scope.env, *scope.vars, *alone), spec.label, roots)
        for expectation in spec.rules.expectations:
            for text in texts_in(expectation.value):
                yield from _text_problems(text, expectation.location, spec.label, roots)
    retry = spec.rules.retry
    until = () if retry is None or retry.until is None else (retry.until,)
    for condition in (*conditions_of(spec), *until, *expression_props(spec, catalog)):
        for problem in Expression(condition.source).problems():
            yield _error(problem, condition.location, spec.label)


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts of a prop, also those within mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*texts_in(key), *texts_in(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def _is_verbatim_text(spec: BlockSpec, prop: str) -> bool:
    """Return True for the text of an editor that sets no variable: it is not rendered, so that braces in it mean
    nothing.
    """
    return spec.type == "editor" and prop == "code" and not spec.props.get("variableName")


def _connection_problems(spec: BlockSpec, connections: Mapping[str, Connection]) -> Iterator[FileError]:
    name = spec.props.get("connection")
    if not isinstance(name, str) or not name:
        return
    matching = [known for known, connection in connections.items() if connection.type == spec.type]
    if name not in matching:
        message, hint = unknown_name_message(f"connection of {spec.type} blocks", name, matching)
        hint = hint if matching else f"connections: {{{name}: {{{spec.type}: URI}}}}"
        location = spec.checks_location or spec.location_of("connection")
        yield FileError(message, location=location, block=spec.label, hint=hint)


def _declaration_problems(
    values: tuple[Declaration, ...], block: str | None, roots: tuple[str, ...] = TEMPLATE_ROOTS
) -> Iterator[FileError]:
    for declaration in values:
        yield from _text_problems(declaration.value, declaration.location, block, roots)


def _text_problems(text: object, location: Location, block: str | None, roots: tuple[str, ...]) -> Iterator[FileError]:
    if isinstance(text, str) and is_template(text):
        for problem in template_problems(text, roots):
            yield _error(problem, location, block)


def _error(problem: Problem, location: Location, block: str | None) -> FileError:
    return FileError(problem.message, location=location.shifted(problem.line - 1), block=block, hint=problem.hint)
