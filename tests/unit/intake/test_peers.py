"""What a master of a cluster does with the events of another one, by what the engine there says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from salt_eventsd.event.beat import BEAT_TAG, Beat, key_of, read_beat, sealed
from salt_eventsd.event.frame import pack_frame
from salt_eventsd.intake import peers as module
from salt_eventsd.intake.peers import ALIVE, DOWN, DOWN_SECONDS, WAITING, Peers

KEY = key_of(b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
OTHERS_KEY = key_of(b"another")


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def peers(clock: Clock) -> Peers:
    """What a master m1 knows of others."""
    made = Peers("m1", clock)
    made.key = KEY
    return made


class Other:
    """The engine of master m2, as m1 hears it."""

    def __init__(self, peers: Peers, name: str = "m2") -> None:
        self.peers, self.name = peers, name
        self.sent = 0
        self.at = time.time_ns() // 1000

    def beat(self, number: int, kept: int, life: str = "a", key: bytes = KEY) -> bytes:
        """Beat, and return the frame."""
        self.at += 1
        beat = Beat(self.name, life, number, kept, self.at)
        raw = pack_frame(BEAT_TAG, {**sealed(beat, key), "_stamp": "2026-01-01T00:00:00", "__peer_id": self.name})
        self.peers.hear(raw)
        return raw

    def copy(self) -> bool:
        """Copy an event, the next number, and say whether it is left to m2."""
        self.sent += 1
        return self.peers.leaves(self.name, str(self.sent).encode(), float(self.sent))


@pytest.fixture
def other(peers: Peers) -> Other:
    return Other(peers)


def due(peers: Peers) -> list[int]:
    return [int(raw) for raw, _ in peers.due()]


def test_what_the_engine_there_has_kept_is_left_to_it_for_good(peers: Peers, other: Other, clock: Clock) -> None:
    # Given an engine that has beaten for long, and tells of each beat that it has kept all before
    for number in range(100, 110):
        other.beat(number, kept=number - 1)
        assert other.copy()
        clock.now += 2

    # When it is not heard any more
    clock.now += DOWN_SECONDS

    # Then only the last ones are kept here, from one beat before those that it has told of
    assert due(peers) == [8, 9, 10]
    assert [one.state for one in peers.told()] == [DOWN]
    assert not other.copy()
    assert (peers.taken, peers.lost) == (4, 0)


def test_an_engine_that_keeps_nothing_is_down_though_it_beats(peers: Peers, other: Other, clock: Clock) -> None:
    # Given
    other.beat(100, kept=99)
    # When
    for number in range(101, 108):
        clock.now += 2
        other.copy()
        other.beat(number, kept=99)

    # Then
    assert due(peers) == [1, 2, 3, 4, 5, 6, 7]
    # And when it keeps again, its events are left to it
    assert not other.copy()
    other.beat(108, kept=107)
    assert other.copy()
    assert peers.told()[0].state == ALIVE


def test_a_master_whose_engine_was_never_heard_has_its_events_kept_here(
    peers: Peers, other: Other, clock: Clock
) -> None:
    assert other.copy()
    assert due(peers) == []

    clock.now += DOWN_SECONDS + 1

    assert due(peers) == [1]
    assert not other.copy()


def test_the_end_of_the_engine_keeps_what_nobody_was_heard_to_keep(peers: Peers, other: Other) -> None:
    # Given a master that is alive, and one that has not been heard yet
    other.beat(100, kept=99)
    other.copy()
    unheard = Other(peers, "m3")
    unheard.sent = 10
    unheard.copy()

    assert [int(raw) for raw, _ in peers.due(is_last=True)] == [11]


@pytest.mark.parametrize(
    ("number", "kept"), [pytest.param(1, 0, id="its first beat"), pytest.param(3, 2, id="two beats missed")]
)
def test_what_came_while_an_engine_was_started_again_is_kept_here(
    peers: Peers, other: Other, number: int, kept: int
) -> None:
    # Given
    other.beat(100, kept=99)
    other.copy()

    # When
    other.beat(number, kept, life="b")

    # Then
    assert due(peers) == [1]
    assert other.copy()
    other.beat(number + 1, kept=number, life="b")
    other.beat(number + 3, kept=number + 2, life="b")
    assert peers.told()[0].held.bytes == 0


def test_an_engine_that_was_running_before_keeps_what_it_has_heard(peers: Peers, other: Other) -> None:
    # Given this engine has just been started
    other.copy()

    # When
    other.beat(1000, kept=999)
    assert (due(peers), peers.told()[0].state) == ([], ALIVE)
    assert peers.told()[0].held.bytes
    other.beat(1001, kept=1000)
    assert peers.told()[0].held.bytes
    other.beat(1002, kept=1001)

    # Then
    assert peers.told()[0].held.bytes == 0


FORGED: list[Any] = [
    pytest.param(lambda raw: raw.replace(b"m2", b"m3"), id="another master's name"),
    pytest.param(lambda raw: raw.replace(b"\xa4kept\x63", b"\xa4kept\x64"), id="another number"),
    pytest.param(lambda raw: raw[:-1], id="cut off"),
    pytest.param(lambda raw: raw + b"\0" * 4096, id="large"),
    pytest.param(lambda raw: b"eventsd/alive\n\n\x90", id="no beat"),
]


@pytest.mark.parametrize("forge", FORGED)
def test_a_forged_beat_is_none(other: Other, forge: Callable[[bytes], bytes]) -> None:
    raw = other.beat(100, kept=99)
    forged = forge(raw)

    assert read_beat(raw, KEY) is not None
    assert forged != raw
    assert read_beat(forged, KEY) is None


def test_what_a_minion_fires_keeps_no_engine_alive(peers: Peers, other: Other, clock: Clock) -> None:
    # Given an engine that was alive, and events that a minion has heard of
    raw = other.beat(100, kept=99)
    other.copy()

    # When
    clock.now += DOWN_SECONDS + 1
    peers.hear(raw)
    other.beat(101, kept=100, key=OTHERS_KEY)
    other.beat(102, kept=101, key=b"")

    # Then
    assert due(peers) == [1]
    assert peers.told()[0].state == DOWN
    peers.key = b""
    other.beat(103, kept=102, key=b"")
    assert peers.told()[0].state == DOWN


@pytest.mark.parametrize("seconds", [pytest.param(-3600, id="long ago"), pytest.param(3600, id="to come")])
def test_a_beat_of_another_time_is_none(peers: Peers, other: Other, seconds: int) -> None:
    other.at += seconds * 10**6

    other.beat(100, kept=99)

    assert peers.told() == []


def test_without_room_the_oldest_are_let_go_and_counted_if_nobody_has_kept_them(
    peers: Peers, other: Other, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(module, "_MOST_BYTES", 2100)
    other.beat(100, kept=99)

    # When
    for _ in range(12):
        assert other.copy()

    # Then
    assert peers.lost == 0
    clock.now += DOWN_SECONDS + 1
    assert due(peers) == [*range(3, 13)]
    assert peers.lost == 2


def test_without_room_what_was_kept_is_not_counted(
    peers: Peers, other: Other, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(module, "_MOST_BYTES", 2100)
    other.beat(100, kept=99)
    for _ in range(12):
        other.copy()

    # When
    for number in range(101, 104):
        other.beat(number, kept=number - 1)
    clock.now += DOWN_SECONDS + 1

    # Then
    assert (due(peers), peers.lost) == ([], 0)


def test_names_that_minions_make_up_are_bounded_and_keep_no_master_out(
    peers: Peers, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(module, "_MOST_BYTES", 10_000)
    for number in range(10_000):
        Other(peers, f"made-up-{number}").copy()
    Other(peers, "x" * 100_000).copy()

    # When
    other.beat(100, kept=99)

    # Then
    assert len(peers._peers) <= 64
    assert peers._peers["m2"].state == ALIVE
    assert other.copy()
    # Whatever was taken or is held, nothing of it is lost.
    assert peers.lost == 0
    assert len(peers.due(is_last=True)) + peers.taken >= 64
    assert all(one.state != WAITING for one in peers._peers.values())


def test_its_own_beats_say_what_an_engine_has_kept(peers: Peers) -> None:
    # Given
    own = Other(peers, "m1")
    own.beat(1, kept=0)
    assert peers.kept == ("", 0)

    # When
    peers.committed()
    own.beat(2, kept=1)

    # Then
    assert peers.kept == ("a", 1)
    assert peers.told() == []
