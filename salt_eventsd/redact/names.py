"""
Decides which names are names of secrets: ``PGPASSWORD``, ``clientSecret``, ``db.root-pw``, ``api_keys``.

A name is cut into words, and the words are joined again in lower case (``client_secret``). The last stem of a family in
it decides, with the words after it: ``token_value`` is secret, ``token_type``, ``tokenizer`` and ``secretary`` are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from salt_eventsd.redact.vocabulary import FAMILIES, GLUED, HARMLESS, HINTS, PACKAGES, QUESTIONS

#: How many bytes of a name are examined: of a longer one, its end.
LONGEST_NAME = 96
#: How many names are remembered with the decision; together some 2 MB.
_MOST_REMEMBERED = 8192

_WORD = re.compile(rb"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z\x80-\xff]+|[A-Z\x80-\xff]+|[0-9]+")
#: Found in keys that are not names: commands, and the parts of a state's key.
_NO_NAME = re.compile(rb"=|_\|-|\n")
_LETTERS = re.compile(rb"[a-z\x80-\xff]*")
_NUMBER = re.compile(rb"[-+]?[0-9][0-9.,]*%?")
_PATH = re.compile(rb"(?:[~.]{0,2}/|[A-Za-z]:[\\/])")
_LINK = re.compile(rb"(?i)(?:https?|unix|tcp|fcgi|ajp)[:_]")
#: A number, the version of a package with such a name, or a source of accounts (nsswitch.conf).
_ABOUT_PACKAGES = re.compile(
    rb"[-+]?[0-9]{1,5}%?|[-+]?[0-9]{1,3}(?:[.,][0-9]{1,3}){1,4}%?|[0-9]{1,9}/[0-9]{1,9}|(?:[0-9]{1,2}:)?[0-9]{1,4}(?:\.[0-9]{1,8})+[A-Za-z0-9.+~:_-]*"
    # The password field of an account whose password is elsewhere, or that has none.
    rb"|x|\*|!\*?|!!"
    rb"|files|compat|systemd|sss|db|nis|ldap|winbind"
)
_CODED = re.compile(rb"[A-Za-z0-9+/=_.:~-]{8,}")


class Kind(Enum):
    """What a name says about its value."""

    #: Always secret.
    SECRET = "secret"
    #: Secret unless it is a number: ``tokens: 5`` is a count.
    MANY = "many"
    #: Secret unless it is a path, an address or a version: ``PWD=/root``, ``proxy_pass http://backend``.
    PLACE = "place"
    #: Secret if it looks encoded: ``auth: dXNlcjpw``, and not ``auth: required``.
    CODED = "coded"
    #: An HTTP header, whose value ends at the end of its line.
    HEADER = "header"


def hides(kind: Kind, value: bytes) -> bool:
    """
    Say whether a value is secret, given the kind of its name.

    :param kind: what the name says about the value.
    :param value: the value, without quotes.
    """
    if kind is Kind.MANY:
        return _NUMBER.fullmatch(value) is None
    if kind is Kind.PLACE:
        return not (_PATH.match(value) or _LINK.match(value) or _ABOUT_PACKAGES.fullmatch(value))
    if kind is Kind.CODED:
        return _CODED.fullmatch(value) is not None and not (value.islower() and value.isalpha())
    return True


class Names:
    """
    Decides which names are names of secrets, and remembers the decisions.

    :param families: the families of names that are secret.
    :param own: further names, as in the config.
    """

    def __init__(self, families: Iterable[str], own: Iterable[str]) -> None:
        chosen = [name for name in FAMILIES if name in set(families)]
        alternatives = [f"(?P<{name}>{FAMILIES[name]})" for name in chosen]
        spelled = sorted({_joined(words) for one in own for words in _spellings(one)}, key=len, reverse=True)
        if spelled:
            # A name from the config counts as a whole word among others, and never as a part of a word.
            mine = "|".join("_?".join(map(re.escape, one.decode("latin-1").split("_"))) for one in spelled)
            alternatives.insert(0, rf"(?<![^_])(?P<own>(?:{mine})s?)(?![^_0-9])")
        self._stems = re.compile("|".join(alternatives).encode("latin-1")) if alternatives else None
        self._known: dict[bytes, Kind | None] = {}

    def kind(self, name: bytes) -> Kind | None:
        """
        Return what a name says about its value; None if it says nothing.

        :param name: the name, in any spelling, with any signs around it.
        """
        try:
            return self._known[name]
        except KeyError:
            pass
        found = self._judge(name[-LONGEST_NAME:]) if self._stems else None
        if len(name) <= LONGEST_NAME:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = found
        return found

    def known(self, name: bytes) -> Kind | bool | None:
        """
        Return the remembered result of :meth:`kind`; False if there is none.

        :param name: a name.
        """
        return self._known.get(name, False)

    def _judge(self, name: bytes) -> Kind | None:
        words = _words(name)
        if not words or _NO_NAME.search(name):
            return None
        joined = _joined(words)
        assert self._stems is not None
        hits = list(self._stems.finditer(joined))
        if not hits:
            return None
        last = hits[-1]
        family, stem, rest = str(last.lastgroup), last[0], joined[last.end() :]
        glued = _LETTERS.match(rest)
        behind = glued[0] if glued else b""
        if behind and not _may_be_glued(family, behind):
            return None
        parts = [part for part in rest.split(b"_") if part and not part.isdigit()]
        # An exception: iSCSI calls the password that a target has to send ``password_in``.
        if parts and parts[-1] in HARMLESS and not (family == "password" and parts == [b"in"] and last.start()):
            return None
        if joined.startswith(QUESTIONS) and family != "own":
            return None
        if joined.endswith(b"id") and parts[-1:] == [b"id"] and family not in ("secret", "access_key"):
            return None
        return _kind(family, stem, parts, joined)


def _kind(family: str, stem: bytes, parts: list[bytes], joined: bytes) -> Kind | None:
    if family in ("authorization", "cookie"):
        return Kind.HEADER
    if family == "auth":
        if joined.startswith(b"x_") or joined.endswith((b"master_auth", b"masterauth", b"auth_tok", b"authtok")):
            return Kind.SECRET
        return Kind.CODED if not parts else None
    if family in ("pass", "pwd", "credential") or joined == b"passwd" or joined.startswith(PACKAGES):
        return Kind.PLACE
    if stem.endswith(b"s") and not stem.endswith(b"ss") and not parts:
        return Kind.MANY
    return Kind.SECRET


def _may_be_glued(family: str, behind: bytes) -> bool:
    if behind in HARMLESS:
        return False
    if family in ("password", "passwd", "passphrase"):
        return not behind.startswith((b"less", b"auth"))
    return behind in GLUED


def _words(name: bytes) -> list[bytes]:
    return _WORD.findall(name)


def _joined(words: list[bytes]) -> bytes:
    return b"_".join(words).lower()


def hint(families: Iterable[str], own: Iterable[str]) -> bytes:
    """
    Return an expression that finds every name that could be a secret's.

    :param families: the families of names that are secret.
    :param own: further names, as in the config.
    """
    chosen = set(families)
    parts = [HINTS[name].encode() for name in FAMILIES if name in chosen]
    for one in own:
        parts += [rb"[-_. ]?".join(map(_escaped, words)) for words in _spellings(one)]
    return b"(?i:" + b"|".join(parts) + b")" if parts else b""


def _spellings(own: str) -> list[list[bytes]]:
    """Return a name's words in several cases: expressions for bytes ignore the case of ASCII letters only."""
    every = dict.fromkeys((own, own.lower(), own.upper(), own.title()))
    return [words for one in every if (words := _words(one.encode("utf-8", "surrogatepass")))]


def _escaped(word: bytes) -> bytes:
    return b"".join(b"\\x%02x" % sign if sign > 127 else re.escape(bytes([sign])) for sign in word)
