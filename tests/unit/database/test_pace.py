"""How large the steps of a purge are, and how a partition's table is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from salt_eventsd.database.partitions.tries import tries
from salt_eventsd.database.retention.pace import Pace


class Clock:
    """A time that passes only where somebody waits or works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of the modules under test."""
    made = Clock()
    monkeypatch.setattr("time.monotonic", made.monotonic)
    yield made
    monkeypatch.undo()


class Waiting(Pace):
    """A pace whose rests take none of the test's time."""

    def wait(self, seconds: float) -> None:
        """See :class:`Pace`."""


def _step(pace: Pace, clock: Clock, seconds: float, changed: int | None = None) -> None:
    with pace.step() as rows:
        clock.wait(seconds)
        if changed is not None:
            rows.append(changed)


class TestThePace:
    """A step takes a tenth of a second."""

    def test_what_is_looked_at_says_nothing_of_what_is_deleted(self, clock: Clock) -> None:
        pace = Waiting()

        for _ in range(10):
            _step(pace, clock, 0.001)

        assert (pace.looks, pace.rows) == (5000, 500)

    def test_a_delete_that_took_long_makes_the_next_one_smaller(self, clock: Clock) -> None:
        pace = Waiting()

        _step(pace, clock, 0.2, 500)

        assert (pace.looks, pace.rows) == (500, 250)

    @pytest.mark.parametrize(("changed", "rows"), [(500, 1000), (250, 1000), (249, 500), (0, 500)])
    def test_only_one_of_many_rows_makes_it_larger(self, clock: Clock, changed: int, rows: int) -> None:
        pace = Waiting()

        _step(pace, clock, 0.02, changed)

        assert pace.rows == rows


class TestTheTries:
    """Short at first, and with a long rest after each."""

    def test_they_take_longer_the_longer_it_was_tried(self, clock: Clock) -> None:
        found = []
        for patience in tries(60.0, clock.wait):
            found.append((clock.now - 1000, patience))
            clock.wait(patience)

        assert found[0] == (0, 0.05)
        assert all(patience == pytest.approx(min(0.5, max(0.05, at / 100))) for at, patience in found)
        assert found[-1][1] == pytest.approx(0.5, abs=0.1)
        assert sum(patience for _, patience in found) < 60 / 10
        assert clock.now - 1000 < 61

    def test_one_is_made_however_little_time_there_is(self, clock: Clock) -> None:
        assert list(tries(0.0, clock.wait)) == [0.05]
