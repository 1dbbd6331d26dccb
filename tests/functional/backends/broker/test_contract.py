"""What salt_eventsd.backends.broker.interface asks of brokers, of each in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from salt_eventsd.backends.broker.interface import Delivered, Depth, Letter
from tests.support.brokers import Streams
from tests.support.carriers import REDELIVERY_SECONDS, WORKER, Carrier, InMemory, OnJetStream, sent
from tests.support.lanes import eventually

_OWN = f"{WORKER}:exim.queue *>"


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Streams]], Streams]) -> Iterator[Streams]:
    """A NATS server."""
    with installed(Streams) as made:
        yield made


@pytest.fixture(params=["memory", "jetstream"])
def carrier(request: pytest.FixtureRequest) -> Iterator[Carrier]:
    """Each broker in turn."""
    made: Carrier = InMemory() if request.param == "memory" else OnJetStream(request.getfixturevalue("server"))
    yield made
    made.close()


def _pulled(pull: Callable[[], list[Delivered]], count: int) -> list[Delivered]:
    found: list[Delivered] = []

    def more() -> bool:
        found.extend(pull())
        return len(found) >= count

    eventually(more)
    return found


def test_parcels_come_as_they_were_sent(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()
    publisher.prepare()
    consumer.prepare([])
    began = time.time()

    # When
    places = publisher.publish([replace(sent(n), master="Master 1.example.com/ö") for n in (1, 2)])
    pulled = _pulled(lambda: consumer.pull(WORKER, 5, 1), 2)

    # Then
    assert [(one.id, one.lane, one.prio, one.master, one.body, one.deliveries) for one in pulled] == [
        (str(n), WORKER, False, "Master 1.example.com/ö", b"%d" % n, 1) for n in (1, 2)
    ]
    assert all(began - 60 < one.kept < time.time() + 60 for one in pulled)
    assert len({place.life for place in places}) == 1
    assert places[0].sequence < places[1].sequence


def test_what_goes_before_others_is_pulled_first(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()
    publisher.publish([sent(1), sent(2, prio=True), sent(3)])
    consumer.prepare([])

    # When
    first = _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)
    others = _pulled(lambda: consumer.pull(WORKER, 5, 1), 2)

    # Then
    assert [(one.id, one.prio) for one in [*first, *others]] == [("2", True), ("1", False), ("3", False)]


def test_a_second_copy_is_known(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()

    # When
    (first,) = publisher.publish([sent(1)])
    second, other = publisher.publish([sent(1), sent(2)])
    consumer.prepare([])

    # Then
    assert second == replace(first, is_double=True)
    assert not other.is_double
    assert [one.id for one in _pulled(lambda: consumer.pull(WORKER, 5, 1), 2)] == ["1", "2"]


def test_parcels_come_again_until_they_are_acknowledged(carrier: Carrier) -> None:
    # Given
    publisher, dying, consumer = carrier.publisher(), carrier.consumer(), carrier.consumer()
    (place,) = publisher.publish([sent(1)])
    dying.prepare([])
    consumer.prepare([])
    _pulled(lambda: dying.pull(WORKER, 1, 1), 1)

    # When
    (again,) = _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)
    was_waiting = publisher.is_waiting(place)
    again.done()

    # Then
    assert again.deliveries >= 2
    assert was_waiting
    assert not publisher.is_waiting(place)
    # On a busy machine it may have come once more before it was acknowledged, and not again after that.
    eventually(lambda: consumer.pull(WORKER, 1, REDELIVERY_SECONDS * 1.5) == [])


def test_who_asks_for_more_time_gets_it(carrier: Carrier) -> None:
    # Given
    publisher, consumer, other = carrier.publisher(), carrier.consumer(), carrier.consumer()
    publisher.publish([sent(1)])
    consumer.prepare([])
    other.prepare([])
    (pulled,) = _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(REDELIVERY_SECONDS / 20):
            pulled.working()

    # When
    beside = threading.Thread(target=work)
    beside.start()
    came = other.pull(WORKER, 1, REDELIVERY_SECONDS * 3)
    is_over.set()
    beside.join()

    # Then
    assert came == []


def test_what_is_given_back_comes_again_when_it_is_due(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()
    publisher.publish([sent(1)])
    consumer.prepare([])
    (pulled,) = _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)

    # When
    pulled.back(0)
    (again,) = _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)
    again.back(2.5)

    # Then: later than it would come by itself
    assert consumer.pull(WORKER, 1, REDELIVERY_SECONDS * 1.3) == []
    assert [one.id for one in _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)] == ["1"]


def test_lanes_whose_order_matters_hand_out_one_at_a_time(carrier: Carrier) -> None:
    # Given
    publisher, consumer, other = carrier.publisher(), carrier.consumer(), carrier.consumer()
    consumer_lanes = [_OWN]
    publisher.publish([sent(1, _OWN), sent(2, _OWN), sent(3)])
    consumer.prepare(consumer_lanes)
    other.prepare(consumer_lanes)

    # When
    (first,) = _pulled(lambda: consumer.pull(_OWN, 5, 1), 1)
    meanwhile = other.pull(_OWN, 5, REDELIVERY_SECONDS / 4)
    first.back(0)
    (again,) = _pulled(lambda: other.pull(_OWN, 5, 1), 1)
    again.done()
    (second,) = _pulled(lambda: consumer.pull(_OWN, 5, 1), 1)

    # Then
    assert [first.id, again.id, second.id] == ["1", "1", "2"]
    assert [first.lane, first.prio] == [_OWN, False]
    assert meanwhile == []
    assert [one.id for one in _pulled(lambda: other.pull(WORKER, 5, 1), 1)] == ["3"]


def test_writers_share_the_parcels_of_their_worker_alone(carrier: Carrier) -> None:
    # Given
    publisher = carrier.publisher()
    writers = [carrier.consumer(), carrier.consumer()]
    publisher.publish([*(sent(n) for n in range(6)), sent(9, "other", worker="other")])
    for writer in writers:
        writer.prepare([])

    # When
    pulled = [_pulled(lambda writer=writer: writer.pull(WORKER, 3, 1), 3) for writer in writers]

    # Then
    assert sorted(one.id for some in pulled for one in some) == [str(n) for n in range(6)]


def test_a_master_hears_what_is_committed(carrier: Carrier) -> None:
    # Given
    publisher, stranger, consumer = carrier.publisher(), carrier.publisher(), carrier.consumer()
    publisher.publish([sent(1), sent(2)])
    stranger.publish([replace(sent(3), master="master2")])
    consumer.prepare([])
    pulled = _pulled(lambda: consumer.pull(WORKER, 5, 1), 3)
    before = publisher.confirmed(WORKER, ["1", "2"], 0.1)

    # When
    for one in pulled:
        if one.id != "2":
            one.done()

    # Then
    assert before == set()
    eventually(lambda: publisher.confirmed(WORKER, ["1", "2"], 0.1) == {"1"})
    eventually(lambda: stranger.confirmed(WORKER, ["3"], 1) == {"3"})


def test_what_waits_is_told(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()
    publisher.prepare()
    consumer.prepare([])
    before = consumer.depth()
    publisher.publish([sent(1), sent(2), sent(3, f"{WORKER}:of somebody")])

    # When
    _pulled(lambda: consumer.pull(WORKER, 1, 1), 1)
    depth = consumer.depth()

    # Then
    assert before == Depth()
    assert (depth.waiting, depth.unacknowledged, depth.redelivered) == (2, 1, 0)
    assert 0 < depth.oldest_seconds < 60


def test_a_lost_stream_has_another_life(carrier: Carrier) -> None:
    # Given
    publisher, consumer = carrier.publisher(), carrier.consumer()
    (before,) = publisher.publish([sent(1)])

    # When
    carrier.wipe()
    is_waiting = publisher.is_waiting(before)
    (after,) = publisher.publish([sent(1)])
    consumer.prepare([])

    # Then
    assert before.life != after.life
    assert not is_waiting
    assert not publisher.is_waiting(before)
    assert [one.id for one in _pulled(lambda: consumer.pull(WORKER, 5, 1), 1)] == ["1"]


def test_dead_letters_are_kept_once_until_they_are_discarded(carrier: Carrier) -> None:
    # Given
    letters = carrier.letters()
    letter = Letter(0, WORKER, WORKER, "master1", "too long", 1.5, "salt/x", "returns", b"body")
    is_empty = not list(letters.letters())

    # When
    for id_, one in (("a", letter), ("b", replace(letter, worker="other", is_parcel=True)), ("a", letter)):
        letters.bury(id_, one)
    kept = list(letters.letters())
    gone = [letters.discard(kept[0].id) for _ in range(2)]

    # Then
    assert is_empty
    assert [replace(one, id=0) for one in kept] == [letter, replace(letter, worker="other", is_parcel=True)]
    assert [one.worker for one in letters.letters(WORKER)] == []
    assert gone == [True, False]
    assert [one.id for one in carrier.letters().letters("other")] == [kept[1].id]
