"""
Databases for the fault tests: with our tables in them, and without the constraints that would hide a double.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.engines import SqlOptions, make_engine
from tests.support.salt import History
from tests.support.server import Server


@dataclass
class Target:
    """
    A database an engine writes into.

    :param url: SQLAlchemy's.
    :param server: what it is on, None for SQLite.
    """

    url: str
    server: Server | None = None

    @cached_property
    def history(self) -> History:
        """The database as seen from outside."""
        return History(self.url)

    def worker(self, **options: object) -> dict[str, object]:
        """
        Return the configuration of a worker that writes there often.

        :param options: further keys.
        """
        return {"url": self.url, "batch": {"seconds": 0.2}, **options}

    def make_tables(self) -> None:
        """Make the tables. A return may be in them twice: only the receipts are left to keep that from happening."""
        engine = make_engine(SqlOptions(url=self.url))
        migrate.ensure(engine, dialect_for(engine.dialect.name))
        twice = schema.returns.to_metadata(sa.MetaData())
        twice.constraints = {one for one in twice.constraints if not isinstance(one, sa.UniqueConstraint)}
        schema.returns.drop(engine)
        twice.create(engine)
        engine.dispose()

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
