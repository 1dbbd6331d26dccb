"""Ids by which a backend tells that it has an event already."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import blake2b

from salt_eventsd.event.parse import Event

_MOMENT = struct.Struct("<d")


def event_id(event: Event, scope: str = "") -> str:
    """
    Return an id of 32 hexadecimal digits that is the same whenever an event comes again, in whatever batch.

    It is made of what the event holds and when it was read. Two events that are alike to the last byte and were read
    at the same microsecond would be taken for one.

    :param event: the event.
    :param scope: within which it is one, if not everywhere: the same event has another id in another scope.
    """
    digest = blake2b(digest_size=16)
    digest.update(_MOMENT.pack(event.received))
    for part in (scope.encode("utf-8", "backslashreplace"), event.tag.encode(), event.body, event.returned):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def events_id(ids: Iterable[str]) -> str:
    """
    Return an id of 32 hexadecimal digits for some events together.

    :param ids: theirs, in order.
    """
    return blake2b("".join(ids).encode(), digest_size=16).hexdigest()
