"""
A parcel in the hands of this writer, and what has become of its events so far.
"""

from __future__ import annotations

import hashlib
import time

import msgspec

from salt_eventsd.backends.broker.interface import Delivered, Letter, Letters
from salt_eventsd.backends.broker.parcel import Broken
from salt_eventsd.event.chunk import StoredChunk, encode_event
from salt_eventsd.event.parse import Event
from salt_eventsd.writer.carry.unpack import Piece, unpack

_LIFE_LENGTH = 32


class Pulled:
    """
    A parcel that was pulled.

    :param delivered: from the broker.
    :param worker: the name of the worker it was pulled for.
    :raises TooNew: it was made by a newer version.
    """

    def __init__(self, delivered: Delivered, worker: str) -> None:
        self.delivered = delivered
        self.worker = worker
        #: Why nobody can read it, "" if it can be read.
        self.broken = ""
        self.pieces: list[Piece] = []
        #: A fingerprint of each rule that took its events, by the rule's name: masters may have different rules of it.
        self.rules: dict[str, str] = {}
        try:
            parcel, self.pieces = unpack(delivered, worker)
            self.rules = parcel.rules
        except Broken as exc:
            self.broken = str(exc)
        #: Chunks that the backend refuses whole for now; the others go in without them.
        self.spared: set[int] = set()
        #: Whether all but what is spared is committed.
        self.committed = False
        #: Refused events that are not buried yet, each by a name that stays the same.
        self.refused: dict[str, tuple[Event, str]] = {}
        #: How many events were written, and how many had been written before.
        self.written = self.already = self.buried = 0

    @property
    def key(self) -> str:
        """Tells it from other parcels, however often it comes."""
        return f"{self.delivered.id}@{self.delivered.kept!r}"

    @property
    def events(self) -> int:
        """How many events it has."""
        return sum(len(piece.events) for piece in self.pieces)

    @property
    def chunks(self) -> set[int]:
        """The ids of the chunks that are to be written."""
        return {piece.receipt.id for piece in self.pieces} - self.spared

    def rename(self, chunks: frozenset[int]) -> int:
        """
        Give chunks another name, as theirs is that of other events in the database; return how many events they have.

        The name is the same each time: an earlier try may have written them under it.

        :param chunks: their ids.
        """
        count = 0
        for at, (receipt, position, events) in enumerate(self.pieces):
            if receipt.id in chunks:
                self.pieces[at] = Piece(_renamed(receipt), position, events)
                count += len(events)
        return count

    def note(self, piece: Piece, refusals: list[tuple[int, str]], *, is_new: bool) -> None:
        """
        Note what has become of a piece.

        :param piece: one of its pieces.
        :param refusals: which of its events were refused, and why.
        :param is_new: whether the others were written just now, and not before.
        """
        for at, why in refusals:
            self.refused[f"{piece.receipt.life}:{piece.receipt.id}:{piece.position + at}"] = (piece.events[at], why)
        others = len(piece.events) - len(refusals)
        if is_new:
            self.written += others
        else:
            self.already += others

    def bury(self, letters: Letters) -> None:
        """
        Set aside what was refused; a parcel that cannot be read is set aside whole.

        This comes after the commit. The receipts tell what was refused to whoever gets the parcel after a crash in
        between: so an event is written or buried, never both, and never neither.

        :param letters: where to.
        :raises WorkerError: it was not kept.
        """
        if self.broken:
            self.bury_whole(letters, self.broken)
            return
        for name, (event, why) in list(self.refused.items()):
            letters.bury(name, self._letter(why, encode_event(event), tag=event.tag, rule=event.rule))
            self.buried += 1
            del self.refused[name]

    def bury_whole(self, letters: Letters, why: str) -> None:
        """
        Set the parcel aside as it came.

        :param letters: where to.
        :param why: it is not written.
        :raises WorkerError: it was not kept.
        """
        name = hashlib.sha256(f"{self.key} {self.delivered.lane}".encode()).hexdigest()
        letters.bury(name, self._letter(why, self.delivered.body, is_parcel=True))

    def _letter(self, why: str, body: bytes, tag: str = "", rule: str = "", *, is_parcel: bool = False) -> Letter:
        lane, master = self.delivered.lane, self.delivered.master
        return Letter(0, self.worker, lane, master, why, time.time(), tag, rule, body, is_parcel)


def _renamed(receipt: StoredChunk) -> StoredChunk:
    name = f"{receipt.life}@{round(receipt.oldest * 1_000_000)}"
    life = hashlib.sha256(name.encode()).hexdigest()[:_LIFE_LENGTH]
    # Neighbours keep their names.
    return msgspec.structs.replace(receipt, life=life, first=receipt.id)
