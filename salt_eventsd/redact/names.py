"""
Decides which names are names of secrets: ``PGPASSWORD``, ``clientSecret``, ``db.root-pw``, ``api_keys``.

A name is cut into words, and the words are joined again in lower case (``client_secret``). The last stem of a family in
it decides, with the words after it: ``token_value`` is secret, ``token_type``, ``tokenizer`` and ``secretary`` are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

#: How many bytes of a name are examined: of a longer one, its end.
LONGEST_NAME = 96
#: How many names are remembered with the decision; together some 2 MB.
_MOST_REMEMBERED = 8192

#: Family -> its stems, as expressions for a name in lower case with ``_`` between its words. ``redact.keys`` can take
#: out a family with ``!``.
FAMILIES: Mapping[str, str] = {
    "password": r"pass_?words?|pass_?codes?|pass_?keys?|pass_?wort|kenn_?wort"
    r"|mot_?de_?passe|contrase(?:n|\xc3\xb1)a|wacht_?woord",
    "passwd": r"pass_?wds?",
    "pass": r"(?<!by)(?<!com)(?<!tres)(?<!sur)(?<!over)(?<!under)pass(?![a-z])",
    "passphrase": r"pass_?phrases?|seed_?phrases?|recovery_?(?:phrase|code)s?|backup_?codes?|mnemonics?(?![a-z])",
    "pwd": r"pwds?(?![a-z])|(?<![a-z])pws?(?![a-z])|(?<=[a-z]{2})pw(?![a-z])",
    "secret": r"secrets?",
    "token": r"tokens?|bw_?session",
    "private_key": r"priv(?:ate)?_?keys?|client_?key_?data",
    "api_key": r"api_?keys?|app(?:lication)?_?keys?|(?:licen[cs]e|activation)_?keys?",
    "access_key": r"access_?keys?|account_?keys?|shared_?keys?|storage_?keys?|subscription_?keys?|functions?_?keys?",
    "encryption_key": r"(?:encrypt(?:ion)?|decrypt(?:ion)?|sign(?:ing|ature)?|master|auth|session|hmac|aes|unseal"
    r"|recovery|consumer|symmetric|crypto|cipher|vault|tacacs|radius|isakmp|ipsec|wep|authentication|nonce|logged_?in)_?keys?|key_?string"
    r"|(?:auth|logged_?in|nonce|hash)_?salts?|authentication_?strings?|key_?(?:material|content)",
    "credential": r"credentials?|creds?(?![a-z])",
    "authorization": r"authori[sz]ation(?![a-z])",
    "auth": r"(?<![a-z])auths?(?![a-z])|master_?auth(?![a-z])|(?<!ch)auth_?tok(?![a-z])",
    "bearer": r"bearer(?![a-z])",
    "cookie": r"(?<!syn)cookies?(?![a-z])",
    "psk": r"psks?(?![a-z])|pre_?shared_?keys?",
    "snmp_community": r"snmp_?(?:server_?)?community|r[ow]_?community6?|community_?string|trap_?community",
}
#: The same as expressions for raw text; each finds at least all that its family's stems find.
HINTS: Mapping[str, str] = {
    "password": r"pass[-_. ]?(?:word|code|key|wort)|kenn[-_. ]?wort"
    r"|mot[-_. ]?de[-_. ]?passe|contrase(?:n|\xc3\xb1|\xc3\x91)a|wacht[-_. ]?woord",
    "passwd": r"pass[-_. ]?wd",
    "pass": r"pass(?:[^a-z]|(?-i:[A-Z])|$)",
    "passphrase": r"(?:pass|seed|recovery)[-_. ]?phrase|(?:recovery|backup)[-_. ]?code|mnemonic",
    "pwd": r"pwd|pws?(?:[^a-z]|$)",
    "secret": r"secret",
    "token": r"token|bw[-_. ]?session",
    "private_key": r"priv(?:ate)?[-_. ]?key|client[-_. ]?key[-_. ]?data",
    "api_key": r"api[-_. ]?key|app(?:lication)?[-_. ]?key|(?:licen[cs]e|activation)[-_. ]?key",
    "access_key": r"(?:access|account|shared|storage|subscription|functions?)[-_. ]?key",
    "encryption_key": r"(?:encrypt(?:ion)?|decrypt(?:ion)?|sign(?:ing|ature)?|master|auth|session|hmac|aes|unseal"
    r"|recovery|consumer|symmetric|crypto|cipher|vault|tacacs|radius|isakmp|ipsec|wep|authentication|nonce"
    r"|logged[-_. ]?in)[-_. ]?key|key[-_. ]?string"
    r"|(?:auth|logged[-_. ]?in|nonce|hash)[-_. ]?salt|authentication[-_. ]?string|key[-_. ]?(?:material|content)",
    "credential": r"credential|creds?(?:[^a-z]|$)",
    "authorization": r"authori[sz]ation",
    "auth": r"auths?[\"'\\]*[\s]*[=:\x00-\x1f\x80-\xff]|master[-_. ]?auth|auth[-_. ]?tok|basic[-_. ]?auth",
    "bearer": r"bearer",
    "cookie": r"cookie",
    "psk": r"psk|shared[-_. ]?key",
    "snmp_community": r"community",
}

#: After the name of a secret, these last words name something about the secret: ``token_type``.
_HARMLESS = frozenset(
    (
        b"changed change changes count counts type types kind length len min max minimum maximum policy"
        b" policies expired expire expires expiry expiration age ttl url urls uri uris endpoint endpoints file"
        b" files filename path paths dir directory name names required require enabled enable disabled disable"
        b" exists exist valid invalid ok status state states field fields prompt label strength complexity"
        b" history lifetime last date time at on in by created updated modified rotated rotation failures"
        b" failed failure attempts limit limits used usage issuer scope scopes format encoding algorithm algo"
        b" alg method methods mode backend provider manager store engine version locked lock warn warning days"
        b" rule rules template generator service server host port user username users flags flag quality ref"
        b" reference references source login less ed through thru rate ratio fail fails index authentication"
        b" auth module modules class size bytes budget per sec seconds ms timeout interval domain audience"
        b" owner group mount review reviews binding bindings selector location help hint uid gid gecos shell py"
        b" pyc yml yaml json txt conf cfg ini log rb go js ts java c h sh md rst html xml crt toml timer socket"
        b" sls jinja j2 tmpl erb php pl sql csv gz zip tar rpm deb so exe dll parser counter bucket buckets"
        b" stream ring izer ized ization izers ize izing ary aries ariat ly ive ion ions"
        b" second seconds minute minutes hour hours day tool rotation app application namespace controller"
        b" operator page encryption hashing hasher hashers authenticator total"
    ).split()
)
#: First words of names that are questions or counts: ``has_password``.
_QUESTIONS = (
    b"image_pull_",
    b"has_",
    b"is_",
    b"no_",
    b"num_",
    b"n_",
    b"max_",
    b"min_",
    b"without_",
    b"needs_",
    b"count_",
    b"use_",
    b"try_",
    # Of sudoers, and of web servers that pass requests on.
    b"nopass",
    b"fastcgi_pass",
    b"uwsgi_pass",
    b"scgi_pass",
    b"grpc_pass",
    b"memcached_pass",
    b"proxy_pass_header",
    b"proxy_pass_request",
)
#: Words that may be attached to ``secret``, ``token`` and the like; the name is still a secret's.
_GLUED = frozenset(
    (
        b"key keys keybase value values id ids hash hashes text string data plain raw new old base b64 base64"
        b" access accesskey code secret token password pass num"
    ).split()
)
#: Beginnings of package names, whose value is a version.
_PACKAGES = (b"lib", b"python", b"golang", b"ruby", b"perl", b"php", b"node", b"gir", b"rust", b"gnome", b"docker")
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
        if parts and parts[-1] in _HARMLESS and not (family == "password" and parts == [b"in"] and last.start()):
            return None
        if joined.startswith(_QUESTIONS) and family != "own":
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
    if family in ("pass", "pwd", "credential") or joined == b"passwd" or joined.startswith(_PACKAGES):
        return Kind.PLACE
    if stem.endswith(b"s") and not stem.endswith(b"ss") and not parts:
        return Kind.MANY
    return Kind.SECRET


def _may_be_glued(family: str, behind: bytes) -> bool:
    if behind in _HARMLESS:
        return False
    if family in ("password", "passwd", "passphrase"):
        return not behind.startswith((b"less", b"auth"))
    return behind in _GLUED


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
