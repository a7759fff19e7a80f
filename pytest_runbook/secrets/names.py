"""Names that mark their values as secrets: ``DB_PASSWORD``, ``apiKey``, ``x-auth-token``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

DEFAULT = "default"
PATTERNS = (
    "*password",
    "*passwd",
    "*_pass",
    "*passphrase",
    "*secret",
    "*token",
    "*api_key",
    "*apikey",
    "*access_key",
    "*secret_key",
    "*private_key",
    "*encryption_key",
    "*signing_key",
    "*account_key",
    "*auth_key",
    "*credential",
    "*credentials",
    "*authorization",
    "*cookie",
)
"""Patterns for whole names in the form of `normalized`. A name with a further word (``TOKEN_FILE``) does not match."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^\w*?\[\]]+")


class SensitiveNames:
    """Decides whether a name is that of a secret.

    cores: every such name contains one of these, in lower case.
    patterns: with ``*`` and ``?``. ``default`` stands for the built-in ones. A pattern that begins with ``!`` makes an
    exception.
    """

    def __init__(self, patterns: Iterable[str] = (DEFAULT,)) -> None:
        patterns = tuple(patterns)
        expanded = [pattern for one in patterns for pattern in (PATTERNS if one == DEFAULT else (one,))]
        self._patterns = _compiled(pattern for pattern in expanded if not pattern.startswith("!"))
        self._exempt = _compiled(pattern[1:] for pattern in expanded if pattern.startswith("!"))
        cores = {_last_word(pattern) for pattern in expanded if not pattern.startswith("!")}
        self.cores = tuple(core for core in sorted(cores) if not any(other in core for other in cores - {core}))
        # Per instance: the same few names are asked for with every text.
        self.match = lru_cache(maxsize=4096)(self._match)

    def may_be_in(self, lowered: str) -> bool:
        """Return False if no such name can be in a text, which is in lower case."""
        return any(core in lowered for core in self.cores)

    def _match(self, name: str) -> bool:
        plain = normalized(name)
        return bool(self._patterns and self._patterns.fullmatch(plain)) and not (
            self._exempt and self._exempt.fullmatch(plain)
        )


def normalized(name: str) -> str:
    """Return a name in lower case with its words separated by ``_``: ``db_password`` for ``dbPassword`` and
    ``DB-PASSWORD``.
    """
    return _SEPARATOR.sub("_", _WORD_START.sub("_", name)).lower()


def _last_word(pattern: str) -> str:
    """Return the last word of a pattern that a name must contain literally; "" if there is none."""
    return next(reversed(re.findall(r"[a-z0-9]+", re.sub(r"\[.*?\]", "*", normalized(pattern)))), "")


def _compiled(patterns: Iterable[str]) -> re.Pattern[str] | None:
    translated = [translate(normalized(pattern)) for pattern in patterns]
    return re.compile("|".join(translated)) if translated else None
