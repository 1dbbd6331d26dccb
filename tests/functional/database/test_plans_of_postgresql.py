"""Questions to PostgreSQL: what it is told of a history, and what it compares itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import fill
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.postgresql import PostgreSQL
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import missing
from salt_eventsd.database.questions.read import reading
from tests.support.plans import statements

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)
#: What a list of a job's minions may hold: names in quotes, with line ends, twice, and things that are no names.
_LISTS: tuple[Any, ...] = (
    ["a", "b", "b", "c"],
    ['"a"', "b\nc", "ä", "10.0.0.1"],
    ["a", None, 5, "7"],
    ["a", True, 1.50, ["x"], {"y": 1}],
    ["true", "x"],
    {"a": 1},
    "a",
    None,
    [],
    [f"many{number}" for number in range(60)] + ["a"],
)
_JOB = (
    "INSERT INTO eventsd_jobs (jid, apart, kind, fun, minions, minion_count, stamp, master_id) VALUES"
    " (%s, %s, 'job', %s, %s, %s, %s, %s)"
)
_ANSWER = (
    "INSERT INTO eventsd_returns (jid, minion_id, fun, success, stamp, received, master_id, digest) VALUES"
    " (%s, %s, 'test.ping', true, %s, now(), 'm', 1)"
)


@pytest.fixture(scope="module")
def reader(postgresql: Any) -> Iterator[sa.Engine]:
    options = SqlOptions(url=postgresql.new_database())
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 1500)
    with engine.begin() as connection:
        for number, minions in enumerate(_LISTS):
            jid, stamp = f"odd{number}", NOW - timedelta(minutes=number)
            count = len(minions) if isinstance(minions, list) else None
            told = json.dumps(minions, ensure_ascii=False)
            connection.exec_driver_sql(_JOB, (jid, "", "test.ping", told, count, stamp, "m"))
            for name in ("a", "true", "5", "7", "unasked"):
                connection.exec_driver_sql(_ANSWER, (jid, name, stamp))
        for apart, minions in (("", ["a", "b"]), ("n", ["c"])):
            connection.exec_driver_sql(_JOB, ("twin", apart, "test.ping", json.dumps(minions), 2, NOW, apart or "m"))
        connection.exec_driver_sql(_ANSWER, ("twin", "a", NOW))
        for apart, minion in (("", "a"), ("n", "c")):
            values = ("twin of a moment", apart, "test.ping", json.dumps([minion]), 1, NOW, apart or "m")
            connection.exec_driver_sql(_JOB, values)
        connection.exec_driver_sql(_ANSWER, ("twin of a moment", "a", NOW))
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


@pytest.mark.parametrize("jid", [None, *(f"odd{number}" for number in range(len(_LISTS))), "twin"])
def test_who_is_missing_is_the_same_wherever_lists_are_compared(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, jid: str | None
) -> None:
    def found() -> list[Any]:
        with reading(reader) as asked:
            return missing.find(asked, jid, None if jid else NOW - 30 * DAY, 5000)

    # When
    there = found()
    monkeypatch.setattr(type(PostgreSQL.questions), "others_than", lambda *_: None)

    # Then
    assert there == found()
    assert jid or len(there) > 100


def test_of_two_jobs_of_one_id_and_time_none_is_left_out(reader: sa.Engine) -> None:
    with reading(reader) as asked:
        for limit in (1, 2, 1000):
            assert [row["minion_id"] for row in missing.find(asked, "twin of a moment", None, limit)] == ["c"]


def test_names_are_compared_in_the_database_and_not_brought_here(reader: sa.Engine) -> None:
    told = statements(reader, lambda asked: missing.find(asked, "odd0", None, 1000))
    assert len(told) == 1


def test_a_page_elsewhere_costs_hardly_more_than_the_next_one_while_a_question_is_asked(reader: sa.Engine) -> None:
    cost = sa.text("SELECT pg_backend_pid(), current_setting('random_page_cost')::float")
    with reading(reader) as asked:
        [(session, while_asked)] = asked.tuples(cost)
    with reader.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        behind = connection.execute(cost).one()
    assert behind[0] == session
    assert while_asked < 2 < behind[1]
