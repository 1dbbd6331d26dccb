"""What is older than ``keep`` says goes, and nothing else, on each database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention import aged_jobs
from salt_eventsd.database.retention.keep import Keep, Limits, limits
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps
from salt_eventsd.exceptions import WorkerError
from tests.support.aged import Answer, answer_event, jid_of, job_events, purge, purging, stamp
from tests.support.events import fired, return_data
from tests.support.stores import Database, batch_of

KEEP = {"returns": "90d", "failed": "1y", "states": "90d", "events": "14d", "jobs": "90d", "stats": "7d"}
#: The rows of a job that went well, and these with those of one that failed.
WELL = {("jobs", ""): 1, ("returns", "succeeded"): 1, ("states", "succeeded"): 2}
BOTH = {**WELL, ("jobs", ""): 2, ("returns", "failed"): 1}


@pytest.fixture
def database(tables: Database) -> Database:
    """A database with our tables, nothing in them."""
    return tables


def _jids(database: Database, table: str) -> list[str]:
    return sorted(set(database.column(table, "jid")))


class TestJobs:
    """A job goes as a whole, when each of its rows is old enough."""

    def test_an_old_one_goes_with_returns_and_states(self, database: Database) -> None:
        # Given
        old, young = jid_of(100), jid_of(10)
        database.worker().write(
            batch_of(
                [
                    *job_events(old, 100, Answer("web1", 100, states=3), Answer("web2", 99)),
                    *job_events(young, 10, Answer("web1", 10, states=3)),
                ]
            )
        )

        # When
        counts = purge(database, KEEP)

        # Then
        assert counts == {("jobs", ""): 1, ("returns", "succeeded"): 2, ("states", "succeeded"): 3}
        assert [_jids(database, name) for name in ("jobs", "returns", "states")] == [[young]] * 3

    def test_one_with_a_failed_return_stays_whole_until_that_is_old_enough(self, database: Database) -> None:
        # Given
        jid, older = jid_of(100), jid_of(400)
        answers = [Answer("web1", 100, states=2), Answer("web2", 100, failed=True, states=2)]
        oldest = [Answer("web1", 400, failed=True, states=2)]
        database.worker().write(batch_of([*job_events(jid, 100, *answers), *job_events(older, 400, *oldest)]))

        # When
        counts = purge(database, KEEP)

        # Then
        expected = {("jobs", ""): 1, ("returns", "failed"): 1, ("states", "succeeded"): 1, ("states", "failed"): 1}
        assert counts == expected
        assert _jids(database, "jobs") == [jid]
        assert [len(database.rows(name)) for name in ("jobs", "returns", "states")] == [1, 2, 4]

    def test_one_whose_last_return_came_late_stays_whole(self, database: Database) -> None:
        # Given
        jid = jid_of(100)
        database.worker().write(batch_of(job_events(jid, 100, Answer("web1", 100), Answer("web2", 80))))

        # Then
        assert purge(database, KEEP) == {}
        assert len(database.rows("returns")) == 2

    def test_one_that_nobody_answered_goes(self, database: Database) -> None:
        # Given
        old, young = jid_of(100), jid_of(10)
        database.worker().write(batch_of([*job_events(old, 100), *job_events(young, 10)]))

        # Then
        assert purge(database, KEEP) == {("jobs", ""): 1}
        assert _jids(database, "jobs") == [young]

    def test_returns_whose_job_is_not_known_are_judged_together(self, database: Database) -> None:
        # Given
        old, kept = jid_of(100), jid_of(100)
        answers = [Answer("web1", 100, states=2), Answer("web2", 95)]
        mixed = [Answer("web1", 100), Answer("web2", 95, failed=True)]
        events = [*job_events(old, 100, *answers, is_told=False), *job_events(kept, 100, *mixed, is_told=False)]
        database.worker().write(batch_of(events))

        # Then
        assert purge(database, KEEP) == {("returns", "succeeded"): 2, ("states", "succeeded"): 2}
        assert _jids(database, "returns") == [kept]
        assert len(database.rows("returns")) == 2

    def test_states_that_are_left_over_go(self, database: Database) -> None:
        # Given
        old, young = jid_of(100), jid_of(10)
        events = [
            *job_events(old, 100, Answer("web1", 100, failed=True, states=3)),
            *job_events(young, 10, Answer("web1", 10, states=3)),
        ]
        database.worker().write(batch_of(events))
        database.execute("DELETE FROM eventsd_returns", "DELETE FROM eventsd_jobs")

        # Then
        assert purge(database, KEEP) == {("states", "succeeded"): 2, ("states", "failed"): 1}
        assert _jids(database, "states") == [young]

    def test_a_large_one_goes_in_parts(self, database: Database) -> None:
        # Given
        jid = jid_of(100)
        answers = [Answer(f"web{number}", 100, states=20) for number in range(100)]
        database.worker().write(batch_of(job_events(jid, 100, *answers)))

        # Then
        expected = {("jobs", ""): 1, ("returns", "succeeded"): 100, ("states", "succeeded"): 2000}
        assert purge(database, KEEP) == expected
        assert [database.rows(name) for name in ("jobs", "returns", "states")] == [[], [], []]

    def test_many_go_page_by_page_and_those_between_stay(self, database: Database) -> None:
        # Given
        jids = [(jid_of(200 - number / 10), 200 - number / 10, number % 3 == 0) for number in range(1500)]
        events = [
            event for jid, days, fails in jids for event in job_events(jid, days, Answer("web1", days, failed=fails))
        ]
        database.worker().write(batch_of(events))

        # When
        purge(database, KEEP)

        # Then
        kept = sorted(jid for jid, days, fails in jids if fails or days < 90)
        assert _jids(database, "jobs") == kept
        assert _jids(database, "returns") == kept


class TestTheKeys:
    """What ``keep`` says, and leaves out."""

    @pytest.fixture
    def database(self, tables: Database) -> Database:
        """Two old jobs, of which one failed, with states, an event and a number."""
        events = [
            *job_events(jid_of(100), 100, Answer("web1", 100, states=2)),
            *job_events(jid_of(100), 100, Answer("web1", 100, failed=True)),
            fired("company/alarm/1", {"x": 1, "_stamp": stamp(100)}),
            fired("company/alarm/2", {"x": 1, "_stamp": stamp(1)}),
        ]
        tables.worker().write(batch_of(events))
        days = {"a": 100, "b": 1}
        tables.execute(
            *(
                "INSERT INTO eventsd_stats (master_id, stamp, name, value) VALUES "
                f"('{master}', '{stamp(day).replace('T', ' ')}', 'n{day}', 1)"
                for master in ("master-1", "master-2")
                for day in days.values()
            )
        )
        return tables

    @pytest.mark.parametrize(
        ("keep", "expected"),
        [
            ({}, {}),
            (dict.fromkeys(KEEP, "forever"), {}),
            ({"returns": "90d"}, BOTH),
            ({"returns": "90d", "failed": "forever"}, WELL),
            ({"failed": "90d"}, {}),
            ({"returns": "90d", "jobs": "1y"}, {}),
            ({"returns": "1y", "states": "90d"}, {("states", "succeeded"): 2}),
            ({"states": "90d"}, {("states", "succeeded"): 2}),
            ({"returns": "90d", "states": "30d"}, BOTH),
            ({"returns": "90d", "states": "1y"}, {("jobs", ""): 1, ("returns", "failed"): 1}),
            ({"events": "14d"}, {("events", ""): 1}),
            ({"stats": "7d"}, {("stats", ""): 2}),
        ],
    )
    def test_what_goes(self, database: Database, keep: dict[str, str], expected: dict[tuple[str, str], int]) -> None:
        assert purge(database, keep) == expected

    def test_minions_stay(self, database: Database) -> None:
        purge(database, KEEP)

        assert database.column("minions", "minion_id") == ["web1"]


def test_returns_without_a_job_id_go_one_by_one(database: Database) -> None:
    # Given
    answers = [Answer("web1", 100, states=2), Answer("web2", 100, failed=True), Answer("web3", 10)]
    database.worker().write(batch_of(job_events("req", 100, *answers, is_told=False)))

    # Then
    assert purge(database, KEEP) == {("returns", "succeeded"): 1, ("states", "succeeded"): 2}
    assert sorted(database.column("returns", "minion_id")) == ["web2", "web3"]


def test_states_without_a_job_id_are_counted_once(database: Database) -> None:
    # Given: a schedule with ``return_job: nocache`` applies states
    answers = [Answer("web1", 40, states=2), Answer("web2", 40, failed=True, states=3), Answer("web3", 10, states=1)]
    database.worker().write(batch_of(job_events("nocache", 40, *answers, is_told=False)))

    # Then: what is counted is what goes
    assert purge(database, {"returns": "90d", "states": "30d"}) == {("states", "succeeded"): 4, ("states", "failed"): 1}
    assert sorted(database.column("returns", "minion_id")) == ["web1", "web2", "web3"]


def test_what_one_minion_has_answered_without_end_goes_in_steps(database: Database) -> None:
    # Given
    jid = jid_of(100)
    answers = [
        fired(f"salt/job/{jid}/ret/bad", return_data(number, jid, "bad", _stamp=stamp(100))) for number in range(250)
    ]
    states = answer_event(jid, Answer("bad", 100, states=120))
    database.worker().write(batch_of([*answers, states, *job_events(jid, 100, Answer("good", 100))]))
    old = limits(Keep(returns="90d"))

    # When
    gone = []
    with database.engine.begin() as connection:
        found = aged_jobs.find(connection, [jid], old)
        for step in aged_jobs.steps(connection, found, 100, old):
            gone.append(sum(connection.execute(one).rowcount for one in step.statements))

    # Then
    assert (sum(gone), len(database.rows("returns")), len(database.rows("jobs"))) == (250 + 121 + 1 + 1, 0, 0)
    assert max(gone) <= 101


def test_a_job_of_many_steps_is_looked_through_for_late_answers_once(database: Database) -> None:
    # Given
    jid = jid_of(100)
    answers = [
        fired(f"salt/job/{jid}/ret/bad", return_data(number, jid, "bad", _stamp=stamp(100))) for number in range(250)
    ]
    database.worker().write(batch_of(answers))
    pace, said = Pace(share=1), list[str]()
    pace.rows = 50

    def note(*args: Any) -> None:
        said.append(args[2])

    # When
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with purging(database, KEEP, pace) as one:
            one.run()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    # Then
    assert database.rows("returns") == []
    assert sum(one.startswith("DELETE FROM eventsd_returns") for one in said) > 2
    assert sum(one.startswith("SELECT DISTINCT eventsd_returns.jid") and "NOT" in one for one in said) == 1


def test_a_count_changes_nothing(database: Database) -> None:
    # Given
    database.worker().write(batch_of(job_events(jid_of(100), 100, Answer("web1", 100, states=2))))

    # When
    with purging(database, KEEP) as one:
        counts = one.count()

    # Then
    assert counts == {("jobs", ""): 1, ("returns", "succeeded"): 1, ("states", "succeeded"): 2}
    assert [len(database.rows(name)) for name in ("jobs", "returns", "states")] == [1, 1, 2]
    assert [row for row in database.rows("locks") if row["holder"]] == []


def test_a_job_that_is_answered_before_it_is_deleted_stays_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an answer that comes when the job was found to be too old
    jid, other = jid_of(100), jid_of(100)
    answers = [Answer("web1", 100, states=2), Answer("web2", 100, failed=True)]
    database.worker().write(batch_of([*job_events(jid, 100, *answers), *job_events(other, 100, *answers)]))
    find = aged_jobs.find

    def find_then(connection: Connection, jids: Iterable[str], old: Limits) -> list[aged_jobs.AgedJob]:
        found = find(connection, jids, old)
        connection.commit()
        monkeypatch.undo()
        database.worker().write(batch_of([answer_event(jid, Answer("late", 0))], first=99))
        return found

    monkeypatch.setattr(aged_jobs, "find", find_then)

    # When
    with purging(database, {"returns": "90d"}) as one:
        counts = one.run()

    # Then
    assert counts == {**BOTH, ("jobs", ""): 1}
    assert sorted(database.column("returns", "minion_id")) == ["late", "web1", "web2"]
    assert [_jids(database, name) for name in ("jobs", "returns", "states")] == [[jid]] * 3


def test_in_sqlite_a_look_keeps_nobody_from_writing(tmp_path: Path) -> None:
    # Given
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    database.make_tables()
    database.close()
    engine = make_engine(SqlOptions(url=database.url))
    steps = Steps(engine, Pace(share=1))

    def write(connection: Connection) -> tuple[int, int]:
        connection.execute(sa.select(schema.jobs)).all()
        with closing(sqlite3.connect(tmp_path / "history.db", timeout=0)) as other:
            other.execute("DELETE FROM eventsd_stats")
            other.commit()
        return 1, 1

    # Then somebody else may write while a purge looks, and not while it deletes
    with steps.changing():
        assert steps.ask(write) == (1, 1)
        with pytest.raises(WorkerError, match="locked"):
            steps.change(write)
    engine.dispose()
