"""
What a payload weighs before it is unpacked: a few bytes of MessagePack can become a hundred of memory, and each value,
however small, costs the steps behind some time.

Values are counted while :mod:`msgpack` reads them and lets go of each at once, so that counting needs no memory itself.
"""

from __future__ import annotations

from typing import Any

import msgpack

#: A payload of so many bytes needs no weighing: whatever is in it, it costs a fraction of a second.
LIGHT_BYTES = 128 * 2**10
#: How many values a payload may hold, keys among them: so many, or in a larger one, one in so many bytes, and no more
#: than so many.
_VALUES, _BYTES_A_VALUE, _MOST_VALUES = 200_000, 8, 500_000


class _Heavy(Exception):
    """There are too many values."""


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
    Say whether a payload holds more values than there is time and memory for. What is no MessagePack is not heavy.

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
        # It says so of a list or mapping too long, before it makes room for it.
        return "exceeds max" in str(exc)
    except Exception:
        return False
    return False


def _nothing(code: int, data: bytes) -> None:
    """What an extension type stands for does not matter here."""
