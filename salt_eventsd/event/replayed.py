"""Replayed: an event that comes out of a history, and not off the bus."""

from __future__ import annotations

from salt_eventsd.event.parse import Event


class Replayed(Event, frozen=True, array_like=True, gc=False):
    """
    An event out of a history.

    A database may have changed the order of its fields, and with it the digest that tells it from others. So it keeps
    the one that it was given first.

    :param digest: of its row.
    :param table: the built-in table whose row it was, "returns" or "events".
    """

    digest: int = 0
    table: str = ""
