"""Linux's child subreaper: an orphan among our descendants becomes our child, not init's."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


class Subreaper:
    """Switches the subreaper attribute of this process on and off; does nothing on other systems."""

    def __init__(self) -> None:
        self._has_set_flag = False

    @property
    def is_open(self) -> bool:
        value = ctypes.c_int()
        return _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value)) and value.value == 1

    def open(self) -> None:
        if not self._has_set_flag and not self.is_open:
            self._has_set_flag = _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def close(self) -> None:
        """Switch it off, unless it was on before `open`."""
        if self._has_set_flag:
            _prctl(_PR_SET_CHILD_SUBREAPER, 0)
            self._has_set_flag = False


def _prctl(option: int, argument: object) -> bool:
    return sys.platform == "linux" and bool(_libc().prctl(option, argument, 0, 0, 0) == 0)


@cache
def _libc() -> ctypes.CDLL:
    """Return the C library. Cached because opening it takes longer than a call."""
    return ctypes.CDLL(None)
