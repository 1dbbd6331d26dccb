"""
Beats: what an engine says to those of the other masters of its cluster, every other second: that it runs, and up to
which of its beats it has kept all that was on its bus.

A beat is sealed with the cluster's private key, which each master of a cluster has and no minion. So no minion can keep
an engine alive that is down, or tell that something was kept.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from salt_eventsd.event.frame import TAG_END

#: The tag of a beat. It is none of ``salt/eventsd/``, because reactors may be bound to these.
BEAT_TAG = "eventsd/alive"
#: How the frame of a beat begins.
BEAT_FRAME = BEAT_TAG.encode() + TAG_END
#: No beat is larger, in bytes.
_MOST_BYTES = 2048
_PURPOSE = b"salt-eventsd beat"


class Beat(msgspec.Struct, frozen=True):
    """
    A beat.

    :param id: the master's.
    :param life: a time in which the engine has read its bus without a gap.
    :param number: of the beat in its life, from 1 on.
    :param kept: the number of a beat before which all of this life that was on the bus is kept; 0 if none is.
    :param at: when it was fired, in microseconds since 1970 UTC.
    """

    id: str
    life: str
    number: int
    kept: int
    at: int


class _Sealed(Beat, frozen=True):
    """A beat as it is on the bus, between other keys that Salt has added."""

    seal: str


_decode = msgspec.msgpack.Decoder(_Sealed).decode


def key_of(secret: bytes) -> bytes:
    """
    Return the key that seals beats; b"" if there is no secret.

    :param secret: the cluster's private key, as its file has it.
    """
    # Masters that have sent it to each other may differ in line ends.
    return hmac.digest(_PURPOSE, b"".join(secret.split()), hashlib.sha256) if secret.strip() else b""


def sealed(beat: Beat, key: bytes) -> dict[str, Any]:
    """
    Return the payload of a beat.

    :param beat: the beat.
    :param key: from :func:`key_of`.
    """
    return {**msgspec.structs.asdict(beat), "seal": _seal(beat, key)}


def read_beat(raw: bytes, key: bytes) -> Beat | None:
    """
    Return the beat in a frame; None if it is none, or not sealed with this key.

    :param raw: a frame that begins with :data:`BEAT_FRAME`.
    :param key: from :func:`key_of`; with b"" no beat is believed.
    """
    if not key or len(raw) > _MOST_BYTES:
        return None
    try:
        found = _decode(raw[len(BEAT_FRAME) :])
        beat = Beat(found.id, found.life, found.number, found.kept, found.at)
        return beat if hmac.compare_digest(found.seal.encode(), _seal(beat, key).encode()) else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _seal(beat: Beat, key: bytes) -> str:
    return hmac.new(key, msgspec.json.encode(beat), hashlib.sha256).hexdigest()
