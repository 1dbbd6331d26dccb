"""
Partitions of PostgreSQL: tables of their own. A table that is there becomes the first partition of a new one, which
takes its name, its indexes, its views and its rights; no row is written anew.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.faults import original_of, state_of
from salt_eventsd.database.dialects.base.partitions import BEFORE, REST, Occupied, Partitions, Range, bound
from salt_eventsd.exceptions import Held

#: So long a table that is turned waits for whoever has it, such as a backup; writers wait behind it.
_PATIENCE = "2s"
#: So long it waits for a vacuum by the server itself, which gives way after a second, and behind which nobody waits.
_VACUUM = "3s"
_NOT_AVAILABLE = "55P03"
_OUR_VIEWS = "eventsd_v_"
_PARTS = sa.text(
    "SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_inherits i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:name AS regclass)"
)
_KIND = sa.text("SELECT relkind FROM pg_catalog.pg_class WHERE oid = to_regclass(:name)")
_BOUND = re.compile(r"(FROM|TO) \('(\d{4})-?(\d\d)-?(\d\d)")
_INDEXES = sa.text(
    "SELECT c.relname, i.indisvalid, i.indisprimary, coalesce(pg_catalog.pg_get_constraintdef(k.oid), ''),"
    " pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid"
    " WHERE i.indrelid = CAST(:name AS regclass) ORDER BY c.relname"
)
_VIEWS = sa.text(
    "SELECT DISTINCT v.relname, pg_catalog.pg_get_viewdef(v.oid) FROM pg_catalog.pg_depend d"
    " JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass"
    " JOIN pg_catalog.pg_class v ON v.oid = r.ev_class"
    " WHERE d.refobjid = CAST(:name AS regclass) AND v.relkind IN ('v', 'm') ORDER BY v.relname"
)
_TRIGGERS = sa.text(
    "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = CAST(:name AS regclass) AND NOT tgisinternal"
)
_GRANTS = sa.text(
    "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END,"
    " a.privilege_type FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a"
    " WHERE c.oid = CAST(:name AS regclass) AND a.grantee <> c.relowner"
)


class PostgreSQLPartitions(Partitions):
    """Makes and drops partitions."""

    known: ClassVar = True

    def ranges(self, connection: Connection, table: sa.Table) -> list[Range] | None:
        """See :class:`Partitions`."""
        if connection.execute(_KIND, {"name": table.name}).scalar() not in ("p", b"p"):
            return None
        found = [_range(text) for text in connection.execute(_PARTS, {"name": table.name}).scalars()]
        return sorted(found, key=lambda one: (one.upper is None, one.upper or date.min))

    def source(self, table: sa.Table, one: Range) -> str:
        """See :class:`Partitions`."""
        return f"{table.name}_{one.name}"

    def begin(self, connection: Connection, table: sa.Table) -> None:
        """See :class:`Partitions`. Rows are found by ``id`` as before, which cannot be a key of all partitions."""
        with connection.begin():
            views = [name for name, _ in connection.execute(_VIEWS, {"name": table.name})]
            others = [name for name in views if not name.startswith(_OUR_VIEWS)]
            if others:
                raise Held(
                    f"{table.name}: the views {', '.join(others)} are of it; drop them first, and make them again after"
                )
            if triggers := connection.execute(_TRIGGERS, {"name": table.name}).scalars().all():
                raise Held(f"{table.name}: expected a table without triggers, and it has {', '.join(triggers)}")
            rows = connection.execute(_INDEXES, {"name": table.name}).all()
            by_id = f"{table.name}_by_id"
            invalid = any(name == by_id and not is_valid for name, is_valid, *_ in rows)
            is_needed = "id" in table.c and by_id not in {name for name, *_ in rows}
        apart = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            if invalid:
                # What an interrupted try has left.
                apart.exec_driver_sql(f"DROP INDEX {by_id}")
            if invalid or is_needed:
                apart.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {by_id} ON {table.name} (id)")
        finally:
            connection.rollback()
            connection.execution_options(isolation_level=connection.default_isolation_level)

    def convert(
        self, connection: Connection, table: sa.Table, column: sa.Column[object], ranges: Sequence[Range]
    ) -> None:
        """See :class:`Partitions`."""
        name, old = table.name, f"{table.name}_{BEFORE}"
        run = connection.exec_driver_sql
        run(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        run(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        views = {view: str(sql) for view, sql in connection.execute(_VIEWS, {"name": name})}
        grants = [(view, *row) for view in views for row in connection.execute(_GRANTS, {"name": view})]
        for view in reversed(list(views)):
            run(f"DROP VIEW {view}")
        grants += [(name, *row) for row in connection.execute(_GRANTS, {"name": name})]
        indexes = connection.execute(_INDEXES, {"name": name}).all()
        run(f"ALTER TABLE {name} RENAME TO {old}")
        for index, *_ in indexes:
            run(f"ALTER INDEX {index} RENAME TO {_short(index)}_{BEFORE}")
        run(
            f"CREATE TABLE {name} (LIKE {old} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING STORAGE)"
            f" PARTITION BY RANGE ({column.name})"
        )
        if "id" in table.c:
            asked = sa.text("SELECT pg_catalog.pg_get_serial_sequence(:name, 'id')")
            if sequence := connection.execute(asked, {"name": old}).scalar():
                # Else it would go with the first partition.
                run(f"ALTER SEQUENCE {sequence} OWNED BY {name}.id")
        for index, _, is_primary, constraint, made in indexes:
            if is_primary and "id" in table.c:
                run(f"ALTER TABLE {old} DROP CONSTRAINT {_short(index)}_{BEFORE}")
            elif constraint:
                run(f"ALTER TABLE {name} ADD CONSTRAINT {index} {constraint}")
            else:
                run(re.sub(r"\bON (ONLY )?(\S+\.)?\S+ USING", f"ON {name} USING", made, count=1))
        run(f"CREATE TABLE {name}_{REST} PARTITION OF {name} DEFAULT")
        first, *others = ranges
        for one in others:
            self._make(connection, table, column, one)
        assert first.upper is not None
        upper = bound(column, first.upper)
        run(
            f"WITH moved AS (DELETE FROM {old} WHERE {column.name} >= '{upper}' RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved"
        )
        run(f"ALTER TABLE {name} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{upper}')")
        for view, sql in views.items():
            run(f"CREATE VIEW {view} AS {sql.replace('%', '%%')}")
        for of, grantee, privilege in grants:
            run(f"GRANT {privilege} ON {of} TO {grantee}")

    def add(
        self,
        connection: Connection,
        table: sa.Table,
        column: sa.Column[object],
        ranges: Sequence[Range],
        patience: float,
    ) -> None:
        """See :class:`Partitions`. A table that is attached locks out nobody who writes into others."""
        with _occupied():
            for one in ranges:
                _hurry(connection, patience)
                self._make(connection, table, column, one)

    def _make(self, connection: Connection, table: sa.Table, column: sa.Column[object], one: Range) -> None:
        run, name, part = connection.exec_driver_sql, table.name, f"{table.name}_{one.name}"
        assert one.lower is not None
        assert one.upper is not None
        lower, upper = bound(column, one.lower), bound(column, one.upper)
        run(f"CREATE TABLE {part} (LIKE {name} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING INDEXES)")
        within = f"{column.name} >= '{lower}' AND {column.name} < '{upper}'"
        if run(f"SELECT EXISTS (SELECT FROM {name}_{REST} WHERE {within})").scalar():
            run(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            run(
                f"WITH moved AS (DELETE FROM {name}_{REST} WHERE {within} RETURNING *)"
                f" INSERT INTO {part} SELECT * FROM moved"
            )
        run(f"ALTER TABLE {name} ATTACH PARTITION {part} FOR VALUES FROM ('{lower}') TO ('{upper}')")

    def drop(
        self,
        connection: Connection,
        found: Sequence[tuple[sa.Table, Range]],
        looked_at: Sequence[sa.Table],
        may_go: Callable[[], bool],
        patience: float,
    ) -> bool:
        """See :class:`Partitions`. Who writes locks the whole table first, so that its lock is enough."""
        run = connection.exec_driver_sql
        parts = [f"{table.name}_{one.name}" for table, one in found]
        modes = {
            **{table.name: "SHARE" for table in looked_at},
            **{table.name: "ACCESS EXCLUSIVE" for table, _ in found},
        }
        with _occupied():
            run(f"SET LOCAL lock_timeout = '{_VACUUM}'")
            for part in parts:
                run(f"LOCK TABLE ONLY {part} IN SHARE UPDATE EXCLUSIVE MODE")
            until = time.monotonic() + patience
            for name, mode in sorted(modes.items()):
                _hurry(connection, until - time.monotonic())
                run(f"LOCK TABLE ONLY {name} IN {mode} MODE")
            if not may_go():
                return False
            for part in parts:
                _hurry(connection, until - time.monotonic())
                run(f"DROP TABLE {part}")
            return True


def _hurry(connection: Connection, seconds: float) -> None:
    """Limit how long each lock may be waited for; no time at all would be no limit."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}")


@contextmanager
def _occupied() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as exc:
        if state_of(original_of(exc)) == _NOT_AVAILABLE:
            raise Occupied from exc
        raise


def _range(text: str) -> Range:
    days = {word: date(int(year), int(month), int(day)) for word, year, month, day in _BOUND.findall(text)}
    return Range(days.get("FROM"), days.get("TO"))


def _short(index: str) -> str:
    # A name has up to 63 characters.
    return index[:54]
