"""
See to it that rows get into the built-in tables, by what the database counts and not by what was sent.

A row that was not inserted may be there already, as the row of the same event. Or something else has kept it out: a
trigger that returns nothing, a rule, in MySQL any unique key at all. Where the database counts fewer rows than were
sent, a keeper looks for each row, and raises if one is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import Dialect, Inserter, Row, Upsert
from salt_eventsd.database.rows import merging
from salt_eventsd.database.rows.digest import of_content
from salt_eventsd.exceptions import Doubtful

#: Sees to it that rows are in their table, or raises.
Keeper = Callable[[Connection, Sequence[Row]], None]
Key = tuple[Any, ...]

#: So many rows are looked up in one statement.
_AT_ONCE = 200
#: Where the database does not count what it inserts, so many keys are remembered as those of rows that are there.
_MOST_REMEMBERED = 20_000
#: How often results of states get other numbers before the batch is refused.
_MOST_TRIES = 5
#: Results of a further run get numbers from one of _MOST_RUNS places, each with room for _RUN_ROOM of them.
_RUN_ROOM = 2**16
_FIRST_MOVED = _RUN_ROOM
_MOST_RUNS = 2**15 - 1
_LATEST_MINION = Upsert(("minion_id",), "last_seen", ("last_jid", "last_fun", "master_id"))
#: Two results of one number are the same if these are; the stamp of a copy is that of another master.
_CONTENT = ("sls", "state_id", "state", "name", "result", "comment")


def keeper(dialect: Dialect, connection: Connection, table: sa.Table) -> Keeper:
    """
    Return what keeps the rows of a table.

    :param dialect: of the database.
    :param connection: to it, to ask what it can do.
    :param table: one of ours.
    """
    columns = [column.name for column in table.columns if column.autoincrement is not True]
    if table is schema.minions:
        insert = dialect.inserts.upserter(connection, table, columns, _LATEST_MINION)
        return Plain(dialect, table, insert, dialect.inserts.counts_upserts)
    insert = dialect.inserts.inserter(connection, table, columns, schema.key_of(table))
    kind = Jobs if table is schema.jobs else States if table is schema.states else Plain
    return kind(dialect, table, insert, dialect.inserts.counts(connection))


class Plain:
    """
    Keeps rows of which a copy with the same key says nothing new.

    :param dialect: of the database.
    :param table: the table.
    :param insert: inserts rows that are not there.
    :param counts: whether ``insert`` returns how many were inserted.
    """

    def __init__(self, dialect: Dialect, table: sa.Table, insert: Inserter, counts: bool) -> None:
        self._table = table
        self._insert = insert
        self._counts = counts
        self._key = schema.key_of(table)
        #: Keys that this connection has seen in the table; their rows may be replaced and need not be looked for again.
        self._seen: set[Key] = set()
        # Another session may have committed the row since our transaction began; reading with a lock shows it.
        self._locks = dialect.inserts.reads_old_rows

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        See to it that rows are in the table.

        :param connection: in a transaction.
        :param rows: what is to be there.
        :raises Doubtful: some of them are not, and nobody has said why.
        """
        taken = self._insert(connection, rows)
        if self._counts and taken == len(rows):
            return
        wanted = self._by_key(rows)
        if not self._counts:
            self._look_once(connection, wanted)
        elif taken != len(wanted):
            self._look(connection, wanted)

    def _look_once(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        new = {key: row for key, row in wanted.items() if key not in self._seen}
        self._look(connection, new)
        if len(self._seen) + len(new) > _MOST_REMEMBERED:
            self._seen.clear()
        self._seen.update(new)

    def _look(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        self._must_be_there(wanted, [key for key, _ in self._there(connection, wanted)])

    def _must_be_there(self, wanted: Collection[Key], found: Collection[Key]) -> None:
        """Raise if keys are missing. Those with a time are only counted: each database writes times in its own way."""
        if "stamp" in self._key:
            missing = len(wanted) - len(found)
        else:
            missing = len(set(wanted) - set(found))
        if missing > 0:
            raise Doubtful(
                f"{self._table.name} did not take {missing} of the rows and did not say why: "
                "a trigger, a rule or another unique key of the table keeps them out"
            )

    def _by_key(self, rows: Iterable[Row]) -> dict[Key, Row]:
        return {tuple(row[name] for name in self._key): row for row in rows}

    def _there(
        self, connection: Connection, wanted: Iterable[Key], more: Sequence[str] = ()
    ) -> Iterator[tuple[Key, Sequence[Any]]]:
        """Yield which keys are in the table, times left out, each with further columns of its row."""
        # Columns without types: values are sent as they are when they are inserted.
        names = [name for name in self._key if name != "stamp"]
        columns: list[Any] = [sa.column(name) for name in self._key]
        key: Any = columns[0] if len(columns) == 1 else sa.tuple_(*columns)
        select: Any = sa.select(*[sa.column(name) for name in (*names, *more)]).select_from(sa.table(self._table.name))
        keys: list[Any] = list(wanted) if len(columns) > 1 else [one for (one,) in wanted]
        for start in range(0, len(keys), _AT_ONCE):
            some = select.where(key.in_(keys[start : start + _AT_ONCE]))
            if self._locks:
                some = some.with_for_update(read=True)
            for row in connection.execute(some):
                yield tuple(row[: len(names)]), row[len(names) :]


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
        there = self._there(connection, wanted, _CONTENT)
        found = {key: _content(dict(zip(_CONTENT, more, strict=True))) for key, more in there}
        self._must_be_there(wanted, found)
        return [row for row in rows if found[tuple(row[name] for name in self._key)] != _content(row)]


class Jobs(Plain):
    """Keeps jobs, one row for each, whoever tells of it: see :mod:`salt_eventsd.database.rows.merging`."""

    def __init__(self, dialect: Dialect, table: sa.Table, insert: Inserter, counts: bool) -> None:
        super().__init__(dialect, table, insert, counts)
        self._json = dialect.json
        known = [table.c[name] for name in (*merging.COMPARED, "jid")]
        self._select = sa.select(*known).order_by(table.c.jid).with_for_update()

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        See :class:`Plain`.

        :raises AnotherJob: another job has the job id of one of them.
        """
        jobs = merging.together(rows, self._json)
        # Always in the same order, so that two batches in flight cannot block each other.
        super().__call__(connection, [jobs[jid] for jid in sorted(jobs)])

    def _look(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        jids = sorted(key[0] for key in wanted)
        found: set[Key] = set()
        for start in range(0, len(jids), _AT_ONCE):
            some = self._select.where(self._table.c.jid.in_(jids[start : start + _AT_ONCE]))
            for known in connection.execute(some).mappings().all():
                key = (known["jid"],)
                found.add(key)
                if (row := wanted.get(key)) and (changes := merging.changes(dict(known), row, self._json)):
                    values = {name: _as_parameter(value) for name, value in changes.items()}
                    connection.execute(_update(tuple(changes)), {**values, "this_jid": known["jid"]})
        self._must_be_there(wanted, found)


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...]) -> sa.Update:
    # Without types, as what is inserted.
    table = sa.table("eventsd_jobs", *[sa.column(name) for name in ("jid", *columns)])
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    return sa.update(table).where(table.c.jid == sa.bindparam("this_jid")).values(values)


def _digests(rows: Sequence[Row]) -> dict[int, int]:
    """Return a number for each row, by its ``id()``, computed from all results of its run."""
    runs: list[list[Row]] = []
    for row in rows:
        last = runs[-1][-1] if runs else None
        is_next = last is not None and row["run_num"] > last["run_num"]
        if last is not None and is_next and (row["jid"], row["minion_id"]) == (last["jid"], last["minion_id"]):
            runs[-1].append(row)
        else:
            runs.append([row])
    return {id(row): digest for run in runs for digest in [of_content(map(_content, run))] for row in run}


def _moved(row: Row, digest: int) -> Row:
    place = _FIRST_MOVED + digest % _MOST_RUNS * _RUN_ROOM + row["run_num"] % _RUN_ROOM
    return {**row, "run_num": place}


def _as_parameter(value: Any) -> Any:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value


def _content(row: Row) -> Key:
    result = row["result"]
    # MySQL and SQLite have numbers for true and false.
    return (result if result is None else bool(result), *(row[name] for name in _CONTENT if name != "result"))
