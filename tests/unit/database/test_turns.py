"""Whose turn it is to write, where a database has one writer at a time."""

from __future__ import annotations

import threading

import pytest

from salt_eventsd.database import turns
from salt_eventsd.database.turns import Turns
from tests.support.lanes import eventually


class Writer(threading.Thread):
    """Takes a turn and notes that it had one."""

    def __init__(self, of: Turns, had: list[str], name: str, is_urgent: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self._turns, self._had, self._is_urgent = of, had, is_urgent
        self.start()

    def run(self) -> None:
        """Take one turn."""
        with self._turns.take(self._is_urgent):
            self._had.append(self.name)


def waiting(of: Turns) -> int:
    return len(of._changed._waiters)  # type: ignore[attr-defined]  # the insides of a Condition


def test_who_is_urgent_has_the_next_turn_however_many_wait() -> None:
    # Given
    of, had = Turns(True), list[str]()
    with of.take():
        writers = [Writer(of, had, "first"), Writer(of, had, "second")]
        eventually(lambda: waiting(of) == 2)

        # When
        writers.append(Writer(of, had, "urgent", is_urgent=True))
        eventually(lambda: waiting(of) == 3)
        assert had == []

    # Then
    for one in writers:
        one.join(10)
    assert had[0] == "urgent"
    assert sorted(had) == ["first", "second", "urgent"]


def test_one_has_the_turn_at_a_time() -> None:
    of, inside, most = Turns(True), [0], [0]

    def write(is_urgent: bool) -> None:
        for _ in range(50):
            with of.take(is_urgent):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=write, args=(number % 2 == 0,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)

    assert most == [1]


@pytest.mark.parametrize("is_urgent", [False, True])
def test_who_waits_in_vain_goes_on_and_leaves_the_turn_to_whoever_has_it(
    monkeypatch: pytest.MonkeyPatch, is_urgent: bool
) -> None:
    # Given
    monkeypatch.setattr(turns, "_LONGEST_SECONDS", 0.02)
    of, had = Turns(True), list[str]()

    # When
    with of.take():
        Writer(of, had, "in vain", is_urgent).join(10)
        assert had == ["in vain"]
        Writer(of, had, "in vain, too").join(10)
        assert of._is_taken

    # Then
    Writer(of, had, "after").join(10)
    assert had == ["in vain", "in vain, too", "after"]
    assert not of._is_taken


def test_where_a_database_has_many_writers_nobody_waits() -> None:
    of = Turns(False)

    with of.take(), of.take(is_urgent=True), of.take():
        assert not of._is_taken
