"""Each minion's newest return of a function is found among the newest ones first, and else by a look back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import MINIONS, fill
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobcache
from salt_eventsd.database.questions.read import reading
from salt_eventsd.database.schema import returns
from tests.support.plans import statements

FUNCTIONS = ("test.ping", "cmd.run", "service.restart", "state.highstate", "gone")


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Reads a history of some thousand returns; the moments of some are the same."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('latest')}/history.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    options = SqlOptions(url=url)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 600)
    with engine.begin() as connection:
        moments = [row[0] for row in connection.execute(sa.select(returns.c.stamp).order_by(returns.c.id).limit(400))]
        connection.execute(sa.update(returns).where(returns.c.stamp.in_(moments)).values(stamp=moments[-1]))
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


def _latest(engine: sa.Engine) -> list[dict[str, Any]]:
    with reading(engine) as reader:
        return [jobcache.latest_of(reader, fun) for fun in FUNCTIONS]


def test_each_is_the_newest(history: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    with reading(history) as reader:
        asked = sa.select(returns.c.minion_id, returns.c.fun, returns.c.jid).order_by(returns.c.stamp, returns.c.id)
        all_of_them = reader.tuples(asked)
    newest = [{minion: jid for minion, fun, jid in all_of_them if fun == one} for one in FUNCTIONS]
    assert [len(one) for one in newest][-1] == 0 < min(len(one) for one in newest[:-1])

    for first, few in ((5000, 100), (1, 0), (7, 2000), (300, 0), (300, 700)):
        # When
        monkeypatch.setattr(jobcache, "_FEW", first)
        monkeypatch.setattr(jobcache, "_FEW_MINIONS", few)
        found = _latest(history)

        # Then
        assert [{minion: told["jid"] for minion, told in one.items()} for one in found] == newest


def test_a_look_back_goes_through_the_returns_of_a_minion_and_not_of_a_function(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if history.dialect.name == "postgresql":
        pytest.skip("it knows how many rows there are of both")
    # Given
    monkeypatch.setattr(jobcache, "_FEW", 100)
    monkeypatch.setattr(jobcache, "_FEW_MINIONS", len(MINIONS))

    # When
    ((statement, values),) = statements(history, lambda reader: jobcache.latest_of(reader, "test.ping"), "_1.fun")
    words = "EXPLAIN QUERY PLAN" if history.dialect.name == "sqlite" else "EXPLAIN"
    with history.connect() as connection:
        plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{words} {statement}", values))

    # Then
    assert "eventsd_returns_by_fun" not in plan
    assert ("jobs_of_minion" if history.dialect.name == "mysql" else "eventsd_returns_of_minion_fun") in plan
