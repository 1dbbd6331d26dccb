"""Answers that are still to come, and what of them a gap may have cost."""

from __future__ import annotations

from typing import Any

import msgspec
from salt.payload import dumps

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.unanswered import Unanswered
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.predecessor import Predecessor
from salt_eventsd.event.parse import Event
from tests.support.events import job_data, read, return_data


def event(tag: str, data: dict[str, Any], when: float) -> Event:
    """Return an event that was read at some time."""
    return msgspec.structs.replace(read(tag.encode() + b"\n\n" + dumps(data)), received=when)


def begun(jid: str, minions: int, when: float) -> tuple[Event, dict[str, Any]]:
    """Return the start of a job."""
    data = {**job_data(), "jid": jid, "minions": [f"m{number}" for number in range(minions)]}
    return event(f"salt/job/{jid}/new", data, when), data


def answered(jid: str, when: float) -> tuple[Event, dict[str, Any]]:
    """Return an answer to a job."""
    data = {**return_data(), "jid": jid}
    return event(f"salt/job/{jid}/ret/m1", data, when), data


def test_answers_are_waited_for_until_they_come() -> None:
    # Given a job for five minions and one for two
    unanswered = Unanswered()
    unanswered.note(*begun("1", 5, 1000.0))
    unanswered.note(*begun("2", 2, 2000.0))
    # When some have answered, and somebody to a job nobody knows
    for jid in ("1", "2", "3"):
        unanswered.note(*answered(jid, 2001.0))
    unanswered.note_answers([answered(jid, 2001.0)[0] for jid in ("1", "2", "2")])
    # Then the others are still to come, each to the job of its time
    assert unanswered.since(0.0, 3000.0) == 3
    assert unanswered.since(1500.0, 3000.0) == 0


def test_a_job_that_is_published_in_groups_is_one() -> None:
    # Given a job that is published for two groups, when one minion has answered
    unanswered = Unanswered()
    unanswered.note(*begun("1", 2, 1000.0))
    unanswered.note(*begun("1", 3, 1001.0))
    unanswered.note(*answered("1", 1002.0))
    # Then all others are to come
    assert unanswered.since(0.0, 2000.0) == 4


def test_no_more_jobs_are_remembered_than_is_good() -> None:
    # Given far more jobs than anybody waits for, and one whose id is made up
    unanswered = Unanswered()
    unanswered.note(*begun("x" * 10_000, 1, 1.0))
    for number in range(3000):
        unanswered.note(*begun(str(number), 1, 1000.0))
    # When it is asked how many answers are to come, then of the latest jobs only
    assert unanswered.since(0.0, 2000.0) == 2000


def test_a_gap_on_a_quiet_bus_may_have_cost_the_answers_to_a_large_job() -> None:
    # Given a quiet bus, a job for a thousand minions, one of long ago, and a gap after that
    unanswered = Unanswered()
    unanswered.note(*begun("0", 77, 1_000.0))
    unanswered.note(*begun("1", 1000, 10_000.0))
    gap = Gap(10_001.0, 10_011.0, "x", rate=0.1, missing=1)
    # When ten have answered since
    for _ in range(10):
        unanswered.note(*answered("1", 10_020.0))
    # Then the others may be missing; without jobs it goes by the rate
    assert [one.missing for one in Ledger().gaps([gap], unanswered)] == [990]
    assert [one.missing for one in Ledger().gaps([gap])] == [1]


def test_the_next_engine_knows_what_was_to_come() -> None:
    # Given the report of an engine that was killed while 990 answers were to come
    left = {"written": 10_001.0, "bus": {"last": 10_000.0, "rate": 0.1, "connected": True, "unanswered": 990}}
    # When the next one asks what has happened
    gap = msgspec.convert(left, Predecessor).gap()
    # Then so many may be missing, though the bus was quiet
    assert gap is not None
    assert gap.guess(10_011.0) == 990
