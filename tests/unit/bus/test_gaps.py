"""A gap begins with the last frame, not with its being noticed; what it may have cost goes by the rate before it."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import msgspec
import pytest

from salt_eventsd.bus.gaps import TICK_SECONDS, Gap, Pulse
from salt_eventsd.engine.watch import STANDS_SECONDS, Growth, Watch

START = 1_767_323_045.0


class Clocks:
    """Both clocks, set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic, self.wall = 1000.0, START
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)
        monkeypatch.setattr(time, "time", lambda: self.wall)

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks that stand still."""
    return Clocks(monkeypatch)


def read_at(pulse: Pulse, clocks: Clocks, per_second: int, seconds: float) -> None:
    """Let the reader live for some time."""
    for _ in range(round(seconds / TICK_SECONDS)):
        clocks.go(TICK_SECONDS)
        pulse.frames += round(per_second * TICK_SECONDS)
        pulse.newest = stamped(clocks.wall)
        pulse.feel()


def stamped(moment: float) -> bytes:
    stamp = datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None).isoformat()
    return b"salt/job/1/ret/m\n\n" + msgspec.msgpack.encode({"_stamp": stamp, "return": 1})


def test_a_reader_that_stood_still_misses_what_came_meanwhile(clocks: Clocks) -> None:
    # Given
    pulse = Pulse()
    read_at(pulse, clocks, 400, 20)
    stopped = clocks.wall

    # When: after 68 s it reads what its socket has held all the time, and then the end of it
    clocks.go(68)
    pulse.frames += 278
    pulse.newest = stamped(stopped + 0.7)
    pulse.feel()
    gap = pulse.gap("cut off")
    clocks.go(0.5)
    gap.close(clocks.wall)

    # Then
    assert stopped - 0.3 <= gap.since <= stopped + 1
    assert gap.missing == pytest.approx(400 * 68, rel=0.05)


def test_a_reader_that_was_behind_misses_what_was_fired_after_its_last_frame(clocks: Clocks) -> None:
    # Given
    pulse = Pulse()
    read_at(pulse, clocks, 1000, 20)
    pulse.newest = stamped(clocks.wall - 8)

    # When
    gap = pulse.gap("too slow")
    gap.close(clocks.wall)

    # Then
    assert gap.since == pytest.approx(clocks.wall - 8, abs=0.1)
    assert gap.missing == pytest.approx(8000, rel=0.05)


def test_a_quiet_bus_misses_nothing(clocks: Clocks) -> None:
    pulse = Pulse()
    read_at(pulse, clocks, 40, 10)
    read_at(pulse, clocks, 0, 120)

    gap = pulse.gap("restarted")
    clocks.go(30)
    gap.close(clocks.wall)

    assert gap.missing == 0


@pytest.mark.parametrize("lasted", [pytest.param(5, id="just begun"), pytest.param(100, id="long since")])
def test_the_rate_is_that_of_the_last_seconds(clocks: Clocks, lasted: int) -> None:
    pulse = Pulse()
    read_at(pulse, clocks, 0, 30)
    read_at(pulse, clocks, 400, lasted)

    assert pulse.rate() == pytest.approx(400, rel=0.1)


@pytest.mark.parametrize("jump", [pytest.param(-86_400, id="back"), pytest.param(86_400, id="forward")])
def test_a_clock_that_is_set_costs_nothing(clocks: Clocks, jump: float) -> None:
    # Given
    pulse = Pulse()
    read_at(pulse, clocks, 400, 20)
    gap = pulse.gap("restarted")

    # When
    clocks.go(2)
    clocks.wall += jump
    gap.close(clocks.wall)

    # Then
    assert gap.missing == pytest.approx(800, rel=0.15)


def test_a_gap_from_before_the_machine_was_started_goes_by_the_wall(clocks: Clocks) -> None:
    gap = Gap(START, None, "crashed", rate=10.0, blind_since=START + 5)

    clocks.go(65)

    assert gap.guess() == 600


def test_a_thread_that_shows_no_sign_stands_still(clocks: Clocks) -> None:
    # Given
    turns = iter(range(1000))
    watch = Watch({"lively": lambda: next(turns), "stuck": lambda: 1, "ended": lambda: None})

    # When
    for _ in range(5):
        clocks.go(1)
        seen = watch.look()

    # Then
    assert seen == {"lively": 0.0, "stuck": 4.0, "ended": None}
    assert STANDS_SECONDS < 4


def test_whoever_stood_still_himself_accuses_nobody(clocks: Clocks) -> None:
    watch = Watch({"thread": lambda: 1})
    clocks.go(1)
    watch.look()

    clocks.go(60)

    assert watch.look() == {"thread": 0.0}


def test_a_queue_that_is_shorter_once_does_not_only_grow(clocks: Clocks) -> None:
    # Given
    growth = Growth()
    lengths = [(10, 500, 9), (20, 400, 0), (30, 600, 0), (40, 700, 0), (40, 650, 0)]

    # When
    for grows, shrinks, empty in lengths:
        found = growth.look([("grows", grows), ("shrinks", shrinks), ("empty", empty)])
        clocks.go(1)

    # Then
    assert found == {"grows": 4.0, "shrinks": 0.0, "empty": 0.0}
