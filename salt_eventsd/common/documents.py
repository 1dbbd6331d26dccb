"""
Read JSON that a database has written.

PostgreSQL keeps numbers as digits: what was written as ``1e300`` comes back with 301 of them, and Python would make a
whole number of that, which neither MessagePack nor a log has room for.
"""

from __future__ import annotations

import json
from typing import Any

#: What an event can hold as a whole number.
_LEAST, _MOST = -(2**63), 2**64 - 1
#: No number with fewer digits is larger, and with more than this, each is.
_FEW, _MANY = 19, 21


def loads(text: str | bytes) -> Any:
    """
    Return what JSON says. A whole number that no event can hold was a float.

    :param text: the JSON.
    :raises ValueError: it is none.
    """
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    if len(digits) < _FEW:
        return int(digits)
    if len(digits) > _MANY:
        return float(digits)
    number = int(digits)
    return number if _LEAST <= number <= _MOST else float(digits)
