"""
A try to write one parcel, or two where the second tells whether the first is to blame for a refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from salt_eventsd.dispatch.settle import Suspicion, write_batch
from salt_eventsd.workers.write import Batch, Refusal, Worker
from salt_eventsd.writer.carry.pulled import Pulled
from salt_eventsd.writer.carry.unpack import Piece


class Attempt:
    """
    A try.

    :param several: the parcels, all of one master, and no two with chunks of one id.
    """

    def __init__(self, several: Sequence[Pulled]) -> None:
        self._pieces: list[tuple[Pulled, Piece]] = [
            (pulled, piece) for pulled in several for piece in pulled.pieces if piece.receipt.id not in pulled.spared
        ]
        self._several = several
        self._refusals: Sequence[Refusal] = ()
        self._chunks: Collection[int] | None = None

    def write(self, worker: Worker, suspicion: Suspicion) -> None:
        """
        Write; afterwards the parcels know what has become of their events.

        :param worker: who writes.
        :param suspicion: what the tries before this one have found.
        :raises WorkerError: nothing of it counts as written.
        """
        if self._pieces:
            write_batch(worker, self._batch(suspicion))
        refusals = dict(self._refusals)
        start = 0
        for pulled, piece in self._pieces:
            some = [(at, refusals[start + at]) for at in range(len(piece.events)) if start + at in refusals]
            pulled.note(piece, some, is_new=self._chunks is None or piece.receipt.id in self._chunks)
            start += len(piece.events)
        for pulled in self._several:
            pulled.committed = True

    def _batch(self, suspicion: Suspicion) -> Batch:
        pieces = [piece for _, piece in self._pieces]
        return Batch(
            spool_id=pieces[0].receipt.life,
            chunks=tuple((piece.receipt.id, len(piece.events)) for piece in pieces),
            events=[event for piece in pieces for event in piece.events],
            # Parcels of older chunks may still be on their way, though the spool has let them go. So a gap between two
            # receipts says nothing of the chunks in it.
            oldest_chunk=0,
            # Any writer may have had it before.
            replay=True,
            bury=self._bury,
            cuts=suspicion.cuts,
            doubts=suspicion.doubts,
            origins={piece.receipt.id: piece.receipt for piece in pieces},
            master=self._several[0].delivered.master,
        )

    def _bury(self, refusals: Sequence[Refusal], chunks: Collection[int] | None = None) -> None:
        """Remember what counts if this try is the one that is committed; the last word of a try does."""
        self._refusals, self._chunks = list(refusals), chunks
