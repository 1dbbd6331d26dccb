"""
Weight: how many values a payload holds, counted before it is decoded.

One byte of MessagePack can become a hundred bytes of memory, and each value, however small, costs all later steps some
time. :mod:`msgpack` reads the values one by one and drops each at once, so the counting itself needs no memory.
"""

from __future__ import annotations

from typing import Any

import msgpack

#: How many values, keys included, a payload may hold: any number up to the first; in a larger payload one value for so
#: many bytes; and never more than the last.
_VALUES, _BYTES_A_VALUE, _MOST_VALUES = 200_000, 8, 500_000
#: A payload of no more bytes need not be counted, which takes as long as to decode it: each value has a byte at least.
LIGHT_BYTES = _VALUES


class _Heavy(Exception):
    """A payload holds too many values."""


class _Scales:
    """Counts the values of mappings and lists as they are read."""

    def __init__(self, most: int) -> None:
        self._left = most

    def mapping(self, found: dict[Any, Any]) -> None:
        self._count(2 * len(found))

    def list(self, found: list[Any]) -> None:
        self._count(len(found))

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise _Heavy


def most_values(size: int) -> int:
    """
    Return how many values a payload may hold.

    :param size: its size in bytes.
    """
    return min(_MOST_VALUES, max(_VALUES, size // _BYTES_A_VALUE))


def is_heavy(payload: bytes) -> bool:
    """
    Say whether a payload holds more values than it may. One that is not MessagePack is never heavy: it is kept as text.

    :param payload: as it came off the bus, of more than :data:`LIGHT_BYTES`.
    """
    most = most_values(len(payload))
    scales = _Scales(most)
    try:
        msgpack.unpackb(
            payload,
            raw=True,
            strict_map_key=False,
            object_hook=scales.mapping,
            list_hook=scales.list,
            ext_hook=_nothing,
            max_array_len=most,
            max_map_len=most // 2,
        )
    except _Heavy:
        return True
    except ValueError as exc:
        # msgpack refuses a list or mapping that is too long before it allocates memory for it.
        return "exceeds max" in str(exc)
    except Exception:
        return False
    return False


def _nothing(code: int, data: bytes) -> None:
    """Ignore what an extension type stands for: it counts as one value."""
