"""
A database as a test sees it: sql workers that write into it, its rows in a form to compare, and its faults.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import salt.config
import sqlalchemy as sa

from salt_eventsd.config.structs import EventRule
from salt_eventsd.database import schema
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.event.parse import Event
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Batch, Context, Refusal, Worker

SPOOL = "spool-1"
NODE = "master-1"

# Salt's loader needs these; no modules are synced into this master.
_OPTS = {**salt.config.DEFAULT_MASTER_OPTS, "id": NODE, "extension_modules": ""}

#: Of which time a partition has the rows in databases that have partitions; nothing for tables without any.
_PARTITIONS = os.environ.get("EVENTSD_PARTITIONS", "")

Row = dict[str, Any]
_NUMBERS = itertools.count(1)


@lru_cache(maxsize=1)
def _modules() -> Any:
    return load_modules(_OPTS)


class Buried:
    """What a worker buried: each event's position with the reason, and the chunks that it was told of."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.calls: list[set[int] | None] = []

    def __call__(self, refusals: Sequence[Refusal], chunks: Collection[int] | None) -> None:
        self.refusals.extend(refusals)
        self.calls.append(None if chunks is None else set(chunks))

    @property
    def positions(self) -> list[int]:
        """The positions of the events."""
        return [position for position, _ in self.refusals]


def batch_of(
    *chunks: Sequence[Event],
    first: int = 1,
    oldest: int = 1,
    replay: bool = False,
    spool: str = SPOOL,
    buried: Buried | None = None,
) -> Batch:
    """
    Return a batch of chunks.

    :param chunks: the events of each chunk.
    :param first: the id of the first chunk; the others have the next ids.
    :param oldest: the id of the oldest chunk still in the spool.
    :param replay: whether an earlier try may have been committed.
    :param spool: the id of the spool.
    :param buried: records the buried events.
    """
    sizes = tuple((first + number, len(chunk)) for number, chunk in enumerate(chunks))
    events = [event for chunk in chunks for event in chunk]
    return Batch(spool, sizes, events, oldest, replay, buried or Buried())


def settled(worker: Worker, *chunks: Sequence[Event]) -> Buried:
    """
    Have a worker write a batch as the engine does; return what it buried.

    :param worker: the worker.
    :param chunks: the events of each chunk.
    """
    buried = Buried()
    write_batch(worker, batch_of(*chunks, buried=buried))
    return buried


class Database:
    """
    A database for one test.

    :param url: the URL of the database.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kind = sa.make_url(url).get_backend_name()
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._workers: list[Any] = []

    def worker(self, rules: Mapping[str, EventRule] | None = None, **options: Any) -> Any:
        """Make a sql worker as the engine does, with rules and further options."""
        if self.kind != "sqlite" and _PARTITIONS:
            options.setdefault("partitions", _PARTITIONS)
        return self.worker_of(NODE, rules, **options)

    def worker_of(self, master_id: str, rules: Mapping[str, EventRule] | None = None, **options: Any) -> Any:
        """Make a sql worker as the engine of a master does."""
        context = Context("history", {"url": self.url, **options}, master_id, 2, rules=rules or {})
        worker = make(_modules(), "sql", context)
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """Close the connections of the workers."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def make_tables(self) -> None:
        """Have a worker make the tables, which it does before its first batch."""
        self.worker().write(batch_of())

    def empty(self) -> None:
        """Delete all rows, including receipts."""
        self.close()
        # That the indexes are there stays true.
        only = {"eventsd_locks": " WHERE name NOT LIKE 'indexes %'"}
        self.execute(*(f"DELETE FROM {name}{only.get(name, '')}" for name in schema.metadata.tables))

    def drop_own_tables(self) -> None:
        """Drop all tables except the engine's."""
        ours = {*schema.metadata.tables, schema.VERSION_TABLE}
        names = [name for name in sa.inspect(self.engine).get_table_names() if name not in ours]
        self.execute(*(f"DROP TABLE {self.quote(name)}" for name in names))

    def rows(self, name: str) -> list[Row]:
        """Return a table's rows in the order of its key, with times in UTC and JSON decoded, for any database."""
        table = schema.metadata.tables[f"eventsd_{name}"]
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings().all()
        return [{key: self._plain(table.c[key], value) for key, value in row.items()} for row in found]

    def column(self, name: str, column: str) -> list[Any]:
        """Return one column of a table."""
        return [row[column] for row in self.rows(name)]

    def execute(self, *statements: str) -> None:
        """Execute statements."""
        # Without this a percent sign would start a parameter.
        engine = self.engine.execution_options(no_parameters=True)
        with engine.connect() as connection, connection.begin():
            for statement in statements:
                connection.exec_driver_sql(statement)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.engine.execution_options(no_parameters=True).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def quote(self, name: str) -> str:
        """Return a name in the quotes of the database."""
        # It doubles percent signs for drivers that fill in values, and here there are no values.
        return self.engine.dialect.identifier_preparer.quote_identifier(name).replace("%%", "%")

    def by_kind(self, sqlite: str, postgresql: str, mariadb: str) -> str:
        """Return the argument for this kind of database."""
        return {"sqlite": sqlite, "postgresql": postgresql}.get(self.kind, mariadb)

    def new_user(self, *grants: str) -> str:
        """
        Make a user on the server; return the URL of the database with that user.

        :param grants: statements that grant rights, with ``{user}`` in place of its name.
        """
        user = f"user_{next(_NUMBERS)}_{os.getpid()}"
        password = "PASSWORD" if self.kind == "postgresql" else "IDENTIFIED BY"
        self.execute(f"CREATE USER {user} {password} 'secret'", *(grant.format(user=user) for grant in grants))
        url = sa.make_url(self.url).set(username=user, password="secret")
        return url.render_as_string(hide_password=False)

    def refuse(self, table: str, condition: str) -> None:
        """Make the database refuse some rows of a table by a constraint; MariaDB and PostgreSQL have CHECK."""
        name = f"eventsd_{table}"
        if self.kind == "sqlite":
            self.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {name} WHEN NEW.{condition} "
                "BEGIN SELECT RAISE(ABORT, 'poison'); END"
            )
        else:
            self.execute(f"ALTER TABLE {name} ADD CONSTRAINT poison CHECK (NOT ({condition}))")

    def refuse_by_trigger(self, table: str, condition: str) -> None:
        """Make a trigger refuse some rows of a table, with the error code that databases reserve for users."""
        name = f"eventsd_{table}"
        if self.kind == "sqlite":
            self.refuse(table, condition)
        elif self.kind == "postgresql":
            self.execute(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'poison'; END $$",
                f"CREATE TRIGGER poison BEFORE INSERT ON {name} FOR EACH ROW "
                f"WHEN (NEW.{condition}) EXECUTE FUNCTION poison()",
            )
        else:
            self.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {name} FOR EACH ROW "
                f"IF NEW.{condition} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poison'; END IF"
            )

    def _plain(self, column: sa.Column[Any], value: Any) -> Any:
        if isinstance(value, datetime):
            return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
        if isinstance(column.type, sa.JSON) and isinstance(value, str) and self.kind in ("mysql", "sqlite"):
            return json.loads(value)
        return value
