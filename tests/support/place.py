"""
Where a worker writes, as the contract of all workers sees it: events go in, and their numbers come out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Transient
from salt_eventsd.workers.conformance.events import kinds
from tests.support.events import MINION, raw_frame, read, return_data
from tests.support.events import frame as pack
from tests.support.server import Server

#: Returns the running server of a kind.
Servers = Callable[[type[Server]], Any]

#: The minion whose events a place refuses once it is told to.
BAD = "bad.example.com"


class Place:
    """
    A place for one test, with nothing in it.

    :cvar module: the worker's.
    :cvar once: an event that is sent twice is there once.
    :cvar can_read: what has arrived can be looked at.
    :cvar can_stop: it can be away.
    :cvar can_refuse: it can refuse an event because of what is in it.
    :cvar large: how large an event it can be expected to take, in characters.
    :cvar takes_all_kinds: events of any kind are there, and not only those that :meth:`event` makes.
    :cvar keeps_empty: an event without a payload is there as well.
    :cvar away: what the worker raises while it is away.
    :cvar secret: what stands in the options and must not be told, "" if nothing does.
    :cvar can_stall: it is at the other end of a wire, and a worker has a time limit.
    :cvar can_move: a connection to it is kept, and it can be replaced under its address.
    :cvar largest: more bytes than this it does not take in an event, once it is told so; 0 if it can be told no limit.
    :cvar own: options that are not taken from the defaults of all workers.
    :param servers: where its server comes from.
    :param folder: for files.
    """

    module = ""
    once = False
    can_read = True
    can_stop = True
    can_refuse = True
    large = 2 * 2**20
    takes_all_kinds = True
    keeps_empty = True
    away: type[Exception] = Transient
    secret = ""
    can_stall = False
    can_move = False
    largest = 0
    own: tuple[str, ...] = ()

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.folder = folder

    def options(self) -> dict[str, Any]:
        """Return the options of a worker that writes here."""
        raise NotImplementedError

    def arrived(self) -> list[int]:
        """Return the numbers of the events that are here, in the order in which they came if there is one."""
        raise NotImplementedError

    def event(self, number: int, value: Any = True, minion_id: str = MINION) -> Event:
        """
        Return an event that can be told apart.

        :param number: its number.
        :param value: what a function returned.
        :param minion_id: the minion it is of.
        """
        rack = {} if minion_id == BAD else {"rack": "a"}
        data = return_data(value, str(number), minion_id, **rack)
        return read(pack(f"salt/job/{number}/ret/{minion_id}", data), into="events")

    def empty(self, number: int) -> Event:
        """Return an event that has a tag, and a payload of no bytes."""
        return read(raw_frame(f"salt/job/{number}/ret/{MINION}", b""), into="events")

    def kinds(self, first: int) -> list[Event]:
        """
        Return an event of each kind.

        :param first: the number of the first one.
        """
        return [msgspec.structs.replace(one, into="events") for one in kinds(first)]

    def stop(self) -> None:
        """Be away."""
        raise NotImplementedError

    def start(self) -> None:
        """Be back, with what was here."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Refuse the events of :data:`BAD`; to be called before a worker is made."""
        raise NotImplementedError

    def mend(self) -> None:
        """Refuse nothing any more; a worker that is made after it writes here what was refused."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """Where it listens."""
        raise NotImplementedError

    def name_like(self, other: Place) -> None:
        """Have the names, on its own server, that another place of its kind has."""

    def demote(self) -> None:
        """Be there and write nothing any more, for ever; its server is of no use to another test."""
        raise NotImplementedError

    def limit(self) -> None:
        """Take no event above :attr:`largest`, until the test ends."""
        raise NotImplementedError

    def close(self) -> None:
        """Clear away; the workers are closed."""


class Served(Place):
    """A place on a server that can be stopped."""

    kind: type[Server]

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self.server = servers(self.kind)

    @property
    def port(self) -> int:
        return int(self.server.port)

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()


def number_of(tag: str) -> int:
    """Return the number of an event by its tag."""
    return int(tag.split("/")[2])
