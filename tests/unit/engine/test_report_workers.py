"""What is told of a worker that has several queues."""

from __future__ import annotations

from salt_eventsd.config.structs import WorkerConfig
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.problems import problems
from salt_eventsd.engine.report_workers import worker_reports
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import SOON
from tests.support.workers import Recorder


def lane(spool: Spool, name: str, owner: str = "history", problem: str = "", events: int = 0, **counts: float) -> Lane:
    made = Lane(name, WorkerConfig(), None if problem else Recorder(), problem, spool, SOON, owner)
    made.backlog.events = events
    for key, count in counts.items():
        setattr(made, key, count)
    return made


def test_a_worker_with_one_queue_is_told_as_it_is(spool: Spool) -> None:
    found = worker_reports([lane(spool, "history", written=5)], {"history": 2}, {"history": 0.0}, {})

    assert (found["history"]["written"], found["history"]["dead_letters"]) == (5, 2)
    assert "rules" not in found["history"]


def test_several_are_added_up_and_the_worst_of_them_counts(spool: Spool) -> None:
    # Given
    lanes = [
        lane(spool, "history", written=5, events=1, last_write=7.0),
        lane(spool, "history:returns.subs.raid", problem="no such table", events=3),
        lane(spool, "other", "other", written=9),
    ]

    # When
    found = worker_reports(lanes, {"history": 2}, {}, {})

    # Then
    assert list(found) == ["history", "other"]
    whole = found["history"]
    assert (whole["state"], whole["last_error"]) == ("held", "no such table")
    assert (whole["written"], whole["queued_events"], whole["last_write"], whole["dead_letters"]) == (5, 4, 7.0, 2)
    assert {name: one["state"] for name, one in whole["rules"].items()} == {
        "all others": "ok",
        "returns.subs.raid": "held",
    }


def test_the_status_names_the_rule(spool: Spool) -> None:
    # Given
    lanes = [lane(spool, "history"), lane(spool, "history:raid", problem="no such table")]
    report = {
        "bus": {"connected": True, "lost": 0, "gaps": []},
        "spool": {
            "error": "",
            "unkept_events": 0,
            "full": False,
            "set_aside": [],
            "orphaned": {"history:gone": 3, "away": 1},
            "orphaned_gone": 0,
        },
        "workers": worker_reports(lanes, {}, {}, {}),
    }

    # When / Then
    assert [one.text for one in problems(report)] == [
        "3 events wait for rule gone of worker history, which is no longer under events; see eventsd.drop_orphaned",
        "1 event waits for worker away, which is no longer under workers; see eventsd.drop_orphaned",
        "worker history, rule raid is held: no such table",
    ]


def test_the_queue_of_all_rules_without_a_table_of_their_own_is_told_in_words(spool: Spool) -> None:
    # Given
    lanes = [lane(spool, "history", problem="away"), lane(spool, "history:raid")]
    room = {"error": "", "unkept_events": 0, "full": False, "set_aside": [], "orphaned": {}, "orphaned_gone": 0}
    bus = {"connected": True, "lost": 0, "gaps": []}

    # When
    found = problems({"bus": bus, "spool": room, "workers": worker_reports(lanes, {}, {}, {})})

    # Then
    assert [one.text for one in found] == ["worker history (all other rules) is held: away"]


def test_a_retired_queue_is_not_told(spool: Spool) -> None:
    retired = lane(spool, "history:raid")
    retired.retired = True

    assert "rules" not in worker_reports([lane(spool, "history"), retired], {}, {}, {})["history"]
