"""
Finds where the value of a name ends, from its beginning: in quotes, in brackets, in the lines below, or plain words.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from salt_eventsd.redact.names import Kind, hides
from salt_eventsd.redact.places import BACK, CLOSES, Places, Value

__all__ = ["BACK", "SAMPLE", "Opener", "Reader", "Value"]

_BLANKS = re.compile(rb"[ \t]*")
_PREFIXED = re.compile(rb"(?:[bBuUrRfFN]{1,2}|@|\$)?(?=\\{0,63}[\"'`])")
_YAML_TAG = re.compile(rb"(?:[!&][A-Za-z0-9_./:!-]{0,64}[ \t]{1,8}){1,3}")
_BLOCK = re.compile(rb"[|>][0-9+-]{0,2}[ \t]{0,64}(?:#[^\n]{0,200})?\r?\n")
_HEREDOC = re.compile(rb"<<[-~]?[ \t]*[\"']?([A-Za-z_][A-Za-z0-9_]{0,31})[\"']?[ \t]*\r?\n")
_GOES_ON = re.compile(rb"[ \t]{1,80}[^\s]")
#: A comment has a blank after its #: ``password: # for the database``. Without it, this is a value: ``PASSWORD=#1abc``.
_NEXT_LINE = re.compile(rb"[ \t]{0,64}(?:#(?:[ \t#][^\n]{0,200})?)?\r?\n")
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


class Reader(Places):
    """Finds where values end in one text, while it is read from its beginning to its end."""

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
        if raw[at : at + 1] in CLOSES and _PREFIX.match(raw, at) is None and _REFERENCE.match(raw, at) is None:
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
