"""
Dead letters: events a backend refused, as an operator lists, requeues and discards them.

They are rows of the spool's file, which several processes may have open; the engine need not run. What is put back is
noted in a table that a running engine looks at once a second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.event import Event, undecodable
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.grouping import grouped
from salt_eventsd.rules import lane_of
from salt_eventsd.spool import UNREADABLE, encode_events
from salt_eventsd.spool_file import FILE

_EVENT = msgspec.msgpack.Decoder(Event)
#: How long to wait for the engine's own transactions, in seconds.
_PATIENCE_SECONDS = 10.0
#: Of the payload of a letter no more is listed than this; discarding and requeueing need no more to be seen.
_SHOWN_BYTES = 4096
#: So many letters are listed at the most.
MOST_LISTED = 1000
#: A chunk of requeued events has no more than this; more become several chunks.
_CHUNK_EVENTS = 100
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Filter:
    """
    Which dead letters are meant; what is None or empty does not matter.

    :param ids: only these.
    :param worker: only this worker's.
    :param contains: only those whose error or tag contains this text.
    """

    ids: Sequence[int] = ()
    worker: str | None = None
    contains: str | None = None

    def matches(self, letter: dict[str, Any]) -> bool:
        """Say whether a listed letter is meant."""
        return (
            (not self.ids or letter["id"] in self.ids)
            and (self.worker is None or letter["worker"] == self.worker)
            and (self.contains is None or self.contains in letter["error"] or self.contains in letter["tag"])
        )


def listed(folder: Path, which: Filter, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """
    Return dead letters, oldest first.

    :param folder: the spool's.
    :param which: which of them.
    :param limit: no more than so many, nor than :data:`MOST_LISTED`.
    :param after: only those with a higher id, for the next page.
    :raises SpoolError: the spool cannot be read.
    """
    found: list[dict[str, Any]] = []
    with _opened(folder) as db:
        for letter, event in _letters(db, after):
            if len(found) >= min(limit, MOST_LISTED):
                break
            if which.matches(letter):
                found.append({**letter, "data": _shown(event)})
    return found


def _shown(event: Event) -> Any:
    """What a runner returns goes over the bus, and into the job cache."""
    if (size := _size(event)) <= _SHOWN_BYTES:
        return event.data
    return f"{event.json()[:_SHOWN_BYTES].decode('utf-8', 'ignore')}... ({size} bytes in all)"


def _size(event: Event) -> int:
    return len(event.body) + len(event.returned)


def requeue(folder: Path, which: Filter) -> int:
    """
    Put dead letters back into their workers' queues and return how many.

    :param folder: the spool's.
    :param which: which of them.
    :raises SpoolError: the spool cannot be written.
    """
    with _opened(folder) as db, _transaction(db):
        by_lane: dict[str, list[Event]] = {}
        ids = []
        for letter, event in _letters(db):
            if which.matches(letter):
                lane = lane_of(letter["worker"], event.rule, event.into)
                by_lane.setdefault(lane, []).append(event)
                ids.append((letter["id"],))
        for lane, events in by_lane.items():
            for some in grouped(events, _size, _CHUNK_BYTES, _CHUNK_EVENTS):
                _put(db, lane, some)
        db.executemany("DELETE FROM dead WHERE id = ?", ids)
    return len(ids)


def discard(folder: Path, which: Filter) -> int:
    """
    Delete dead letters for good and return how many.

    :param folder: the spool's.
    :param which: which of them.
    :raises SpoolError: the spool cannot be written.
    """
    with _opened(folder) as db, _transaction(db):
        ids = [(letter["id"],) for letter, _ in _letters(db) if which.matches(letter)]
        db.executemany("DELETE FROM dead WHERE id = ?", ids)
    return len(ids)


def _letters(db: sqlite3.Connection, after: int = 0) -> Iterator[tuple[dict[str, Any], Event]]:
    rows = db.execute(
        "SELECT id, worker, error, buried, event FROM dead WHERE settled = 1 AND id > ? ORDER BY id", (after,)
    )
    for id_, worker, error, buried, blob in rows:
        try:
            event = _EVENT.decode(blob)
        except UNREADABLE:
            event = undecodable(blob, buried)
        letter = {
            "id": id_,
            "worker": worker,
            "tag": event.tag,
            "error": error,
            "buried": datetime.fromtimestamp(buried, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
        }
        yield letter, event


def _put(db: sqlite3.Connection, lane: str, events: list[Event]) -> None:
    payload = encode_events(events)
    oldest = min(event.received for event in events)
    db.execute(
        "INSERT INTO chunks (worker, prio, events, bytes, oldest, payload) VALUES (?, 0, ?, ?, ?, ?)",
        (lane, len(events), len(payload), oldest, payload),
    )
    db.execute("INSERT INTO requeued (worker, events, bytes) VALUES (?, ?, ?)", (lane, len(events), len(payload)))


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / FILE
    if not path.exists():
        raise SpoolError(f"eventsd: spool.dir: there is no spool in {folder}")
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_SECONDS)) as db:
            # Bytes that a disk has changed must not hide all the others.
            db.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
            yield db
    except sqlite3.Error as exc:
        raise SpoolError(f"eventsd: spool.dir: {path}: {exc}") from exc


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
