"""What there is: masters, load, machines, and what goes wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Part(str, Enum):
    """What may be away."""

    #: The broker as a whole, or most of its nodes.
    BROKER = "broker"
    #: One node of it: the others elect a leader, and go on.
    NODE = "node"
    DATABASE = "database"
    #: The writers, all of them.
    WRITERS = "writers"


@dataclass(frozen=True)
class Span:
    """
    A time.

    :param begin: when it begins, in seconds.
    :param seconds: how long it lasts.
    """

    begin: float
    seconds: float

    def has(self, moment: float) -> bool:
        """Say whether a moment is in it."""
        return self.begin <= moment < self.begin + self.seconds


@dataclass(frozen=True)
class Burst(Span):
    """
    More than usual.

    :param rate: events a second, of all masters, in place of the usual.
    """

    rate: float = 0.0


@dataclass(frozen=True)
class Outage(Span):
    """
    Something is away.

    :param part: what.
    """

    part: Part = Part.DATABASE


@dataclass(frozen=True)
class Machines:
    """
    What the parts run on.

    :param bus: events a second that Salt's publisher carries on one master.
    :param broker_cores: of each node.
    :param network: bytes a second of each node's network.
    :param database_cores: of the database's machine.
    :param wal: bytes a second that the database's disk takes.
    :param shared_cores: where all of it runs on one machine, its cores; 0 if each part has its own.
    :param election: how many seconds it takes the broker to go on without a node.
    """

    bus: float = 7000.0
    broker_cores: float = 2.0
    network: float = 110e6
    database_cores: float = 8.0
    wal: float = 150e6
    shared_cores: float = 0.0
    election: float = 10.0


@dataclass(frozen=True)
class Fleet:
    """
    A fleet.

    :param masters: how many.
    :param rate: events a second on average, of all masters.
    :param highstates: which share of the events are returns of state runs.
    :param states: how many states each of these has.
    :param writers: how many processes.
    :param concurrency: how many parcels each of them writes at once.
    :param replicas: how many copies the stream has.
    :param spool: bytes that each master's spool may take.
    :param stream: bytes that the stream may take.
    :param confirmed: whether masters keep chunks until the database has them (``confirm: database``).
    """

    masters: int = 20
    rate: float = 116.0
    highstates: float = 0.02
    states: int = 100
    writers: int = 2
    concurrency: int = 1
    replicas: int = 3
    spool: float = 1 * 1024.0**3
    stream: float = 200 * 1024.0**3
    confirmed: bool = False
    machines: Machines = Machines()
    bursts: tuple[Burst, ...] = ()
    outages: tuple[Outage, ...] = field(default=())

    @property
    def states_an_event(self) -> float:
        """How many state results an event has on average."""
        return self.highstates * self.states

    def arriving(self, moment: float) -> float:
        """
        Return how many events come up in a second.

        :param moment: in seconds.
        """
        return max((burst.rate for burst in self.bursts if burst.has(moment)), default=self.rate)

    @property
    def most(self) -> float:
        """The most events that come up in a second."""
        return max((burst.rate for burst in self.bursts), default=self.rate)

    def is_away(self, part: Part, moment: float) -> bool:
        """
        Say whether a part does nothing.

        :param part: the broker, the database or the writers.
        :param moment: in seconds.
        """
        for outage in self.outages:
            if outage.part is part and outage.has(moment):
                return True
            if part is Part.BROKER and outage.part is Part.NODE:
                # Only where its own leader was on the node does a stream stand still; the model takes the worst.
                away = outage.seconds if self.replicas < 3 else min(outage.seconds, self.machines.election)
                if Span(outage.begin, away).has(moment):
                    return True
        return False
