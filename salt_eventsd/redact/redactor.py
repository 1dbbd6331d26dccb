"""
Compiles the ``redact`` block of the configuration, decides which events need a closer look, and masks their secrets.
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
from salt_eventsd.redact.own_patterns import Tally, may_find
from salt_eventsd.redact.structure import Walk
from salt_eventsd.redact.text import MASK, TextMasker

#: Fields of a payload that hold the arguments of a function, or its return.
_ARGUMENTS = ("arg", "fun_args", "kwargs", "kwarg")
_RETURNED = ("return", "full_ret")
#: What these runners return is in the history already, or on the doorstep of the spool: kept with each question, it
#: would grow by itself, and outlive what it repeats. Who asked is kept all the same.
OWN_ANSWERS = (
    "runner.jobs.*",
    *(
        f"runner.eventsd.{verb}"
        for verb in (
            *("jobs", "job", "returns", "failures", "missing", "minion", "changes", "conformity", "slow", "audit"),
            *("dead", "tap"),
        )
    ),
)
#: What the name of a function that a runner has begins with.
RUNNER = "runner."


@dataclass(frozen=True)
class Redactor:
    """
    What to redact, compiled once from the config. It never changes its input; a result may share parts with the input.

    :param masker: masks text, and knows which names are secret.
    :param values: patterns whose matches are secret anywhere.
    :param functions: globs -> what to drop of the events of these functions: "return", "arguments", "both" or
        "nothing"; of what is in none of them, :data:`OWN_ANSWERS` lose their return.
    :param tally: counts texts for which a pattern had no time.
    """

    masker: TextMasker
    values: tuple[Pattern, ...]
    functions: tuple[tuple[str, str], ...]
    tally: Tally = field(default_factory=Tally, compare=False)

    def concerns(self, payload: bytes, fun: str) -> bool:
        """
        Say whether :meth:`apply` could change anything, by a quick look at the undecoded payload.

        :param payload: the payload, as it came from the bus.
        :param fun: the function, as :func:`salt_eventsd.event.parse.function_of` finds it.
        """
        if self.values or self.masker.concerns(payload):
            return True
        return bool(self.dropped(fun))

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        """
        Look at many frames at once; return the positions of those that need the closer look of :meth:`clean`. What the
        patterns of ``values`` find is not looked for.

        :param raws: whole frames as they came from the bus, of less than a megabyte in all.
        """
        return self.masker.suspects(raws)

    def may_find(self, *values: Any) -> bool:
        """
        Say whether a pattern of ``values`` may find something. Where the answer is no, and :meth:`suspects` has found
        nothing either, there is nothing to mask.

        :param values: decoded payloads, or parts of them.
        """
        return bool(self.values) and may_find(self.values, [*values])

    def dropped(self, fun: str) -> str:
        """Return what to drop of this function's events: "", "return", "arguments" or "both"."""
        if not self.functions and RUNNER not in fun:
            return ""
        # One payload may be of several functions; it loses what any of them must lose.
        found = {
            next((what for glob, what in self.functions if fnmatch.fnmatchcase(one, glob)), _of_own(one))
            for one in fun.split(",")
        } - {"", "nothing"}
        return "both" if len(found) > 1 else next(iter(found), "")

    def clean(self, frame: Frame, data: Any, fun: str, is_cleared: bool = False) -> tuple[Frame, Any, str]:
        """
        Return frame, payload and function with their secrets masked. This is cheap where there are none.

        :param frame: the frame, with its tag read.
        :param data: its decoded payload.
        :param fun: its function.
        :param is_cleared: whether :meth:`suspects` has looked at the frame and not returned it.
        """
        texts = (data,) if is_plain_tag(frame.tag) else (frame.tag, data)
        is_left = self.may_find(*texts) if is_cleared else True
        if not is_left and not self.dropped(fun):
            return frame, data, fun
        if self.concerns(frame.payload, fun):
            data = self.apply(data, fun)
            fun = function_of(data)
        # Most tags are those of returns. They hold a jid and a minion id, which Salt has checked: no need to look.
        return frame if is_plain_tag(frame.tag) else self.tag(frame), data, fun

    def tag(self, frame: Frame) -> Frame:
        """
        Return a frame with the secrets in its tag masked.

        :param frame: the frame, with its tag read.
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
            # In a payload that could not be decoded, it is unknown where a secret ends.
            text = data["undecodable"]
            hit = self.masker.concerns(text.encode("utf-8", "surrogatepass"))
            return {"undecodable": MASK if hit else self._walk().masked(text)}
        what = self.dropped(fun)
        if what and isinstance(data, dict):
            fields = (_RETURNED if what != "arguments" else ()) + (_ARGUMENTS if what != "return" else ())
            data = _without(data, fields)
            if isinstance(data.get("data"), dict):
                # An older Salt puts all these fields there.
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

    :param keys: names to add to the default, and with ``!``, families or shapes to take out of it.
    :param values: regular expressions, known to compile.
    :param functions: glob on the function -> "return", "arguments", "both" or "nothing".
    """
    return Redactor(
        masker=TextMasker(*chosen(keys)),
        values=tuple(compile_pattern(value) for value in values),
        functions=tuple(functions.items()),
    )


def is_plain_tag(tag: str) -> bool:
    """
    Say whether there can be no secret in a tag.

    :param tag: the tag, without a syndic's prefix.
    """
    return tag.startswith("salt/job/") and tag[9:29].isdigit() and tag[29:34] == "/ret/" and "=" not in tag


def _of_own(fun: str) -> str:
    is_answer = fun.startswith(RUNNER) and any(fnmatch.fnmatchcase(fun, glob) for glob in OWN_ANSWERS)
    return "return" if is_answer else ""


def _without(data: dict[Any, Any], fields: Sequence[str]) -> dict[Any, Any]:
    return {key: MASK if key in fields else value for key, value in data.items()}
