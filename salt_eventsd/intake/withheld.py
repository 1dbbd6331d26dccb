"""
Withheld: an event that would take too long is kept without its payload, because nobody has redacted that.

What is kept is the short values that Salt itself puts into each payload, and of the whole payload its size and its
hash, so that it can be recognised where it came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import msgspec

from salt_eventsd.common.budget import OutOfTime, limited
from salt_eventsd.event.clip import clipped
from salt_eventsd.event.codec import Texts, decode, decode_as_texts
from salt_eventsd.event.frame import Frame
from salt_eventsd.event.parse import function_of
from salt_eventsd.event.weight import LIGHT_BYTES, is_heavy, most_values
from salt_eventsd.intake.origin import MINION_EVENT, PEER
from salt_eventsd.intake.result import Unusual

#: The key that says why a payload was not kept.
MARK = "eventsd_withheld"
#: Longer texts are clipped, in characters.
_LONGEST = 256
#: A payload is withheld if the name of its function, or the names of several together, are longer, in characters.
_LONGEST_FUN = 16 * 2**10
#: Of a larger payload the text is not kept until it is known whether there is a secret in it, in bytes.
_TEXTS_BYTES = 4 * 2**20
#: How much of a thread's processor time an event may take until it is built.
_SECONDS_A_MEGABYTE, _MOST_SECONDS = 0.35, 0.9


class TooMuch(Exception):
    """An event would take too long; the text says why."""


class _Head(msgspec.Struct, gc=False):
    """The keys of a payload that are read when it is withheld; all others are skipped without being decoded."""

    cmd: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    jid: msgspec.Raw = msgspec.Raw()
    fun: msgspec.Raw = msgspec.Raw()
    retcode: msgspec.Raw = msgspec.Raw()
    success: msgspec.Raw = msgspec.Raw()
    _stamp: msgspec.Raw = msgspec.Raw()
    peer: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name=PEER)


_head = msgspec.msgpack.Decoder(_Head).decode
_PACKED_NAMES = {msgspec.msgpack.encode(name): name for name in _Head.__struct_encode_fields__}
_LONGEST_NAME = max(map(len, _PACKED_NAMES))
#: A payload with more keys than this and odd ones among them is not looked through.
_MOST_KEYS = 10_000


@contextmanager
def in_time(frame: Frame) -> Iterator[None]:
    """
    End the block when an event has taken as long as it may: so long for each megabyte, and never more than a second.

    :param frame: the frame of the event.
    :raises TooMuch: the time is over.
    """
    seconds = min(_MOST_SECONDS, _SECONDS_A_MEGABYTE * max(1.0, len(frame.payload) / 1e6))
    try:
        with limited(seconds):
            yield
    except OutOfTime:
        raise TooMuch(f"it took longer than {seconds:.2g} s") from None


def unpack(frame: Frame, known: Unusual | None = None) -> tuple[Any, str, Texts | None]:
    """
    Return the payload of a frame, decoded, its function, and the payload as JSON text if that is known.

    :param frame: the frame.
    :param known: what is known of it, if it has been decoded.
    :raises TooMuch: decoding it, or a later step, would take too long.
    """
    payload = frame.payload
    if len(payload) > LIGHT_BYTES and is_heavy(payload):
        raise TooMuch(f"it holds more than {most_values(len(payload))} values")
    if known is not None:
        data, texts, _ = known
    else:
        data, texts = decode_as_texts(payload) if len(payload) <= _TEXTS_BYTES else (decode(payload), None)
    fun = function_of(data)
    if len(fun) > _LONGEST_FUN:
        raise TooMuch(f"its function has {len(fun)} characters")
    return data, fun, texts


def withheld(frame: Frame, why: str) -> tuple[Frame, dict[str, Any]]:
    """
    Return a frame without its payload, and the payload that is kept instead. In a return, the note that the payload was
    withheld stands in place of what the function returned.

    :param frame: the frame.
    :param why: why the payload is withheld.
    """
    said = {MARK: why, "bytes": len(frame.payload), "sha256": hashlib.sha256(frame.payload).hexdigest()}
    found = _known(frame.payload)
    kept = {**found, "return": said} if frame.tag.startswith("salt/") and "/ret" in frame.tag else {**found, **said}
    return Frame(frame.tag, frame.full_tag, b"", frame.received), kept


def _known(payload: bytes) -> dict[str, Any]:
    try:
        head = _head(payload)
        fields = zip(head.__struct_encode_fields__, head.__struct_fields__, strict=True)
        raws = {name: getattr(head, field) for name, field in fields}
    except (msgspec.DecodeError, RecursionError):
        try:
            raws = _picked(payload)
        except (ValueError, msgpack.UnpackException):
            # Whoever has hidden who fired it speaks for nobody.
            return {"cmd": MINION_EVENT}
    found = {name: _short(raw) for name, raw in raws.items()}
    return {name: value for name, value in found.items() if value is not None}


def _picked(payload: bytes) -> dict[str, msgspec.Raw]:
    """
    Return what :class:`_Head` has of a payload with keys that are no text, which any minion can add.

    :raises ValueError: it has too many keys.
    :raises msgpack.UnpackException: it cannot be read.
    """
    found: dict[str, msgspec.Raw] = {}
    unpacker = msgpack.Unpacker(max_buffer_size=len(payload))
    unpacker.feed(payload)
    count = unpacker.read_map_header()
    if count > _MOST_KEYS:
        raise ValueError(f"it has {count} keys")
    for _ in range(count):
        start = unpacker.tell()
        unpacker.skip()
        middle = unpacker.tell()
        unpacker.skip()
        if name := _PACKED_NAMES.get(payload[start:middle] if middle - start <= _LONGEST_NAME else b""):
            found[name] = msgspec.Raw(payload[middle : unpacker.tell()])
    return found


def _short(raw: msgspec.Raw) -> str | int | float | bool | None:
    """Return a value if it is a single one and short; lists and mappings are withheld as well."""
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
