"""Keep the results of states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects import Row
from salt_eventsd.database.keeping.plain import Key, Plain
from salt_eventsd.database.rows.digest import of_content
from salt_eventsd.database.schema import states as _TABLE
from salt_eventsd.exceptions import Doubtful

#: How often results of states get other numbers before the batch is refused.
_MOST_TRIES = 5
#: Results of a further run get numbers from one of _MOST_RUNS places, each with room for _RUN_ROOM of them.
_RUN_ROOM = 2**16
_FIRST_MOVED = _RUN_ROOM
_MOST_RUNS = 2**15 - 1
#: Two results of one number are the same if these are; the stamp of a copy is that of another master.
_CONTENT = ("sls", "state_id", "state", "name", "result", "comment")
#: What tells whether the longest of a run is marked.
_MARKS = ("stamp", "duration_ms", "slow_ms")


class States(Plain):
    """
    Keeps the results of states.

    A minion may run states twice in one job, and the results of both runs have the same numbers. The later ones get
    other numbers, which are computed from what the run did: so a copy of them gets the same numbers again.
    """

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See :class:`Plain`."""
        others = self._others(connection, rows)
        if not others:
            return
        digests = _digests(rows)
        for attempt in range(_MOST_TRIES):
            moved = [_moved(row, digests[id(row)] + attempt) for row in others]
            left = {id(row) for row in self._others(connection, moved)}
            others = [row for row, as_moved in zip(others, moved, strict=True) if id(as_moved) in left]
            if not others:
                return
        raise Doubtful(f"{self._table.name}: {len(others)} results of states have no number that is free")

    def _others(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Insert rows, and return those that are not there because another result has their number."""
        taken = self._insert(connection, rows)
        if self._counts and taken == len(rows):
            return []
        wanted = self._by_key(rows)
        there = {
            key: dict(zip((*_CONTENT, *_MARKS), more, strict=True))
            for key, more in self._there(connection, wanted, (*_CONTENT, *_MARKS))
        }
        found = {key: _content(row) for key, row in there.items()}
        self._must_be_there(wanted, found)
        self._mark(connection, there)
        return [row for row in rows if found[tuple(row[name] for name in self._key)] != _content(row)]

    def _mark(self, connection: Connection, there: Mapping[Key, Row]) -> None:
        """
        See to it that of each run the longest state in the table is marked: that which is marked in a later run may
        be left out as the copy of another.
        """
        longest: dict[Key, tuple[Key, Row]] = {}
        for key, row in there.items():
            run = (*key[:2], row["stamp"])
            if row["duration_ms"] is not None and (
                run not in longest or longest[run][1]["duration_ms"] < row["duration_ms"]
            ):
                longest[run] = key, row
        for key, row in longest.values():
            if row["slow_ms"] is None:
                is_it = [_TABLE.c[name] == value for name, value in zip(self._key, key, strict=True)]
                connection.execute(sa.update(_TABLE).where(*is_it).values(slow_ms=_TABLE.c.duration_ms))


def _digests(rows: Sequence[Row]) -> dict[int, int]:
    """Return a number for each row, by its ``id()``, computed from all results of its run."""
    runs: list[list[Row]] = []
    latest: Key = ()
    numbers: set[int] = set()
    for row in rows:
        # A copy of a run may have other neighbours: so what tells where a run begins is in the run itself.
        event = (row["jid"], row["minion_id"], row["stamp"])
        if event != latest or row["run_num"] in numbers:
            latest, numbers = event, set()
            runs.append([])
        numbers.add(row["run_num"])
        runs[-1].append(row)
    return {id(row): digest for run in runs for digest in [of_content(map(_content, run))] for row in run}


def _moved(row: Row, digest: int) -> Row:
    place = _FIRST_MOVED + digest % _MOST_RUNS * _RUN_ROOM + row["run_num"] % _RUN_ROOM
    # Some of a run are moved, and others not: so each has its mark.
    return {**row, "run_num": place, "slow_ms": row["duration_ms"]}


def _content(row: Row) -> Key:
    result = row["result"]
    # MySQL and SQLite have numbers for true and false.
    return (result if result is None else bool(result), *(row[name] for name in _CONTENT if name != "result"))
