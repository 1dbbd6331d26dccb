"""The broker in memory: what only it can do. What all brokers do is in tests/functional/backends/broker."""

from __future__ import annotations

import pytest

from salt_eventsd.backends.broker.interface import Sent
from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.exceptions import Transient


def _sent(id_: str = "a", body: bytes = b"body") -> Sent:
    return Sent(id_, "history", "history", False, "master1", body)


def test_a_broker_that_is_away_says_so() -> None:
    # Given
    broker = Memory()
    publisher, consumer = broker.publisher(), broker.consumer("history")
    broker.away = True

    # When, Then
    for call in (publisher.prepare, lambda: publisher.publish([_sent()]), lambda: consumer.pull("history", 1, 0)):
        with pytest.raises(Transient):
            call()


def test_a_full_broker_takes_more_once_there_is_room() -> None:
    # Given
    broker = Memory(most_bytes=5)
    publisher, consumer = broker.publisher(), broker.consumer("history")
    publisher.publish([_sent("a")])

    # When
    with pytest.raises(Transient):
        publisher.publish([_sent("b")])
    consumer.pull("history", 1, 0)[0].done()

    # Then
    assert not publisher.publish([_sent("b")])[0].is_double


def test_a_wiped_broker_has_another_life() -> None:
    # Given
    broker = Memory()
    publisher, consumer = broker.publisher(), broker.consumer("history")
    (before,) = publisher.publish([_sent()])
    (pulled,) = consumer.pull("history", 1, 0)

    # When
    broker.wipe()
    pulled.done()
    is_waiting = publisher.is_waiting(before)
    (after,) = publisher.publish([_sent()])

    # Then
    assert not is_waiting
    assert before.life != after.life
    assert not after.is_double
    assert publisher.confirmed("history", ["a"], 0) == set()
    assert [one.id for one in consumer.pull("history", 9, 0)] == ["a"]
