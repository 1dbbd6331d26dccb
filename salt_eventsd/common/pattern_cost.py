"""
Counts how much work a regular expression can cause in :mod:`re` at most, from its parsed form. Pure.

:mod:`re` goes back and tries again wherever an expression could match in another way. Each part has a *cost*, the steps
of one pass through it, and *ways*: how often the parts after it may be tried because of it. In a sequence, the ways
multiply, and a later part costs its steps once for each of them. The counts are upper bounds, so an expression that is
found cheap is cheap.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

#: The parser behind :mod:`re`: the only way to learn what an expression consists of.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
#: How many steps a character may cost. A step takes some nanoseconds, so 1 MB of text stays below half a second.
_STEPS_A_CHAR = 64
#: Added to the length of each text, so that short texts pass.
_SHORT_CHARS = 32
#: No event is longer, in characters.
_LONGEST = 2**32
_NAMES_OF_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class _Work(NamedTuple):
    cost: float
    ways: float


def longest_cheap(expression: str, flags: int, anywhere: bool) -> int | None:
    """
    Return up to which length :mod:`re` matches any text in time proportional to the length; None if for any length.

    :param expression: the expression, known to compile.
    :param flags: the flags of the compiled expression.
    :param anywhere: whether it is searched for at each place of a text, and not only matched at its start.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            parsed = list(_parser.parse(expression, flags & ~re.UNICODE & ~re.DEBUG))
    except RecursionError:
        return 0
    exact = not flags & re.IGNORECASE and "(?" not in expression.replace("(?:", "").replace("(?s:", "")
    places_matter = anywhere and not _is_anchored(parsed, flags)

    def is_cheap(length: int) -> bool:
        try:
            steps = _row(parsed, length, exact).cost
        except (OverflowError, RecursionError):
            return False
        total = steps * (length + 1) if places_matter else steps + length
        return total <= _STEPS_A_CHAR * (length + _SHORT_CHARS)

    if is_cheap(_LONGEST):
        return None
    low, high = 0, _LONGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_cheap(middle) else (low, middle)
    return low


def _row(parts: Sequence[Any], length: int, exact: bool) -> _Work:
    """Count the work of a sequence of parts."""
    cost, ways = 0.0, 1.0
    for index, part in enumerate(parts):
        follower = parts[index + 1] if index + 1 < len(parts) else None
        work = _part(part, follower, length, exact)
        cost += ways * work.cost
        ways *= work.ways
    return _Work(cost, ways)


def _part(part: Any, follower: Any, length: int, exact: bool) -> _Work:
    operator, argument = str(part[0]), part[1]
    if operator in _NAMES_OF_REPEATS:
        work = _repeat(argument, follower, length, exact)
        return work if operator != "POSSESSIVE_REPEAT" else _Work(work.cost, 1)
    if operator == "SUBPATTERN":
        return _row(list(argument[3]), length, exact)
    if operator == "BRANCH":
        return _either([list(branch) for branch in argument[1]], length, exact)
    if operator == "GROUPREF_EXISTS":
        return _either([list(branch or ()) for branch in argument[1:]], length, exact)
    if operator in ("ASSERT", "ASSERT_NOT"):
        return _Work(_row(list(argument[1]), length, exact).cost, 1)
    if operator == "ATOMIC_GROUP":
        return _Work(_row(list(argument), length, exact).cost, 1)
    if operator == "GROUPREF":
        return _Work(length + 1, 1)
    if operator in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "CATEGORY", "RANGE"):
        return _Work(1, 1)
    return _Work(math.inf, math.inf)


def _either(branches: Sequence[list[Any]], length: int, exact: bool) -> _Work:
    found = [_row(branch, length, exact) for branch in branches]
    return _Work(1 + sum(work.cost for work in found), sum(work.ways for work in found))


def _repeat(argument: Any, follower: Any, length: int, exact: bool) -> _Work:
    least, most, body = int(argument[0]), int(argument[1]), list(argument[2])
    times = min(most, length)
    if len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
        ways = max(1, times - least + 1)
        if exact and _stops_before(body[0], follower):
            # After a step back, the next character is one of the repeated ones and never the follower: there is only
            # one way, and finding it takes as many steps.
            return _Work(times + ways + 1, 1)
        return _Work(times + 1, ways)
    work = _row(body, length, exact)
    if work.ways <= 1:
        return _Work((times + 1) * (work.cost + 1), times + 1)
    # Each round multiplies the ways: after a few rounds the number is huge.
    rounds = work.ways ** min(times, 1000)
    return _Work((work.cost + 1) * rounds * (times + 1), rounds * (times + 1))


def _stops_before(one: Any, follower: Any) -> bool:
    """Say whether a repeated character is followed by a literal one that the repeat cannot match."""
    while follower is not None and str(follower[0]) == "SUBPATTERN" and len(follower[1][3]):
        follower = follower[1][3][0]
    if follower is None or str(follower[0]) != "LITERAL":
        return False
    return not _takes(one, int(follower[1]))


def _takes(one: Any, char: int) -> bool:
    """Say whether a part that matches one character can match this one; True where that is not clear."""
    operator, argument = str(one[0]), one[1]
    if operator == "LITERAL":
        return bool(argument == char)
    if operator == "NOT_LITERAL":
        return bool(argument != char)
    if operator == "RANGE":
        return bool(argument[0] <= char <= argument[1])
    if operator == "CATEGORY":
        spelled = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
        name = str(argument).removeprefix("CATEGORY_")
        sign = spelled.get(name.removeprefix("NOT_"))
        if sign is None or char > 127:
            return True
        return (re.match(sign, chr(char)) is not None) != name.startswith("NOT_")
    if operator == "IN":
        items = list(argument)
        negated = bool(items) and str(items[0][0]) == "NEGATE"
        return any(_takes(item, char) for item in (items[1:] if negated else items)) != negated
    return True


def _is_anchored(parts: Sequence[Any], flags: int) -> bool:
    if not parts or str(parts[0][0]) != "AT":
        return False
    where = str(parts[0][1])
    return where == "AT_BEGINNING_STRING" or (where == "AT_BEGINNING" and not flags & re.MULTILINE)
