"""
With which slash of a tag it is decided whether an expression matches. Tags that are alike up to there, as those of a
job's returns are, need not be looked through one by one.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from typing import Any

#: The parser behind :mod:`re`: only it can tell what an expression consists of.
parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
_SLASH = ord("/")
_CLASSES = (parser.CATEGORY_DIGIT, parser.CATEGORY_WORD, parser.CATEGORY_SPACE)
#: How many slashes there are, and whether something stands behind the last.
_Found = tuple[int, bool]


def decided_with(regexes: Iterable[re.Pattern[str]]) -> int | None:
    """
    Return with which slash it is decided which expressions match, whatever follows; None if that cannot be told.

    :param regexes: the expressions, which are matched at the start of a tag.
    """
    most = 0
    for regex in regexes:
        try:
            found = _of_all(parser.parse(regex.pattern)) if regex.flags == re.UNICODE else None
        except RecursionError:
            found = None
        if found is None:
            return None
        # Whether a part of a tag is what was asked for, is known where it ends.
        most = max(most, sum(found))
    return most


def _of_all(parts: Iterable[tuple[Any, Any]]) -> _Found | None:
    """Return what is found in parts that stand one behind the other."""
    slashes, goes_on = 0, False
    for operator, argument in parts:
        found = _of_one(operator, argument)
        if found is None:
            return None
        slashes += found[0]
        goes_on = found[1] or (goes_on and not found[0])
    return slashes, goes_on


def _of_one(operator: Any, argument: Any) -> _Found | None:
    if operator is parser.LITERAL:
        return (1, False) if argument == _SLASH else (0, True)
    if operator is parser.SUBPATTERN:
        _, added, removed, parts = argument
        return None if added or removed else _of_all(parts)
    if operator is parser.BRANCH:
        return _of_any([_of_all(parts) for parts in argument[1]])
    if operator in (parser.MAX_REPEAT, parser.MIN_REPEAT):
        found = _of_all(argument[2])
        return (0, True) if found and not found[0] else None
    has_none = (
        (operator is parser.NOT_LITERAL and argument == _SLASH)
        or (operator is parser.AT and argument is parser.AT_END_STRING)
        or (operator is parser.IN and _has_no_slash(argument))
    )
    return (0, True) if has_none else None


def _of_any(found: Iterable[_Found | None]) -> _Found | None:
    some = list(found)
    known = [one for one in some if one is not None]
    if len(known) < len(some):
        return None
    most = max(slashes for slashes, _ in known)
    return most, max(map(sum, known)) > most


def _has_no_slash(signs: list[tuple[Any, Any]]) -> bool:
    if signs[0][0] is parser.NEGATE:
        return (parser.LITERAL, _SLASH) in signs
    return all(
        (kind is parser.LITERAL and sign != _SLASH)
        or (kind is parser.RANGE and not sign[0] <= _SLASH <= sign[1])
        or (kind is parser.CATEGORY and sign in _CLASSES)
        for kind, sign in signs
    )
