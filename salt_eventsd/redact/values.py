"""
Finds where a value ends, from its beginning: in quotes of any depth, in brackets, in the lines below, or plain words.

All functions read forward. The reader remembers positions that it needs often (the end of a line, the next quote of a
kind) until it has read past them, so that it reads no byte more than a few times.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from salt_eventsd.redact.names import Kind, hides

#: How many bytes before a name are searched.
BACK = 256
#: A quoted string with more bytes than this counts as never closed.
_LONGEST_QUOTED = 2**16
_DEEPEST_INDENT = 80
_BLANKS = re.compile(rb"[ \t]*")
_QUOTE = re.compile(rb"(\\{0,63})([\"'`])")
_PREFIXED = re.compile(rb"(?:[bBuUrRfFN]{1,2}|@|\$)?(?=\\{0,63}[\"'`])")
_YAML_TAG = re.compile(rb"(?:[!&][A-Za-z0-9_./:!-]{0,64}[ \t]{1,8}){1,3}")
_BLOCK = re.compile(rb"[|>][0-9+-]{0,2}[ \t]{0,64}(?:#[^\n]{0,200})?\r?\n")
_HEREDOC = re.compile(rb"<<[-~]?[ \t]*[\"']?([A-Za-z_][A-Za-z0-9_]{0,31})[\"']?[ \t]*\r?\n")
_GOES_ON = re.compile(rb"[ \t]{1,80}[^\s]")
#: A comment has a blank after its #: ``password: # for the database``. Without it, this is a value: ``PASSWORD=#1abc``.
_NEXT_LINE = re.compile(rb"[ \t]{0,64}(?:#(?:[ \t#][^\n]{0,200})?)?\r?\n")
_BRACKETS = re.compile(rb"[\[\]{}()\"'\n]")
_CLOSES = {b"{": b"}", b"[": b"]", b"(": b")"}
_REFERENCE = re.compile(rb"\{\{[^{}\n]{0,200}\}\}|\$\{[A-Za-z_][A-Za-z0-9_.]{0,64}\}|\$\{\{[^{}\n]{0,200}\}\}")
#: Words in place of a value that say there is none, or that it was masked before.
_NO_VALUES = frozenset(
    b"true false yes no none null nil ~ undefined *** ****** ******** <redacted> [redacted] xxxxxx ok n/a".split()
)
#: Brackets in place of a value that say there is none: ``[]``, ``<none>``, ``(unset)``.
_NOTHING = re.compile(
    rb"(?i)[\[{(][ \t]{0,8}[\]})]|[\[(<](?:hidden|none|null|empty|unset|not set|masked|redacted|unchanged|n/a)[\])>]"
)
#: A word about the secret in place of its value.
_STATUS = re.compile(
    rb"(?i)(?:expired|invalid|missing|unset|not set|required|revoked|rejected|unknown|unchanged)"
    rb"(?=[ \t]{0,8}(?:[,;.)\r\n]|\Z))"
)
#: Says how the text after it was encoded: ``{SSHA}...``, ``{cipher}...``
_PREFIX = re.compile(rb"\{[A-Za-z0-9_-]{1,20}\}[^\s,;}\])]")
_GLUES = (b"\\", b"'", b'"')
_SCHEME = re.compile(
    rb"(?i)(?:basic|bearer|digest|negotiate|ntlm|token|apikey|api-key|aws4-hmac-sha256|hawk|oauth|kerberos|splunk|ssws|key"
    rb"|jwt|mac|vapid|genie_?key|pveapitoken|sharedkey|sharedaccesssignature|signature|hoba|mutual|privatetoken)[ \t]+"
)
# These match only the last few of many blanks: a match that began at each blank and read all of them would take too
# long.
#: The end of plain words after ``=``: the next pair, or the next option.
_NEXT_PAIR = re.compile(rb"[,;&|]?[ \t]{1,8}[A-Za-z_][A-Za-z0-9_.-]{0,40}[ \t]?=|[;&][A-Za-z_][A-Za-z0-9_. -]{0,40}=")
_NEXT_OPTION = re.compile(_NEXT_PAIR.pattern + rb"|[ \t]--?[A-Za-z]")
#: The end of plain words after ``:`` in the middle of a line.
_NEXT_FIELD = re.compile(
    rb",[ \t]{0,8}[\"']?[A-Za-z_][A-Za-z0-9_.-]{0,40}[\"']?[ \t]?[:=]|[,;|]?[ \t]{1,8}[A-Za-z_][A-Za-z0-9_.-]{0,40}[:=]"
    rb"|[;|][ \t]|[}\])](?:[ \t,;.]|\\?[\"']|\Z)|[ \t]\([^\s)]|&[A-Za-z_][A-Za-z0-9_.-]{0,40}="
)
_DECLARED = re.compile(rb"[ \t]*(?:export|set|let|var|const|local|declare -x|ENV|ARG|env)[ \t]+")
_WORD = re.compile(rb"[^\s]+")
_BLANK = re.compile(rb"\s")
#: How many bytes of a value are examined to decide whether it is secret.
SAMPLE = 256
_FIRST = re.compile(rb"[^\s,;\"'<>)\]}]{1,256}")
_GLUED_PAIR = re.compile(rb"[,;&][A-Za-z_][A-Za-z0-9_.-]{0,40}=|[,;|&]{1,8}\Z|</")
_QUERY = re.compile(rb"[^\s&#\"'<>)\\;]*")
_CONNECTION = re.compile(rb";[ ]?[A-Za-z][A-Za-z0-9_ -]{0,40}=")
_COMMA = re.compile(rb",[ \t]|,[A-Za-z_][A-Za-z0-9_.-]{0,40}=|[)\]}](?:[ \t.,;:]|\Z)")


class Opener(NamedTuple):
    """A quote before a name, and how many backslashes stand before the quote."""

    quote: bytes
    depth: int


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


class Reader:
    """
    Finds where values end in one text, while it is read from its beginning to its end.

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
            if sign in _CLOSES:
                open_ones.append(_CLOSES[sign])
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

    def assigned(self, pos: int, sign: bytes, name_start: int, opener: Opener | None, kind: Kind) -> Value | None:
        """
        Return the value after ``name =`` or ``name:``; None if there is none.

        :param pos: the position after the sign.
        :param sign: ``=`` or ``:``.
        :param name_start: where the name begins.
        :param opener: a quote directly before the name that is not closed after it.
        :param kind: what the name says about the value.
        """
        raw = self.raw
        blanks = _BLANKS.match(raw, pos)
        at = blanks.end() if blanks else pos
        gap = at - pos
        if at >= len(raw):
            return None
        if (below := _NEXT_LINE.match(raw, pos)) is not None:
            return self.below(below.end(), name_start)
        if (tagged := _YAML_TAG.match(raw, at)) is not None and sign == b":":
            at = tagged.end()
        if sign == b":" and (block := _BLOCK.match(raw, at)) is not None:
            return self.below(block.end(), name_start)
        if (heredoc := _HEREDOC.match(raw, at)) is not None:
            end = raw.find(b"\n" + heredoc[1], heredoc.end() - 1)
            return Value(heredoc.end(), max(heredoc.end(), end) if end >= 0 else len(raw))
        prefix = _PREFIXED.match(raw, at)
        if prefix is not None and (found := self.quoted(prefix.end())) is not None:
            value, after = found
            if not hides(kind, raw[value.start : min(value.end, value.start + SAMPLE)]):
                return None
            glued = raw[after : after + 1]
            if sign == b"=" and opener is None and after > value.end and (glued.isalnum() or glued in _GLUES):
                # Shells join adjacent strings: 'a'"b"c.
                rest = _WORD.match(raw, after)
                return Value(at, self._trimmed(at, rest.end() if rest else after, opener))
            return value
        if _NOTHING.match(raw, at) or (sign == b":" and _STATUS.match(raw, at)):
            return None
        if raw[at : at + 1] in _CLOSES and _PREFIX.match(raw, at) is None and _REFERENCE.match(raw, at) is None:
            if kind is Kind.CODED and raw[at : at + 1] != b"(":
                return None
            return Value(at, self.bracketed(at), raw[pos - 2 : pos - 1] == b'"')
        if (reference := _REFERENCE.match(raw, at)) and not raw[reference.end() : reference.end() + 1].strip():
            # A reference that a template or a shell will replace is not a secret.
            return None
        first = _FIRST.match(raw, at)
        if first is not None and (first[0].lower() in _NO_VALUES or not hides(kind, first[0].rstrip(b".:"))):
            return None
        end = self._plain_end(at, gap, sign, name_start, opener, kind)
        return Value(at, end) if end > at else None

    def _plain_end(self, at: int, gap: int, sign: bytes, name_start: int, opener: Opener | None, kind: Kind) -> int:
        raw, header = self.raw, kind is Kind.HEADER
        limit = self.line_end(at)
        if opener is not None:
            limit = min(limit, self.closing(at, opener.quote, opener.depth))
        before = raw[max(0, name_start - BACK) : name_start]
        line = before[before.rfind(b"\n") + 1 :]
        if opener is None:
            for quote in (b'"', b"'", b"`"):
                # An odd number of quotes means that the name stands in a string.
                if line.count(quote) % 2 and not (quote == b"'" and re.search(rb"[a-z]'[a-z]", line)):
                    limit = min(limit, self.closing(at, quote, 0))
        starts = (len(line) < BACK and not line.strip(b" \t-+>#*\"'\\$")) or _DECLARED.fullmatch(line) is not None
        if raw[name_start - 1 : name_start] in (b"?", b"&") and name_start:
            found = _QUERY.match(raw, at, limit)
            return found.end() if found else at
        if header and (sign == b":" or _SCHEME.match(raw, at)):
            return self._trimmed(at, limit, opener)
        if starts and opener is None and raw[limit : limit + 1] == b"\n" and (sign == b":" or gap):
            if raw[limit - 1 : limit] == b"\\":
                return self._trimmed(at, self.line_end(limit + 1), opener)
            if _GOES_ON.match(raw, limit + 1) and (below := self.below(limit + 1, name_start)) is not None:
                # In YAML and INI, a line with deeper indentation continues the value.
                return below.end
        if sign == b":":
            if starts or header:
                return self._trimmed(at, limit, opener)
            found = _NEXT_FIELD.search(raw, at, limit)
            return self._trimmed(at, found.start() if found and found.start() > at else limit, opener)
        if (scheme := _SCHEME.match(raw, at, limit)) and (word := _WORD.match(raw, scheme.end(), limit)):
            return self._trimmed(at, word.end(), opener)
        previous = line.rstrip(b" \t")[-1:]
        option = raw[name_start : name_start + 1] == b"-"
        if not option and previous == b";" and line[-1:] == b";":
            found = _CONNECTION.search(raw, at, limit)
            return self._trimmed(at, found.start() if found else limit, opener)
        shell = starts and gap == 0 and b"\n" not in raw[max(0, name_start - BACK) : at + 4096]
        shell = shell and re.match(rb"[A-Z][A-Z0-9_]*=", raw[name_start : name_start + 100]) is not None
        if starts and not option and not shell:
            found = (_NEXT_PAIR if gap else _NEXT_OPTION).search(raw, at, limit)
            return self._trimmed(at, found.start() if found and found.start() > at else limit, opener)
        if not option and previous == b",":
            found = _COMMA.search(raw, at, limit)
            return self._trimmed(at, found.start() if found and found.start() > at else limit, opener)
        word_end = max(at, min(limit, self.word_end(at)))
        found = _GLUED_PAIR.search(raw, at, word_end)
        return self._trimmed(at, found.start() if found and found.start() > at else word_end, opener)

    def _trimmed(self, start: int, end: int, opener: Opener | None) -> int:
        """Return the end of a value without blanks, and without brackets that close what was opened before it."""
        text = self.raw[max(start, end - BACK) : end]
        kept = text.rstrip(b" \t\r,;")
        if opener is not None:
            return end - len(text) + len(kept.rstrip(b"\\"))
        while (
            kept[-1:]
            and kept[-1:] in b")]}"
            and kept.count(kept[-1:]) > kept.count({b")": b"(", b"]": b"[", b"}": b"{"}[kept[-1:]])
        ):
            shorter = kept[:-1].rstrip(b" \t,;")
            if not shorter:
                break
            kept = shorter
        return end - len(text) + len(kept)


@lru_cache(maxsize=256)
def _deeper(mark: bytes, indent: int, listed: bytes) -> re.Pattern[bytes]:
    empty = b"[ +-]?" if mark else b""
    return re.compile(rb"(?:%s[ \t]{%d,}[^\n]*(?:\n|\Z)|%s[ \t]*\r?\n%s)+" % (mark, indent, empty, listed))
