"""
Puts the questions of a report, and makes facts of the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salt_eventsd.database.questions import minions, totals, troubles
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.operate.report.facts import (
    Conformity,
    Engine,
    Interval,
    Listing,
    Report,
    Row,
    Silence,
    Totals,
)
from salt_eventsd.operate.report.intervals import edges
from salt_eventsd.operate.report.texts import changed, said

#: The worst first, as a grid and a table show them.
OUTCOMES = ("failed", "stale", "never", "changed", "healthy")
#: No more functions than so many are counted.
_MOST_FUNCTIONS = 500


@dataclass(frozen=True)
class About:
    """
    What a report is of.

    :param master: the master's id.
    :param worker: whose database is asked.
    :param start: the beginning of the time.
    :param made: its end: now.
    """

    master: str
    worker: str
    start: datetime
    made: datetime


@dataclass(frozen=True)
class Room:
    """
    How many rows a report has at most.

    :param rows: of a table.
    :param groups: of a table of functions or states.
    :param minions: of the table of all minions.
    :param cells: of the grid of minions.
    """

    rows: int = 100
    groups: int = 50
    minions: int = 500
    cells: int = 4000


def collect(reader: Reader, about: About, status: Mapping[str, Any], room: Room) -> Report:
    """
    Return the facts of a time.

    :param reader: of the history.
    :param about: which history and time.
    :param status: of the engine, from :func:`salt_eventsd.operate.status.read`.
    :param room: how much of it.
    """
    start, end = about.start, about.made
    first = totals.first_moment(reader, start, end)
    all_of_it = _totals(totals.of_time(reader, start, end))
    return Report(
        about.master,
        about.worker,
        reader.dialect.title,
        end,
        start,
        first,
        all_of_it,
        _totals(totals.of_time(reader, start - (end - start), start)),
        _intervals(reader, first or start, end),
        _functions(reader, start, end, room.groups),
        _explained(troubles.failed_functions(reader, start, end, room.groups)),
        _listing(troubles.failed_states(reader, start, end, room.groups)),
        _explained(troubles.newest_failures(reader, start, end, room.rows), all_of_it.failed),
        _listing(totals.of_slow_states(reader, start, end, room.groups)),
        _conformity(reader, room),
        _silence(reader, start, end, room.rows),
        _listing(totals.of_users(reader, start, end, room.rows)),
        _changes(troubles.newest_changes(reader, start, end, room.rows), all_of_it.changed),
        engine_of(status, room.rows),
    )


def engine_of(status: Mapping[str, Any], limit: int) -> Engine:
    """
    Return how the engine is.

    :param status: from :func:`salt_eventsd.operate.status.read`.
    :param limit: no more workers, gaps and notes than so many.
    """
    bus, spool = status.get("bus", {}), status.get("spool", {})
    numbers = (
        [
            ("events read", f"{bus['received']:,}"),
            ("events a second", f"{bus['events_per_second']:,}"),
            ("events lost", f"{bus['lost']:,}"),
            ("events waiting", f"{spool['events']:,}"),
            ("spool used", f"{100 * spool['bytes'] / max(1, spool['max_bytes']):.1f} %"),
        ]
        if bus
        else []
    )
    names = ("state", "written", "queued_events", "oldest_age", "dead_letters", "dropped", "last_write", "last_error")
    workers = [
        {"worker": name, **{key: told.get(key) for key in names}} for name, told in status.get("workers", {}).items()
    ]
    gaps = list(reversed(bus.get("gaps", [])))
    return Engine(
        str(status["state"]),
        int(status["retcode"]),
        str(status.get("since", "")),
        tuple(map(str, status["notes"][:limit])),
        tuple(numbers),
        Listing(tuple(workers[:limit]), len(workers)),
        Listing(tuple(gaps[:limit]), len(gaps)),
    )


def _totals(row: Row) -> Totals:
    return Totals(*(int(row[name]) for name in ("jobs", "failed_jobs", "answers", "failed", "changed")))


def _intervals(reader: Reader, start: datetime, end: datetime) -> tuple[Interval, ...]:
    cuts = edges(start, end)
    rows = totals.per_interval(reader, cuts)
    return tuple(
        Interval(begin, until, int(row["jobs"]), int(row["answers"]), int(row["failed"]))
        for begin, until, row in zip(cuts, cuts[1:], rows, strict=False)
    )


def _functions(reader: Reader, start: datetime, end: datetime, limit: int) -> Listing:
    found = sorted(totals.of_functions(reader, start, end, _MOST_FUNCTIONS), key=lambda row: -row["answers"])
    return Listing(tuple(found[:limit]), len(found))


def _listing(rows: Sequence[Row]) -> Listing:
    return Listing(tuple(rows), int(rows[0].get("of", len(rows))) if rows else 0)


def _changes(rows: Sequence[Row], of: int) -> Listing:
    return Listing(tuple({**row, "changed": changed(row["changed"])} for row in rows), of)


def _explained(rows: Sequence[Row], of: int | None = None) -> Listing:
    """With ``error``: what a state that failed says, or else what was returned."""
    told = [{**row, "error": row["comment"] or said(row.get("returned"))} for row in rows]
    found = _listing([{key: value for key, value in row.items() if key != "returned"} for row in told])
    return found if of is None else Listing(found.rows, of)


def _conformity(reader: Reader, room: Room) -> Conformity:
    found = minions.conformity(reader)
    counted = Counter(row["outcome"] for row in found)
    worst = sorted(found, key=lambda row: (OUTCOMES.index(row["outcome"]), row["minion_id"]))
    counts = {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}
    listings = (Listing(tuple(worst[:most]), len(found)) for most in (room.cells, room.minions))
    return Conformity(counts, *listings)


def _silence(reader: Reader, start: datetime, end: datetime, limit: int) -> Silence:
    rows, total = troubles.silent_minions(reader, start, end, limit)
    return Silence(total["jobs"], total["looked_at"], Listing(tuple(rows), total["minions"]))
