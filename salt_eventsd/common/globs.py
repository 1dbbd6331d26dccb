"""
Globs, as Salt's own: ``*``, ``?``, ``[abc]``, ``[a-c]`` and ``[!abc]``, upper and lower case told apart.

Databases differ in what odd brackets mean to them, and so do releases of :mod:`fnmatch`. So a glob is taken apart here,
and each database gets what it takes for the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import takewhile
from typing import NamedTuple


class Wild(Enum):
    """A part that any characters fit: so many."""

    MANY = ".*"
    ONE = "."


class OneOf(NamedTuple):
    """
    A part that one character of some fits.

    :param ranges: the first and the last of each range of them.
    :param is_negated: any other character fits instead.
    """

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool


#: A character stands for itself.
Part = str | Wild | OneOf


def is_glob(text: str) -> bool:
    """
    Say whether a text is more than a name.

    :param text: that somebody asked for.
    """
    return any(mark in text for mark in "*?[")


def parts_of(glob: str) -> list[Part]:
    """
    Take a glob apart. A bracket that is not closed stands for itself.

    :param glob: the glob.
    """
    return list(_parts(glob))


def beginning_of(glob: str) -> str:
    """
    Return what all texts begin with that fit a glob.

    :param glob: the glob.
    """
    return "".join(str(one) for one in takewhile(lambda one: isinstance(one, str), _parts(glob)))


def expression_of(parts: list[Part]) -> str:
    """
    Return parts of a glob as a regular expression that all databases read alike, without its two ends.

    :param parts: from :func:`parts_of`; something fits each of them.
    """
    return "".join(_expression(one) for one in parts)


def matcher(glob: str) -> Callable[[str], bool]:
    """
    Return what says of a text whether it fits a glob.

    :param glob: the glob.
    """
    parts = parts_of(glob)
    if fits_nothing(parts):
        return lambda _: False
    found = re.compile(expression_of(parts), re.DOTALL).fullmatch
    return lambda text: found(text) is not None


def fits_nothing(parts: list[Part]) -> bool:
    """
    Say whether no text fits, as none does ``[z-a]``.

    :param parts: from :func:`parts_of`.
    """
    return OneOf((), False) in parts


def _parts(glob: str) -> Iterator[Part]:
    last = glob.rfind("]")
    place = 0
    while place < len(glob):
        mark = glob[place]
        place += 1
        if mark == "[":
            begin = place + (glob[place : place + 1] == "!")
            # The first one stands for itself.
            end = glob.find("]", begin + 1) if begin < last else -1
            if end >= 0:
                found = OneOf(tuple(_ranges(glob[begin:end])), begin > place)
                yield Wild.ONE if found == OneOf((), True) else found
                place = end + 1
                continue
        yield Wild.MANY if mark == "*" else Wild.ONE if mark == "?" else mark


def _ranges(inside: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(inside):
        is_range = inside[place + 1 : place + 2] == "-" and place + 2 < len(inside)
        last = place + 2 if is_range else place
        if inside[place] <= inside[last]:
            yield inside[place], inside[last]
        place = last + 1


def _expression(part: Part) -> str:
    if isinstance(part, Wild):
        return part.value
    if isinstance(part, str):
        return re.escape(part)
    ranges = (re.escape(first) + ("" if first == last else f"-{re.escape(last)}") for first, last in part.ranges)
    return f"[{'^' if part.is_negated else ''}{''.join(ranges)}]"
