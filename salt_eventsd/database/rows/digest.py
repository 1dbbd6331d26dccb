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
#: To copy one takes half the time of making it.
_NEW = hashlib.blake2b(digest_size=8)


def of_return(event: Event, retcode: int | None) -> int:
    """
    Return the digest of a return among those of its minion to its job, as a signed number of 64 bits.

    It leaves out what a syndic does not always hand on: arguments, the user, the duration.

    :param event: the return.
    :param retcode: of the function.
    """
    if isinstance(event, Replayed) and event.table == "returns":
        return event.digest
    return _hash(_head(event, retcode) + (event.returned or _lasting(event.body)))


class Digest:
    """
    Makes the digests that :func:`of_return` makes, of returns that differ in nothing but what was returned.

    :param begun: what they have in common.
    """

    __slots__ = ("_begun",)

    def __init__(self, begun: bytes) -> None:
        self._begun = _NEW.copy()
        self._begun.update(begun)

    @classmethod
    def begun(cls, event: Event, retcode: int | None) -> Digest | None:
        """
        Return what makes the digests of a return and those like it; None if they have something else in them.

        :param event: the return.
        :param retcode: of the function.
        """
        if event.jid in NO_JID or isinstance(event, Replayed):
            return None
        return cls(_head(event, retcode))

    def of(self, returned: bytes) -> int:
        """
        Return the digest of one of them.

        :param returned: what was returned, not b"".
        """
        made = self._begun.copy()
        made.update(returned)
        return int.from_bytes(made.digest(), "big", signed=True)


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


def _head(event: Event, retcode: int | None) -> bytes:
    what = f"{event.fun} {retcode} {event.stamp!r} " if event.jid in NO_JID else f"{event.fun} {retcode} "
    return what.encode()


def _lasting(body: bytes) -> bytes:
    """Return a payload without what differs between copies of one event."""
    if not body.startswith(b"{"):
        return body
    return msgspec.json.encode({key: value for key, value in _AS_FIELDS(body).items() if key not in _VOLATILE})


def _hash(what: bytes) -> int:
    made = _NEW.copy()
    made.update(what)
    return int.from_bytes(made.digest(), "big", signed=True)
