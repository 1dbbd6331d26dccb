"""What holds up the engine does not hold up its reader, and a reader that dies is replaced, with the gap told."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.support.engine import HELD_SECONDS
from tests.support.kinds import SQLITE
from tests.support.rig import Rig
from tests.support.salt import wait_until

pytestmark = pytest.mark.parametrize("target", [SQLITE], indirect=True)


def reader_of(rig: Rig) -> psutil.Process:
    return next(one for one in psutil.Process(rig.engine.pid).children(recursive=True) if "reader" in one.name())


@pytest.mark.timeout(180)
def test_an_engine_whose_lock_is_held_for_long_loses_nothing(rig: Rig) -> None:
    # Given
    stream = rig.stream(per_second=5000)
    rig.lives(20)

    # When
    with stream.firing():
        time.sleep(1)
        os.kill(rig.engine.pid, signal.SIGUSR2)
        time.sleep(HELD_SECONDS + 1)

    # Then
    assert len(stream.moments) > 1000 * HELD_SECONDS
    rig.lives(60)
    assert rig.conserved(stream) == 0
    bus = rig.engine.report()["bus"]
    assert (bus["gaps"], bus["lost"]) == ([], 0)


def test_a_reader_that_is_killed_is_replaced_and_the_gap_is_told(rig: Rig) -> None:
    # Given
    stream = rig.stream(per_second=500)
    rig.lives(20)

    # When
    with stream.firing():
        time.sleep(2)
        before = reader_of(rig).pid
        killed = time.time()
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: rig.engine.report()["bus"]["gaps"], "gap")
        wait_until(lambda: rig.engine.report()["bus"]["connected"], "new reader")
        time.sleep(1)

    # Then
    bus = rig.engine.report()["bus"]
    (gap,) = bus["gaps"]
    assert reader_of(rig).pid != before
    assert "died" in gap["why"]
    assert killed - 1 < gap["from"] <= killed + 0.1
    assert gap["to"] == bus["since"] > killed
    rig.engine.away.append((gap["from"] - 0.1, gap["to"] + 0.3))
    rig.lives(10)
    missing = rig.conserved(stream)
    assert missing <= 2 * gap["missing"] + bus["lost"] + 50


def test_the_reader_ends_with_its_engine(rig: Rig) -> None:
    # Given
    reader = reader_of(rig)
    nursery = reader.parent()
    os.kill(reader.pid, signal.SIGSTOP)

    # When
    rig.engine.kill()

    # Then
    assert psutil.wait_procs([reader, nursery], 5)[1] == []


def test_the_reader_has_little_memory_of_its_own(rig: Rig) -> None:
    stream = rig.stream()
    stream.burst(3000)
    rig.lives(20)

    assert reader_of(rig).memory_full_info().uss < 25 * 2**20
