"""
Tags: which of many patterns match a tag, at little more than the cost of one.

The patterns are sorted by the literal text they begin with, so that a tag is tried only against those that can match
it. Where many begin with the same ``salt/job/\\d+/ret/``, that is matched once, and what follows is sorted in the same
way. A pattern that several rules share is tried once.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from salt_eventsd.common.patterns import Pattern, PatternTimeout, compile_pattern
from salt_eventsd.rules.slashes import decided_with, parser

#: Is told the numbers of a pattern that took too long on a tag, and so counts as not matching it.
Undecided = Callable[[tuple[int, ...]], None]
#: The beginning of an expression that can match a tag in one way only: literal text and runs of digits or of anything
#: but slashes, each run followed by a slash.
_HEAD = re.compile(r"(?:[A-Za-z0-9_/-]*(?:\\d|\[0-9\]|\[\^/\])[*+]/(?![*+?{]))+")


@dataclass(frozen=True)
class TagPattern:
    """
    A compiled pattern for tags.

    :param regex: is matched at the start of a tag.
    :param prefix: the literal text that every tag begins with that it matches.
    """

    regex: Pattern
    prefix: str


def tag_pattern(expression: str) -> TagPattern:
    """
    Compile a regular expression.

    :param expression: one that is known to compile.
    """
    return TagPattern(compile_pattern(expression), _prefix(expression))


def tag_glob(glob: str) -> TagPattern:
    """
    Compile a glob, which matches whole tags; ``*`` also matches slashes, as in Salt's reactor.

    :param glob: with ``*``, ``?`` and ``[...]`` as in a shell.
    """
    return TagPattern(compile_pattern(fnmatch.translate(glob)), re.split(r"[*?\[]", glob, maxsplit=1)[0])


class TagIndex:
    """
    Finds the patterns that match a tag.

    :param patterns: patterns, each with its number, in ascending order. Several may have one number.
    :param undecided: is told the numbers of a pattern that took too long on a tag.
    """

    def __init__(
        self, patterns: Iterable[tuple[TagPattern, int]], undecided: Undecided = lambda _numbers: None
    ) -> None:
        together: dict[re.Pattern[str], tuple[TagPattern, list[int]]] = {}
        for pattern, number in patterns:
            together.setdefault(pattern.regex.regex, (pattern, []))[1].append(number)
        heads: dict[str, list[tuple[TagPattern, tuple[int, ...]]]] = {}
        for pattern, numbers in together.values():
            heads.setdefault(_head(pattern.regex.regex), []).append((pattern, tuple(numbers)))
        self._plain = _Level(undecided)
        self._behind: list[tuple[re.Pattern[str], _Level]] = []
        for head, alike in heads.items():
            if len(alike) > 1 and head:
                level = _Level(undecided)
                for pattern, shared in alike:
                    rest = pattern.regex.pattern[len(head) :]
                    level.add(_prefix(rest), compile_pattern(rest), shared)
                self._behind.append((re.compile(head), level))
            else:
                for pattern, shared in alike:
                    self._plain.add(pattern.prefix, pattern.regex, shared)
        #: Asked for each event: this saves a look-up.
        self._in_plain = self._plain.matching
        #: To so many slashes of a tag the patterns look, and no further; None if that cannot be told.
        self.slashes = decided_with(together)

    def matching(self, tag: str) -> tuple[int, ...]:
        """
        Return the numbers of the patterns that match.

        :param tag: a tag.
        """
        found = self._in_plain(tag, 0)
        for head, level in self._behind:
            if hit := head.match(tag):
                found += level.matching(tag, hit.end())
        return found


class _Tried(NamedTuple):
    """
    A pattern that is tried on a tag.

    :param suffix: the literal text that every tag ends with that it matches.
    :param match: matches it; None if the tag need not be looked at again.
    :param numbers: its numbers.
    """

    suffix: str
    match: Callable[..., re.Match[str] | None] | None
    numbers: tuple[int, ...]


class _Level:
    """Patterns, sorted by the literal text they begin with."""

    def __init__(self, undecided: Undecided) -> None:
        self._undecided = undecided
        self._by_length: dict[int, dict[str, list[_Tried]]] = {}

    def add(self, prefix: str, pattern: Pattern, numbers: tuple[int, ...]) -> None:
        # What is literal text altogether matches wherever a tag has that text.
        is_literal = pattern.pattern == prefix and not pattern.flags & re.IGNORECASE
        tried = _Tried(_suffix(pattern.pattern), None if is_literal else pattern.match, numbers)
        self._by_length.setdefault(len(prefix), {}).setdefault(prefix, []).append(tried)

    def matching(self, tag: str, start: int) -> tuple[int, ...]:
        found: tuple[int, ...] = ()
        for length, by_prefix in self._by_length.items():
            for suffix, match, numbers in by_prefix.get(tag[start : start + length], ()):
                try:
                    if match is None or (tag.endswith(suffix) and match(tag, start)):
                        found += numbers
                except PatternTimeout:
                    self._undecided(numbers)
        return found


def _head(regex: re.Pattern[str]) -> str:
    """Return the beginning of an expression that matches in one way only, if the rest can be matched by itself."""
    if regex.flags != re.UNICODE or "|" in regex.pattern or "(?" in regex.pattern:
        return ""
    found = _HEAD.match(regex.pattern)
    return found[0] if found else ""


def _prefix(expression: str) -> str:
    return _literal(_parsed(expression))


def _suffix(expression: str) -> str:
    parsed = _parsed(expression)
    if not parsed or parsed[-1] != (parser.AT, parser.AT_END_STRING):
        return ""
    return _literal(parsed[-2::-1])[::-1]


def _parsed(expression: str) -> list[tuple[Any, Any]]:
    """Return the parts of an expression; none if it may match the same text in capitals."""
    parsed = parser.parse(expression)
    return [] if parsed.state.flags & re.IGNORECASE else list(parsed)


def _literal(parts: Iterable[tuple[Any, Any]]) -> str:
    """Return the literal text with which parts begin."""
    literal = []
    for operator, argument in parts:
        if operator is not parser.LITERAL:
            break
        literal.append(chr(argument))
    return "".join(literal)
