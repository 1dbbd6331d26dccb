"""What holds up the engine does not hold up its reader, and a reader that dies is replaced, with the gap told."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.operate.status import read
from tests.faults.conftest import StartRig
from tests.support.engine import HELD_SECONDS
from tests.support.kinds import SQLITE
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

pytestmark = pytest.mark.parametrize("target", [SQLITE], indirect=True)

#: What stands still is told within this.
TOLD_SECONDS = 5.0
#: The publisher cuts off who has 10,000 frames before him, and some more in sockets.
CUT_OFF_FRAMES = 15_000


def reader_of(rig: Rig) -> psutil.Process:
    return next(one for one in psutil.Process(rig.engine.pid).children(recursive=True) if "reader" in one.name())


@pytest.mark.alone
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


def status_of(rig: Rig) -> dict[str, Any]:
    return read(rig.engine.folder / "status.json")


@contextmanager
def stopped(pid: int) -> Iterator[float]:
    """Have a process stand still while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield time.time()
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.alone
def test_a_reader_that_stands_still_is_told_in_time_and_its_gap_begins_then(rig: Rig) -> None:
    # Given
    stream = rig.stream(per_second=2000)
    rig.lives(20)

    # When: the publisher cuts off who has so many frames before him
    with stream.firing():
        time.sleep(5)
        with stopped(reader_of(rig).pid) as since:
            time.sleep(TOLD_SECONDS)
            told = status_of(rig)
            before = len(stream.moments)
            wait_until(lambda: len(stream.moments) - before > CUT_OFF_FRAMES, "stream", 60)
        wait_until(lambda: rig.engine.report()["bus"]["gaps"], "gap")
        wait_until(lambda: rig.engine.report()["bus"]["connected"], "reader that has connected again")
        time.sleep(1)

    # Then
    assert told["retcode"] == 1
    assert [note for note in told["notes"] if "the process that reads the event bus has stood still" in note]
    bus = rig.engine.report()["bus"]
    rig.engine.away.append((since - 0.5, bus["since"] + 0.3))
    # What is fired over another connection may be faster.
    time.sleep(1)
    rig.lives(30)
    missing = rig.conserved(stream)
    (gap,) = bus["gaps"]
    assert since - 1 < gap["from"] < since + 6
    # The rate before is not quite that meanwhile, least of all on a busy machine.
    assert missing / 4 < gap["missing"] < 4 * missing
    seen = status_of(rig)
    assert seen["retcode"] == 1
    assert [note for note in seen["notes"] if f"about {gap['missing']:,} events may be missing" in note]

    # When
    ask(socket_path(rig.engine.folder / "status.json"), "seen")

    # Then
    assert (status_of(rig)["retcode"], status_of(rig)["notes"]) == (0, [])
    rig.engine.kill()
    rig.engine.start()
    gaps = rig.engine.report()["bus"]["gaps"]
    assert [one["seen"] for one in gaps] == [True, False]
    assert "killed" in gaps[1]["why"]
    assert status_of(rig)["retcode"] == 1


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGUSR2], ids=["stopped", "lock held"])
def test_an_engine_that_stands_still_is_told_in_time_and_is_well_after_that(rig: Rig, number: signal.Signals) -> None:
    # Given
    rig.lives(20)
    stream = rig.stream(per_second=300)

    # When
    with stream.firing():
        os.kill(rig.engine.pid, number)
        time.sleep(TOLD_SECONDS)
        told = status_of(rig)
        os.kill(rig.engine.pid, signal.SIGCONT)
        # The sleep of who holds the lock is in C, where any signal ends it that has a handler.
        os.kill(rig.engine.pid, signal.SIGUSR1)

    # Then
    assert (told["state"], told["retcode"]) == ("hanging", 1)
    rig.lives(30)
    assert rig.conserved(stream) == 0
    wait_until(lambda: status_of(rig)["retcode"] == 0, "engine that is well", 10)
    assert status_of(rig)["notes"] == []


def test_a_thread_that_waits_for_a_disk_is_told_in_time(rig: Rig) -> None:
    # Given
    rig.lives(20)
    stream = rig.stream(per_second=100)

    # When: the spool waits for this transaction as it would for a disk that does not answer
    with stream.firing(), sqlite3.connect(rig.engine.spool / "spool.db", isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        time.sleep(TOLD_SECONDS)
        told = status_of(rig)
        db.execute("ROLLBACK")

    # Then
    assert told["retcode"] == 1
    assert told["notes"]
    rig.lives(30)
    assert rig.conserved(stream) == 0


@pytest.mark.parametrize(
    "number",
    [signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM],
    ids=lambda number: signal.Signals(number).name,
)
def test_a_signal_that_asks_for_no_end_ends_nothing(
    target: Target, start_rig: StartRig, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # Given
    monkeypatch.setenv("EVENTSD_HELD_SECONDS", "0")
    rig = start_rig(target)
    stream = rig.stream(per_second=500)

    # When: the whole group gets it, as from a terminal that is closed
    with stream.firing():
        time.sleep(0.5)
        os.killpg(rig.engine.pid, number)
        time.sleep(0.5)

    # Then
    assert rig.engine.running
    rig.lives(20)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["gaps"] == []


@pytest.mark.alone
def test_what_waits_with_the_reader_is_kept_by_an_engine_that_ends(rig: Rig) -> None:
    # Given: some thousand events that the engine has not seen yet
    stream = rig.stream(per_second=1000)
    rig.lives(20)

    # When
    with stream.firing():
        os.kill(rig.engine.pid, signal.SIGSTOP)
        time.sleep(4)
    # Until the publisher has passed them on.
    time.sleep(1)
    os.kill(rig.engine.pid, signal.SIGTERM)
    os.kill(rig.engine.pid, signal.SIGCONT)
    seconds = rig.engine.terminate()
    last = rig.engine.report()

    # Then
    assert seconds < 4
    assert last["ended"]
    assert last["bus"]["lost"] == 0
    rig.engine.start()
    rig.lives(40)
    assert rig.conserved(stream) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda one: one.name)
def test_a_group_that_is_asked_to_end_hands_over_what_was_read(rig: Rig, number: signal.Signals) -> None:
    # Given
    stream = rig.stream(per_second=2000)
    rig.lives(20)

    # When
    with stream.firing():
        time.sleep(1)
        os.killpg(rig.engine.pid, number)
        seconds = rig.engine.terminate()
    last = rig.engine.report()

    # Then
    assert seconds < 4
    assert last["ended"]
    assert last["bus"]["lost"] == 0
    assert last["bus"]["matched"] + last["bus"]["ignored"] == last["bus"]["received"]
