"""
Which of many tag patterns match a tag, at little more than the cost of one.

Patterns are told apart by the literal text they begin with, so that a tag is tried only against those that can match
it; a pattern that several rules share is tried once.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: The parser behind :mod:`re`: the one way to learn what an expression begins with.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


@dataclass(frozen=True)
class TagPattern:
    """
    A compiled pattern.

    :param regex: matched at the start of a tag.
    :param prefix: what every tag it matches begins with.
    """

    regex: re.Pattern[str]
    prefix: str


def tag_pattern(expression: str) -> TagPattern:
    """
    Compile a regular expression.

    :param expression: known to compile.
    """
    return TagPattern(re.compile(expression), _prefix(expression))


def tag_glob(glob: str) -> TagPattern:
    """
    Compile a glob, which matches whole tags; ``*`` also matches slashes, as in Salt's reactor.

    :param glob: with ``*``, ``?`` and ``[...]`` as in a shell.
    """
    return TagPattern(re.compile(fnmatch.translate(glob)), re.split(r"[*?\[]", glob, maxsplit=1)[0])


class TagIndex:
    """
    Patterns by number.

    :param patterns: with what is wanted back where one matches, in ascending order.
    """

    def __init__(self, patterns: Iterable[tuple[TagPattern, int]]) -> None:
        together: dict[TagPattern, list[int]] = {}
        for pattern, number in patterns:
            together.setdefault(pattern, []).append(number)
        by_length: dict[int, dict[str, list[tuple[re.Pattern[str], tuple[int, ...]]]]] = {}
        for pattern, numbers in together.items():
            some = by_length.setdefault(len(pattern.prefix), {}).setdefault(pattern.prefix, [])
            some.append((pattern.regex, tuple(numbers)))
        self._by_length = tuple(by_length.items())

    def matching(self, tag: str) -> tuple[int, ...]:
        """
        Return the numbers of the patterns that match.

        :param tag: a tag.
        """
        found: tuple[int, ...] = ()
        for length, by_prefix in self._by_length:
            for regex, numbers in by_prefix.get(tag[:length], ()):
                if regex.match(tag):
                    found += numbers
        return found


def _prefix(expression: str) -> str:
    parsed = _parser.parse(expression)
    if parsed.state.flags & re.IGNORECASE:
        return ""
    literal = []
    for operator, argument in parsed:
        if operator is not _parser.LITERAL:
            break
        literal.append(chr(argument))
    return "".join(literal)
