"""
Redact: secrets in a payload become ``***`` before the spool, the first place that touches a disk.

Three ways to find them: by key (nested, any case, and as ``key=value`` inside a string, which is how arguments of
functions appear), by a pattern on values, and by function. The input is not changed; what comes back shares what was
not redacted.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.event import Frame, function_of

MASK = "***"
#: After a key: its closing quote (escaped where it stands in a string), then = or : as in shells, YAML and JSON, or =>.
_SAYS = r"""\\*["']?\s*(?:=>|[=:])\s*"""
#: The value, the first that fits: in escaped quotes; in quotes; a YAML block; a quote nobody closed, to the line's end;
#: after a colon, all of the line up to a separator; after anything else, one word.
_VALUE = (
    r"""(?:(\\+["'])[\s\S]{0,65536}?\2"""
    r"""|"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'"""
    r"""|[|>][+-]?\d?[ \t]*\n(?:[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+"""
    r"""|["'][^\n]*"""
    r"""|(?<=:)[^\s,;&}\]"'][^\n,;&}\]]*|(?<=:[ \t])[^\s,;&}\]"'][^\n,;&}\]]*"""
    r"""|[^\s,;&]+)"""
)
#: A value in quotes, or a word that is no further option.
_WORD = r"""(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|(?!-)[^\s,;&]+)"""
#: What a name may stand behind: the beginning, a sign (db_password), or a small letter before its capital (dbPassword).
_BEHIND = r"(?:(?<![A-Za-z0-9])|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
#: What a name may have after it and still be one: secret_key, password2, token-hash.
_AFTER = r"(?:[-_. ]?(?:\d+|hash|key|access[-_. ]?key|key[-_. ]?base|value|plain))?"
#: How the parts of a name may be joined.
_JOINT = "[-_. ]?"
#: Secrets that no key names: a private key in PEM, a password in a URL or in SQL, an HTTP header. Each with how it
#: begins.
_PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
_USERINFO = r"""(?<=://)([^\s:/@'"]*):[^\s/'"]*@"""
_SQL = rf"((?<![A-Za-z0-9])identified\s+by(?:\s+password)?\s+){_WORD}"
_HEADER = r"""((?<![A-Za-z0-9])authorization["']?\s*[:=]\s*["']?(?:basic|bearer|token|digest)\s+)[^\s"']+"""
_SIGNS = ("private key-----", "identified", "authorization")
_USERINFO_IN_BYTES = re.compile(_USERINFO.encode())
#: How Salt separates the parts of a state result's key.
_STATE_SEPARATOR = "_|-"
#: Pairs in which one field names what the other holds, as in a container's environment.
_NAMES, _VALUES = ("name", "key", "Name", "Key"), ("value", "Value")
#: Fields of a payload that hold what a function was called with, or what it returned.
_ARGUMENTS = ("arg", "fun_args", "kwargs", "kwarg")
_RETURNED = ("return", "full_ret")


@dataclass(frozen=True)
class Redactor:
    """
    What to redact, compiled once from the config.

    :param names: matches a key whose value is secret: one of the names, or one behind a prefix (``db_password``).
    :param quick: finds, in a payload in small letters, what makes it worth a closer look; None if one of the keys is
        not ASCII and so can differ in case from what bytes can tell.
    :param mentions: finds one of the names anywhere in text.
    :param patterns: what is secret in text, each with what to put there: ``key=value``, ``--key value`` and others.
    :param values: patterns whose matches are secret wherever they stand.
    :param functions: globs -> what to drop of those functions' events: "return", "arguments" or "both".
    """

    names: re.Pattern[str] | None
    quick: re.Pattern[bytes] | None
    mentions: re.Pattern[str] | None
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    values: tuple[re.Pattern[str], ...]
    functions: tuple[tuple[str, str], ...]

    def concerns(self, payload: bytes, fun: str) -> bool:
        """
        Say whether :meth:`apply` could change anything: a quick look at the undecoded payload.

        :param payload: as it came off the bus.
        :param fun: the function, as :func:`salt_eventsd.event.function_of` finds it.
        """
        if self.values or self.quick is None:
            return True
        lowered = payload.lower()
        if self.quick.search(lowered) or (self.names and b"://" in lowered and _USERINFO_IN_BYTES.search(payload)):
            return True
        return bool(self.functions) and bool(self.dropped(fun))

    def dropped(self, fun: str) -> str:
        """Return what is dropped of this function's events: "", "return", "arguments" or "both"."""
        if not fun or not self.functions:
            return ""
        # One payload may be of several functions; what one of them has to hide is hidden.
        found = {
            next((what for glob, what in self.functions if fnmatch.fnmatchcase(one, glob)), "")
            for one in fun.split(",")
        } - {""}
        return "both" if len(found) > 1 else next(iter(found), "")

    def clean(self, frame: Frame, data: Any, fun: str) -> tuple[Frame, Any, str]:
        """
        Return tag, payload and function with their secrets masked, at little cost where there are none.

        :param frame: with its tag read.
        :param data: its payload, decoded.
        :param fun: its function.
        """
        if self.concerns(frame.payload, fun):
            data = self.apply(data, fun)
            fun = function_of(data)
        # The tags of jobs come by the thousand, and hold a jid and a minion's id.
        return frame if frame.tag.startswith("salt/job/") else self.tag(frame), data, fun

    def tag(self, frame: Frame) -> Frame:
        """
        Return a frame with the secrets in its tag masked.

        :param frame: with its tag read.
        """
        masked = self._text(frame.tag)
        return frame if masked == frame.tag else msgspec.structs.replace(frame, tag=masked)

    def apply(self, data: Any, fun: str) -> Any:
        """
        Return the payload with its secrets masked.

        :param data: a decoded payload.
        :param fun: its function.
        """
        if isinstance(data, dict) and len(data) == 1 and isinstance(data.get("undecodable"), str):
            # No telling where a secret ends in what could not be decoded.
            text = data["undecodable"]
            hit = self.mentions is not None and self.mentions.search(text) is not None
            return {"undecodable": MASK if hit else self._text(text)}
        what = self.dropped(fun)
        if what and isinstance(data, dict):
            fields = (_RETURNED if what != "arguments" else ()) + (_ARGUMENTS if what != "return" else ())
            data = _without(data, fields)
            if isinstance(data.get("data"), dict):
                # Where an older Salt puts all of it.
                data["data"] = _without(data["data"], fields)
        try:
            return self._walk(data)
        except RecursionError:
            return {"undecodable": MASK}

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, (list, tuple)):
            return self._list(value)
        if isinstance(value, (bytes, bytearray)):
            return self._text(bytes(value).decode("utf-8", "backslashreplace"))
        return value

    def _mapping(self, value: dict[Any, Any]) -> dict[Any, Any]:
        named = any(self._secret(value[key]) for key in _NAMES if key in value)
        found: dict[Any, Any] = {}
        for key, one in value.items():
            shown = self._key(key)
            while shown in found:
                # Two keys that differ in their secrets only.
                shown = shown.replace(MASK, f"{MASK}*", 1) if MASK in shown else f"{shown}*"
            hide = one is not None and (self._secret(key) or (named and key in _VALUES))
            found[shown] = MASK if hide else self._walk(one)
        return found

    def _list(self, value: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        hide = False
        for one in value:
            found.append(MASK if hide and isinstance(one, (str, bytes, int)) else self._walk(one))
            # An option's value is the next word; and a pair is a key and its value.
            is_option = isinstance(one, str) and one.startswith("-")
            hide = (is_option or (len(value) == 2 and len(found) == 1)) and self._secret(one)
        return found

    def _key(self, key: Any) -> Any:
        """A state's key holds its name, which may be a command."""
        if not isinstance(key, (str, bytes)):
            return key
        text = key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")
        masked = _STATE_SEPARATOR.join([self._text(part) for part in text.split(_STATE_SEPARATOR)])
        return key if masked == text else masked

    def _secret(self, key: Any) -> bool:
        if isinstance(key, bytes):
            key = key.decode("utf-8", "backslashreplace")
        return isinstance(key, str) and self.names is not None and self.names.fullmatch(key) is not None

    def _text(self, text: str) -> str:
        for pattern, instead in self.patterns:
            text = pattern.sub(instead, text)
        for pattern in self.values:
            # A pattern may match where there is nothing.
            text = pattern.sub(lambda hit: MASK if hit[0] else "", text)
        return text


def compile_redactor(keys: Sequence[str], values: Sequence[str], functions: dict[str, str]) -> Redactor:
    """
    Compile the ``redact`` block.

    :param keys: names whose values are secret, compared in any case.
    :param values: regular expressions, already known to compile.
    :param functions: glob on the function -> "return", "arguments" or "both".
    """
    lowered = sorted({key.lower() for key in keys}, key=len, reverse=True)
    names = "|".join(map(_spelled, lowered))
    ascii_only = all(map(str.isascii, lowered))
    # Unicode knows letters that are an ASCII letter in another case; a look at bytes does not.
    flags = re.IGNORECASE | (re.ASCII if ascii_only else 0)
    patterns: list[tuple[str, str]] = []
    if names:
        patterns = [
            (_PEM, MASK),
            (_USERINFO, rf"\g<1>:{MASK}@"),
            (_SQL, rf"\g<1>{MASK}"),
            (_HEADER, rf"\g<1>{MASK}"),
            (rf"({_BEHIND}(?:{names}){_AFTER}{_SAYS}){_VALUE}", rf"\g<1>{MASK}"),
            (rf"((?<=-)(?:{names}){_AFTER}\s+){_WORD}", rf"\g<1>{MASK}"),
            (rf"""({_BEHIND}(?:{names})\s+)(?=["']){_WORD}""", rf"\g<1>{MASK}"),
        ]
    return Redactor(
        names=re.compile(rf"(?:.*{_BEHIND})?(?:{names}){_AFTER}[^A-Za-z0-9]*", flags | re.DOTALL) if names else None,
        quick=_quick(lowered) if ascii_only else None,
        mentions=re.compile(rf"{names}|identified\s+by|private key-----", flags) if names else None,
        patterns=tuple((re.compile(pattern, flags), instead) for pattern, instead in patterns),
        values=tuple(re.compile(value) for value in values),
        functions=tuple(functions.items()),
    )


def _spelled(key: str) -> str:
    """A pattern for a key however its parts are joined: private_key, private-key, privateKey."""
    return "".join(re.escape(sign) if sign.isalnum() else _JOINT if sign in "-_. " else re.escape(sign) for sign in key)


def _quick(keys: Sequence[str]) -> re.Pattern[bytes]:
    """One pass over the bytes for all keys at once, which is done for each event there is."""
    return re.compile("|".join([*map(_spelled, keys), *_SIGNS]).encode() if keys else rb"(?!)")


def _without(data: dict[Any, Any], fields: Sequence[str]) -> dict[Any, Any]:
    return {key: MASK if key in fields else value for key, value in data.items()}
