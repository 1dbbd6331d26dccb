"""
MariaDB looks at no condition in an index that it goes through backwards, and so reads each row of it; it may begin at
the newest row, however far that is from a time; and with several indexes to choose from, it takes that of the times
alone. Questions are spelled so that it need not.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import MINIONS, fill
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.questions import Questions
from salt_eventsd.database.dialects.mysql.questions import MySQLQuestions
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, minions, newest, of_minion, returns, states
from salt_eventsd.database.questions.read import Reader, reading
from salt_eventsd.database.questions.runs import earlier, together
from salt_eventsd.database.questions.wanted import Wanted
from tests.support.plans import statements

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)
M = MINIONS[7]
SOME = "minion001*"
Ask = Callable[[Reader], Any]


@pytest.fixture(scope="module")
def history(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Reads a history that is large enough for an index to be worth it."""
    options = SqlOptions(url=request.getfixturevalue("mariadb").new_database())
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 1500)
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


def _asked(engine: sa.Engine, ask: Ask) -> Any:
    with reading(engine) as reader:
        return ask(reader), reader.begin, reader.notes


def _plan(engine: sa.Engine, ask: Ask, having: str) -> list[dict[str, Any]]:
    """Return the plan of the first statement of a question that has a text in it."""
    statement, parameters = statements(engine, ask, having)[0]
    with engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()]


@pytest.mark.parametrize(
    ("ask", "having", "index"),
    [
        pytest.param(
            lambda reader: states.changes(reader, 9, minion=SOME),
            "eventsd_states.changed DESC",
            "eventsd_states_changed_told",
            id="changes on some minions",
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(minion=M), 9),
            "success",
            "eventsd_returns_jobs_of_minion",
            id="failures of a minion",
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(minion=M), 9, state="file"),
            "STRAIGHT_JOIN",
            "eventsd_returns_jobs_of_minion",
            id="failed states of a minion",
        ),
        pytest.param(
            lambda reader: returns.find(reader, returns.Which(minion=M, fun="pkg.*"), 9),
            "coalesce",
            "eventsd_returns_jobs_of_minion",
            id="a function on a minion",
        ),
    ],
)
def test_what_an_index_knows_is_looked_at_in_it(history: sa.Engine, ask: Ask, having: str, index: str) -> None:
    begin = _plan(history, ask, having)[0]
    assert begin["key"] == index
    assert "Using index" in begin["Extra"].split("; ")
    assert "filesort" not in begin["Extra"]


def _plans_of(engine: sa.Engine, ask: Ask, having: str) -> list[list[dict[str, Any]]]:
    with engine.connect() as connection:
        return [
            [dict(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()]
            for statement, parameters in statements(engine, ask, having)
        ]


@pytest.mark.parametrize("at", [None, NOW - 10 * DAY], ids=["now", "then"])
def test_how_minions_are_is_read_off_the_newest_runs(history: sa.Engine, at: datetime | None) -> None:
    plans = _plans_of(history, lambda reader: minions.conformity(reader, at=at), "row_number")
    keys = [row["key"] for plan in plans for row in plan if row["table"] == "eventsd_returns"]
    assert set(keys) == {"eventsd_returns_by_fun"}


def test_only_who_has_none_of_the_newest_runs_is_looked_for_by_name(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given no more than the newest runs of a few
    monkeypatch.setattr(together, "_RUNS", (1,))
    monkeypatch.setattr(earlier, "FEW", 5)

    # When
    ((_, values),) = statements(history, lambda reader: minions.conformity(reader), "last_id")

    # Then
    asked = {one for one in values.values() if one in MINIONS}
    assert 5 < len(asked) < len(MINIONS) / 2


def test_failures_of_functions_are_found_without_the_rows_of_other_failures(history: sa.Engine) -> None:
    # Given: of most functions, no failure is among the newest
    which = returns.Which(fun="s*")
    plan = _plan(history, lambda reader: returns.failures(reader, which, 500), "its.fun")
    read = [row for row in plan if str(row["table"]).startswith(("eventsd_returns", "its"))]

    # Then
    assert {row["key"] for row in read} == {"eventsd_returns_failed", "eventsd_returns_by_fun"}
    assert all("Using index" in row["Extra"].split("; ") for row in read)
    # Of many returns of one time, each is found by itself.
    assert {row["type"] for row in read if row["table"] == "its"} == {"eq_ref"}


def test_failures_of_functions_are_found_without_the_index_over_functions(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "has_index", lambda *_: False)
    which = returns.Which(fun="s*")
    assert not statements(history, lambda reader: returns.failures(reader, which, 9), "its.fun")


def test_failures_of_functions_are_not_looked_for_in_each_partition(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "partitions_of", lambda *_: 12)
    which = returns.Which(fun="s*")
    assert not statements(history, lambda reader: returns.failures(reader, which, 9), "its.fun")


@pytest.mark.parametrize("limit", [1, 40, 1000])
@pytest.mark.parametrize("fun", ["state.apply", "s*", "service.restart", "*", "gone"])
def test_failures_of_functions_are_the_same_whether_two_indexes_find_them_or_one(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, fun: str, limit: int
) -> None:
    known = _asked(history, lambda reader: returns.failures(reader, returns.Which(), 900))[0]
    assert len(known) > 300
    before = known[len(known) // 3]["id"]

    def found() -> list[Any]:
        times = (None, NOW - 50 * DAY)
        # More minions fit than are looked for by their names.
        asks: list[Ask] = [
            lambda reader, page=page, start=start, end=end, minion=minion: returns.failures(
                reader, returns.Which(fun=fun, minion=minion, since=start, until=end), limit, page
            )
            for minion in (None, "minion00*")
            for page in (None, before)
            for start in times
            for end in times
        ]
        return [_asked(history, ask) for ask in asks]

    # When
    by_two = found()
    monkeypatch.setattr(MySQLQuestions, "told_by_index", Questions.told_by_index)

    # Then
    assert by_two == found()
    assert any(rows for rows, *_ in by_two) == (fun != "gone")


def test_jobs_of_several_functions_and_users_are_found_by_one_of_both(history: sa.Engine) -> None:
    which = jobs.Which(fun="s*", user="*o*", outcome="missing")
    plan = _plan(history, lambda reader: jobs.find(reader, which, 9), "UNION ALL")
    keys = [(row["key"], row["possible_keys"]) for row in plan if row["table"] == "eventsd_jobs"]
    # There is none to choose but the one that the question begins with.
    assert set(keys) <= {(name, name) for name in ("eventsd_jobs_by_fun", "eventsd_jobs_by_user")}
    assert keys


def test_of_returns_of_a_minion_no_more_rows_are_read_than_are_looked_at(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given few jobs are looked through first
    monkeypatch.setattr(MySQLQuestions, "reach", 400)

    # When
    plan = _plan(history, lambda reader: jobs.find(reader, jobs.Which(minion=SOME), 30), "eventsd_returns.jid AS")

    # Then
    by_index = [row for row in plan if row["table"] == "eventsd_returns"]
    assert {row["key"] for row in by_index} == {"eventsd_returns_jobs_of_minion"}
    assert all("Using index" in row["Extra"] for row in by_index)


def _read(engine: sa.Engine, ask: Ask, having: str) -> dict[str, Any]:
    """Return what the first statement of a question that has a text in it had to read."""
    statement, parameters = statements(engine, ask, having)[0]
    with engine.connect() as connection:
        told = connection.exec_driver_sql(f"ANALYZE FORMAT=JSON {statement}", parameters).scalar_one()
    found: dict[str, Any] = json.loads(told)["query_block"]["nested_loop"][0]["table"]
    return found


@pytest.mark.parametrize(
    ("ask", "having"),
    [
        (lambda reader: jobs.find(reader, jobs.Which(fun="test.ping", until=NOW - 60 * DAY), 9), "jobs.fun DESC"),
        (lambda reader: jobs.find(reader, jobs.Which(user="root", until=NOW - 60 * DAY), 9), "jobs.user DESC"),
        (lambda reader: returns.find(reader, returns.Which(fun="test.ping", until=NOW - 60 * DAY), 9), "fun DESC"),
        (lambda reader: returns.failures(reader, returns.Which(until=NOW - 60 * DAY), 9), "success DESC"),
        (lambda reader: states.changes(reader, 9, end=NOW - 60 * DAY), "changed DESC"),
    ],
)
def test_what_is_newer_than_a_time_is_not_read(history: sa.Engine, ask: Ask, having: str) -> None:
    read = _read(history, ask, having)
    assert read["r_rows"] == 9, read


def test_changes_of_a_name_that_changed_nothing_are_found_without_a_look_at_rows(history: sa.Engine) -> None:
    with history.connect() as connection:
        version = connection.dialect.server_version_info
    if version < (10, 10):
        pytest.skip("older servers look at each")
    # When
    read = _read(history, lambda reader: states.changes(reader, 9, name="/etc/gone"), "eventsd_states.changed DESC")

    # Then
    assert read["key"] == "eventsd_states_changed_told"
    assert read["r_rows"] > 300
    assert read["r_engine_stats"]["pages_accessed"] < read["r_rows"] / 3, read


def test_an_answer_is_the_same_whether_rows_are_read_later_or_not(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> list[Any]:
        chance = random.Random(3)
        times = [None, NOW - 60 * DAY, NOW - 20 * DAY]
        asks: list[Ask] = []
        for minion in (M, SOME, "minion0*", "*", "gone", "gone*"):
            for name in (None, "/etc/file7", "file 1", "/etc/file1*"):
                start, end = chance.choice(times), chance.choice(times)
                asks.append(
                    lambda reader, minion=minion, name=name, start=start, end=end: states.changes(
                        reader, 9, minion=minion, name=name, start=start, end=end
                    )
                )
            for state, fun in ((None, None), ("file", None), ("pkg", "s*"), (None, "*.ping"), (None, "gone")):
                which = returns.Which(minion=minion, fun=fun, since=chance.choice(times))
                asks.append(lambda reader, which=which, state=state: returns.failures(reader, which, 9, state=state))
                asks.append(lambda reader, which=which: returns.find(reader, which, chance.choice((1, 9, 600))))
        return [_asked(history, ask) for ask in asks]

    # When
    later = found()
    monkeypatch.setattr(MySQLQuestions, "rows_later", Questions.rows_later)
    monkeypatch.setattr(MySQLQuestions, "beside", Questions.beside)

    # Then
    assert later == found()
    assert sum(len(rows) for rows, *_ in later) > 500


@pytest.mark.parametrize("reach", [40, 400, 4000])
def test_jobs_are_the_same_whether_the_bound_comes_first_or_not(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, reach: int
) -> None:
    # Given
    monkeypatch.setattr(MySQLQuestions, "reach", reach)
    known = _asked(history, lambda reader: jobs.find(reader, jobs.Which(), 900))[0][-1]["jid"]
    whiches = [
        jobs.Which(fun="s*", user=user, outcome=outcome, target=target, until=until)
        for user in ("*o*", "root", "*")
        for outcome in (None, "missing", "succeeded")
        for target in ("*", "w*")
        for until in (None, NOW - 50 * DAY)
    ]

    def found() -> list[Any]:
        asks = [
            lambda reader, one=one, before=before: jobs.find(reader, one, 9, before)
            for one in whiches
            for before in (None, known)
        ]
        return [
            (len(rows), rows, begin if len(rows) < 9 else None) for rows, begin, _ in (_asked(history, a) for a in asks)
        ]

    # When
    bound_later = found()

    def bound_first(reader: Reader, columns: Any, wanted: Wanted, size: int) -> list[Any]:
        return newest.newest(reader, columns, newest.near(reader, columns[0], wanted), size)

    monkeypatch.setattr(jobs, "newest_near", bound_first)

    # Then
    assert bound_later == found()
    assert {count for count, *_ in bound_later} >= {0, 9}


@pytest.mark.parametrize("more", [0, 14, 300])
def test_jobs_that_minions_answered_are_found_however_many_returns_are_looked_at_first(
    history: sa.Engine, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    # Given few jobs are looked through before
    monkeypatch.setattr(of_minion, "_MORE_FIRST", more)
    limit = 12
    for minion in (M, SOME):
        which = returns.Which(minion=minion)
        answered = {
            row["jid"] for row in _asked(history, lambda reader, which=which: returns.find(reader, which, 900))[0]
        }
        for outcome in (None, "failed", "missing"):
            for until in (None, NOW - 45 * DAY):
                one = jobs.Which(minion=minion, outcome=outcome, until=until)
                monkeypatch.setattr(MySQLQuestions, "reach", 1_000_000)
                known = _answered(history, one, 900, answered)
                monkeypatch.setattr(MySQLQuestions, "reach", 800)

                # When
                found = _asked(history, lambda reader, one=one: jobs.find(reader, one, limit))[0]

                # Then
                of_them = [row["jid"] for row in found if row["jid"] in answered]
                assert of_them == known[: len(of_them)]
                assert len(found) == limit or of_them == known


def _answered(engine: sa.Engine, which: jobs.Which, limit: int, answered: set[str]) -> list[str]:
    rows = _asked(engine, lambda reader: jobs.find(reader, which, limit))[0]
    return [row["jid"] for row in rows if row["jid"] in answered]
