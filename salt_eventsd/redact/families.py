"""
Reads ``redact.keys``: names to add to the default, and with ``!``, families or shapes to take out of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from salt_eventsd.redact.shapes import SHAPES
from salt_eventsd.redact.vocabulary import FAMILIES

_NOT = "!"


def chosen(keys: Sequence[str]) -> tuple[list[str], list[str], set[str]]:
    """
    Return the families of names to mask, further names to mask, and what was taken out of the default.

    :param keys: as in the config.
    """
    without = {key[1:].strip().lower() for key in keys if key.startswith(_NOT)}
    own = [key for key in keys if not key.startswith(_NOT)]
    return [name for name in FAMILIES if name not in without], own, without


def why_not(key: str) -> str:
    """
    Return why an entry of ``redact.keys`` is invalid; "" if it is valid.

    :param key: as in the config.
    """
    if key.startswith(_NOT):
        name = key[1:].strip().lower()
        if name not in FAMILIES and all(name != shape.name for shape in SHAPES):
            return f"there is no {key[1:]!r} to take out of the default; its keys are {', '.join(FAMILIES)}"
    elif not any(sign.isalnum() for sign in key):
        return f"expected a name, got {key!r}"
    return ""
