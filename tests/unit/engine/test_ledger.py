"""What the ledger counts: gaps of this engine, however many of them are still told of."""

from __future__ import annotations

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.predecessor import PastBus, Predecessor
from salt_eventsd.engine.report import ReportedGap


def gap(since: float) -> Gap:
    return Gap(since, since + 0.5, "too slow", missing=1)


def test_gaps_are_counted_once_and_for_good() -> None:
    # Given an engine that has had a gap, after one with another
    before = Predecessor(bus=PastBus(gaps=[ReportedGap(0.5, None, "killed")]))
    ledger = Ledger(before)
    ledger.gaps([gap(1.0)])

    # When the bus tells of some more, one after the other, and forgets the oldest
    for number in range(1, 100):
        told = ledger.gaps([gap(float(one)) for one in range(max(1, number - 19), number + 1)])

    # Then the latest are told of, and all of this engine counted
    assert [one.since for one in told] == [float(one) for one in range(80, 100)]
    assert ledger.noticed == 99


def test_a_gap_that_was_open_when_an_engine_died_has_ended() -> None:
    before = Predecessor(bus=PastBus(gaps=[ReportedGap(0.5, None, "restarted", seen=False)]))

    assert Ledger(before).gaps([]) == [ReportedGap(0.5, 0.5, "restarted", seen=False)]


def test_what_is_repaired_in_several_turns_is_counted_together() -> None:
    # Given a gap of the engine before this one, and one of its own
    before = Predecessor(bus=PastBus(gaps=[ReportedGap(0.5, 1.0, "killed", missing=30, seen=False)]))
    ledger = Ledger(before)
    own = Gap(2.0, 3.0, "too slow", missing=10)

    # When
    for since, events in ((0.5, 20), (0.5, 4), (2.0, 7), (2.0, 3)):
        ledger.repaired(since, events)

    # Then
    told = [(gap.missing, gap.seen, gap.repaired) for gap in ledger.gaps([own])]
    assert told == [(6, False, 24), (0, True, 10)]


def test_of_a_gap_that_is_repaired_as_a_whole_only_what_no_job_cache_has_is_missing() -> None:
    # Given a gap of the engine before this one, one of its own, and a tenth of the events is in no job cache
    old = ReportedGap(0.5, 1.0, "killed", missing=30, seen=False, beside_jobs=3)
    parts = [0.1, 0.9]
    ledger = Ledger(Predecessor(bus=PastBus(gaps=[old])), lambda: parts[0])
    own = [Gap(2.0, 3.0, "too slow", missing=20), Gap(4.0, 5.0, "cut off", missing=20, beside=0.0)]
    ledger.gaps(own)
    # What comes after a gap says nothing of it.
    parts.reverse()

    # When
    for since, events, left in ((0.5, 4, 2), (2.0, 7, 1), (4.0, 6, 0)):
        ledger.repaired(since, events, left)

    # Then
    told = [(gap.missing, gap.seen, gap.repaired, gap.beside_jobs) for gap in ledger.gaps(own)]
    assert told == [(5, False, 4, 3), (3, False, 7, 2), (0, True, 6, 0)]

    # When somebody brings one of those that were left
    ledger.repaired(0.5, 1)
    ledger.repaired(2.0, 1)

    # Then
    assert [(gap.missing, gap.repaired) for gap in ledger.gaps(own)] == [(4, 5), (2, 8), (0, 6)]

    # When more than were left: none of them is what no job cache has
    ledger.repaired(0.5, 9)

    # Then
    assert next((gap.missing, gap.seen) for gap in ledger.gaps(own)) == (3, False)
