"""A page of what is not rare is found without a look at how far back all that may be looked through reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import MINIONS, fill
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, missing, newest, returns, states
from salt_eventsd.database.questions.read import Reader, reading
from tests.support.plans import statements

AGO = datetime.now(timezone.utc) - timedelta(days=40)
_REACH = 1600
Ask = Callable[[Reader], list[Any]]
_OFTEN: dict[str, tuple[Ask, int]] = {
    "failed jobs": (lambda it: jobs.find(it, jobs.Which(outcome="failed"), 5), _REACH),
    "jobs of a target": (lambda it: jobs.find(it, jobs.Which(target="*", user="alice"), 5), _REACH),
    "failures of a state": (lambda it: returns.failures(it, returns.Which(), 1, state="file*"), _REACH // 4),
    "changes of a state": (lambda it: states.changes(it, 5, state="file"), _REACH),
}
_ALL: dict[str, Ask] = {
    **{name: ask for name, (ask, _) in _OFTEN.items()},
    "many failed jobs": lambda it: jobs.find(it, jobs.Which(outcome="failed", until=AGO), 60),
    "jobs with a lack": lambda it: jobs.find(it, jobs.Which(outcome="missing", fun="*.*"), 30),
    "jobs of no target": lambda it: jobs.find(it, jobs.Which(target="x*"), 9),
    "failures of a name": lambda it: returns.failures(it, returns.Which(minion="minion0*"), 9, state="/etc/file1?"),
    "failures of none": lambda it: returns.failures(it, returns.Which(), 9, state="nope"),
    "changes on some": lambda it: states.changes(it, 40, minion=f"{MINIONS[0][:8]}*", end=AGO),
    "changes on none": lambda it: states.changes(it, 9, minion="gone*"),
    "who is missing": lambda it: missing.find(it, None, None, 40),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('near')}/history.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    options = SqlOptions(url=url)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 2500)
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def reach(reader: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(dialect_of(reader).questions), "reach", _REACH)


@pytest.mark.parametrize("name", _OFTEN)
def test_how_far_it_may_look_is_not_asked_for_a_page_that_is_near(reader: sa.Engine, name: str) -> None:
    ask, most = _OFTEN[name]
    told = statements(reader, ask)
    values = [value for _, given in told for value in (given.values() if isinstance(given, dict) else given)]
    assert most // 16 in values
    assert most not in values


@pytest.mark.parametrize("name", _ALL)
def test_a_near_page_is_that_of_all_that_is_looked_through(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def found() -> tuple[list[Any], Any]:
        with reading(reader) as asked:
            rows = _ALL[name](asked)
            # Of a full page nobody is told how far was looked.
            return rows, asked.begin if not rows else None

    # When
    near = found()
    monkeypatch.setattr(newest, "_PART", 1)

    # Then
    assert near == found()


def test_what_is_not_there_any_more_is_told_once(reader: sa.Engine) -> None:
    with reading(reader) as asked:
        assert not returns.failures(asked, returns.Which(), 5, before=10**9, state="file*")
        assert len(asked.notes) == 1
