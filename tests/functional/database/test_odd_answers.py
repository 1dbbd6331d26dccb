"""Questions whose answers are at the edge of what an index, a page or a calendar holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, minions, returns, states
from salt_eventsd.database.questions.read import reading
from tests.support.stores import Database

NOW = datetime.now(timezone.utc)
#: Less than a blank comes behind what the glob begins with.
ODD = "web\n1"


@pytest.fixture
def engine(database: Database) -> Iterator[sa.Engine]:
    """Empty tables."""
    made = make_engine(SqlOptions(url=database.url))
    migrate.ensure(made, dialect_of(made))
    yield made
    made.dispose()


def _add(engine: sa.Engine, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(table), rows)


def _return(number: int, minion_id: str, stamp: datetime, **more: Any) -> dict[str, Any]:
    its = {"jid": f"j{number}", "minion_id": minion_id, "fun": "state.apply", "success": True, "digest": number}
    return {**its, "stamp": stamp, "received": stamp, "master_id": "m", "fun_args": "[]", "return": "{}", **more}


def _job(jid: str, stamp: datetime, **more: Any) -> dict[str, Any]:
    its = {"jid": jid, "apart": "", "kind": "job", "fun": "state.apply", "minions": '["web1"]', "minion_count": 1}
    return {**its, "stamp": stamp, "master_id": "m", **more}


def test_a_glob_is_fitted_by_what_goes_on_with_a_control_character(database: Database, engine: sa.Engine) -> None:
    # Given
    counts = {"states": 1, "states_changed": 1, "states_failed": 0}
    _add(engine, schema.returns, [_return(n, ODD, NOW - timedelta(hours=n), **counts) for n in range(1, 4)])
    its = {"minion_id": ODD, "state": "file.managed", "name": "/a", "state_id": "/a", "changed": True, "test": False}
    rows = [{"jid": f"j{n}", "run_num": 0, "stamp": NOW - timedelta(hours=n), **its} for n in range(1, 4)]
    _add(engine, schema.states, rows)
    _add(engine, schema.minions, [{"minion_id": ODD, "first_seen": NOW, "last_seen": NOW, "master_id": "m"}])

    # When
    with reading(make_reader(SqlOptions(url=database.url))) as reader:
        changed = states.changes(reader, 9, minion="web*")
        conform = minions.conformity(reader, "web*", None, timedelta(days=7))
        returned = returns.find(reader, returns.Which(jid="j1", minion="web*"), 9)

    # Then
    assert [row["minion_id"] for row in changed] == [ODD] * 3
    assert [row["minion_id"] for row in conform] == [ODD]
    assert [row["minion_id"] for row in returned] == [ODD]


def test_a_clock_of_the_far_future_keeps_no_jobs_back(database: Database, engine: sa.Engine) -> None:
    # Given a minion whose answers are few among all jobs, and one of which came in the year 2900
    times = [datetime(2900, 1, 1, tzinfo=timezone.utc), *(NOW - timedelta(minutes=n) for n in range(1, 600))]
    _add(engine, schema.returns, [_return(number, "web1", when) for number, when in enumerate(times)])
    answered = [_job(f"j{number}", when) for number, when in enumerate(times) if number]
    others = [_job(f"k{n}", NOW + timedelta(seconds=n), minions='["db1"]') for n in range(11_000)]
    _add(engine, schema.jobs, answered + others)

    # When
    with reading(make_reader(SqlOptions(url=database.url))) as reader:
        found = jobs.find(reader, jobs.Which(minion="web1", target="nope"), 20)

    # Then
    assert found == []


def test_two_jobs_of_one_id_are_told_once_each(
    database: Database, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: so many jobs are read together, and the two are on both sides of that
    monkeypatch.setattr(jobs, "_AT_ONCE", 2)
    told = [_job(f"j{n}", NOW - timedelta(hours=n), user="ann") for n in range(9)]
    told += [_job(f"j{n}", NOW - timedelta(hours=n), user="ann", apart="n", master_id="n") for n in (1, 3, 4)]
    _add(engine, schema.jobs, told)
    _add(engine, schema.minions, [{"minion_id": "web1", "first_seen": NOW, "last_seen": NOW, "master_id": "m"}])

    # When
    with reading(make_reader(SqlOptions(url=database.url))) as reader:
        found = jobs.find(reader, jobs.Which(user="a*", minion="w*1"), 50)

    # Then
    keys = [(row["jid"], row["master_id"]) for row in found]
    assert sorted(keys) == sorted({(row["jid"], row["master_id"]) for row in told})
