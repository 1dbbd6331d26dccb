"""
Tell a copy of an event (another master's, a syndic's, a minion's second try) from another event. A digest of what all
copies share is part of a unique key of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from salt_eventsd.event.parse import Event
from salt_eventsd.event.replayed import Replayed

#: Jids that name no job: Salt's place holders, which any number of returns share.
NO_JID = frozenset(("", "req", "nocache"))
#: Fields that differ between copies of one event: each master stamps its own.
_VOLATILE = frozenset(("_stamp", "__peer_id"))
_AS_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def of_return(event: Event, retcode: int | None) -> int:
    """
    Return the digest of a return among those of its minion to its job, as a signed number of 64 bits.

    It leaves out what a syndic does not always hand on: arguments, the user, the duration.

    :param event: the return.
    :param retcode: of the function.
    """
    if isinstance(event, Replayed) and event.table == "returns":
        return event.digest
    what = f"{event.fun} {retcode} {event.stamp!r} " if event.jid in NO_JID else f"{event.fun} {retcode} "
    return _hash(what.encode() + (event.returned or _lasting(event.body)))


def of_event(event: Event, data: bytes) -> int:
    """
    Return the digest of an event among those of its time, as a signed number of 64 bits.

    :param event: the event.
    :param data: its payload as JSON text.
    """
    if isinstance(event, Replayed) and event.table == "events":
        return event.digest
    return _hash(event.tag.encode() + _lasting(data))


def of_name(name: str) -> str:
    """
    Return the digest of a name that is too long for its column.

    :param name: the name.
    """
    return hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def of_content(values: Iterable[Any]) -> int:
    """
    Return the digest of values of rows, as a number of 64 bits.

    :param values: what JSON has words for.
    """
    return int.from_bytes(hashlib.blake2b(msgspec.json.encode(list(values)), digest_size=8).digest(), "big")


def _lasting(body: bytes) -> bytes:
    """Return a payload without what differs between copies of one event."""
    if not body.startswith(b"{"):
        return body
    return msgspec.json.encode({key: value for key, value in _AS_FIELDS(body).items() if key not in _VOLATILE})


def _hash(what: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(what, digest_size=8).digest(), "big", signed=True)
