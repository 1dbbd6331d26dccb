"""The doorstep's file: what is full, swept, replaced, broken, or written by two at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.doorstep import FILE, Doorstep, Queue

MINIONS = ["web1"]


def _put(doorstep: Doorstep, count: int, size: int = 10) -> None:
    for number in range(count):
        doorstep.put_return(f"j{number}", "web1", None, b"x" * size)


def test_returns_leave_room_for_loads(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path, 1_000_000)

    # When
    with pytest.raises(SpoolError, match="is full"):
        _put(doorstep, 100, 20_000)

    # Then
    doorstep.put_load("1", b"x" * 1000, MINIONS)
    with pytest.raises(SpoolError, match="is full"):
        doorstep.put_load("2", b"x" * 1000, is_return=True)


def test_what_was_swept_makes_room(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path, 12_000_000)
    with pytest.raises(SpoolError, match="is full"):
        _put(doorstep, 100, 200_000)

    # When
    last = doorstep.waiting(100, time.time() + 1)[-1].id
    while doorstep.waiting(100, time.time() + 1):
        last = doorstep.waiting(100, time.time() + 1)[-1].id
        doorstep.taken([], last)
    doorstep.sweep(0, last)

    # Then
    assert doorstep.used() < 1_000_000
    _put(doorstep, 20, 200_000)


def test_marks_of_a_file_that_was_replaced_do_not_hold_for_the_next(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    _put(doorstep, 5)
    seen = doorstep.waiting(10, time.time() + 1)

    # When
    doorstep.path.unlink()
    _put(doorstep, 3)
    doorstep.taken([], seen[-1].id)
    doorstep.sweep(time.time() + 1, seen[-1].id)

    # Then
    assert [one.jid for one in doorstep.waiting(10, time.time() + 1)] == ["j0", "j1", "j2"]


def test_a_job_id_is_free_for_one_process_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    one, other = Doorstep(tmp_path), Doorstep(tmp_path)
    monkeypatch.setattr(one, "load", lambda _: other.reserve("1") and None)

    # Then
    assert not one.reserve("1")


def test_a_job_that_is_not_to_be_kept_may_take_hours(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    doorstep.reserve("1", nocache=True)
    doorstep.reserve("2")

    # When
    doorstep.sweep(time.time() + 1, 0)

    # Then
    assert (doorstep.is_nocache("1"), doorstep.load("2")) == (True, None)
    assert doorstep.nocache(10) == ["1"]
    doorstep.sweep(time.time() + 100_000, 0)
    assert doorstep.load("1") is None


def test_only_the_file_that_is_broken_is_set_aside(tmp_path: Path) -> None:
    # Given
    one, other = Doorstep(tmp_path), Doorstep(tmp_path)
    one.put_load("1", b"x")

    def find_broken(_: object) -> None:
        # Meanwhile another process has set it aside, and has put a job into the next one.
        other.path.replace(tmp_path / f"{FILE}.broken")
        other.put_load("2", b"x")
        raise sqlite3.DatabaseError("database disk image is malformed")

    # When
    with pytest.raises(SpoolError):
        one.run(find_broken, is_single=True)

    # Then
    assert other.load("2") is not None


def test_a_disk_that_fails_for_a_moment_takes_nothing_with_it(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    _put(doorstep, 1)

    # When
    def fail(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(SpoolError):
        doorstep.run(fail, is_single=True)

    # Then
    assert len(doorstep.waiting(10, time.time() + 1)) == 1


def test_large_returns_are_taken_in_one_by_one(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    _put(doorstep, 5, 5 * 2**20)

    # Then
    assert len(doorstep.waiting(10, time.time() + 1)) == 2


def _write(folder: Path, count: int, failed: Any) -> None:
    doorstep = Doorstep(folder)
    for number in range(count):
        try:
            doorstep.put_load(f"{os.getpid()}-{number}", b"x" * 700, MINIONS)
            doorstep.put_return(f"{os.getpid()}-{number}", "web1", None, b"x" * 2000)
        except SpoolError:
            with failed.get_lock():
                failed.value += 1


def test_many_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    # Given
    context = multiprocessing.get_context("fork")
    failed = context.Value("i", 0)
    processes = [context.Process(target=_write, args=(tmp_path, 200, failed)) for _ in range(8)]

    # When
    for one in processes:
        one.start()
    for one in processes:
        one.join(120)

    # Then
    assert failed.value == 0
    assert len(Doorstep(tmp_path).loads()) == 1600


def test_whoever_has_stopped_with_the_file_in_hand_stops_nobody_else_for_long(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    doorstep.put_load("1", b"x", MINIONS)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    # When
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(SpoolError, match="locked"):
            doorstep.put_load("2", b"x", MINIONS)

    # Then
    assert time.monotonic() - began < 2.5
    holder.close()
    doorstep.put_load("2", b"x", MINIONS)


def test_what_waits_and_what_was_refused_is_counted_for_all_processes(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path, 1_000_000)
    assert doorstep.queue() == Queue()
    before = time.time()
    _put(doorstep, 5)

    # When
    for _ in range(3):
        with pytest.raises(SpoolError, match="is full"):
            Doorstep(tmp_path, 1_000_000).put_return("1", "web1", None, b"x" * 2_000_000)
    with pytest.raises(SpoolError, match="is full"):
        doorstep.room(2_000_000, is_wanted=False)

    # Then
    found = doorstep.queue()
    assert (found.waiting, found.refused) == (5, 3)
    assert before <= found.oldest <= time.time()
    doorstep.taken([], 4)
    assert doorstep.queue().waiting == 1
    doorstep.taken([], 5)
    assert doorstep.queue() == Queue(refused=3)


def test_only_what_was_taken_in_of_a_minion_is_forgotten(tmp_path: Path) -> None:
    # Given
    doorstep = Doorstep(tmp_path)
    doorstep.put_load("j0", b"x", ["web1", "web2"])
    doorstep.put_load("j1", b"x", ["web2"])
    _put(doorstep, 2)
    doorstep.put_return("j0", "web2", None, b"x")
    doorstep.taken(doorstep.changed(10), doorstep.waiting(1, time.time() + 1)[-1].id)

    # When
    gone = doorstep.forget("web1")

    # Then
    assert gone == 2
    assert [one.minion for one in doorstep.returns("j0")] == ["web2"]
    assert [one.minion for one in doorstep.returns("j1")] == ["web1"]
    assert [one.jid for one in doorstep.loads()] == ["j1"]
