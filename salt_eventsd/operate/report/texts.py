"""
Texts of minions on a page: short, and with nothing in them that a reader cannot see.

Markup in them is no danger, the template escapes everything. Marks that turn the direction of what follows, or end a
line, are: they could make one minion's answer look like another's.
"""

from __future__ import annotations

import json
import re
from typing import Any

#: The longest text in a cell, in characters.
LONGEST = 400
_MARK = "…"
#: Control characters, marks of direction, what takes no room, lone surrogates, and what is no character.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
#: More marks than these above one letter reach into other lines.
_STACKED = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{3})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)


def shown(value: Any, longest: int = LONGEST) -> str:
    """
    Return a value as a page shows it: what cannot be seen is named (``\\u202e``), and a long text is cut off.

    :param value: any; None is an empty text.
    :param longest: in characters; what is cut off is marked.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    short = text[:longest]
    seen = _UNSEEN.sub(_named, _STACKED.sub(r"\1", short))
    return seen[:longest] + _MARK if len(text) > longest or len(seen) > longest else seen


def said(text: str | None) -> str:
    """
    Return the beginning of what a function returned as a person reads it: the text of a text, the lines of a list.

    :param text: JSON, or the beginning of some.
    """
    if not text:
        return ""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # It was cut off.
        return re.sub(r"\\[ntr]", " ", text.lstrip('["'))
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return value if isinstance(value, str) else text


def changed(text: str | None) -> str:
    """
    Return the beginning of what a state changed as a person reads it: a difference, or names with what became of each.

    :param text: JSON, or the beginning of some.
    """
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return said(text)
    if not isinstance(value, dict):
        return said(text)
    if set(value) == {"diff"} and isinstance(value["diff"], str):
        return value["diff"]
    return "\n".join(f"{name}: {_change(one)}" for name, one in value.items())


def _change(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"old", "new"}:
        return f"{value['old'] or 'nothing'} → {value['new'] or 'nothing'}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
