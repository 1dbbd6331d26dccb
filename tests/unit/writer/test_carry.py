"""What becomes of the events of a parcel, and what is published again for a dead letter."""

from __future__ import annotations

from dataclasses import dataclass, replace

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.interface import Letter
from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.backends.broker.requeue import requeue, sent_again
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.event.chunk import encode_event
from salt_eventsd.exceptions import Refused
from salt_eventsd.workers.write import Batch
from salt_eventsd.writer.carry.attempt import Attempt
from salt_eventsd.writer.carry.pulled import Pulled
from tests.support.events import numbered
from tests.support.writers import Master


@dataclass
class Picky:
    """A worker that refuses some events, and notes what it takes."""

    refuses: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.taken: list[str] = []

    def write(self, batch: Batch) -> None:
        """Refuse all where one is refused."""
        if any(event.jid in self.refuses for event in batch.events):
            raise Refused("no")
        self.taken += [event.jid for event in batch.events]


def _pulled(*counts: int) -> Pulled:
    memory = Memory()
    master = Master(memory)
    start, chunks = 0, []
    for count in counts:
        chunks.append(master.chunk(numbered(count, start)))
        start += count
    master.publish(*master.parcels(chunks))
    [delivered] = memory.consumer("history").pull("history", 1, 1.0)
    return Pulled(delivered, "history")


def test_each_event_is_written_or_buried() -> None:
    # Given
    pulled, worker, memory = _pulled(3, 4), Picky(frozenset({"1", "5"})), Memory()

    # When
    Attempt([pulled]).write(worker, Suspicion())
    pulled.bury(memory)
    pulled.bury(memory)

    # Then
    assert sorted(worker.taken) == ["0", "2", "3", "4", "6"]
    assert [letter.tag.split("/")[2] for letter in memory.letters()] == ["1", "5"]
    assert (pulled.written, pulled.buried, pulled.already) == (5, 2, 0)


def test_what_is_spared_is_not_touched() -> None:
    pulled, worker = _pulled(3, 4), Picky()
    pulled.spared = {1}

    Attempt([pulled]).write(worker, Suspicion())

    assert worker.taken == ["3", "4", "5", "6"]


def test_another_name_is_the_same_each_time_and_nobody_elses() -> None:
    pulled, other = _pulled(1, 1), _pulled(1, 1)
    before = pulled.pieces[0].receipt

    pulled.rename(frozenset({1}))
    first = pulled.pieces[0].receipt
    again = _pulled(1, 1)
    again.pieces[0] = again.pieces[0]._replace(receipt=before)
    again.rename(frozenset({1}))
    other.rename(frozenset({1}))

    assert again.pieces[0].receipt == first
    assert first.life not in (before.life, other.pieces[0].receipt.life)
    assert len(first.life) == 32
    assert pulled.pieces[1].receipt.life == before.life


def test_a_letter_is_published_as_the_same_parcel_each_time() -> None:
    # Given
    [event] = numbered(1)
    letter = Letter(7, "history", "history", "m", "why", 1.5, event.tag, event.rule, encode_event(event))

    # When
    sent = sent_again(letter)
    found = parcel.decode(sent.body)

    # Then
    assert sent == sent_again(letter)
    assert sent.id != sent_again(replace(letter, id=8)).id
    assert (found.master, found.lane, found.events) == ("m", "history", 1)


def test_a_letter_leaves_only_once_it_is_published() -> None:
    # Given
    memory = Memory()
    [event] = numbered(1)
    letter = Letter(0, "history", "history", "m", "why", 1.5, event.tag, event.rule, encode_event(event))
    memory.bury("one", letter)
    memory.bury("whole", replace(letter, body=b"x", is_parcel=True))

    # When
    assert requeue(memory, memory.publisher(), list(memory.letters())) == 2

    # Then
    assert list(memory.letters()) == []
    assert memory.depth("history").waiting == 2
