"""Questions are spelled so that the database takes the index that was made for them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import MINIONS, fill
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import (
    answers,
    jobs,
    minions,
    missing,
    newest,
    of_minion,
    returns,
    states,
    totals,
)
from salt_eventsd.database.questions.read import Reader, reading
from salt_eventsd.database.questions.runs import earlier, last, together
from tests.support.plans import statements

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)
ONCE = "eventsd_returns_once"
#: MariaDB has another one in its place.
OF_MINION = "eventsd_returns_of_minion_fun"


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Reads a history that is large enough for an index to be worth it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/history.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    options = SqlOptions(url=url)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, 1500)
    engine.dispose()
    made = make_reader(options)
    yield made
    made.dispose()


def _plans(engine: sa.Engine, ask: Callable[[Reader], Any], having: str = "") -> list[str]:
    """Return the plans of those statements of a question that have a text in them, as the database tells them."""
    told = statements(engine, ask, having)
    words = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        plans = [connection.exec_driver_sql(f"{words} {statement}", parameters).all() for statement, parameters in told]
    return ["\n".join(str(tuple(row)) for row in plan) for plan in plans]


def _plan(engine: sa.Engine, ask: Callable[[Reader], Any], having: str = "") -> str:
    return "\n".join(_plans(engine, ask, having))


@pytest.mark.parametrize(
    ("ask", "index", "only"),
    [
        pytest.param(
            lambda reader: minions.conformity(reader), "eventsd_returns_of_runs", "sqlite postgresql", id="conformity"
        ),
        pytest.param(lambda reader: minions.conformity(reader), OF_MINION, "mysql", id="conformity"),
        pytest.param(
            lambda reader: states.slow(reader, 5), "eventsd_states_marked", "sqlite postgresql", id="slow states"
        ),
        pytest.param(lambda reader: states.slow(reader, 5), "eventsd_states_marks", "mysql", id="slow states"),
        pytest.param(
            lambda reader: totals.of_slow_states(reader, NOW - DAY, NOW, 9),
            "'eventsd_states_by_result', '10'",
            "mysql",
            id="slow states of a time",
        ),
        pytest.param(
            lambda reader: states.slow(reader, 5), "eventsd_returns_took", "sqlite postgresql", id="slow jobs"
        ),
        pytest.param(lambda reader: states.slow(reader, 5), "eventsd_returns_slow", "mysql", id="slow jobs"),
        pytest.param(
            lambda reader: states.slow(reader, 50, NOW - DAY), "eventsd_states_by_result", "sqlite", id="slow of a day"
        ),
        pytest.param(
            lambda reader: totals.of_slow_states(reader, NOW - DAY, NOW, 9),
            "eventsd_states_by_result",
            "",
            id="slow states of a report",
        ),
        pytest.param(
            lambda reader: jobs.find(reader, jobs.Which(user="nobody"), 50), "eventsd_jobs_by_user", "", id="user"
        ),
        pytest.param(lambda reader: jobs.find(reader, jobs.Which(outcome="failed"), 9), ONCE, "", id="failed jobs"),
        pytest.param(
            lambda reader: jobs.find(reader, jobs.Which(minion=random.choice(MINIONS)), 9),
            ONCE,
            "",
            id="jobs of a minion",
        ),
        pytest.param(
            lambda reader: jobs.find(reader, jobs.Which(fun="s*", user="*o*"), 9), "eventsd_jobs_by_fun", "", id="globs"
        ),
        pytest.param(
            lambda reader: returns.find(reader, returns.Which(minion="gone", fun="test.ping"), 9),
            OF_MINION,
            "sqlite",
            id="a function on a minion",
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(minion=MINIONS[0]), 9),
            "eventsd_returns_failed_of_minion",
            "sqlite postgresql",
            id="failures of a minion",
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(minion="minion000*", fun="s*"), 9),
            "eventsd_returns_failed_of_minion",
            "sqlite postgresql",
            id="failures of some minions",
        ),
        pytest.param(
            lambda reader: returns.find(reader, returns.Which(jid="1", fun="test.ping"), 9), ONCE, "", id="in a job"
        ),
        pytest.param(
            lambda reader: states.changes(reader, 9, minion=MINIONS[0]),
            "eventsd_states_changed_of_minion",
            "sqlite postgresql",
            id="changes of a minion",
        ),
        pytest.param(
            lambda reader: states.changes(reader, 9, minion="minion000*", start=NOW - 60 * DAY),
            "eventsd_states_changed_of_minion",
            "sqlite postgresql",
            id="changes of some minions",
        ),
        pytest.param(
            lambda reader: states.changes(reader, 9, state="file", start=NOW - 60 * DAY),
            "eventsd_states_changed_state",
            "sqlite postgresql",
            id="changes by a module",
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(fun="service.*"), 9),
            "eventsd_returns_failed_of_fun",
            "sqlite postgresql",
            id="failures of a function",
        ),
        pytest.param(
            lambda reader: jobs.find(reader, jobs.Which(kind="call", since=NOW - 60 * DAY), 9),
            "eventsd_jobs_by_kind",
            "postgresql",
            id="jobs of a kind",
        ),
        pytest.param(
            lambda reader: jobs.find(reader, jobs.Which(outcome="nobody", since=NOW - 60 * DAY), 9),
            "eventsd_jobs_for_nobody",
            "sqlite postgresql",
            id="jobs for nobody",
        ),
        pytest.param(lambda reader: jobs.find(reader, jobs.Which(), 9), "eventsd_jobs_apart", "postgresql", id="twins"),
        pytest.param(
            lambda reader: states.changes(reader, 9, name="/etc/ntp.conf"),
            "eventsd_states_changed_name",
            "sqlite postgresql",
            id="changes of a file",
        ),
        pytest.param(
            lambda reader: states.changes(reader, 9, name="ntp"),
            "eventsd_states_changed_id",
            "sqlite postgresql",
            id="changes by an id",
        ),
        pytest.param(
            lambda reader: returns.find(reader, returns.Which(minion="minion01*", fun="service.*"), 9),
            "eventsd_returns_by_fun",
            "sqlite mysql",
            id="a function on many minions",
        ),
        pytest.param(lambda reader: missing.find(reader, None, NOW - DAY, 100), ONCE, "", id="missing"),
        pytest.param(
            lambda reader: missing.find(reader, None, NOW - DAY, 100), "eventsd_jobs_by_stamp", "", id="of a day"
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(), 9), "eventsd_returns_failed", "", id="failures"
        ),
        pytest.param(lambda reader: states.changes(reader, 9), "eventsd_states_changed", "", id="changes"),
    ],
)
def test_a_question_takes_its_index(reader: sa.Engine, ask: Callable[[Reader], Any], index: str, only: str) -> None:
    if only and reader.dialect.name not in only.split():
        pytest.skip(f"there is no such index in {reader.dialect.name}")
    # SQLite gives the index of a key a name of its own.
    other = {
        (ONCE, "sqlite"): "sqlite_autoindex_eventsd_returns",
        (OF_MINION, "mysql"): "eventsd_returns_jobs_of_minion",
    }
    name = other.get((index, reader.dialect.name), index)
    assert name in _plan(reader, ask)


def test_failed_jobs_are_not_found_by_a_look_at_all_failed_returns_for_each_job(reader: sa.Engine) -> None:
    # When
    having = "success IS" if reader.dialect.name == "mysql" else "success"
    plan = _plan(reader, lambda reader: jobs.find(reader, jobs.Which(outcome="failed"), 9), having)

    # Then
    assert (ONCE if reader.dialect.name == "mysql" else "eventsd_returns_failed_of_job") in plan
    assert "eventsd_returns_failed" not in plan.replace("eventsd_returns_failed_of_job", "")


def test_what_failed_in_old_jobs_is_not_looked_for_in_all_that_failed_since(reader: sa.Engine) -> None:
    if reader.dialect.name == "mysql":
        pytest.skip("it has no index over what failed alone")
    plan = _plan(reader, lambda reader: jobs.find(reader, jobs.Which(until=NOW - 60 * DAY), 9), "success")
    assert "eventsd_returns_failed_of_job" in plan
    assert "eventsd_returns_failed" not in plan.replace("eventsd_returns_failed_of_job", "")


def test_a_page_of_changes_is_not_sorted_out_of_all_changes(reader: sa.Engine) -> None:
    # When
    times = _plans(reader, lambda reader: states.changes(reader, 9), "eventsd_states.changed")[0]

    # Then the index tells the times of the page, the newest first
    assert "eventsd_states_changed" in times
    assert [word for word in ("Sort", "filesort", "TEMP B-TREE") if word in times] == []


def test_how_minions_were_is_not_looked_for_from_today_back(reader: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given much has happened since then
    monkeypatch.setattr(earlier, "_FEW_LATER", 0)

    # When
    plan = _plan(reader, lambda reader: minions.conformity(reader, at=NOW - 60 * DAY), "eventsd_returns")

    # Then
    if reader.dialect.name == "mysql":
        assert "range" in plan
        assert "DEPENDENT SUBQUERY" not in plan
        newest_runs = _plans(reader, lambda reader: minions.conformity(reader, at=NOW - 60 * DAY), "row_number")[0]
        assert "eventsd_returns_by_fun" in newest_runs
    else:
        assert "eventsd_returns_of_runs" in plan


@pytest.mark.parametrize("is_far", [True, False])
def test_how_minions_were_is_the_same_whichever_way_it_is_looked_for(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, is_far: bool
) -> None:
    if reader.dialect.name == "sqlite":
        pytest.skip("a look into its index begins at the time")
    chance = random.Random(7)
    times = [NOW - DAY * chance.uniform(-1, 92) for _ in range(5)]
    known = set()

    with reading(reader) as asked:
        for at in times if is_far else [None, *times]:

            def look(some: Sequence[str], at: datetime | None = at) -> list[dict[str, Any]]:
                if is_far and at:
                    return earlier.one_by_one(asked, some, at, None)
                return last._each(asked, [schema.minions.c.minion_id.in_(some)], at, None)

            by_looks = last._each(asked, [], at, None)
            for runs, most, few in (((1,), 2000, 1), ((1, 1), 2000, 1), ((1, 2), 2000, 300), ((2, 6), 3, 100)):
                # When
                monkeypatch.setattr(together, "_RUNS", runs)
                monkeypatch.setattr(together, "_MOST_FUNCTIONS", most)
                monkeypatch.setattr(earlier, "FEW", few)
                # Then
                assert earlier.runs_of(asked, list(MINIONS), at, None, look) == by_looks
            known.update(row["id"] for row in by_looks)
    assert len(known) > len(MINIONS)


@pytest.mark.parametrize(
    ("ask", "begin"),
    [
        pytest.param(lambda reader: states.changes(reader, 9, state="file"), "(changed = ", id="changes"),
        pytest.param(
            lambda reader: states.changes(reader, 9, name="/etc/file1"), "(changed = ", id="changes of a name"
        ),
        pytest.param(
            lambda reader: returns.failures(reader, returns.Which(since=NOW - DAY), 9), "(success = ", id="failures"
        ),
        pytest.param(lambda reader: totals.of_time(reader, NOW - DAY, NOW), "(success = ", id="how many failed"),
        pytest.param(lambda reader: totals.of_time(reader, NOW - DAY, NOW), "(changed = ", id="how many changed"),
    ],
)
def test_postgresql_finds_a_time_in_an_index_of_some_rows(
    reader: sa.Engine, ask: Callable[[Reader], Any], begin: str
) -> None:
    if reader.dialect.name != "postgresql":
        pytest.skip("others begin at the time anyway")
    conditions = [line for line in _plan(reader, ask).splitlines() if "Index Cond" in line]
    assert [line for line in conditions if f"({begin}" in line and "AND (stamp" in line]


def test_jobs_that_lack_an_answer_are_the_same_whichever_way_they_are_looked_for(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> list[Any]:
        with reading(reader) as asked:
            which = sa.select(schema.jobs.c.jid).where(missing.is_missing(asked)).order_by(schema.jobs.c.jid)
            return asked.values(which)

    # When
    together = found()
    monkeypatch.setattr(missing, "_FEW_ASKED", -1)

    # Then
    assert together == found() != []


def test_jobs_of_minions_are_the_same_whichever_way_they_are_looked_for(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a few jobs alone are looked through
    monkeypatch.setattr(type(dialect_of(reader).questions), "reach", 2000)
    chance = random.Random(5)
    names = [chance.choice(MINIONS) for _ in range(6)] + ["minion033*", "minion0*", "*", "gone"]
    whiches = [
        jobs.Which(minion=name, outcome=outcome, fun=chance.choice((None, "state.*")))
        for name in names
        for outcome in (None, "failed", "missing", "succeeded")
    ]

    def found(which: jobs.Which) -> Any:
        with reading(reader) as asked:
            return jobs.find(asked, which, 9), asked.notes

    # When
    by_ids = [found(which) for which in whiches]
    monkeypatch.setattr(of_minion, "_FEW_ANSWERED", -1)

    # Then
    assert by_ids == [found(which) for which in whiches]


def test_how_jobs_went_is_the_same_whichever_way_it_is_looked_for(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> list[Any]:
        with reading(reader) as asked:
            return jobs.find(asked, jobs.Which(until=NOW - 40 * DAY), 200)

    # When
    one_by_one = found()
    monkeypatch.setattr(answers, "_MANY", -1)

    # Then
    assert found() == one_by_one
    assert {row["outcome"] for row in one_by_one} == {"failed", "missing", "succeeded"}
    if reader.dialect.name != "postgresql":
        # Of both indexes, no more is read than the keys.
        which = jobs.Which(until=NOW - 40 * DAY)
        plan = _plan(reader, lambda reader: jobs.find(reader, which, 200), "eventsd_returns.success")
        assert "eventsd_returns_failed" in plan
        assert ONCE.removesuffix("_once") in plan


def test_jobs_that_were_for_nobody_are_of_no_minion(reader: sa.Engine) -> None:
    assert _plans(reader, lambda reader: jobs.find(reader, jobs.Which(minion="*", outcome="nobody"), 9)) == []


def test_failures_of_some_minions_are_found_without_the_rows_of_others(reader: sa.Engine) -> None:
    # When
    which = returns.Which(minion="minion000*")
    plan = _plan(reader, lambda reader: returns.failures(reader, which, 9), "eventsd_returns.success")

    # Then
    if reader.dialect.name == "mysql":
        # It names the indexes that it might have taken, too.
        assert "'eventsd_returns_jobs_of_minion', '" in plan
        assert "'eventsd_returns_failed', '" not in plan
    else:
        assert "eventsd_returns_failed" in plan
    assert ONCE not in plan


@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ('a"b', "a?b"),
        ("a\\b", "a[!x]b"),
        ("ä_b", "?_*"),
        ("a%b", "*%b"),
        ('a"b', 'a"*'),
        ("a\\b", "a\\*"),
        ("[b", "[[]b"),
    ],
)
def test_globs_fit_names_in_lists_whatever_is_in_them(reader: sa.Engine, name: str, glob: str) -> None:
    if reader.dialect.name != "mysql":
        pytest.skip("others look for a text at no names but those in a list")
    questions = dialect_of(reader).questions
    texts = [json.dumps(["other", name], ensure_ascii=False), json.dumps(["other"])]
    given = [sa.select(sa.literal(text).label("listed")).subquery("given") for text in texts]
    with reading(reader) as asked:
        fits = [
            asked.values(sa.select(questions.has(one.c.listed, glob).label("fits")).select_from(one))[0]
            for one in given
        ]
    assert fits == [1, 0]


def test_failures_of_a_minion_are_not_looked_for_in_an_index_of_all_answers(reader: sa.Engine) -> None:
    if reader.dialect.name != "postgresql":
        pytest.skip("others have none that is larger and knows the minion")
    which = returns.Which(minion=MINIONS[0], since=NOW - 6 * DAY)
    plan = _plan(reader, lambda reader: returns.failures(reader, which, 9, state="file"), "eventsd_returns")
    assert not [
        line for line in plan.splitlines() if "eventsd_returns_once" in line or "eventsd_returns_failed " in line
    ]


@pytest.mark.parametrize(("glob", "pages"), [("nobody*", 0), (f"{MINIONS[0][:-1]}?", 1), ("*", 1)])
def test_rare_names_among_many_are_not_looked_for_in_all_rows(
    reader: sa.Engine, monkeypatch: pytest.MonkeyPatch, glob: str, pages: int
) -> None:
    # Given
    which = returns.Which(minion=glob)
    with reading(reader) as asked:
        expected = [row["id"] for row in returns.find(asked, which, 50)]
    monkeypatch.setattr(newest, "_MOST_KNOWN", 2)

    # When
    found: list[Any] = []
    told = statements(
        reader, lambda asked: found.extend(row["id"] for row in returns.find(asked, which, 50)), "fun_args"
    )

    # Then
    assert found == expected
    assert len(told) == pages
