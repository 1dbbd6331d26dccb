"""
Finds values in text with a secret's name beside them, in any language: ``password: x``, ``-DbPassword "x"``,
``<password>x</password>``, ``define('DB_PASSWORD', 'x')``, ``{"name": "DB_PASSWORD", "value": "x"}``.

A finder goes from name to name; only a bounded piece of text around each name is examined. A masked value is not
examined again, so the time is proportional to the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from salt_eventsd.common.budget import step
from salt_eventsd.redact.by_word import NAME_SIGNS, is_path, next_word
from salt_eventsd.redact.finder import Finder
from salt_eventsd.redact.names import Kind, Names, hides, hint
from salt_eventsd.redact.values import BACK, SAMPLE, Opener, Reader, Value

_LONGEST_PART = 64
_BEGINNING = re.compile(rb"[A-Za-z0-9_.\x80-\xff-]+(?: [A-Za-z]+)?")
_REST = re.compile(rb"[A-Za-z0-9_.\x80-\xff-]{0,64}")
#: Further words of a name in a label: ``Secret Access Key:``, ``Unseal Key 1:``, ``Password hash =``.
_FURTHER_WORDS = re.compile(
    rb"(?i)(?:[ \t](?:keys?|hash|values?|ids?|token|secret|code|phrase|word|text|string|again|confirmation|new|old|data"
    rb"|access|[0-9]{1,3}|type|name|file|path|url|count|policy|length|expires|expiry|expiration|changed|status|last"
    rb"|age|valid|required|version)){1,3}(?=[ \t\"']{0,8}[=:])"
)
_BEHIND = re.compile(
    rb"(?P<close>(?:\\{0,63}[\"'`]|[\])}]|%5[dD]|%2[27]|\*{1,3}|&(?:quot|apos|#3[49]);|\x1b\[[0-9;]{0,12}m){0,4})"
    rb"[ \t]{0,64}(?:[(\[][^()\[\]\n\"']{1,40}[)\]][ \t]{0,8}(?=[:=]))?"
    rb"(?P<sign>=>|%3[dDaA]|->(?=[ \t])|\r?\n[ \t]{0,64}:(?=[ \t])|:=|\+=|\?=|==?|&gt;|::(?=[ \t])"
    rb"|:(?!:|//)|>|,|\(|\|)?"
)
_ASSIGNS = frozenset((b"=>", b"->", b"%3D", b"%3d", b"%3A", b"%3a", b":=", b"+=", b"?=", b"==", b"=", b"::", b":"))
_ELEMENT = re.compile(rb"<(?:[A-Za-z0-9_-]{1,32}:)?\Z")
_ATTRIBUTES = re.compile(rb"[ \t\r\n][^<>]{0,200}(?<!/)>")
_ELEMENT_BESIDE = re.compile(rb"</[A-Za-z:]{1,20}>\s{0,80}<[A-Za-z:]{1,20}[^<>]{0,100}(?<!/)>")
_LONGEST_ELEMENT = 8192
_NAMES_A_FIELD = re.compile(
    rb"(?i)(?:\A|[^a-z])(?:name|key|parameterkey|field|id|var|variable|property|param|parameter|attribute|option|setting"
    rb"|envvar|label|item|entry)[\"'\\]{0,8}[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}[\"'\\]{0,16}\Z"
)
_VALUE_FIELD = re.compile(
    rb"(?i)[\"'\\]{0,16}[ \t]{0,8}[,;]?(?:\\r|\\n|\s){0,80}(?:[A-Za-z:_-]{1,20}=\"[^\"<>]{0,40}\"\s{1,8}){0,2}"
    rb"[\"'\\]{0,16}(?:values?|parametervalue|contents?|val|data|text|string)[\"'\\]{0,16}[ \t]{0,8}(?P<sign>=>|[:=])"
)
#: An option as on Windows: /password:x.
_OPTION = re.compile(rb"(?<![A-Za-z0-9_.-])/[A-Za-z0-9_.-]{1,64}:[^\s]")
INSERT = rb"(?i)\b(?:insert|replace)\s"
_INSERT_HINT = Finder(INSERT)
_INSERT = re.compile(
    rb"(?i)(?:insert|replace)\s{1,8}(?:or\s{1,8}\w{1,16}\s{1,8}|ignore\s{1,8})?into\s{1,8}[^\s(]{1,200}\s{0,8}"
    rb"\((?P<columns>[^()]{1,2000})\)\s{0,8}values(?=\s{0,8}\()"
)
_NEXT_ROW = re.compile(rb"\s{0,8},?\s{0,8}\(")
#: A message of the program passwd: ``passwd: password updated successfully``.
_MESSAGE = re.compile(rb" [A-Za-z]{2,20}(?: [a-z]{2,20}){2,10}[.!]?[ \t\r]{0,8}(?:\n|\Z)")
_ERLANG = re.compile(rb"[ \t]{0,8}(?:<<)?(?=\")")
#: The message of a parser that met something unexpected: ``unexpected token: '<'``.
_PARSER = re.compile(rb"(?i)(?:expected|illegal|unrecognized|unrecognised) \Z")
#: A process id, as in a log: ``passwd[12]: password changed``.
_PROCESS = re.compile(rb"\[[0-9]{3,10}\]: ")
#: A line of /etc/passwd or /etc/group.
_ACCOUNT = re.compile(rb"[x*!]:[0-9]{1,10}:")
#: Words that tables have for settings.
_SWITCHES = frozenset((b"on", b"off", b"yes", b"no", b"true", b"false", b"null"))
#: The architecture after the name of a package, as dpkg lists it: ``libsecret-1-0:amd64``.
_ARCHITECTURE = re.compile(rb"(?:amd64|i386|arm64|armhf|armel|ppc64el|s390x|riscv64|all|any)(?![A-Za-z0-9_.-])")
#: A demand on a password, as in a message: ``password: must contain a digit``.
_DEMAND = re.compile(
    rb"(?i) (?:(?:must|should|may|can) ?(?:not )?(?:be|contain|have|match|include)|(?:can't|cannot) (?:be|contain)"
    rb"|is (?:required|too|not|invalid|missing))\b"
)
#: Output of a test or a file system check: ``--- PASS: TestToken``, ``Pass 2: Checking directories``.
_PASSES = re.compile(rb"(?i)pass(?: [0-9])?")
_CHECKING = re.compile(rb" [A-Z][a-z]{2,12}ing [a-z]")
#: A manifest of Kubernetes whose ``data`` is secret.
_MANIFEST = Finder(rb"\bkind\\*[\"']?:[ \t]{0,8}\\*[\"']?Secret\b")
_DATA = (b"data", b"stringData")


class TooMany(Exception):
    """A text has more places that could be secret than are examined."""


class NamedValues:
    """
    Finds values by their names.

    :param names: decides which names are names of secrets.
    :param families: the families of names to find.
    :param own: further names, as in the config.
    """

    def __init__(self, names: Names, families: Iterable[str], own: Iterable[str]) -> None:
        self.hint = hint(families, own)
        self._names = names
        self._finder = Finder(self.hint) if self.hint else None
        self._in_manifest = Finder(rb"%s|\b(?:data|stringData)\b" % self.hint) if self.hint else None

    def find(self, raw: bytes, most: int) -> Iterator[Value]:
        """
        Yield the values, from the first to the last.

        :param raw: the text.
        :param most: how many places are examined at most.
        :raises TooMany: the text has more places than that.
        """
        if self._finder is None or (hit := self._finder.search(raw)) is None:
            return
        finder = self._finder
        is_manifest = b"Secret" in raw and _MANIFEST.search(raw) is not None
        if is_manifest and self._in_manifest is not None:
            finder = self._in_manifest
            hit = finder.search(raw)
        reader = Reader(raw)
        pos = places = 0
        while hit is not None:
            step()
            places += 1
            if places > most:
                raise TooMany
            found_at, found_end = hit
            before = raw[max(pos, found_at - _LONGEST_PART) : found_at]
            start = found_at - len(before) + len(before.rstrip(NAME_SIGNS))
            word = _BEGINNING.match(raw, found_at, found_end)
            rest = _REST.match(raw, word.end() if word else found_end)
            end = rest.end() if rest else found_end
            if not _is_element(raw, start) and (further := _FURTHER_WORDS.match(raw, end)):
                end = further.end()
            name = raw[start:end]
            kind = Kind.SECRET if is_manifest and name in _DATA else self._names.kind(name)
            pos = max(end, found_at + 1)
            value = None if kind is None else self._value(reader, start, end, kind)
            if value is not None and value.end > value.start >= pos:
                yield value
                pos = value.end
            hit = finder.search(raw, pos)

    def in_inserts(self, raw: bytes) -> Iterator[Value]:
        """
        Yield the rows of values in SQL inserts, if one of the columns has a secret's name.

        :param raw: the text.
        """
        pos = 0
        while (hint := _INSERT_HINT.search(raw, pos)) is not None:
            step()
            pos = hint[1]
            found = _INSERT.match(raw, hint[0])
            columns = found["columns"].split(b",") if found else []
            if found is None or not any(self._names.kind(column.strip(b" \t\r\n`\"[]'\\")) for column in columns):
                continue
            reader = Reader(raw)
            pos = found.end()
            while (opened := _NEXT_ROW.match(raw, pos)) is not None:
                pos = reader.bracketed(opened.end() - 1)
                yield Value(opened.end(), pos - 1 if raw[pos - 1 : pos] == b")" else pos)

    def _value(self, reader: Reader, start: int, end: int, kind: Kind) -> Value | None:
        raw = reader.raw
        if raw[start:end] in (b"token", b"Token") and _PARSER.search(raw, max(0, start - 16), start):
            return None
        behind = _BEHIND.match(raw, end)
        assert behind is not None
        close, sign = behind["close"], behind["sign"]
        if sign is not None and (sign in _ASSIGNS or sign.endswith(b":")):
            if sign == b":" and is_path(raw, start) and not _OPTION.match(raw, start - 1):
                return None
            if raw[start:end] == b"passwd" and _MESSAGE.match(raw, behind.end()):
                return None
            if sign == b":" and _is_told(raw, start, end, behind.end()):
                return None
            if sign == b"->" and raw[behind.end() : behind.end() + 2].lstrip().startswith((b"/", b".")):
                # A symbolic link, as ls shows it.
                return None
            kept = b":" if sign.endswith(b":") or sign in (b"->", b"%3A", b"%3a") else b"="
            return reader.assigned(behind.end(), kept, start, _opener(raw, start, close), kind)
        found = self._beside(reader, start, end, close, sign, behind.end(), kind)
        if found is not None and sign == b"(":
            return found
        if found is not None:
            return found if hides(kind, raw[found.start : min(found.end, found.start + SAMPLE)]) else None
        found = next_word(reader, start, end, kind)
        if found is not None and not hides(kind, raw[found.start : min(found.end, found.start + SAMPLE)]):
            return None
        return found

    def _beside(
        self, reader: Reader, start: int, end: int, close: bytes, sign: bytes | None, after: int, kind: Kind
    ) -> Value | None:
        raw = reader.raw
        is_element = _is_element(raw, start)
        if is_element and sign == b">" and not close:
            return _element(raw, raw[start:end], after)
        if is_element and (attributes := _ATTRIBUTES.match(raw, end)):
            return _element(raw, raw[start:end], attributes.end())
        if raw[end : end + 2] == b"</" and (beside := _ELEMENT_BESIDE.match(raw, end)):
            return _until(raw, beside.end(), b"<")
        lead = raw[max(0, start - 48) : start].rstrip(b"\"'\\ \t")
        if lead.endswith((b":", b"=", b">")) and _NAMES_A_FIELD.search(raw, max(0, start - 48), start):
            if sign == b">":
                return _until(raw, after, b"<")
            if field := _VALUE_FIELD.match(raw, end):
                return reader.assigned(field.end(), field["sign"][-1:].replace(b">", b"="), start, None, Kind.SECRET)
        if sign == b"," and close[-1:] in (b'"', b"'"):
            return _pair(reader, start, close, after)
        if sign == b"&gt;" and not close:
            return _until(raw, after, b"&lt;") if raw[max(0, start - 4) : start] == b"&lt;" else None
        if sign == b"," and not close and raw[start - 1 : start] == b"{":
            # An Erlang tuple: {default_pass, <<"x">>}.
            opened = _ERLANG.match(raw, after)
            quoted = reader.quoted(opened.end()) if opened else None
            return quoted[0] if quoted else None
        if sign == b"(" and not close and raw[after : after + 80].lstrip(b" \t\r\nbrufRBUF\\")[:1] in (b'"', b"'"):
            closed = min(reader.bracketed(after - 1), len(raw))
            return Value(after, closed - 1 if raw[closed - 1 : closed] == b")" else closed)
        if sign == b"|":
            line = raw[raw.rfind(b"\n", max(0, start - BACK), start) + 1 : start]
            cells = raw[after : min(reader.line_end(after), after + 1024)].split(b"|")
            if line.strip() == b"|" and len(cells) == 2 and not cells[1].strip() and cells[0].strip():
                cell = cells[0]
                if cell.strip().lower() in _SWITCHES:
                    return None
                return Value(after + len(cell) - len(cell.lstrip()), after + len(cell.rstrip()))
        return None


def _is_element(raw: bytes, start: int) -> bool:
    return start > 0 and _ELEMENT.search(raw, max(0, start - 34), start) is not None


def _is_told(raw: bytes, start: int, end: int, after: int) -> bool:
    """Say whether the text after a name and a colon is a message about it, and not its value."""
    if _ARCHITECTURE.match(raw, after) or _DEMAND.match(raw, after) or _ACCOUNT.match(raw, after):
        return True
    if _PROCESS.match(raw, end) or (raw[start:end] == b"passwd" and raw[end : end + 1] == b"["):
        return True
    if _PASSES.fullmatch(raw, start, end) is None:
        return False
    return raw[max(0, start - 4) : start] == b"--- " or _CHECKING.match(raw, after) is not None


def _opener(raw: bytes, start: int, close: bytes) -> Opener | None:
    """Return the quote before a name, unless it is closed after the name."""
    quote = raw[start - 1 : start] if start else b""
    if quote not in (b'"', b"'", b"`"):
        return None
    before = raw[max(0, start - 65) : start - 1]
    depth = len(before) - len(before.rstrip(b"\\"))
    return None if close.startswith(b"\\" * depth + quote) else Opener(quote, depth)


def _element(raw: bytes, name: bytes, start: int) -> Value | None:
    end = raw.find(b"</" + name, start, start + _LONGEST_ELEMENT)
    if end < 0:
        return _until(raw, start, b"</")
    return Value(start, end) if raw[start : min(end, start + SAMPLE)].strip() else None


def _until(raw: bytes, start: int, sign: bytes) -> Value | None:
    # All text up to the sign is masked and not examined again, so this search may go far.
    end = raw.find(sign, start)
    if end < 0:
        end = len(raw)
    return Value(start, end) if raw[start : min(end, start + SAMPLE)].strip() else None


def _pair(reader: Reader, start: int, close: bytes, after: int) -> Value | None:
    """Return the value of ``("name", value`` in a call, or of a pair ``["name", value]``."""
    raw = reader.raw
    before = raw[max(0, start - 80) : start].rstrip(b"\\\"'`bru").rstrip(b" \t\r\n")
    if before[-1:] not in (b"(", b"["):
        return None
    is_call = before[-1:] == b"(" and (before[-2:-1].isalnum() or before[-2:-1] == b"_")
    at = after + len(raw[after : after + 80]) - len(raw[after : after + 80].lstrip())
    if raw[at : at + 1] in (b"{", b"[", b"("):
        end = reader.bracketed(at)
        return Value(at, end)
    if (found := reader.quoted(at)) is not None:
        value, behind = found
        return value if is_call or raw[behind : behind + 80].lstrip()[:1] in (b"]", b")") else None
    word = re.compile(rb"[^\s,()\[\]\"']{1,256}").match(raw, at)
    if word is None or raw[word.end() : word.end() + 80].lstrip()[:1] not in (b"]", b")"):
        return None
    return Value(word.start(), word.end())
