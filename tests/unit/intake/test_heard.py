"""Which returns the bus has brought, and which jobs are not to be kept."""

from __future__ import annotations

import time

import pytest

from salt_eventsd.event.parse import Event
from salt_eventsd.intake import heard
from salt_eventsd.intake.heard import Heard


def _event(jid: str, minion_id: str = "web1", phase: str = "ret", stamp: float = 1.5) -> Event:
    return Event("", 0.0, stamp, jid, minion_id, "test.ping", "job", phase, b"{}")


def test_a_return_of_the_bus_is_known_with_and_without_its_time() -> None:
    # Given
    known = Heard(lambda _: False)

    # When
    assert not known.refuses(_event("1"))

    # Then
    assert known.has("1", "web1", 1.5)
    assert known.has("1", "web1", None)
    assert not known.has("1", "web1", 2.0)
    assert not known.has("1", "web2", None)


def test_only_so_many_returns_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(heard, "_RETURNS", 10)
    known = Heard(lambda _: False)

    # When
    for number in range(25):
        known.refuses(_event(str(number)))

    # Then
    found = [number for number in range(25) if known.has(str(number), "web1", 1.5)]
    assert found[-10:] == list(range(15, 25))
    assert 10 <= len(found) <= 20


def test_returns_of_a_job_that_is_not_to_be_kept_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(heard, "_JOBS", 2)
    known = Heard(lambda jid: jid.startswith("no"))

    # Then
    for jid in ("no1", "yes", "no2", "no3"):
        assert not known.refuses(_event(jid, phase="new"))
    assert [known.refuses(_event(jid)) for jid in ("no1", "no2", "no3", "yes")] == [False, True, True, False]


def test_a_return_that_was_taken_from_the_doorstep_is_refused_when_the_bus_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    monkeypatch.setattr(heard, "_RETURNS", 10)
    known = Heard(lambda _: False)

    # When
    for number in range(25):
        known.hand(str(number), "web1", 1.5)
    known.hand("25", "web1", None)

    # Then what is not among the latest may come twice, and another return of the same job is none of these
    assert [number for number in range(26) if known.refuses(_event(str(number)))] == [*range(10, 25)]
    assert not known.refuses(_event("24", "web2"))
    assert not known.refuses(_event("24", stamp=2.5))


def test_a_start_that_was_taken_from_the_doorstep_is_that_of_no_later_round() -> None:
    # Given
    known = Heard(lambda _: False)
    before = time.time()

    # When
    known.hand_start("1")

    # Then: whatever the doorstep is told of the job later, it need not tell that it began
    assert (known.has_start("1"), known.has_start("2")) == (True, False)
    assert known.was_begun(_event("1", "", "new", before))
    assert not known.was_begun(_event("1", "", "new", time.time() + 1))
    assert not known.was_begun(_event("2", "", "new", before))
    assert not known.was_begun(_event("1", stamp=before))
