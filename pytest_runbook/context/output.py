"""The output of a block, as templates and assertions read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..errors import TemplateError

VALUE = "value"


class Output(Mapping[str, object]):
    """The keys of ``output``. Values that are expensive to make are made when they are first read.

    fields: a value, or a function that makes it on the first read.
    value: makes ``output.value``, the one cell, sample or line of the output. It raises `ValueError` with a sentence
    that describes what the output has instead. The runbook format has no such key, so that iteration leaves it out.
    large: keys that are known to be too large to be stored, without making their values.
    """

    def __init__(
        self,
        fields: Mapping[str, object | Callable[[], object]],
        value: Callable[[], object],
        large: Collection[str] = (),
    ) -> None:
        self.large = large
        self._fields = dict(fields)
        self._value = value

    def __getitem__(self, key: str) -> object:
        if key == VALUE:
            return self._one_value()
        field = self._fields[key]
        if callable(field):
            field = self._fields[key] = field()
        return field

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, key: object) -> bool:
        return key == VALUE or key in self._fields

    def __repr__(self) -> str:
        return f"Output({', '.join(self._fields)})"

    def _one_value(self) -> object:
        try:
            return self._value()
        except ValueError as error:
            raise TemplateError(f"output.value: {error}") from error
