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
#: Fields of a payload that hold what a function was called with, or what it returned.
_ARGUMENTS = ("arg", "fun_args", "kwargs", "kwarg")
_RETURNED = ("return", "full_ret")


@dataclass(frozen=True)
class Redactor:
    """
    What to redact, compiled once from the config.

    :param names: matches a key whose value is secret: one of the names, or one behind a prefix (``db_password``).
    :param needles: the keys as they would stand in a payload, or None if one of them is not ASCII and so can differ in
        case from what bytes can tell.
    :param mentions: finds one of the names anywhere in text.
    :param assignment: finds ``key=value`` in text.
    :param values: patterns whose matches are secret wherever they stand.
    :param functions: globs -> what to drop of those functions' events: "return", "arguments" or "both".
    """

    names: re.Pattern[str] | None
    needles: tuple[bytes, ...] | None
    mentions: re.Pattern[str] | None
    assignment: re.Pattern[str] | None
    values: tuple[re.Pattern[str], ...]
    functions: tuple[tuple[str, str], ...]

    def concerns(self, payload: bytes, fun: str) -> bool:
        """
        Say whether :meth:`apply` could change anything: a quick look at the undecoded payload.

        :param payload: as it came off the bus.
        :param fun: the function, as :func:`salt_eventsd.event.function_of` finds it.
        """
        if self.values or self.needles is None:
            return True
        lowered = payload.lower()
        for needle in self.needles:  # a loop, for it is run for each event there is
            if needle in lowered:
                return True
        return bool(self.functions) and bool(self.dropped(fun))

    def dropped(self, fun: str) -> str:
        """Return what is dropped of this function's events: "", "return", "arguments" or "both"."""
        return next((what for glob, what in self.functions if fnmatch.fnmatchcase(fun, glob)), "") if fun else ""

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
            data = {key: MASK if key in fields else value for key, value in data.items()}
        try:
            return self._walk(data)
        except RecursionError:
            return {"undecodable": MASK}

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {
                key: MASK if self._secret(key) and one is not None else self._walk(one) for key, one in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._walk(one) for one in value]
        if isinstance(value, (bytes, bytearray)):
            return self._text(bytes(value).decode("utf-8", "backslashreplace"))
        return value

    def _secret(self, key: Any) -> bool:
        if isinstance(key, bytes):
            key = key.decode("utf-8", "backslashreplace")
        return isinstance(key, str) and self.names is not None and self.names.fullmatch(key) is not None

    def _text(self, text: str) -> str:
        if self.assignment is not None:
            text = self.assignment.sub(rf"\g<1>{MASK}", text)
        for pattern in self.values:
            text = pattern.sub(MASK, text)
        return text


def compile_redactor(keys: Sequence[str], values: Sequence[str], functions: dict[str, str]) -> Redactor:
    """
    Compile the ``redact`` block.

    :param keys: names whose values are secret, compared in any case.
    :param values: regular expressions, already known to compile.
    :param functions: glob on the function -> "return", "arguments" or "both".
    """
    lowered = sorted({key.lower() for key in keys}, key=len, reverse=True)
    names = "|".join(re.escape(key) for key in lowered)
    ascii_only = all(map(str.isascii, lowered))
    # Unicode knows letters that are an ASCII letter in another case; a look at bytes does not.
    flags = re.IGNORECASE | (re.ASCII if ascii_only else 0)
    return Redactor(
        # A name counts alone or at the end of a longer one: db_password, mysql-password, api.token.
        names=re.compile(rf"(?:.*[^A-Za-z0-9])?(?:{names})", flags | re.DOTALL) if names else None,
        needles=tuple(key.encode() for key in lowered) if ascii_only else None,
        mentions=re.compile(names, flags) if names else None,
        assignment=re.compile(rf"((?<![A-Za-z0-9])(?:{names}){_SAYS}){_VALUE}", flags) if names else None,
        values=tuple(re.compile(value) for value in values),
        functions=tuple(functions.items()),
    )
