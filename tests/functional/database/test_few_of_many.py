"""What few rows of many are found by, and that they are the same as when all are looked through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import fill
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import returns, states
from salt_eventsd.database.questions.read import reading
from tests.support.plans import statements

NOW = datetime.now(timezone.utc)
LONG = NOW - timedelta(days=85)
#: An index has the beginning of such a name.
LENGTHY = "/srv/" + "x" * 300


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Reads a history in which few states are odd, and some of these failed."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('few')}/history.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    options = SqlOptions(url=url)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 1000)
    table = schema.states
    odd: list[dict[str, Any]] = [
        {"state": "pkg.installed", "name": "nginx", "state_id": "web"},
        {"state": "pkg.removed", "name": LENGTHY, "state_id": "[a]"},
        {"state": None, "name": None, "state_id": "no name"},
        {"state": "cmd.run", "name": "pkg.installed", "state_id": "pkg", "test": True},
        {"state": "salt.state", "name": "nginx", "state_id": "web"},
        {"state": "Pkg.installed", "name": "NGINX", "state_id": "WEB", "sls": "web.nginx"},
    ]
    with engine.begin() as connection:
        failed = connection.execute(
            sa.select(schema.returns.c.jid, schema.returns.c.minion_id, schema.returns.c.stamp)
            .where(schema.returns.c.success == sa.false(), schema.returns.c.fun == "cmd.run")
            .order_by(schema.returns.c.id)
        ).all()
        for number, (jid, minion_id, stamp) in enumerate(failed[::2]):
            row = {"sls": "base", "test": False, **odd[number % len(odd)]}
            of = {"jid": jid, "minion_id": minion_id, "run_num": 900, "stamp": stamp, "fun": "state.apply"}
            connection.execute(sa.insert(table).values(**row, **of, changed=True, result=number % 5 > 2))
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


@pytest.mark.parametrize(
    "asked",
    [
        *({"state": one} for one in ("pkg", "pkg.installed", "pkg*", "p?g", "file", "nosuch", "nginx", "no*", "*")),
        *({"name": one} for one in ("ngin?", "/srv/*x", "/srv/*y", "[!/]*", "no*", "w*b")),
        *({"minion": one} for one in ("minion000*", "nobody*", "*")),
        {"minion": "minion00*", "state": "pkg"},
        {"name": "n*", "state": "pkg"},
    ],
    ids=str,
)
def test_changes_are_the_same_whether_few_ways_lead_to_them_or_one(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    def found() -> list[Any]:
        with reading(reader) as asks:
            return [
                states.changes(asks, limit, **asked, start=LONG, end=end)
                for limit in (1, 7, 2000)
                for end in (None, NOW - timedelta(days=40))
            ]

    # When
    by_few = found()
    monkeypatch.setattr(states, "few_ways", lambda *_: None)

    # Then
    assert by_few == found()


@pytest.mark.parametrize("most", [0, 60])
@pytest.mark.parametrize(
    "asked", [{"state": one} for one in ("pkg", "nginx", "nosuch", "file", "p*")] + [{"sls": "web*"}], ids=str
)
def test_failures_with_a_state_are_the_same_whether_its_jobs_are_looked_for_first(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], most: int
) -> None:
    def found() -> list[Any]:
        with reading(reader) as asks:
            return [
                returns.failures(asks, returns.Which(minion=minion, fun=fun, since=LONG), limit, **asked)
                for minion in (None, "minion0*")
                for fun in (None, "cmd.run", "no*")
                for limit in (1, 3, 500)
            ]

    # When
    usual = found()
    monkeypatch.setattr(returns, "_MANY_FAILED", most)

    # Then
    assert usual == found()
    assert any(usual) == (asked != {"state": "nosuch"})


def test_states_of_all_that_failed_are_not_looked_into_for_few(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    which = returns.Which(since=LONG)

    def looks() -> int:
        told = statements(reader, lambda asked: returns.failures(asked, which, 9, state="nginx"), "eventsd_returns.jid")
        return sum("eventsd_returns.jid IN" in statement for statement, _ in told)

    # Then
    assert looks() == 0
    monkeypatch.setattr(returns, "_MANY_FAILED", 60)
    assert looks() == 1


def test_what_is_in_no_change_is_not_looked_for_in_all(reader: sa.Engine) -> None:
    if not dialect_of(reader).ddl.partial_indexes:
        pytest.skip("it has no index over changes alone")
    told = statements(reader, lambda asked: states.changes(asked, 50, minion="nobody*", start=LONG))
    assert len(told) == 1
