"""What has become of the events of a batch: which are buried from which chunk, and what is counted."""

from __future__ import annotations

from salt_eventsd.dispatch.delivery import Delivery
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.spool.dead_letters import Filter, listed
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk


def test_each_refused_event_is_buried_from_its_own_chunk(spool: Spool) -> None:
    # Given: a chunk between two others is gone by now
    chunks = spool.put([chunk(numbered(2)), chunk(numbered(5, start=50)), chunk(numbered(3, start=2))])
    spool.settle([chunks[1].id])
    delivery = Delivery(spool, chunks, "history", replay=False)

    # When
    delivery.batch(Suspicion()).bury([(0, "a"), (1, "b"), (2, "c"), (4, "d")], None)
    spool.settle([one.id for one in chunks])

    # Then
    assert delivery.chunks == ((chunks[0].id, 2), (chunks[1].id, 0), (chunks[2].id, 3))
    rows = spool.file.rows("SELECT chunk, position, error FROM dead ORDER BY id")
    first, _, third = (one.id for one in chunks)
    assert rows == [(first, 0, "a"), (first, 1, "b"), (third, 0, "c"), (third, 2, "d")]
    assert [one["data"]["jid"] for one in listed(spool.folder, Filter(), 10)] == ["0", "1", "2", "4"]
    assert (delivery.buried, delivery.written) == (4, 1)


def test_chunks_that_are_written_already_elsewhere_are_told(spool: Spool) -> None:
    # Given
    chunks = spool.put([chunk(numbered(2)), chunk(numbered(3, start=2))])
    delivery = Delivery(spool, chunks, "history", replay=False)

    # When
    delivery.batch(Suspicion()).bury([], {chunks[1].id})

    # Then
    assert (delivery.elsewhere, delivery.buried) == (2, 0)


def test_a_chunk_that_a_disk_has_changed_counts_as_lost_and_not_as_written(spool: Spool) -> None:
    # Given
    chunks = spool.put([chunk(numbered(2)), Chunk("history", False, 7, 0.0, b"\xc1")])

    # When
    delivery = Delivery(spool, chunks, "history", replay=True)

    # Then
    assert (delivery.unreadable, delivery.remains, delivery.written, len(delivery.events)) == (7, 1, 2, 3)


def test_a_batch_says_what_the_tries_before_it_have_found(spool: Spool) -> None:
    (kept,) = spool.put([chunk(1)])

    batch = Delivery(spool, [kept], "history", replay=True).batch(Suspicion(cuts=2, doubts=3))

    assert (batch.cuts, batch.doubts, batch.replay, batch.spool_id) == (2, 3, True, kept.life)
    assert batch.origins == {kept.id: kept}
