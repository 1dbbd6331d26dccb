"""
What ``redact`` in the configuration comes to: which events need a look, and what is masked or dropped of them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from salt_eventsd.common.patterns import Pattern, compile_pattern
from salt_eventsd.event.frame import Frame
from salt_eventsd.event.parse import function_of
from salt_eventsd.redact.families import chosen
from salt_eventsd.redact.structure import Tally, Walk
from salt_eventsd.redact.text import MASK, TextMasker

#: Fields of a payload that hold what a function was called with, or what it returned.
_ARGUMENTS = ("arg", "fun_args", "kwargs", "kwarg")
_RETURNED = ("return", "full_ret")


@dataclass(frozen=True)
class Redactor:
    """
    What to redact, compiled once from the config. The input is never changed; what comes back may share with it.

    :param masker: masks text, and knows which names are secret.
    :param values: patterns whose matches are secret wherever they stand.
    :param functions: globs -> what to drop of those functions' events: "return", "arguments" or "both".
    :param tally: counts what patterns had no time for.
    """

    masker: TextMasker
    values: tuple[Pattern, ...]
    functions: tuple[tuple[str, str], ...]
    tally: Tally = field(default_factory=Tally, compare=False)

    def concerns(self, payload: bytes, fun: str) -> bool:
        """
        Say whether :meth:`apply` could change anything: a quick look at the undecoded payload.

        :param payload: as it came off the bus.
        :param fun: the function, as :func:`salt_eventsd.event.parse.function_of` finds it.
        """
        if self.values or self.masker.concerns(payload):
            return True
        return bool(self.functions) and bool(self.dropped(fun))

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        """
        Return the places of those frames that need the closer look of :meth:`clean`, in many at once.

        :param raws: frames as they came off the bus, tags and all, none of them large.
        """
        return frozenset(range(len(raws))) if self.values else self.masker.suspects(raws)

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

    def clean(self, frame: Frame, data: Any, fun: str, is_cleared: bool = False) -> tuple[Frame, Any, str]:
        """
        Return tag, payload and function with their secrets masked, at little cost where there are none.

        :param frame: with its tag read.
        :param data: its payload, decoded.
        :param fun: its function.
        :param is_cleared: it is none of the :meth:`suspects`.
        """
        if is_cleared and not (self.functions and self.dropped(fun)):
            return frame, data, fun
        if self.concerns(frame.payload, fun):
            data = self.apply(data, fun)
            fun = function_of(data)
        # The tags of returns come by the thousand, and hold a jid and a minion's id, which Salt has checked.
        tag = frame.tag
        is_usual = tag.startswith("salt/job/") and tag[9:29].isdigit() and tag[29:34] == "/ret/" and "=" not in tag
        return frame if is_usual else self.tag(frame), data, fun

    def tag(self, frame: Frame) -> Frame:
        """
        Return a frame with the secrets in its tag masked.

        :param frame: with its tag read.
        """
        if not self.values and not self.masker.concerns(frame.tag.encode("utf-8", "surrogatepass")):
            return frame
        masked = self._walk().masked(frame.tag)
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
            hit = self.masker.concerns(text.encode("utf-8", "surrogatepass"))
            return {"undecodable": MASK if hit else self._walk().masked(text)}
        what = self.dropped(fun)
        if what and isinstance(data, dict):
            fields = (_RETURNED if what != "arguments" else ()) + (_ARGUMENTS if what != "return" else ())
            data = _without(data, fields)
            if isinstance(data.get("data"), dict):
                # Where an older Salt puts all of it.
                data["data"] = _without(data["data"], fields)
        try:
            return self._walk().masked(data)
        except RecursionError:
            return {"undecodable": MASK}

    def _walk(self) -> Walk:
        return Walk(self.masker, self.values, self.tally)


def compile_redactor(keys: Sequence[str], values: Sequence[str], functions: dict[str, str]) -> Redactor:
    """
    Compile the ``redact`` block.

    :param keys: names whose values are secret besides the default, and with ``!`` what is taken out of the default.
    :param values: regular expressions, already known to compile.
    :param functions: glob on the function -> "return", "arguments" or "both".
    """
    return Redactor(
        masker=TextMasker(*chosen(keys)),
        values=tuple(compile_pattern(value) for value in values),
        functions=tuple(functions.items()),
    )


def _without(data: dict[Any, Any], fields: Sequence[str]) -> dict[Any, Any]:
    return {key: MASK if key in fields else value for key, value in data.items()}
