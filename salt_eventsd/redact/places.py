"""
Finds places in one text: the ends of lines, words, strings of any depth, brackets, and of the lines below a name.

All functions read forward. The reader remembers positions that it needs often (the end of a line, the next quote of a
kind) until it has read past them, so that it reads no byte more than a few times.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

#: How many bytes before a name are searched.
BACK = 256
#: A quoted string with more bytes than this counts as never closed.
_LONGEST_QUOTED = 2**16
_DEEPEST_INDENT = 80
_QUOTE = re.compile(rb"(\\{0,63})([\"'`])")
_BRACKETS = re.compile(rb"[\[\]{}()\"'\n]")
#: The bracket that closes each.
CLOSES = {b"{": b"}", b"[": b"]", b"(": b")"}
_BLANK = re.compile(rb"\s")


class Value(NamedTuple):
    """
    A secret value in a text.

    :param start: where it begins.
    :param end: where it ends.
    :param in_quotes: whether the mask needs quotes, so that JSON stays valid JSON.
    """

    start: int
    end: int
    in_quotes: bool = False


class Places:
    """
    Finds places in one text, while it is read from its beginning to its end.

    :param raw: the text.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._line_end = -1
        self._word_end = -1
        self._quotes: dict[tuple[bytes, int], int] = {}
        self._diff: bool | None = None

    def line_end(self, pos: int) -> int:
        """Return the end of the line that contains ``pos``."""
        if self._line_end < pos:
            found = self.raw.find(b"\n", pos)
            self._line_end = len(self.raw) if found < 0 else found
        return self._line_end

    def word_end(self, pos: int) -> int:
        """Return the position of the first blank from ``pos`` on, or the end of the text."""
        if self._word_end < pos:
            found = _BLANK.search(self.raw, pos)
            self._word_end = found.start() if found else len(self.raw)
        return self._word_end

    def closing(self, pos: int, quote: bytes, depth: int) -> int:
        """
        Return where a string that began before ``pos`` ends; the length of the text if it does not end.

        :param pos: a position within the string.
        :param quote: the quote with which the string began.
        :param depth: how many backslashes stood before it. A string in a string has one, a string in that three.
        """
        key = (quote, depth)
        found = self._quotes.get(key, -1)
        if found >= pos:
            return found
        raw, at = self.raw, pos
        while True:
            at = raw.find(quote, at)
            if at < 0:
                at = len(raw)
                break
            before = at
            while before > pos and raw[before - 1] == 0x5C:
                before -= 1
            count = at - before
            if count < depth or (count - depth) % (2 * (depth + 1)) == 0:
                at = before if count < depth else at - depth
                break
            at += 1
        self._quotes[key] = at
        return at

    def below(self, pos: int, name_start: int) -> Value | None:
        """
        Return the lines under a name that are its value: lines with deeper indentation, or a list at the same one.

        :param pos: where the first of these lines begins.
        :param name_start: where the name begins.
        """
        raw = self.raw
        line_start = raw.rfind(b"\n", max(0, name_start - BACK), name_start) + 1
        if line_start == 0 and name_start > BACK:
            line_start = name_start
        lead = raw[line_start:name_start]
        mark = b""
        if lead[:1] in (b" ", b"+", b"-") and self._is_diff():
            lead, mark = lead[1:], b"[ +-]"
        indent = min(len(lead) - len(lead.lstrip(b" \t")), _DEEPEST_INDENT)
        listed = (
            b""
            if lead.lstrip(b" \t").startswith(b"- ")
            else rb"|%s[ \t]{%d}-(?:[ \t][^\n]*)?(?:\n|\Z)" % (mark, indent)
        )
        found = _deeper(mark, indent + 1, listed).match(raw, pos)
        if found is None:
            return None
        end = found.end()
        text = raw[pos:end]
        start = pos + len(text) - len(text.lstrip())
        end = pos + len(text.rstrip())
        return Value(start, end) if end > start else None

    def _is_diff(self) -> bool:
        """Say whether the text is a diff, in which each line begins with a mark."""
        if self._diff is None:
            self._diff = self.raw.startswith(b"@@ -") or b"\n@@ -" in self.raw
        return self._diff

    def quoted(self, pos: int) -> tuple[Value, int] | None:
        """
        Return the string that begins at ``pos``, and the position after its closing quote; None if there is no string.

        :param pos: the position of its quote, or of the backslashes before the quote.
        """
        opened = _QUOTE.match(self.raw, pos)
        if opened is None:
            return None
        raw, depth, quote = self.raw, len(opened[1]), opened[2]
        start = opened.end()
        if depth == 0 and raw[start : start + 2] == quote * 2:
            end = raw.find(quote * 3, start + 2)
            if end >= 0:
                return Value(start + 2, end), end + 3
        end = self.closing(start, quote, depth)
        while depth == 0 and raw[end : end + 2] == quote * 2 and end + 2 < len(raw) and end > start:
            # SQL and YAML double a quote within quotes.
            end = self.closing(end + 2, quote, 0)
        if end >= len(raw) or (end - start > _LONGEST_QUOTED):
            # The quote is never closed.
            end = self.line_end(start)
            return Value(start, end), end
        return Value(start, end), min(len(raw), end + depth + 1)

    def bracketed(self, pos: int) -> int:
        """
        Return where the bracket that opens at ``pos`` is closed; the length of the text if it is not.

        :param pos: the position of the bracket.
        """
        raw, at = self.raw, pos
        open_ones: list[bytes] = []
        while True:
            found = _BRACKETS.search(raw, at)
            if found is None:
                return len(raw)
            sign, at = found[0], found.end()
            if sign in CLOSES:
                open_ones.append(CLOSES[sign])
            elif sign in (b'"', b"'"):
                depth = 0
                while depth < 63 and found.start() - depth > pos and raw[found.start() - depth - 1] == 0x5C:
                    depth += 1
                if sign == b"'" and raw[found.start() - 1 : found.start()].isalnum():
                    continue
                at = min(len(raw), self.closing(at, sign, depth) + depth + 1)
            elif sign != b"\n":
                while open_ones and open_ones[-1] != sign:
                    open_ones.pop()
                if open_ones:
                    open_ones.pop()
                if not open_ones:
                    return at


@lru_cache(maxsize=256)
def _deeper(mark: bytes, indent: int, listed: bytes) -> re.Pattern[bytes]:
    empty = b"[ +-]?" if mark else b""
    return re.compile(rb"(?:%s[ \t]{%d,}[^\n]*(?:\n|\Z)|%s[ \t]*\r?\n%s)+" % (mark, indent, empty, listed))
