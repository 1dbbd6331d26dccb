"""What is told of a worker that has several lanes."""

from __future__ import annotations

from collections.abc import Sequence

from salt_eventsd.config.structs import WorkerConfig
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.collect import report, worker_reports
from salt_eventsd.engine.problems import problems
from salt_eventsd.engine.report import WorkerReport
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import SOON
from tests.support.parts import parts_of
from tests.support.reports import report_of, spool_of
from tests.support.workers import Recorder


def lane(spool: Spool, name: str, owner: str = "history", problem: str = "", events: int = 0, **counts: float) -> Lane:
    made = Lane(name, WorkerConfig(), None if problem else Recorder(), problem, spool, SOON, owner)
    made.backlog.events = events
    for key, count in counts.items():
        setattr(made, key, count)
    return made


def reports(spool: Spool, lanes: Sequence[Lane], dead: dict[str, int] | None = None) -> dict[str, WorkerReport]:
    return worker_reports(parts_of(spool), lanes, dead or {}, {})


def test_a_worker_with_one_lane_is_told_as_it_is(spool: Spool) -> None:
    found = reports(spool, [lane(spool, "history", written=5)], {"history": 2})["history"]

    assert (found["written"], found["dead_letters"], found.lanes) == (5, 2, {})


def test_several_are_added_up_and_the_worst_of_them_counts(spool: Spool) -> None:
    # Given
    lanes = [
        lane(spool, "history", written=5, events=1, last_write=7.0),
        lane(spool, "history:returns.subs.raid", problem="no such table", events=3),
        lane(spool, "other", "other", written=9),
    ]

    # When
    found = reports(spool, lanes, {"history": 2})

    # Then
    assert list(found) == ["history", "other"]
    whole = found["history"]
    assert (whole.state, whole.last_error, whole["up"]) == ("held", "no such table", 0)
    assert (whole["written"], whole["queued_events"], whole.last_write, whole["dead_letters"]) == (5, 4, 7.0, 2)
    assert {name: one.state for name, one in whole.lanes.items()} == {"all others": "ok", "returns.subs.raid": "held"}


def test_what_is_refused_is_buried(spool: Spool) -> None:
    # Given
    parts = parts_of(spool)
    parts.lanes["history"].buried = 3

    # When
    found = report(parts).workers["history"]

    # Then: under both names, the first of which programs may read
    assert (found["failed"], found["buried"]) == (3, 3)


def test_the_status_names_the_rule(spool: Spool) -> None:
    # Given
    lanes = [lane(spool, "history"), lane(spool, "history:raid", problem="no such table")]
    found = report_of(workers=reports(spool, lanes), spool=spool_of(orphaned={"history:gone": 3, "away": 1}))

    # When / Then
    assert [one.text for one in problems(found)] == [
        "3 events wait for rule gone of worker history, which is no longer under events; see eventsd.drop_orphaned",
        "1 event waits for worker away, which is no longer under workers; see eventsd.drop_orphaned",
        "worker history, rule raid is held: no such table",
    ]


def test_the_lane_of_all_rules_without_a_table_of_their_own_is_told_in_words(spool: Spool) -> None:
    # Given
    lanes = [lane(spool, "history", problem="away"), lane(spool, "history:raid")]

    # When
    found = problems(report_of(workers=reports(spool, lanes)))

    # Then
    assert [one.text for one in found] == ["worker history (all other rules) is held: away"]


def test_a_retired_lane_is_not_told(spool: Spool) -> None:
    retired = lane(spool, "history:raid")
    retired.retired = True

    assert reports(spool, [lane(spool, "history"), retired])["history"].lanes == {}
