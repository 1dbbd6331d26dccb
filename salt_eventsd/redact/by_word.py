"""
Finds values that follow a name after only a blank, or after words that lead to a value: ``--password x``, ``rootpw x``,
``login bob password x``, ``password was changed to 'x'``, and not ``password changed``.
"""

from __future__ import annotations

import re

from salt_eventsd.redact.names import Kind
from salt_eventsd.redact.values import BACK, Reader, Value

#: The characters of names.
NAME_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-" + bytes(range(128, 256))
_PATH_SIGNS = NAME_SIGNS + b"/"
_SAID = re.compile(
    rb"(?i)[ \t]{1,8}(?:(?:is |was )?(?:generated |created |set )?(?:for|of) (?:the )?(?:user |account |role )?"
    rb"[^\s:]{1,128}(?: is)?: ?"
    rb"|(?:was |has been )?(?:changed |set )?from [^\s]{1,128}(?: to)?[ \t:]{1,8}"
    rb"|(?:was |is |has been )?(?:set|changed|updated|reset|generated) ?(?:to|as|:)[ \t:]{0,8}"
    rb"|(?P<told>is|was|are)(?: now)?[ \t:]{1,8})"
)
_OPTION_VALUE = re.compile(rb"[ \t]{1,64}(?P<word>[^\s\"'-][^\s]*)")
_QUOTED_NEXT = re.compile(rb"[ \t]{1,64}(?=\\{0,63}[\"'])")
_GOES_ON = re.compile(rb"[ \t]{1,8}[a-z]{2}")
_NEXT_WORD = re.compile(
    rb"(?P<gap>[ \t]{1,64})"
    rb"(?:(?:[0-9]|--[a-z]{1,16}|REG_[A-Z_]{2,16}|ascii|hex|plain|plaintext|cleartext)[ \t]{1,16}(?=[^\s]))?"
    rb"(?P<word>[^\s\"'<>|;&,=:(){}\[-][^\s;,\"'<>|]*)"
)
_LEADS = re.compile(
    rb"(?i)(?:\A|\s)(?:enable|username \S{1,64}(?: privilege [0-9]{1,2})?|user \S{1,64}|login \S{1,64}|account \S{1,64}"
    rb"|neighbor \S{1,64}|machine \S{1,128}|default login \S{1,64})\s{1,8}\Z"
)
_WEAK_LEADS = re.compile(
    rb"(?i)(?:\A|\s)(?:set|setenv|env|arg|export|default|with|using|config set|fastcgi_param|add|line"
    rb"|auth|new|your|the|and)[ \t]{1,8}\Z"
)
_BARE = frozenset(
    (
        b"password passwords passwd pass passphrase passcode pwd pw secret secrets token tokens credential"
        b" credentials creds cookie cookies bearer authorization authorisation auth psk passkey passwort"
        b" kennwort cred"
    ).split()
)
#: A name followed by one of these words is part of a sentence.
_PROSE = frozenset(
    (
        b"is was are were has have had will would can could may must should be been not and or for of to in on"
        b" at by from with without that this changed change changes set unset updated required expired expires"
        b" created deleted removed added reset rotated invalid valid missing failed failure ok correct"
        b" incorrect wrong accepted rejected denied policy authentication prompt file files hash manager the a"
        b" an does do did already needed found unchanged match matches mismatch entry entries field store"
        b" stored never only if when than as it its no yes none empty protected based returned generated"
        b" present absent verified successfully refresh refreshed revoked issued type length database last age"
        b" aging days minimum maximum number inactive warning auth quality check checks true false null"
        b" sufficient optional requisite include substack engine support value values name names key keys id"
        b" too over until again running pending completed active inactive ready loaded started stopped bound"
        b" available"
    ).split()
)
#: Characters that no word of a sentence has.
_ODD = re.compile(rb"[0-9]|[^A-Za-z.,:;!?()\x80-\xff'/-]|[a-z][A-Z]|[!][A-Za-z]")
#: The rest of a line of ``kubectl get secrets`` after the secret's name: ``Opaque 2 3d``.
_TYPE_AND_AGE = re.compile(
    rb"(?:[ \t]{1,64}(?:Opaque|[a-z0-9.-]{1,64}/[^\s]{1,64}))?"
    rb"[ \t]{1,64}[0-9]{1,4}[ \t]{1,64}[0-9]{1,6}[smhdy](?=[0-9\s]|\Z)"
)
#: The architecture of a package, or a web server's variable of a request.
_OF_LIST = re.compile(
    rb"(?:amd64|i386|arm64|armhf|armel|ppc64el|s390x|riscv64|noarch|x86_64|aarch64)(?![A-Za-z0-9_.-])"
    rb"|\$(?:http|cookie|proxy|upstream|arg)_[a-z_]{1,64}\b"
)
#: A package with its version: ``libsecret-0.20.5-3.el9.x86_64``.
_VERSION = re.compile(rb"-[0-9]{1,6}(?:\.[0-9]{1,6})+")
#: The name is the key of a store: ``put /db/password x``.
_PUT = re.compile(rb"\b(?:put|set|write|mk|update|create)[ \t]{1,8}[^\s]{0,200}\Z")
_PUT_KEY = re.compile(rb"(?i)\b(?:put|set|write|mk|create)[ \t]{1,8}[^\s]{1,200}[/:]\Z")
#: An answer for debconf and the installer: ``mysql-server mysql-server/root_password password x``.
_DEBCONF = re.compile(rb"[ \t]{0,8}[a-z0-9.+-]{1,64}[ \t]{1,8}[a-z0-9.+-]{1,64}/[A-Za-z0-9_./-]{1,100}[ \t]{1,8}")
_MIXED = re.compile(rb"(?=[^\s]*[A-Za-z])(?=[^\s]*[0-9!@#$%^&*])(?!v?[0-9]+\.|x86)[^\s]{6,}")
_PATH = re.compile(rb"[~.]{0,2}/")
_WORD_OF_VALUE = re.compile(rb"[^\s\"'<>]+")


def next_word(reader: Reader, start: int, end: int, kind: Kind) -> Value | None:
    """
    Return the value that follows a name after only a blank, or after words that lead to it; None if there is none.

    :param reader: the reader of the text.
    :param start: where the name begins.
    :param end: where the name ends.
    :param kind: what the name says about its value.
    """
    raw = reader.raw
    if raw[start : start + 1] == b"-":
        if (quoted := _QUOTED_NEXT.match(raw, end)) and (found := reader.quoted(quoted.end())):
            return found[0]
        option = _OPTION_VALUE.match(raw, end, reader.line_end(end))
        if option is not None and option["word"].startswith(b"("):
            return Value(option.start("word"), reader.bracketed(option.start("word")))
        return Value(*_without_closers(raw, option.span("word"))) if option else None
    if is_path(raw, start) and _PUT.search(raw, max(0, start - BACK), start) is None:
        return None
    if (said := _SAID.match(raw, end)) is not None:
        if said[0].rstrip().endswith(b":"):
            return reader.assigned(said.end(), b":", start, None, kind)
        if found := reader.quoted(said.end()):
            return found[0]
        word = _WORD_OF_VALUE.match(raw, said.end())
        if word is None or word[0].lower().rstrip(b".,:;!") in _PROSE:
            return None
        if said["told"] and not _ODD.search(word[0].rstrip(b".,:;!?")):
            return None
        return Value(*_without_closers(raw, word.span()))
    if (quoted := _QUOTED_NEXT.match(raw, end)) and (found := reader.quoted(quoted.end())):
        value, after = found
        name = raw[start:end].lower()
        is_sentence = _GOES_ON.match(raw, after) is not None and b"pass" not in name
        is_place = _PATH.match(raw, value.start) is not None
        return None if is_sentence or is_place else value
    return _directive(reader, start, end)


def _directive(reader: Reader, start: int, end: int) -> Value | None:
    """Return ``x`` of ``rootpw x``, ``login bob password x``, ``ENV DB_PASSWORD x``; not of ``password changed``."""
    raw = reader.raw
    found = _NEXT_WORD.match(raw, end, reader.line_end(end))
    if found is None:
        return None
    word = found["word"].rstrip(b".,:;!?")
    if not word or word.lower() in _PROSE or _TYPE_AND_AGE.match(raw, end) or _OF_LIST.match(raw, found.start("word")):
        return None
    name = raw[start:end].strip(b".-_")
    before = raw[max(0, start - BACK) : start]
    line = before[before.rfind(b"\n") + 1 :]
    begins = not line.strip(b" \t\"'+-")
    # nginx passes requests on to a name or a URL.
    if _VERSION.search(name) or (name == b"proxy_pass" and raw[found.end() : found.end() + 1] == b";"):
        return None
    odd = _ODD.search(word) is not None
    rest = raw[found.end() : min(reader.line_end(end), found.end() + 80)].strip()
    alone = not rest or rest.startswith((b"#", b"//", b";"))
    is_bare = name.lower() in _BARE or b" " in name
    told = (
        _LEADS.search(before[-160:]) is not None
        or (not is_bare and (begins or odd or (name.isupper() and b"_" in name)))
        or (is_bare and name.lower() != b"pass" and _MIXED.fullmatch(word) is not None)
        or (odd and (_WEAK_LEADS.search(before[-40:]) is not None or (begins and alone)))
        or (begins and alone and (b"\t" in found["gap"] or len(found["gap"]) > 2))
        or _PUT_KEY.search(before) is not None
        or (name.lower() == b"password" and _DEBCONF.fullmatch(line) is not None)
    )
    return Value(*_without_closers(raw, found.span("word"))) if told else None


def _without_closers(raw: bytes, span: tuple[int, int]) -> tuple[int, int]:
    """Return the span of a word without the quotes and brackets that close something opened before it."""
    word = raw[max(span[0], span[1] - BACK) : span[1]]
    kept = word.rstrip(b"\\\"'`;,")
    if kept[-1:] == b")" and b"(" not in kept:
        kept = kept[:-1]
    return span[0], span[1] - len(word) + len(kept)


def is_path(raw: bytes, start: int) -> bool:
    """
    Say whether a name is the last part of an absolute path: ``/var/lib/token: OK``.

    :param raw: the text.
    :param start: where the name begins.
    """
    if raw[start - 1 : start] != b"/" or not start:
        return False
    before = raw[max(0, start - BACK) : start]
    return before[len(before.rstrip(_PATH_SIGNS)) :].startswith(b"/")
