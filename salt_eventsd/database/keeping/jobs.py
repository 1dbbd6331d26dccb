"""Keep jobs, of which several tell: see :mod:`salt_eventsd.database.rows.merging`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from salt_eventsd.database.dialects import Dialect, Inserter, Row
from salt_eventsd.database.keeping.plain import AT_ONCE, Key, Plain
from salt_eventsd.database.rows import merging


class Jobs(Plain):
    """
    Keeps jobs, one row for each, whoever tells of it. All who tell of a job id come to one row first, with an empty
    ``apart``. Only if that is of another master's job, a job has a row beside it, whose ``apart`` is its own master.
    """

    def __init__(self, dialect: Dialect, table: sa.Table, insert: Inserter, counts: bool) -> None:
        super().__init__(dialect, table, insert, counts)
        self._json = dialect.json
        known = [table.c[name] for name in (*merging.COMPARED, "jid", "apart")]
        self._select = sa.select(*known).order_by(table.c.jid, table.c.apart).with_for_update()
        self._others: list[Row] = []

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        See :class:`Plain`.

        :raises AnotherJob: another job of the same master has the job id of one of them.
        """
        jobs, self._others = merging.together(rows, self._json)
        # Always in the same order, so that two batches in flight cannot block each other.
        super().__call__(connection, [jobs[jid] for jid in sorted(jobs)])
        for row in self._others:
            self._keep_apart(connection, row)

    def _look(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        jids = sorted(key[0] for key in wanted)
        found: set[Key] = set()
        for start in range(0, len(jids), AT_ONCE):
            is_first = self._table.c.apart == ""
            some = self._select.where(self._table.c.jid.in_(jids[start : start + AT_ONCE]), is_first)
            for known in connection.execute(some).mappings().all():
                key = (known["jid"], known["apart"])
                found.add(key)
                if (row := wanted.get(key)) and not self._is_merged(connection, known, row):
                    self._others.append(row)
        self._must_be_there(wanted, found)

    def _is_merged(self, connection: Connection, known: RowMapping, row: Row) -> bool:
        """Write what a row says into one that is there; return False if that is another master's job."""
        try:
            changes = merging.changes(dict(known), row, self._json)
        except merging.AnotherJob:
            if known["master_id"] == row["master_id"]:
                raise
            return False
        if changes:
            values = {name: _as_parameter(value) for name, value in changes.items()}
            key = {"this_jid": known["jid"], "this_apart": known["apart"]}
            connection.execute(_update(tuple(changes)), {**values, **key})
        return True

    def _keep_apart(self, connection: Connection, row: Row) -> None:
        """Keep a job whose id another job has: whoever comes here holds the lock on the row of that one."""
        of_this_id = self._select.where(self._table.c.jid == row["jid"])
        if any(self._is_merged(connection, known, row) for known in connection.execute(of_this_id).mappings().all()):
            return
        own = {**row, "apart": row["master_id"]}
        self._insert(connection, [own])
        wanted = self._by_key([own])
        self._must_be_there(wanted, [key for key, _ in self._there(connection, wanted)])


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...]) -> sa.Update:
    # Without types, as what is inserted.
    table = sa.table("eventsd_jobs", *[sa.column(name) for name in ("jid", "apart", *columns)])
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    is_it = sa.and_(table.c.jid == sa.bindparam("this_jid"), table.c.apart == sa.bindparam("this_apart"))
    return sa.update(table).where(is_it).values(values)


def _as_parameter(value: Any) -> Any:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value
