"""What an event costs, as it was measured on one machine. ``--measure`` puts in the figures of another. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Cost:
    """
    What one part of the way pays.

    :param event: for an event: a job, a small return.
    :param state: more, for each state result in a return.
    """

    event: float
    state: float = 0.0

    def of(self, states: float) -> float:
        """
        Return what an event costs.

        :param states: how many state results it has; on average over all events.
        """
        return self.event + self.state * states


@dataclass(frozen=True)
class Costs:
    """
    All costs. Times are microseconds of one processor core, sizes are bytes.

    :param engine: reading the bus, matching, redacting, spooling.
    :param publish: making parcels of the spool's chunks and publishing them.
    :param broker: all nodes of the broker together.
    :param spool: bytes in a master's spool.
    :param stream: bytes in one copy of the stream.
    :param writer: pulling and unpacking parcels, building rows, sending them.
    :param database: the database's processes.
    :param wal: bytes that the database logs.
    :param rows: bytes that the database keeps, with indexes.
    :param turn: microseconds that pass until a writer alone has written it, one parcel at once: while the database
        works on one, the writer unpacks the next.
    """

    engine: Cost = Cost(74.0, 20.0)
    publish: Cost = Cost(8.0, 4.5)
    broker: Cost = Cost(5.0, 3.0)
    spool: Cost = Cost(377.0, 421.0)
    # What the benchmark makes is too much alike: returns of a real fleet become a fifth, and not a fifteenth.
    stream: Cost = Cost(75.0, 84.0)
    writer: Cost = Cost(62.0, 50.0)
    database: Cost = Cost(33.0, 47.0)
    wal: Cost = Cost(905.0, 744.0)
    rows: Cost = Cost(729.0, 528.0)
    turn: Cost = Cost(82.0, 62.0)

    def plain(self) -> dict[str, Any]:
        """Return them for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, told: dict[str, Any]) -> Costs:
        """
        Return costs from JSON.

        :param told: from :meth:`plain`; what it lacks is as it was measured here.
        :raises ValueError: it has something else.
        """
        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(told) - names):
            raise ValueError(f"no {', '.join(unknown)} among the costs; there are {', '.join(sorted(names))}")
        return cls(**{name: Cost(**cost) for name, cost in told.items()})
