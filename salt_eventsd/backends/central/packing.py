"""A batch as parcels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate, groupby
from typing import NamedTuple

import msgspec

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.interface import Sent
from salt_eventsd.backends.broker.parcel import Parcel, Part
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Held
from salt_eventsd.workers.write import Batch, Refusal

#: What names a part: the life, the chunk and its number there.
PartName = tuple[str, int, int]


class Packed(NamedTuple):
    """
    A parcel that is ready to go.

    :param parts: what is in it.
    """

    sent: Sent
    parts: tuple[PartName, ...]
    events: int


def name_of(part: Part) -> PartName:
    """
    Return what names a part.

    :param part: the part.
    """
    return part.life, part.chunk, part.number


class Packing:
    """
    Makes parcels of batches.

    :param worker: the worker's name.
    :param master: the master's id.
    :param rules: fingerprints of the rules, by name.
    """

    def __init__(self, worker: str, master: str, rules: Mapping[str, str]) -> None:
        self._worker = worker
        self._master = master
        self._rules = rules

    def parts(self, batch: Batch) -> Iterator[tuple[Parcel, list[tuple[Part, int]]]]:
        """
        Yield the parts of a batch, those of one lane together: what their parcels have in common, and each part with
        the position of its first event in the batch.

        :param batch: the batch.
        """
        rules = {event.rule for event in batch.events}
        known = {name: mark for name, mark in self._rules.items() if name in rules}
        for (lane, prio), group in groupby(self._chunks(batch), key=lambda one: (one[0].lane, one[0].prio)):
            head = Parcel(parcel.VERSION, self._worker, lane, prio, self._master, batch.oldest_chunk, known, [])
            yield (
                head,
                [
                    (part, start + part.position)
                    for chunk, start, events in group
                    for part in parcel.parts([(chunk, events)])
                ],
            )

    def _chunks(self, batch: Batch) -> Iterator[tuple[StoredChunk, int, list[Event]]]:
        starts = [0, *accumulate(count for _, count in batch.chunks)]
        for start, (id_, count) in zip(starts, batch.chunks):
            events = list(batch.events[start : start + count])
            kept = batch.origins.get(id_)
            if kept is None:
                oldest = min((event.received for event in events), default=0.0)
                kept = StoredChunk(id_, self._worker, False, count, 0, oldest, batch.spool_id, id_)
            yield msgspec.structs.replace(kept, life=kept.life or batch.spool_id), start, events

    def pack(self, head: Parcel, parts: list[tuple[Part, int]], largest: int) -> tuple[list[Packed], list[Refusal]]:
        """
        Return parcels, and which events no parcel has room for, by their positions in the batch.

        :param head: what the parcels have in common.
        :param parts: from :meth:`parts`; not necessarily all of them.
        :param largest: how large a parcel may be, in bytes.
        :raises Held: the broker takes too little.
        """
        packed: list[Packed] = []
        refusals: list[Refusal] = []
        positions = {name_of(part): at for part, at in parts}
        todo = list(parcel.parcels((part for part, _ in parts), head))
        while todo:
            one = todo.pop(0)
            body = parcel.encode(one)
            if len(body) <= largest:
                sent = Sent(one.id, one.worker, one.lane, one.prio, one.master, body)
                packed.append(Packed(sent, tuple(name_of(part) for part in one.parts), one.events))
            elif len(one.parts) > 1:
                todo[:0] = [msgspec.structs.replace(one, parts=[part]) for part in one.parts]
            elif one.events == 1:
                # It is alone in its part, whatever is sent with it: the other parts stay as they are.
                what = f"{len(body)} bytes, compressed, are more than the broker takes ({largest})"
                refusals.append((positions[name_of(one.parts[0])], what))
            else:
                raise Held(f"the broker takes messages of {largest} bytes; a parcel needs {len(body)}")
        return packed, refusals
