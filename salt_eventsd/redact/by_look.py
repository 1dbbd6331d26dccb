"""
Finds secrets in text by their form alone: private keys, passwords in URLs and in SQL, tokens and hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from salt_eventsd.common.budget import step
from salt_eventsd.redact.finder import Finder
from salt_eventsd.redact.shapes import Shape
from salt_eventsd.redact.values import Reader, Value

_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 [A-Z ]{0,20}PRIVATE KEY ----"
    rb"|PuTTY-User-Key-File-[0-9]{1,2}:"
)
_KEY_END = re.compile(
    rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- END SSH2 [A-Z ]{0,20}PRIVATE KEY ----"
)
_PUTTY_END = re.compile(rb"Private-MAC:[ \t]{0,8}[0-9a-fA-F]{1,128}")
_URL = re.compile(rb":\\{0,4}/\\{0,4}/")
_URL_END = re.compile(rb"[^\s\"'<>`]*")
#: These distinguish an address with a path or a query from a user with a password.
_PORT = re.compile(rb"[0-9]{1,5}(?:[/?#,]|\Z)")
_QUERY = re.compile(rb"[?#&][A-Za-z0-9_.\[\]%-]{1,64}=")
_HOST_SIGNS = re.compile(rb"[A-Za-z0-9._~%-]{20,}")
_STATEMENT = re.compile(
    rb"(?i)\b(?:identified\s{1,8}(?:by|with(?:\s{1,8}['\"`]?[a-z0-9_]{1,40}['\"`]?)?\s{1,8}(?:by|as|using)"
    rb"|via\s{1,8}[a-z0-9_]{1,40}\s{1,8}(?:using|as))(?:\s{1,8}(?:password|values))?\s{0,8}\(?\s{0,8}"
    rb"|set\s{1,8}password\s{1,8}for\s{1,8}[^\s=]{1,200}\s{0,8}=\s{0,8}(?=['\"\\])"
    rb"|password\s{0,8}\(\s{0,8}(?=['\"\\]))"
)
#: Where a statement may begin.
IN_STATEMENTS = rb"(?i)\b(?:identified\s|set\s{1,8}password\s|password\s{0,8}\()"
_STATEMENT_HINT = Finder(IN_STATEMENTS)
_BARE_WORD = re.compile(rb"[^\s;,)\"']+")


def private_keys(raw: bytes) -> Iterator[Value]:
    """
    Yield private keys of PEM, OpenSSH, PGP and PuTTY. A key without an end goes on to the end of the text.

    :param raw: a text.
    """
    pos = 0
    while (begin := _KEY.search(raw, pos)) is not None:
        ends = _PUTTY_END if begin[0].startswith(b"PuTTY") else _KEY_END
        end = ends.search(raw, begin.end())
        pos = end.end() if end else len(raw)
        yield Value(begin.start(), pos)


def in_urls(raw: bytes) -> Iterator[Value]:
    """
    Yield passwords in ``scheme://user:password@host``, whatever characters they have.

    :param raw: a text.
    """
    pos = end = 0
    while (begin := _URL.search(raw, pos)) is not None:
        step()
        start = pos = begin.end()
        if start >= end:
            whole = _URL_END.match(raw, start)
            end = whole.end() if whole else start
            last_at = raw.rfind(b"@", start, end)
            if last_at < 0:
                pos = end
                continue
        # A URL in the path or query of another one is looked at by itself ...
        nested = _URL.search(raw, start, end)
        piece_end = nested.start() if nested else end
        colon = raw.find(b":", start, piece_end)
        is_open = colon >= 0 and raw.find(b"/", start, colon) < 0 and not _PORT.match(raw, colon + 1, piece_end)
        if is_open and raw.find(b"@", colon, piece_end) < 0:
            # ... unless it is part of the password of the outer one.
            piece_end = end
        found = _userinfo(raw, start, piece_end, colon if is_open else -1)
        if found is not None:
            yield found
            pos = max(found.end, start)


def _userinfo(raw: bytes, start: int, end: int, colon: int) -> Value | None:
    # Some people do not escape @ and / in a password, so the last @ before a query is the one before the host ...
    query = _QUERY.search(raw, start, end)
    last = raw.rfind(b"@", start, query.start() if query else end)
    if last < 0 and query is not None and 0 <= colon < query.start():
        # ... unless the password looks like a query.
        last = raw.rfind(b"@", start, end)
    if last < 0:
        return None
    if 0 <= colon < last:
        return Value(colon + 1, last)
    # A token may stand in place of user and password.
    return Value(start, last) if _HOST_SIGNS.fullmatch(raw, start, last) else None


def in_statements(raw: bytes) -> Iterator[Value]:
    """
    Yield passwords in SQL: ``IDENTIFIED BY 'x'``, ``PASSWORD('x')``.

    :param raw: a text.
    """
    reader = Reader(raw)
    pos = 0
    while (hint := _STATEMENT_HINT.search(raw, pos)) is not None:
        step()
        begin = _STATEMENT.match(raw, hint[0])
        if begin is None:
            pos = hint[1]
            continue
        pos = begin.end()
        if (found := reader.quoted(pos)) is not None:
            yield found[0]
            pos = max(pos, found[1])
        elif (word := _BARE_WORD.match(raw, pos)) is not None:
            pos = word.end()
            yield Value(word.start(), pos)


class Shapes:
    """
    Finds tokens and hashes by their shape.

    :param shapes: the shapes to find.
    """

    def __init__(self, shapes: list[Shape]) -> None:
        self._alone = [
            (Finder(one.gate), Finder(one.expression), re.compile(one.expression)) for one in shapes if one.gate
        ]
        together = [one for one in shapes if not one.gate]
        #: Finds any of these shapes; ``_with_groups`` then says which part of a hit is not secret.
        self._all = b"|".join(b"(?:%s)" % one.expression for one in together)
        #: The same for an undecoded payload, in which the byte before a text (its length) may look like a letter.
        self.first = re.sub(rb"\\b|\(\?m:[\^$]\)", b"", self._all)
        self.gates = [one.gate for one in shapes if one.gate]
        self._finder = Finder(self._all) if together else None
        self._any_gate = Finder(b"|".join(b"(?:%s)" % gate for gate in self.gates)) if self.gates else None
        #: Finds what :meth:`find` may find.
        self.hints = [one for one in (self._all, *self.gates) if one]
        self._with_groups = [re.compile(one.expression) for one in together if re.compile(one.expression).groups]

    def find(self, raw: bytes, most: int) -> list[Value] | None:
        """
        Return all hits, from the first to the last; None if there are too many.

        :param raw: a text.
        :param most: the most hits to return.
        """
        found: list[Value] = []
        pos = 0
        while self._finder is not None and (hit := self._finder.search(raw, pos)) is not None:
            step()
            start, end = hit
            pos = max(end, start + 1)
            for shape in self._with_groups:
                if (one := shape.match(raw, start, end)) is not None and one.end() == end:
                    start = one.end(1)
                    break
            found.append(Value(start, end))
            if len(found) > most:
                return None
        is_open = self._any_gate is not None and self._any_gate.search(raw) is not None
        for gate, finder, exact in self._alone if is_open else ():
            pos = 0
            if gate.search(raw) is None:
                continue
            while (hit := finder.search(raw, pos)) is not None:
                step()
                pos = max(hit[1], hit[0] + 1)
                if (one := exact.match(raw, *hit)) is not None:
                    start = one.end(1) if exact.groups else one.start()
                    found.append(Value(start, one.start(2) if exact.groups > 1 else one.end()))
                if len(found) > most:
                    return None
        return sorted(found)
