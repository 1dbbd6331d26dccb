"""Reads lengths of time as they stand in a configuration: ``90m``, ``12h``, ``7d``, ``1y``, ``forever``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_DURATION = re.compile(r"([0-9]{1,5})([smhdwy])")


def duration_of(text: object) -> timedelta | None:
    """
    Return a length of time, None for ``forever``.

    :param text: a number and a unit: s, m (minutes), h, d, w or y.
    :raises ValueError: the text is not a length of time; the error says what would be one.
    """
    if text == "forever":
        return None
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found or not int(found[1]):
        raise ValueError(f"expected a time like 12h, 30d or 1y, or forever, got {text!r}")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
