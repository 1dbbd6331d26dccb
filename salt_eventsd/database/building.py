"""
What is written for the events of a batch: their rows, some of them at a time.

Where a database has one writer at a time, the rows of a batch's first events are made before its turn, while another
batch is written. So the writer has little more to do than to hand over rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from salt_eventsd.database.dialects.base.runs import Values
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.rows.returned import Usual
from salt_eventsd.database.rows.seen import Sighting, sighting_of
from salt_eventsd.database.rows.usual_run import UsualRun
from salt_eventsd.database.user_tables import tables as user_tables
from salt_eventsd.database.user_tables.tables import Writers
from salt_eventsd.database.user_tables.writer import Writer
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import Event
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Refusal

#: The names of the built-in tables begin so.
PREFIX = "eventsd_"
#: The rows of so many bytes of events are made and inserted at a time: the rows of states take several times as much.
_AT_ONCE_BYTES = 5 * 2**18
#: Rows of built-in tables, each with the name of its table.
Rows = list[tuple[str, Row]]


class Built(msgspec.Struct, frozen=True, gc=False):
    """
    What is written for an event.

    :param position: of the event in its batch, -1 for one that is made up.
    :param rows: of built-in tables.
    :param own: of a table or statement of the user's own.
    :param run: further rows of the table of states.
    :param returned: a row of the table of returns, the values of its columns.
    :param usual: that row of a usual return, which has no other but perhaps its minion's.
    """

    position: int
    rows: Rows
    own: tuple[Writer, Row] | None = None
    run: UsualRun | None = None
    returned: Values | None = None
    usual: Usual | None = None

    @property
    def targets(self) -> set[str]:
        """The tables and the rule it has rows for, by their names."""
        return {self.own[0].key} if self.own else {PREFIX + name for name in self.tables}

    @property
    def tables(self) -> list[str]:
        """The names of the tables of its rows; a run counts as one."""
        names = ["returns"] if self.returned or self.usual else []
        names += [name for name, _ in self.rows]
        return [*names, "states"] if self.run else names


#: What is written for some events, and of which no rows can be made, and why.
Made = tuple[list[Built], list[Refusal]]


class Ahead:
    """
    Rows that were made before their turn, and are used once.

    :param builder: the rows are of use only where this one makes them.
    :param positions: of the events.
    :param made: from :func:`build`.
    """

    def __init__(self, builder: RowBuilder, positions: Sequence[int], made: Made) -> None:
        self.builder = builder
        self._positions = positions
        self._made: Made | None = made

    def take(self, positions: Sequence[int]) -> Made | None:
        """
        Return what was made, and keep none of it; None if that is not of just these events.

        :param positions: of the events in the batch.
        """
        if self._positions != positions:
            return None
        made, self._made = self._made, None
        return made


def parts(events: Sequence[Event], positions: Sequence[int]) -> Iterator[list[int]]:
    """
    Yield positions of events whose rows are made and inserted at a time: as few parts as that takes, and about alike,
    for the last few events by themselves cost as many statements as many do.

    :param events: of a batch.
    :param positions: of those that are written.
    """
    sizes = [len(event.body) + len(event.returned) for event in events]
    ends = list(accumulate([sizes[position] for position in positions]))
    total = ends[-1] if ends else 0
    fair = total // max(1, -(-total // _AT_ONCE_BYTES)) + max(sizes, default=0)
    most = min(_AT_ONCE_BYTES, fair)
    start = before = 0
    while start < len(ends):
        end = max(start + 1, bisect_right(ends, before + most))
        yield list(positions[start:end])
        start, before = end, ends[end - 1]


def build(builder: RowBuilder, writers: Writers, events: Sequence[Event], positions: Sequence[int]) -> Made:
    """
    Make the rows of events; an event of which none can be made is refused like one that the database refuses. What a
    return says of its minion is mostly put off, so its row is not made here.

    :param builder: makes rows of built-in tables.
    :param writers: of the rules with tables and statements of the user's own.
    :param events: of a batch.
    :param positions: of the events in the batch.
    """
    built: list[Built] = []
    refusals: list[Refusal] = []
    usual_of, rows_of = builder.usual_rows(), builder.without_sighting
    for position in positions:
        event = events[position]
        try:
            if usual := usual_of(event):
                built.append(Built(position, [], usual=usual))
                continue
            if event.into == OWN:
                built.append(Built(position, [], user_tables.row_of(writers, event)))
            else:
                rows, run, returned = rows_of(event)
                built.append(Built(position, rows, None, run, returned))
        except Exception as exc:
            refusals.append((position, one_line(exc)))
    return built, refusals


def ahead_of(builder: RowBuilder, events: Sequence[Event], master: str) -> Ahead | None:
    """
    Make the rows of a batch's first events, unless some have tables of the user's own, which are looked at first.

    :param builder: makes rows.
    :param events: of the batch.
    :param master: whose events they are, "" for that of the builder.
    """
    first = next(parts(events, range(len(events))), [])
    if any(events[position].into == OWN for position in first):
        return None
    return Ahead(builder, first, build(builder.of(master) if master else builder, {}, events, first))


def sightings_of(built: Iterable[Built]) -> list[tuple[int, Sighting]]:
    """
    Return what the newest return of each minion says of it, with the position of its event.

    :param built: usual returns.
    """
    newest: dict[str, tuple[int, Usual]] = {}
    for one in built:
        if usual := one.usual:
            known = newest.get(usual.minion_id)
            if known is None or known[1].stamp <= usual.stamp:
                newest[usual.minion_id] = (one.position, usual)
    return [(position, sighting_of(usual)) for position, usual in newest.values()]
