"""
Events that would take the intake too long: they are kept without what is in them, which nobody has redacted.

What is left is what Salt puts into each payload itself, as far as it is short; how large the rest was; and its hash, by
which it can be found again where it came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from salt_eventsd.common.budget import OutOfTime, limited
from salt_eventsd.event.clip import clipped
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import Frame
from salt_eventsd.event.parse import function_of
from salt_eventsd.event.weight import LIGHT_BYTES, is_heavy, most_values

#: What stands in the payload of an event whose own was not kept.
MARK = "eventsd_withheld"
#: Longer texts are clipped, in characters.
_LONGEST = 256
#: A payload whose function, or several in one, is longer is withheld, in characters.
_LONGEST_FUN = 16 * 2**10
#: What an event may take of a thread's time, up to where it is built.
_SECONDS_A_MEGABYTE, _MOST_SECONDS = 0.35, 0.9


class TooMuch(Exception):
    """An event would take too long, and why."""


class _Head(msgspec.Struct, gc=False):
    """What is read of a payload; all else is passed over without being unpacked."""

    cmd: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    jid: msgspec.Raw = msgspec.Raw()
    fun: msgspec.Raw = msgspec.Raw()
    retcode: msgspec.Raw = msgspec.Raw()
    success: msgspec.Raw = msgspec.Raw()
    _stamp: msgspec.Raw = msgspec.Raw()


_head = msgspec.msgpack.Decoder(_Head).decode


@contextmanager
def in_time(frame: Frame) -> Iterator[None]:
    """
    End the block when an event has taken as long as it may: half a second a megabyte, and never more than one.

    :param frame: of the event.
    :raises TooMuch: it has.
    """
    seconds = min(_MOST_SECONDS, _SECONDS_A_MEGABYTE * max(1.0, len(frame.payload) / 1e6))
    try:
        with limited(seconds):
            yield
    except OutOfTime:
        raise TooMuch(f"it took longer than {seconds:.2g} s") from None


def unpack(frame: Frame) -> tuple[Any, str]:
    """
    Return the payload of a frame, decoded, and its function.

    :param frame: with its tag read.
    :raises TooMuch: that would take too long, or what comes after it would.
    """
    payload = frame.payload
    if len(payload) > LIGHT_BYTES and is_heavy(payload):
        raise TooMuch(f"it holds more than {most_values(len(payload))} values")
    data = decode(payload)
    fun = function_of(data)
    if len(fun) > _LONGEST_FUN:
        raise TooMuch(f"its function has {len(fun)} characters")
    return data, fun


def withheld(frame: Frame, why: str) -> tuple[Frame, dict[str, Any]]:
    """
    Return a frame without its payload, and what is kept instead of that; a return has it in place of what was returned.

    :param frame: with its tag read.
    :param why: it was too much.
    """
    said = {MARK: why, "bytes": len(frame.payload), "sha256": hashlib.sha256(frame.payload).hexdigest()}
    found = _known(frame.payload)
    kept = {**found, "return": said} if frame.tag.startswith("salt/") and "/ret" in frame.tag else {**found, **said}
    return Frame(frame.tag, frame.full_tag, b"", frame.received), kept


def _known(payload: bytes) -> dict[str, Any]:
    try:
        head = _head(payload)
    except (msgspec.DecodeError, RecursionError):
        return {}
    found = {name: _short(getattr(head, name)) for name in head.__struct_fields__}
    return {name: value for name, value in found.items() if value is not None}


def _short(raw: msgspec.Raw) -> str | int | float | bool | None:
    """A single value; what is larger is withheld as well."""
    packed = bytes(raw)
    if not packed or 0x80 <= packed[0] < 0xA0 or packed[0] in (0xDC, 0xDD, 0xDE, 0xDF):
        return None
    try:
        value = msgspec.msgpack.decode(packed)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(value, str):
        return clipped(value, _LONGEST)
    return value if isinstance(value, (int, float)) else None
