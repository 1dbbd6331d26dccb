"""
Bounded plain copies of data from YAML and pillar: a YAML alias may contain itself, or stand for a billion values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.exceptions import ConfigError

#: Far deeper than any of our keys, and far less deep than Python's stack allows.
_DEEPEST = 50
#: A thousand rules with columns of their own have some 50,000.
_MOST_VALUES = 100_000


def plain(value: Any, where: str = "") -> Any:
    """
    Return a copy made of plain dicts and lists. Salt uses several kinds of mappings; msgspec and dictupdate need these.

    :param value: data from a file or from pillar.
    :param where: its key, for error messages.
    :raises ConfigError: the data is too deep or too large, or contains itself.
    """
    return _Copy(where).of(value)


def without_empty(value: Any) -> Any:
    """
    Return a mapping without its empty keys, which YAML reads as null; return anything else as it is.

    :param value: plain data.
    """
    if not isinstance(value, Mapping):
        return value
    return {key: one for key, one in value.items() if one is not None}


def said(error: BaseException) -> str:
    """
    Return an error's text in one line, without passwords.

    :param error: the error.
    """
    # The module that finds passwords takes long to load, and most commands report no error.
    from salt_eventsd.redact.error_text import one_line

    return one_line(error)


def without_secrets(text: str) -> str:
    """
    Return a text without passwords.

    :param text: an error's text from another program.
    """
    from salt_eventsd.redact.error_text import masked

    return masked(text)


def yaml_fault(error: Exception, text: str) -> str:
    """
    Return what is wrong in a text that is not YAML, and where. The text itself may hold passwords and is not quoted.

    :param error: the parser's error.
    :param text: the text.
    """
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    if (mark := getattr(error, "problem_mark", None)) is None:
        return problem
    line = next(iter(text.splitlines()[mark.line : mark.line + 1]), "")
    hint = "; there is a tab, and YAML is indented with spaces" if "\t" in line[: mark.column + 1] else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{hint}"


class _Copy:
    def __init__(self, where: str) -> None:
        self._where = where
        self._left = _MOST_VALUES
        self._path: list[str] = []

    def of(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            entries = [(str(key), one) for key, one in value.items()]
        elif isinstance(value, (list, tuple)):
            entries = [(str(number), one) for number, one in enumerate(value)]
        else:
            return value
        self._left -= len(entries)
        if self._left < 0:
            self._path.clear()
            raise self._wrong(f"more than {_MOST_VALUES} values; does a YAML alias (*name) multiply them?")
        if len(self._path) >= _DEEPEST:
            # Data that contains itself has no end: the first levels are enough.
            del self._path[3:]
            raise self._wrong(f"more than {_DEEPEST} levels deep; does a YAML alias (*name) hold itself?")
        made = {}
        for key, one in entries:
            self._path.append(key)
            made[key] = self.of(one)
            self._path.pop()
        return made if isinstance(value, Mapping) else list(made.values())

    def _wrong(self, what: str) -> ConfigError:
        key = ".".join(part for part in (self._where, *self._path) if part)
        return ConfigError([f"eventsd: {key}: {what}" if key else f"eventsd: {what}"])
