"""
Frames: what the bus carries, a tag and a payload, before the payload is decoded.

A frame is the tag, two line feeds, and the payload in MessagePack (:meth:`salt.utils.event.SaltEvent.pack`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.event.clip import LONGEST_TAG, clipped_bytes
from salt_eventsd.event.codec import pack

#: The tag of the event that holds the engine's own counters.
STATS_TAG = "eventsd/stats"
#: How the tags of events begin that the engine itself fires; it never keeps them.
OWN_TAGS = "salt/eventsd/"
#: What stands between the tag and the payload.
TAG_END = b"\n\n"

_SYNDIC = "syndic/"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """
    A frame whose tag has been read and whose payload has not.

    :param tag: the tag, without the prefix of a syndic.
    :param full_tag: the tag as it came off the bus; the same object as ``tag`` if no syndic has put a prefix to it.
    :param payload: MessagePack.
    :param received: when the frame was read, in seconds since 1970 UTC.
    """

    tag: str
    full_tag: str
    payload: bytes
    received: float


def read_tag(raw: bytes, received: float) -> Frame:
    """
    Split a frame into tag and payload. This is cheap, because most events are wanted by no rule.

    :param raw: the frame.
    :param received: when it was read, in seconds since 1970 UTC.
    """
    tag_bytes, _, payload = raw.partition(TAG_END)
    if len(tag_bytes) > LONGEST_TAG:
        tag_bytes = clipped_bytes(tag_bytes, LONGEST_TAG)
    full_tag = tag_bytes.decode("utf-8", "backslashreplace")
    tag = _without_syndics(full_tag) if full_tag.startswith(_SYNDIC) else full_tag
    return Frame(tag, full_tag, payload, received)


def pack_frame(tag: str, data: Any) -> bytes:
    """
    Return a frame as the bus would carry it, for an event that does not come from there. Never raises.

    :param tag: the tag, with the prefix of a syndic if it came through one.
    :param data: the payload, of any types.
    """
    return tag.encode("utf-8", "surrogatepass") + TAG_END + pack(data)


def syndics_of(full_tag: str) -> str:
    """
    Return the names of the syndics an event came through, outermost first, with slashes between; "" if through none.

    :param full_tag: the tag as it came off the bus.
    """
    if not full_tag.startswith(_SYNDIC):
        return ""
    prefix = full_tag[: len(full_tag) - len(_without_syndics(full_tag))]
    return "/".join(prefix.split("/")[1::2])


def _without_syndics(tag: str) -> str:
    """A master of masters sees the events of its syndics under syndic/<name>/, nested where syndics are."""
    start = 0
    while tag.startswith(_SYNDIC, start):
        end = tag.find("/", start + len(_SYNDIC)) + 1
        if end <= start + len(_SYNDIC) + 1 or end == len(tag):
            break
        start = end
    return tag[start:]
