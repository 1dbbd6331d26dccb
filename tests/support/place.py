"""
The place a worker writes to, as the tests of the contract see it: events go in, and their numbers come out.
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

#: The minion whose events a place refuses after :meth:`Place.refuse`.
BAD = "bad.example.com"


class Place:
    """
    An empty place for one test.

    :cvar module: the module of the worker.
    :cvar once: whether an event that is sent twice arrives once.
    :cvar can_read: whether the test can read what has arrived.
    :cvar can_stop: whether the place can be away.
    :cvar can_refuse: whether the place can refuse an event because of its content.
    :cvar large: how large an event the place is expected to take, in characters.
    :cvar takes_all_kinds: whether the place keeps events of any kind, and not only those that :meth:`event` makes.
    :cvar keeps_empty: whether the place keeps an event without a payload.
    :cvar away: the error that the worker raises while the place is away.
    :cvar secret: the secret in the options, which must not be shown; "" if there is none.
    :cvar can_stall: whether the place is reached over a network by a worker with a time limit.
    :cvar can_move: whether the worker keeps a connection, and another server can take over the address.
    :cvar largest: the most bytes of an event after :meth:`limit`; 0 if the place cannot have a limit.
    :cvar own: options that the worker does not take from the defaults of all workers.
    :param servers: returns its server.
    :param folder: a folder for files.
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
        """Return the numbers of the events that have arrived, in their order if the place keeps one."""
        raise NotImplementedError

    def event(self, number: int, value: Any = True, minion_id: str = MINION) -> Event:
        """
        Return an event with a number.

        :param number: its number.
        :param value: the return of the function.
        :param minion_id: the minion that returned it.
        """
        rack = {} if minion_id == BAD else {"rack": "a"}
        data = return_data(value, str(number), minion_id, **rack)
        return read(pack(f"salt/job/{number}/ret/{minion_id}", data), into="events")

    def empty(self, number: int) -> Event:
        """Return an event with a tag and an empty payload."""
        return read(raw_frame(f"salt/job/{number}/ret/{MINION}", b""), into="events")

    def kinds(self, first: int) -> list[Event]:
        """
        Return an event of each kind.

        :param first: the number of the first one.
        """
        return [msgspec.structs.replace(one, into="events") for one in kinds(first)]

    def stop(self) -> None:
        """Make the place unreachable."""
        raise NotImplementedError

    def start(self) -> None:
        """Make the place reachable again, with its data."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Make the place refuse the events of :data:`BAD`. Call this before making a worker."""
        raise NotImplementedError

    def mend(self) -> None:
        """Make the place refuse nothing. A worker made after this call writes the events that were refused."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The port of the place."""
        raise NotImplementedError

    def name_like(self, other: Place) -> None:
        """Use the same names, on its own server, as another place of its kind."""

    def demote(self) -> None:
        """Make the place answer and refuse to write, for good. No other test can use its server."""
        raise NotImplementedError

    def limit(self) -> None:
        """Make the place refuse events above :attr:`largest`, until the test ends."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove the place. The workers are closed by then."""


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
    """Return the number of an event from its tag."""
    return int(tag.split("/")[2])
