"""What each part can carry, what the load takes of it, and which one is the limit. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.carry import Figures
from benchmarks.fleet.costs import Costs
from benchmarks.fleet.fleet import Fleet

_DAY_SECONDS = 86_400
_MONTH_SECONDS = 30 * _DAY_SECONDS


@dataclass(frozen=True)
class Limits:
    """
    How many events a second each part can carry, of all masters.

    :param masters: their engines, a core each.
    :param bus: Salt's publishers.
    :param broker: its processors and its network.
    :param writers: their processors, and their waiting for the database.
    :param database: its processors.
    :param disk: of the database, for what it logs.
    :param machine: where all of it runs on one.
    """

    masters: float
    bus: float
    broker: float
    writers: float
    database: float
    disk: float
    machine: float

    @property
    def publishing(self) -> float:
        """Up to the stream."""
        return min(self.masters, self.broker)

    @property
    def writing(self) -> float:
        """From the stream to the table."""
        return min(self.writers, self.database, self.disk)

    @property
    def lowest(self) -> tuple[str, float]:
        """The name of the part that limits all, and its limit."""
        named = vars(self).items()
        return min(named, key=lambda one: one[1])


def limits(fleet: Fleet, costs: Costs) -> Limits:
    """
    Return the limits of a fleet.

    :param fleet: what there is.
    :param costs: of an event.
    """
    states, machines = fleet.states_an_event, fleet.machines
    engine = costs.engine.of(states) + costs.publish.of(states)
    written, stored = costs.writer.of(states), costs.database.of(states)
    # Into the leader, from there to the other copies, and out to a writer.
    carried = costs.stream.of(states) * (fleet.replicas + 1)
    one_writer = min(1e6 / written, fleet.concurrency * 1e6 / costs.turn.of(states))
    everything = engine + costs.broker.of(states) + written + stored
    return Limits(
        masters=fleet.masters * 1e6 / engine,
        bus=fleet.masters * machines.bus,
        broker=min(machines.network / carried, fleet.replicas * machines.broker_cores * 1e6 / costs.broker.of(states)),
        writers=fleet.writers * one_writer,
        database=machines.database_cores * 1e6 / stored,
        disk=machines.wal / costs.wal.of(states),
        machine=machines.shared_cores * 1e6 / everything if machines.shared_cores else math.inf,
    )


def load(fleet: Fleet, costs: Costs) -> list[Figures]:
    """
    Return a row for each part: what it can carry, and what the load takes of that.

    :param fleet: what there is.
    :param costs: of an event.
    """
    found = limits(fleet, costs)
    about = {
        "masters": f"{fleet.masters} engines, a core each",
        "bus": f"{fleet.masters} publishers of Salt",
        "broker": f"{fleet.replicas} nodes, {fleet.machines.network / 1e6:.0f} MB/s",
        "writers": f"{fleet.writers} processes, {fleet.concurrency} parcel(s) at once",
        "database": f"{fleet.machines.database_cores:g} cores",
        "disk": f"{fleet.machines.wal / 1e6:.0f} MB/s of WAL",
        "machine": f"{fleet.machines.shared_cores:g} cores for all",
    }
    return [
        {
            "part": part,
            "that is": about[part],
            "events/s at most": most,
            "% on average": 100 * fleet.rate / most,
            "% at most": 100 * fleet.most / most,
            "limit": part == found.lowest[0],
        }
        for part, most in vars(found).items()
        if math.isfinite(most)
    ]


def volume(fleet: Fleet, costs: Costs) -> list[Figures]:
    """
    Return what the average load takes a second, a day and a month.

    :param fleet: what there is.
    :param costs: of an event.
    """
    states = fleet.states_an_event
    sizes = {
        "rows and indexes": costs.rows.of(states),
        "write-ahead log": costs.wal.of(states),
        "through the stream": costs.stream.of(states),
        "through the spools": costs.spool.of(states),
    }
    spent = {
        "engines": costs.engine.of(states) + costs.publish.of(states),
        "broker": costs.broker.of(states),
        "writers": costs.writer.of(states),
        "database": costs.database.of(states),
    }
    taken = [
        {
            "what": what,
            "bytes/event": size,
            "MB/s": fleet.rate * size / 1e6,
            "GB/day": fleet.rate * size * _DAY_SECONDS / 1e9,
            "GB/month": fleet.rate * size * _MONTH_SECONDS / 1e9,
        }
        for what, size in sizes.items()
    ]
    return [
        *taken,
        *({"what": f"CPU: {who}", "us/event": us, "cores": fleet.rate * us / 1e6} for who, us in spent.items()),
    ]
