"""
Sessions of PostgreSQL: what a server, a database or a role have set for their users does not apply to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common import documents
from salt_eventsd.database.dialects.base.session import Session, begin_with
from salt_eventsd.database.dialects.postgresql import copying

#: Times are UTC, also in columns that know no time zone. How strings are quoted is the driver's, which asks only once.
_SESSION = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "transaction_timeout": "0",
    # What a run of states returned is large, and the usual way takes five times as long to make it smaller.
    "default_toast_compression": "lz4",
}
#: Not every version has all of them, and not every build all their values.
_SET = (
    "SELECT pg_catalog.set_config(known.name, wanted.value, false) FROM (VALUES {pairs}) AS wanted (name, value)"
    " JOIN pg_catalog.pg_settings AS known ON known.name = wanted.name"
    " WHERE wanted.value = ANY (coalesce(known.enumvals, ARRAY[wanted.value]))"
)
#: Where nothing can be made, or what is made hides what the server brings along, it is made where it usually is.
_SET_PATH = (
    "SELECT pg_catalog.set_config('search_path', 'public', false)"
    " WHERE coalesce(pg_catalog.current_schema(), 'pg_catalog') IN ('pg_catalog', 'information_schema')"
)


#: For a transaction alone: a proxy may give the session to others. Of tables that it has not looked through yet, new or
#: restored ones, the server takes any few jobs for a quarter of all, and would read the whole for them. And it does not
#: know that rows of one time stand together where an index has something else before the time: at the cost of pages
#: here and there, it would read all states for those of three days.
_TO_READ = (
    "SELECT pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('jit', 'off', true),"
    " pg_catalog.set_config('random_page_cost', '1.1', true),"
    " pg_catalog.set_config('enable_seqscan', CASE WHEN EXISTS (SELECT 1 FROM"
    " (SELECT pg_catalog.to_regclass('eventsd_returns')::oid UNION ALL SELECT inhrelid FROM pg_catalog.pg_inherits"
    " WHERE inhparent = pg_catalog.to_regclass('eventsd_returns')) AS one (oid) WHERE coalesce("
    "pg_catalog.pg_stat_get_last_analyze_time(oid), pg_catalog.pg_stat_get_last_autoanalyze_time(oid)) IS NOT NULL)"
    " THEN pg_catalog.current_setting('enable_seqscan') ELSE 'off' END, true)"
)


class PostgreSQLSession(Session):
    """Connects to PostgreSQL."""

    drivers: ClassVar = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Statements of the user's own go out by the hundred; psycopg2 itself sends each alone, and waits."""
        by_the_hundred = {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": 500}
        return {"json_deserializer": documents.loads, **(by_the_hundred if driver == "psycopg2" else {})}

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """Notice a host that is gone without a word: keepalives while idle, a user timeout while busy."""
        if driver == "pg8000":
            return {"timeout": max(1, round(timeout)), "application_name": "salt-eventsd"}
        if driver not in ("psycopg2", "psycopg"):
            return {}
        return {
            "connect_timeout": max(2, round(connect_seconds)),
            "application_name": "salt-eventsd",
            # A database may have another one for its users.
            "client_encoding": "utf8",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": round(timeout * 1000),
        }

    def prepare(self, engine: Engine, timeout: float) -> None:
        """See :class:`Session`. What a server, a database or a role have set for its users is not for us."""
        limits = f"SET statement_timeout = {round(timeout * 1000)}; SET idle_in_transaction_session_timeout = 0"
        pairs = ", ".join(f"('{name}', '{value}')" for name, value in _SESSION.items())

        def say(cursor: Any) -> None:
            # In one, first, and outside of a transaction: whatever comes next may be too slow for what is set.
            cursor.connection.autocommit = True
            cursor.execute(limits)
            cursor.execute(_SET.format(pairs=pairs))
            cursor.execute(_SET_PATH)
            cursor.connection.autocommit = False

        begin_with(engine, say)
        copying.prepare(engine)

    def prepare_to_read(self, engine: Engine, timeout: float) -> None:
        """See :class:`Session`. To compile a question takes longer than to answer it row by row."""
        self.prepare(engine, timeout)

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(_TO_READ)

    def be_patient(self, connection: Connection) -> None:
        """See :class:`Session`."""
        connection.execute(sa.text("SET statement_timeout = 0"))
