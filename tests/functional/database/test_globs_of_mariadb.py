"""
What MariaDB looks at for a glob that minions or functions fit: not more names than begin like it, no row of another
minion, no job twice, and not all that failed for the sake of a function that few ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import MINIONS, fill
from salt_eventsd.common.globs import beginning_of
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.mysql.questions import MySQLQuestions
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, of_minion, returns
from salt_eventsd.database.questions.read import Reader, reading
from salt_eventsd.database.questions.wanted import Wanted
from tests.support.plans import statements

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)
#: A hundred minions, more than are asked for one by one; and ten.
MANY, SOME = "minion01*", "minion001*"
Ask = Callable[[Reader], Any]


@pytest.fixture(scope="module")
def history(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Reads a history of a thousand minions."""
    options = SqlOptions(url=request.getfixturevalue("mariadb").new_database())
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 800)
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


def _asked(engine: sa.Engine, ask: Ask) -> Any:
    with reading(engine) as reader:
        return ask(reader), reader.begin, reader.notes


def _plans(engine: sa.Engine, ask: Ask, having: str) -> list[list[dict[str, Any]]]:
    with engine.connect() as connection:
        return [
            [dict(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()]
            for statement, parameters in statements(engine, ask, having)
        ]


@pytest.mark.parametrize(
    ("glob", "count"), [(SOME, 10), ("minion0[01]1?.*", 20), ("*7.example.com", 100), ("minion*", 1000), ("gone*", 0)]
)
def test_names_that_begin_otherwise_are_not_looked_at(history: sa.Engine, glob: str, count: int) -> None:
    # When
    ((statement, parameters),) = statements(
        history, lambda reader: returns.find(reader, returns.Which(minion=glob), 1), "GROUP BY"
    )

    # Then
    with history.connect() as connection:
        found = connection.exec_driver_sql(statement, parameters).all()
    assert sum(is_meant for _, is_meant in found) == count
    begins = len([one for one in MINIONS if one.startswith(beginning_of(glob))])
    assert len(found) == begins


@pytest.mark.parametrize("glob", ["minion*", "*", "minion????.example.com"])
def test_a_glob_that_all_names_fit_is_no_condition(history: sa.Engine, glob: str) -> None:
    assert not statements(history, lambda reader: returns.find(reader, returns.Which(minion=glob), 9), MINIONS[500])
    assert _asked(history, lambda reader: returns.find(reader, returns.Which(minion=glob), 9)) == _asked(
        history, lambda reader: returns.find(reader, returns.Which(), 9)
    )


@pytest.mark.parametrize("minion", [MANY, SOME])
def test_returns_of_many_minions_are_found_without_a_row_of_others(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, minion: str
) -> None:
    monkeypatch.setattr(MySQLQuestions, "reach", 200)
    which = jobs.Which(minion=minion, until=NOW - 60 * DAY, kind="schedule")
    plans = _plans(history, lambda reader: jobs.find(reader, which, 9), "coalesce(eventsd_returns.stamp) AS")
    assert len(plans) > 1
    for (row,) in plans:
        assert row["key"] == "eventsd_returns_jobs_of_minion"
        assert "Using index" in row["Extra"].split("; ")


def test_a_job_is_looked_at_once_however_many_of_a_glob_have_answered_it(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a few jobs that all minions answered, and that are not wanted
    monkeypatch.setattr(MySQLQuestions, "reach", 200)
    which = jobs.Which(minion=MANY, until=NOW - 60 * DAY, kind="schedule")

    # When
    asked = statements(history, lambda reader: jobs.find(reader, which, 9), "eventsd_jobs.jid IN")

    # Then
    jids = [one for _, values in asked for name, one in values.items() if name.startswith("jid_")]
    assert len(jids) > 100
    assert len(jids) == len(set(jids))


def _whiches() -> list[jobs.Which]:
    return [
        jobs.Which(minion=minion, until=until, outcome=outcome, kind=kind, user=user)
        for minion in (MANY, SOME, "*5.example.com", "minion*", "gone*", MINIONS[3])
        for until in (None, NOW - 40 * DAY)
        for outcome, kind, user in ((None, None, "ci"), ("failed", None, None), ("missing", "job", None))
    ]


def _jobs(reader: Reader) -> list[Any]:
    return [(jobs.find(reader, which, 9), reader.notes.copy()) for which in _whiches()]


@pytest.mark.parametrize("slower", [0, 1, 30])
def test_jobs_of_a_glob_are_the_same_wherever_a_page_of_returns_is_thought_to_begin(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, slower: int
) -> None:
    # Given
    monkeypatch.setattr(MySQLQuestions, "reach", 200)
    with monkeypatch.context() as patched:
        patched.setattr(Wanted, "of_time", lambda *_: None)
        expected = _asked(history, _jobs)

    # When
    monkeypatch.setattr(of_minion, "_SLOWER", slower)
    found = _asked(history, _jobs)

    # Then
    assert found == expected
    assert sum(len(rows) for rows, _ in found[0]) > 100


def _failures(reader: Reader) -> list[Any]:
    return [
        [
            row["id"]
            for row in returns.failures(reader, returns.Which(minion=minion, fun=fun, since=since), 40, None, state)
        ]
        for minion in (MANY, SOME, "*5.example.com", "gone*", None)
        for fun in (None, "state.apply", "service.*", "gone")
        for since in (None, NOW - 30 * DAY)
        for state in (None, "file", "gone")
    ]


@pytest.mark.parametrize(("name", "value"), [("_RARE", 10**6), ("_RARE", 0)])
def test_failures_are_the_same_whatever_finds_them(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    # Given
    expected = _asked(history, _failures)

    # When
    monkeypatch.setattr(returns, name, value)

    # Then
    assert _asked(history, _failures) == expected
    assert len({one for some in expected[0] for one in some}) > 100


def test_failures_of_many_minions_and_a_rare_function_are_found_by_it(history: sa.Engine) -> None:
    which = returns.Which(minion=MANY, fun="service.restart")
    (plan,) = _plans(history, lambda reader: returns.failures(reader, which, 9), "fun_args")
    assert plan[0]["key"] == "eventsd_returns_by_fun"


def test_failed_states_of_some_minions_in_a_time_are_found_by_their_names(history: sa.Engine) -> None:
    which = returns.Which(minion=SOME, since=NOW - 30 * DAY)
    plan = _plans(history, lambda reader: returns.failures(reader, which, 9, state="file"), "STRAIGHT_JOIN")[0]
    assert {row["key"] for row in plan if row["table"] == "indexed"} == {"eventsd_returns_jobs_of_minion"}
