"""
The shape of the payload of a usual return: what it has in common with those of other minions, jobs and times, as
MessagePack and as JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salt_eventsd.event.codec import quoted, value_as_text
from salt_eventsd.event.parse import Event

#: What a shape has a hole for, in the order in which Salt has them; the job is anywhere.
_HOLES = ("id", "return", "_stamp")
#: The length of a time as Salt writes it, without a zone. How MessagePack begins such a text -> the zone behind it,
#: which Salt 3008 writes, too.
STAMP_BYTES = 26
ZONES = {b"\xba": b"", b"\xd9\x20": b"+00:00"}
#: A minion of Salt 3008 says in whole seconds when it has sent a return: so MessagePack begins the number, of so many
#: bytes.
_TS, _TS_HEAD, TS_BYTES = "ts", b"\xce", 4
#: How a payload begins that has a few fields, and how the name of the function does.
_FEW_FIELDS, _FUN = 0x80, b"\xa3fun"
#: How a text begins that has up to so many bytes, and one of up to 255.
_SHORT_TEXT, _LONGEST_SHORT, _TEXT = 0xA0, 31, 0xD9
_FIELDS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


class Shape(msgspec.Struct, frozen=True, eq=False, gc=False):
    """
    A payload with holes.

    :param fun: the function.
    :param packed: what stands around the minion's id, what was returned, the time, and the number at the end if there
        is one; each in pieces around the job.
    :param texts: likewise for the payload as JSON text, in which what was returned has no place.
    :param head: how the time begins, one of those of :data:`ZONES`.
    """

    fun: str
    packed: list[list[bytes]]
    texts: list[list[bytes]]
    head: bytes


def shape_of(payload: bytes, event: Event) -> Shape | None:
    """
    Return the shape of a payload, None if it is not just as Salt makes it.

    :param payload: as MessagePack.
    :param event: what has become of it.
    """
    try:
        fields = {name: bytes(raw) for name, raw in _FIELDS(payload).items()}
        has_ts = [*fields][-1] == _TS and fields[_TS].startswith(_TS_HEAD)
        packed = [("", bytes([_FEW_FIELDS + len(fields)]))]
        texts = [("", b"{")]
        for name, value in fields.items():
            if has_ts and name == _TS:
                packed += [("", packed_text(name.encode()) + _TS_HEAD), (name, value.removeprefix(_TS_HEAD))]
            else:
                packed += [("", packed_text(name.encode())), (name, value)]
            if name != "return":
                texts += [("", b"," * (len(texts) > 1) + quoted(name) + b":"), (name, value_as_text(value))]
        texts.append(("", b"}"))
        told = {"id": packed_text(event.minion_id.encode()), "jid": packed_text(event.jid.encode())}
        head = next(head for head in ZONES if fields["_stamp"].startswith(head))
    except Exception:
        return None
    is_as_made = (
        [name for name in fields if name in _HOLES] == list(_HOLES)
        and all(fields.get(name) == value for name, value in told.items())
        and fields["_stamp"][len(head) + STAMP_BYTES :] == ZONES[head]
        and b"".join([part for _, part in packed]) == payload
        and b"".join([part for _, part in texts]) == event.body
    )
    holes = (*_HOLES, _TS) if has_ts else _HOLES
    return Shape(event.fun, _pieces(packed, holes), _pieces(texts, holes), head) if is_as_made else None


def _pieces(parts: Sequence[tuple[str, bytes]], holes: Sequence[str]) -> list[list[bytes]]:
    """Return what stands around the holes; each in pieces around the job id."""
    pieces = [[b""]]
    for name, part in parts:
        if name in holes:
            pieces.append([b""])
        elif name == "jid":
            pieces[-1].append(b"")
        else:
            pieces[-1][-1] += part
    return pieces


def key_of(payload: bytes) -> bytes:
    """
    Return what payloads of one shape have in common: the name of the function.

    :param payload: as MessagePack.
    """
    at = payload.rfind(_FUN)
    start = at + len(_FUN)
    return payload[at : start + 1 + payload[start] % _SHORT_TEXT] if 0 <= at < len(payload) - len(_FUN) else b""


def packed_text(text: bytes) -> bytes:
    """
    Return a short text as MessagePack.

    :param text: in UTF-8, of up to 255 bytes.
    """
    if len(text) <= _LONGEST_SHORT:
        return bytes((_SHORT_TEXT + len(text),)) + text
    return bytes((_TEXT, len(text))) + text
