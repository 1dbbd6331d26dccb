"""
Databases for the fault tests, with our tables in them, and without the constraints that would hide a double.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.engines import SqlOptions, make_engine
from tests.support.salt import History
from tests.support.server import Server

_NOTE = "INSERT INTO put VALUES (NEW.jid, NEW.minion_id)"
_BEFORE = "CREATE TRIGGER note_returns BEFORE INSERT ON eventsd_returns FOR EACH ROW"
#: Statements that make the database note each row.
_NOTING = {
    "sqlite": [f"{_BEFORE} BEGIN {_NOTE}; END"],
    "postgresql": [
        f"CREATE FUNCTION note_return() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_NOTE}; RETURN NEW; END $$",
        f"{_BEFORE} EXECUTE FUNCTION note_return()",
    ],
    "mysql": [f"{_BEFORE} {_NOTE}"],
    "mariadb": [f"{_BEFORE} {_NOTE}"],
}


@dataclass
class Target:
    """
    A database that an engine writes into.

    :param url: the URL, for SQLAlchemy.
    :param server: its server; None for SQLite.
    """

    url: str
    server: Server | None = None

    @cached_property
    def history(self) -> History:
        """The database as seen from outside."""
        return History(self.url)

    def worker(self, **options: object) -> dict[str, object]:
        """
        Return the configuration of a worker that writes into it often.

        :param options: further keys.
        """
        return {"url": self.url, "batch": {"seconds": 0.2}, **options}

    def make_tables(self) -> None:
        """
        Make the tables, and one more that notes each row inserted into the returns. A key prevents a return from being
        there twice; only the receipts prevent it from being inserted twice.
        """
        engine = make_engine(SqlOptions(url=self.url))
        migrate.ensure(engine, dialect_for(engine.dialect.name))
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("CREATE TABLE put (jid VARCHAR(64), minion_id VARCHAR(255))")
            for statement in _NOTING[engine.dialect.name]:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
