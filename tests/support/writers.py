"""Writers over a broker in memory, and parcels for them."""

from __future__ import annotations

import itertools
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.interface import Letter, Letters, Publisher, Sent
from salt_eventsd.backends.broker.memory import Memory, MemoryConsumer, MemoryPublisher
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.event.chunk import StoredChunk, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.config import WriterConfig, read
from salt_eventsd.writer.service import Service

MASTER = "master-1"
#: Fails fast and tries again soon, so that a test need not wait.
SOON = Backoff(first_seconds=0.05, most_seconds=0.2, least_seconds=0.02)
#: How often a writer says that it is at what it has: more often than a broker of these tests hands it out again.
BEAT_SECONDS = 0.1
_NUMBERS = itertools.count(1)


class InMemory:
    """
    What a writer has of a broker in this process.

    :param memory: the broker, which several writers share.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def consumer(self, worker: str) -> MemoryConsumer:
        """Return what pulls for a worker."""
        return self.memory.consumer(worker)

    def publisher(self) -> MemoryPublisher:
        """Return what puts dead letters back."""
        return self.memory.publisher()

    def dead_letters(self) -> Letters:
        """Return the dead letters of all writers."""
        return self.memory

    def close(self) -> None:
        """There is nothing to close."""


class Master:
    """
    A master that publishes parcels.

    :param broker: where it publishes.
    :param name: its id.
    :param worker: the name of the worker that its events are for.
    """

    def __init__(self, broker: Memory | Publisher, name: str = MASTER, worker: str = "history") -> None:
        self.broker, self.name, self.worker = broker, name, worker
        self.life = uuid.uuid4().hex
        self._next = 1

    def chunk(self, events: Sequence[Event], lane: str = "") -> tuple[StoredChunk, Sequence[Event]]:
        """Return events as a chunk of the master's spool."""
        id_, self._next = self._next, self._next + 1
        size = len(encode_events(events))
        return StoredChunk(id_, lane or self.worker, False, len(events), size, float(id_), self.life, id_), events

    def parcels(
        self, chunks: Iterable[tuple[StoredChunk, Sequence[Event]]], lane: str = "", *, prio: bool = False, **rules: str
    ) -> list[parcel.Parcel]:
        """Return chunks as parcels."""
        head = parcel.Parcel(parcel.VERSION, self.worker, lane or self.worker, prio, self.name, 1, rules, [])
        return list(parcel.parcels(parcel.parts(chunks), head))

    def publish(self, *some: parcel.Parcel, again: bool = False) -> None:
        """
        Publish parcels.

        :param again: under other ids than before.
        """
        more = f":{next(_NUMBERS)}" if again else ""
        self.broker.publish(
            [Sent(one.id + more, one.worker, one.lane, one.prio, one.master, parcel.encode(one)) for one in some]
        )

    def send(self, events: Sequence[Event], lane: str = "", *, prio: bool = False, **rules: str) -> list[parcel.Parcel]:
        """Publish events as one chunk, and return the parcels."""
        made = self.parcels([self.chunk(events, lane)], lane, prio=prio, **rules)
        self.publish(*made)
        return made


def configured(folder: Path, workers: Mapping[str, Any], name: str = "writer", **more: Any) -> WriterConfig:
    """Write a configuration into a file, and return it as a writer reads it."""
    path = folder / f"{name}.yaml"
    given = {
        "source": {"url": "nats://127.0.0.1:9"},
        "state_file": str(folder / f"{name}.status.json"),
        "workers": {key: dict(one) for key, one in workers.items()},
        **more,
    }
    path.write_text(yaml.safe_dump({"eventsd": given}), encoding="utf-8")
    return read(str(path))


def to_sql(url: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a worker that writes into a SQL database."""
    return {"history": {"module": "sql", "url": url, **more}}


@contextmanager
def running(config: WriterConfig, memory: Memory, backoff: Backoff = SOON) -> Iterator[Service]:
    """A writer at work, in this process."""
    service = Service(config, InMemory(memory), backoff, BEAT_SECONDS)
    service.start()
    try:
        yield service
    finally:
        service.halt()
        service.close(time.monotonic() + 5)


def desk_of(service: Service, name: str = "history") -> Desk:
    """Return a worker of a writer."""
    return next(desk for desk in service.desks if desk.name == name)


def letters(memory: Memory) -> list[Letter]:
    """Return all dead letters."""
    return list(memory.letters())


def is_empty(memory: Memory, worker: str = "history") -> bool:
    """Say whether nothing waits for a worker, and no writer has anything."""
    depth = memory.depth(worker)
    return not (depth.waiting or depth.unacknowledged)


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def of_version(version: int, made: parcel.Parcel) -> bytes:
    """Return a parcel as another version would make it."""
    return parcel.encode(msgspec.structs.replace(made, version=version))
