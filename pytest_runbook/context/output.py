"""What a block gave, as templates and assertions read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..errors import TemplateError

VALUE = "value"


class Output(Mapping[str, object]):
    """The keys of ``output``; those that cost something to make are made when somebody reads them.

    fields: a value, or a function that makes it when it is first read.
    value: makes ``output.value``, the one cell, sample or line that the block gave; raises `ValueError` with a sentence
    that says what there is instead. It is no key of the reference, so that iterating does not show it.
    large: keys that are known to be too large to be kept beyond the run, without making them.
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
