"""PostgreSQL knows nothing yet of what is in the tables, as when they are new or were restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, returns
from salt_eventsd.database.questions.read import reading
from tests.support.plans import statements

_JID = "to_char(20260101000000000000 + number, 'FM00000000000000000000')"
_FILL = (
    "INSERT INTO eventsd_jobs (jid, kind, minions, minion_count, stamp, master_id) SELECT"
    f""" {_JID}, 'job', '["a"]', 1, now() - number * interval '1 minute', 'm' FROM generate_series(1, 20000) number""",
    "INSERT INTO eventsd_returns (jid, minion_id, success, stamp, received, master_id, digest) SELECT"
    f" {_JID}, 'a', true, now() - number * interval '1 minute', now(), 'm', 1 FROM generate_series(1, 20000) number",
)


@pytest.fixture(scope="module")
def reader(postgresql: Any) -> Iterator[sa.Engine]:
    options = SqlOptions(url=postgresql.new_database())
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    with engine.begin() as connection:
        for table in ("jobs", "returns"):
            connection.exec_driver_sql(f"ALTER TABLE eventsd_{table} SET (autovacuum_enabled = off)")
        for statement in _FILL:
            connection.exec_driver_sql(statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # It counts the rows, and looks at none.
        connection.exec_driver_sql("VACUUM eventsd_returns")
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


def test_jobs_are_looked_up_and_not_searched_for(reader: sa.Engine) -> None:
    told = statements(reader, lambda asked: jobs.find(asked, jobs.Which(), 50), "eventsd_returns")
    with reader.connect() as connection:
        plans = ["\n".join(connection.exec_driver_sql(f"EXPLAIN {one}", values).scalars()) for one, values in told]
    assert plans
    assert [plan for plan in plans if "Seq Scan on eventsd_returns" in plan] == []


def test_a_job_is_found_by_its_id_and_not_by_a_look_at_all_newer_returns(reader: sa.Engine) -> None:
    which = returns.Which(jid="20260101000000010000")
    [(statement, values)] = statements(reader, lambda asked: returns.find(asked, which, 5), "fun_args")
    with reader.connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())
    assert "eventsd_returns_once" in plan


def test_what_is_known_decides(reader: sa.Engine) -> None:
    # Given
    asked = sa.text("SELECT current_setting('enable_seqscan')")
    with reading(reader) as one:
        before = one.values(asked)

    # When
    writer = sa.create_engine(reader.url)
    with writer.begin() as connection:
        connection.exec_driver_sql("ANALYZE eventsd_returns")
    writer.dispose()

    # Then
    with reading(reader) as one:
        assert (before, one.values(asked)) == (["off"], ["on"])
