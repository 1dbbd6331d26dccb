"""The hand-over from the bus thread: bounded, never waited for, and what does not fit is counted."""

from __future__ import annotations

import threading
import time

from salt_eventsd.bus.inbox import FRAME_BYTES, Inbox


def test_frames_come_out_in_order_with_when_they_were_read() -> None:
    # Given
    inbox = Inbox()
    before = time.time()

    # When
    for raw in (b"a", b"bb", b"ccc"):
        inbox.put(raw)
    taken = inbox.take(0)

    # Then
    assert [raw for raw, _ in taken] == [b"a", b"bb", b"ccc"]
    assert all(before <= received <= time.time() for _, received in taken)
    assert (inbox.received, inbox.dropped, inbox.waiting_bytes) == (3, 0, 0)


def test_take_waits_for_the_first_frame() -> None:
    # Given
    inbox = Inbox()
    late = threading.Timer(0.05, inbox.put, [b"late"])
    late.start()

    # When
    began = time.monotonic()
    taken = inbox.take(10)

    # Then
    assert [raw for raw, _ in taken] == [b"late"]
    assert time.monotonic() - began < 5
    late.join()


def test_take_gives_up_after_its_timeout() -> None:
    assert Inbox().take(0.01) == []


def test_wake_ends_a_wait_without_a_frame() -> None:
    # Given
    inbox = Inbox()
    inbox.wake()

    # When
    began = time.monotonic()
    taken = inbox.take(10)

    # Then
    assert taken == []
    assert time.monotonic() - began < 5


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    # Given
    inbox = Inbox(most_bytes=2 * (5 + FRAME_BYTES))

    # When
    for _ in range(4):
        inbox.put(b"x" * 5)

    # Then
    assert (inbox.received, inbox.dropped, inbox.waiting_bytes) == (4, 2, 2 * (5 + FRAME_BYTES))
    assert len(inbox.take(0)) == 2


def test_there_is_room_again_once_frames_are_taken() -> None:
    # Given
    inbox = Inbox(most_bytes=2 * (5 + FRAME_BYTES))
    for _ in range(3):
        inbox.put(b"x" * 5)
    inbox.take(0)

    # When
    inbox.put(b"new")

    # Then
    assert [raw for raw, _ in inbox.take(0)] == [b"new"]
    assert (inbox.dropped, inbox.waiting_bytes) == (1, 0)


def test_no_frame_is_missed_between_two_threads() -> None:
    # Given
    inbox = Inbox()
    count = 20_000
    taken: list[bytes] = []

    def keeper() -> None:
        while len(taken) < count:
            some = inbox.take(5)
            assert some, "the keeper slept while frames were waiting"
            taken.extend(raw for raw, _ in some)

    thread = threading.Thread(target=keeper)
    thread.start()

    # When
    for number in range(count):
        inbox.put(b"%d" % number)
    thread.join(30)

    # Then
    assert taken == [b"%d" % number for number in range(count)]
    assert (inbox.received, inbox.dropped, inbox.waiting_bytes) == (count, 0, 0)
