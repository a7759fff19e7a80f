"""Text helpers for every floor: the nearest name, durations, excerpts that are safe to print."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

DURATION_HINT = "a number with a unit: 500ms, 90s, 2m, 1h"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_MAX_DURATION = 10_000 * 3600.0
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# C0 and C1 controls, lone surrogates, the two non-characters that XML forbids, and characters that change the direction
# of text or break lines invisibly. Tab and newline are text.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def folded(name: str) -> str:
    """Return a name as it is compared with misspelt ones: case and the kind of dash do not count."""
    return name.casefold().replace("-", "_")


def nearest(value: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most similar to a value; None if none is similar. cutoff: from 0 to 1, the same."""
    by_folded = {folded(name): name for name in known}
    matches = difflib.get_close_matches(folded(value), by_folded, n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def duration_seconds(text: str) -> float:
    """Return the seconds of a duration such as 500ms, 90s, 2m, 1h or 1h30m.

    :raises ValueError: if the text is no positive duration, or longer than 10,000 hours.
    """
    parts = _DURATION.findall(text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(f'"{text}" is not a duration')
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ValueError(f'"{text}" is not a positive duration')
    if seconds > _MAX_DURATION:
        raise ValueError(f'"{shorten(text, 60)}" is longer than {show_limit(_MAX_DURATION)}')
    return seconds


def is_duration(text: str) -> bool:
    """Return True if `duration_seconds` accepts a text."""
    try:
        duration_seconds(text)
    except ValueError:
        return False
    return True


def show_seconds(seconds: float) -> str:
    """Return a measured duration in display form: ``84 ms``, ``5.0 s``, ``2 m 05 s``, ``1 h 02 m``."""
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s" if rest else f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if minutes else f"{hours} h"


def show_limit(seconds: float) -> str:
    """Return a configured duration in display form: ``5 s``, where a measured one is ``5.0 s``."""
    return show_seconds(seconds).replace(".0 s", " s")


def escape_controls(text: str) -> str:
    r"""Return a text with control characters as ``\x1b``: safe on a terminal and in XML. Newlines and tabs stay."""
    return _CONTROL.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text
    )


def escape_json_controls(text: str) -> str:
    """Return JSON with control characters in its strings as JSON escapes: the same data, safe on a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shorten(text: str, limit: int) -> str:
    """Return a text on one line, its middle left out if it is longer than limit characters."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head = (limit - 3) * 2 // 3
    return f"{line[:head]}...{line[len(line) - (limit - 3 - head) :]}"
