"""
Searches bytes for many expressions at once, in one pass whose time is proportional to the number of bytes.

RE2 takes some nanoseconds per byte, however many expressions there are, and linear time for any of them. The standard
library's :mod:`re` takes a hundred times as long for so many, and on a text made to slow it down, its time grows with
the square of the length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

Span = tuple[int, int]
#: What RE2's binding says instead of a span where nothing matches.
_NOWHERE = (-1, -1)


class Finder:
    """
    Finds an expression in bytes.

    :param expression: for bytes, in RE2's syntax: that of :mod:`re` without lookaround and backreferences.
    """

    def __init__(self, expression: bytes) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.log_errors = False
        # To know a group, RE2 would read each hit again with a slower machine.
        options.never_capture = True
        self._pattern = re2.compile(expression, options)
        self._match = _direct(self._pattern)

    def search(self, raw: bytes, pos: int = 0) -> Span | None:
        """
        Return where the first hit begins and ends; None if there is none.

        :param raw: the bytes.
        :param pos: where to begin.
        """
        if self._match is None:
            hit = self._pattern.search(raw, pos)
            return None if hit is None else hit.span()
        found: Span = self._match(raw, pos)
        return None if found == _NOWHERE else found


def _direct(pattern: Any) -> Callable[[bytes, int], Any] | None:
    """
    Return a search that passes by the package's generators and objects: on a short text, they take longer than RE2.
    None if the package is built in another way than those known.
    """
    try:
        match, anchor = pattern._regexp.Match, re2._Anchor.UNANCHORED
        if match(anchor, b"", 0, 0)[0] not in (_NOWHERE, (0, 0)):
            return None
    except (AttributeError, TypeError, LookupError):
        return None
    return lambda raw, pos: match(anchor, raw, pos, len(raw))[0]
