"""
Write: what a worker is, and what it is given.

A worker module lives in ``_eventsd_workers/`` and has one function, ``worker(context)``, which returns an object with a
``write(batch)`` method. ``docs/writing_a_worker.rst`` has the contract with a ten-line example.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from salt_eventsd.config.structs import BatchLimits, EventRule
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import ConfigError

#: (position in the batch, why): an event a backend refused.
Refusal = tuple[int, str]
#: A chunk's life and its id there.
ChunkName = tuple[str, int]


@dataclass(frozen=True)
class Context:
    """
    What a worker is made from.

    :param name: the worker's name under ``workers``.
    :param options: the keys that stand there and belong to the worker's module.
    :param concurrency: how many batches may be in flight at once.
    :param opts: Salt's options.
    :param defaults: what stands under ``defaults``, for all workers; a worker takes the keys it knows, see
        :meth:`known`.
    :param node_id: the id of the master (or minion) the engine lives in.
    :param rules: the rules that send it events, by the name an event has them under (``event.rule``).
    :param folder: the spool's, for what the worker has to know after a restart; None where nothing is to be kept.
    """

    name: str
    options: Mapping[str, Any]
    node_id: str
    concurrency: int = 1
    opts: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, EventRule] = field(default_factory=dict)
    folder: Path | None = None
    #: The names that the worker gave to :meth:`known`, for each call.
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def known(self, *names: str) -> dict[str, Any]:
        """
        Return the worker's options, and for those it lacks the values under ``defaults``.

        :param names: of the options that the worker knows.
        :raises ConfigError: the worker has an option of another name.
        """
        for key in self.options:
            if key not in names:
                listed = f"known are {', '.join(names)}" if names else "there are no options"
                raise self.problem(str(key), f"unknown key; {listed}")
        self.asked.append(names)
        return {**{key: value for key, value in self.defaults.items() if key in names}, **self.options}

    def problem(self, key: str, what: str) -> ConfigError:
        """
        Return the error of a wrong option, to raise.

        :param key: the option, "" for the worker as a whole.
        :param what: what is wrong and what would be right.
        """
        path = f"workers.{self.name}.{key}" if key else f"workers.{self.name}"
        return ConfigError([f"eventsd: {path}: {what}"])


@dataclass(frozen=True)
class Batch:
    """
    The events that a worker writes in one go.

    :param spool_id: the id of the life of the spool in which the events were kept; each start of an engine begins a
        life.
    :param chunks: for each chunk of the batch, in order: its id, and how many of ``events`` belong to it.
    :param events: the events.
    :param oldest_chunk: this spool holds no chunk of the batch's lane with a lower id now; an older copy of it may.
    :param replay: an earlier try may have committed some of these chunks.
    :param bury: notes the events that the backend refused, and the ids of the chunks this try is about (None for all).
        A worker with transactions calls it before it commits. Other workers may raise ``Refused`` instead.
    :param cuts: how many tries of this batch in a row ended without an answer (:class:`~salt_eventsd.exceptions.Cut`).
    :param doubts: how many tries in a row found that the backend takes none of the events
        (:class:`~salt_eventsd.exceptions.Doubted`).
    :param origins: what the spool knows of each chunk, by its id. A chunk that was added only to see whether the
        backend takes anything may be of another life than the others.
    :param master: the id of the master that the events come from; "" for the one that the worker was made for. Only
        workers that say so (``takes_masters = True``) are given events of several masters.
    """

    spool_id: str
    chunks: tuple[tuple[int, int], ...]
    events: Sequence[Event]
    oldest_chunk: int = 0
    replay: bool = True
    bury: Callable[[Sequence[Refusal], Collection[int] | None], None] = lambda refusals, chunks: None
    cuts: int = 0
    doubts: int = 0
    origins: Mapping[int, StoredChunk] = field(default_factory=dict)
    master: str = ""

    @property
    def is_prio(self) -> bool:
        """Whether its events are to be written at once."""
        return any(origin.prio for origin in self.origins.values())

    def name_of(self, chunk: int) -> ChunkName:
        """
        Return what tells a chunk from all others, also from those of other spools.

        :param chunk: its id.
        """
        origin = self.origins.get(chunk)
        return (origin.life if origin else self.spool_id), chunk


@dataclass(frozen=True)
class Behind:
    """
    What a worker does differently while more waits for it than a batch, or much comes. A worker that has one as
    ``behind`` is asked.

    :param overlap: how many batches more may be in flight, of those whose order does not matter. Each is smaller then,
        so that all of them take no more memory than one.
    :param times: how many times as many events a batch has; never more bytes.
    :param most_bytes: how large a batch is at most. Of large events, a few are as quick to write as many, and take less
        memory; larger than usual it is never.
    :param gathers: how many times as many events a batch may take in that is full by its events while nothing else
        waits: for a backend to which each batch costs much, however large it is.
    :param gathers_from: only batches of so many events do so. Whoever has smaller ones wants soon what is in them.
    :param gather_seconds: for how long it does so at most, from when its oldest event was read.
    """

    overlap: int = 0
    times: int = 1
    most_bytes: int = 2 * 2**20
    gathers: float = 1.0
    gathers_from: int = 1
    gather_seconds: float = 0.0

    def limits(self, usual: BatchLimits) -> BatchLimits:
        """
        Return the limits of a batch.

        :param usual: as configured.
        """
        size = max(1, min(self.most_bytes, usual.bytes // (1 + self.overlap)))
        return msgspec.structs.replace(usual, events=usual.events * self.times, bytes=size)

    def gathered(self, usual: BatchLimits) -> BatchLimits | None:
        """
        Return the limits of a batch that is full by its events; None if it takes in no more.

        :param usual: as configured.
        """
        if self.gathers <= 1 or usual.events < self.gathers_from:
            return None
        return msgspec.structs.replace(usual, events=int(usual.events * self.gathers))


class Worker(Protocol):
    """
    What a module's ``worker(context)`` returns.

    ``write`` returns when the batch is safe in the backend. It raises :class:`~salt_eventsd.exceptions.Transient` to be
    called again later, :class:`~salt_eventsd.exceptions.Held` if an operator has to act, and
    :class:`~salt_eventsd.exceptions.Refused` if the backend does not accept something in the batch: the engine then
    splits the batch until the bad events stand alone. Several threads may call it if ``concurrency`` is above 1.

    ``makes_way = True`` (optional) says that batches of it slow each other down: while some rule has prio, other events
    are written in small batches, and none begins while a prio batch is in flight.

    ``check`` (optional) returns a line that says the backend can be reached, or raises like ``write``.
    ``start`` (optional) is called once, when the engine begins to use the worker, and must not wait for anything.
    ``close`` (optional) is called once, at the end.
    """

    def write(self, batch: Batch) -> None:
        """Write a batch."""
