"""
Dead letters: events a backend refused, as an operator lists, requeues and discards them.

They are rows of the spool's file, which several processes may have open; the engine need not run. What is put back is
noted in a table that a running engine looks at once a second. However many they are, they are moved a few at a time,
so that an engine never waits long for the file; each step is whole, so that one that is cut off can be taken again.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from salt_eventsd.common.english import counted
from salt_eventsd.common.grouping import grouped
from salt_eventsd.event.chunk import UNREADABLE, encode_events, lane_of
from salt_eventsd.event.parse import Event, undecodable
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import FILE
from salt_eventsd.spool.schema import LETTER_BYTES, prepare, refuse_later

_EVENT = msgspec.msgpack.Decoder(Event)
#: How long to wait for the engine's own transactions, in seconds.
_PATIENCE_SECONDS = 10.0
#: Of the payload of a letter no more is listed than this; discarding and requeueing need no more to be seen.
_SHOWN_BYTES = 4096
#: So many letters are listed at the most.
MOST_LISTED = 1000
#: A chunk of requeued events has no more than this; more become several chunks, each in a transaction of its own.
_CHUNK_EVENTS = 100
_CHUNK_BYTES = 2**20
#: So many are looked at in one go, without what is in them.
_LOOKED_AT = 500
#: After a step, the engine may have the file for as long as the step took, but no longer than this.
_MOST_PAUSE_SECONDS = 0.05


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


class _Letter(NamedTuple):
    """A dead letter without its event."""

    id: int
    worker: str
    error: str
    buried: float
    tag: str | None
    bytes: int


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
        for letter in _found(db, which, after):
            if len(found) >= min(limit, MOST_LISTED):
                break
            for event in _events(db, [letter]).values():
                found.append(
                    {
                        "id": letter.id,
                        "worker": letter.worker,
                        "tag": event.tag,
                        "error": letter.error,
                        "buried": datetime.fromtimestamp(letter.buried, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
                        "data": _shown(event),
                    }
                )
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
    :raises SpoolError: the spool cannot be written; the message says how many were put back before that.
    """
    # One of its own: in an older copy of a spool, the ids that come next may be those of chunks that are written.
    life = uuid.uuid4().hex
    last: dict[str, int] = {}

    def put_back(db: sqlite3.Connection, letters: Sequence[_Letter]) -> int:
        number = _life(db, life)
        by_lane: dict[str, list[Event]] = {}
        events = _events(db, letters)
        for letter in letters:
            if event := events.get(letter.id):
                by_lane.setdefault(lane_of(letter.worker, event.rule, event.into), []).append(event)
        for lane, some in by_lane.items():
            last[lane] = _put(db, lane, some, number, last.get(lane, -1) + 1)
        db.executemany("DELETE FROM dead WHERE id = ?", [(id_,) for id_ in events])
        return len(events)

    return _in_steps(folder, which, put_back, "put back")


def discard(folder: Path, which: Filter) -> int:
    """
    Delete dead letters for good and return how many.

    :param folder: the spool's.
    :param which: which of them.
    :raises SpoolError: the spool cannot be written; the message says how many were deleted before that.
    """

    def delete(db: sqlite3.Connection, letters: Sequence[_Letter]) -> int:
        return db.executemany("DELETE FROM dead WHERE id = ?", [(letter.id,) for letter in letters]).rowcount

    return _in_steps(folder, which, delete, "deleted")


def _in_steps(
    folder: Path, which: Filter, step: Callable[[sqlite3.Connection, Sequence[_Letter]], int], done: str
) -> int:
    count = 0
    with _opened(folder) as db:
        try:
            for some in grouped(_found(db, which), lambda letter: letter.bytes, _CHUNK_BYTES, _CHUNK_EVENTS):
                began = time.monotonic()
                with _transaction(db):
                    moved = step(db, some)
                count += moved
                time.sleep(min(time.monotonic() - began, _MOST_PAUSE_SECONDS))
        except sqlite3.Error as exc:
            raise SpoolError(
                f"eventsd: spool.dir: {folder / FILE}: {exc}; {counted(count, 'letter', 'was')} {done}"
            ) from exc
    return count


def _found(db: sqlite3.Connection, which: Filter, after: int = 0) -> Iterator[_Letter]:
    """
    Yield the letters that are meant, of those there are now: what is put back may be buried again before the last one
    is reached.
    """
    wanted, values = ["settled = 1"], []
    if which.worker is not None:
        wanted.append("worker = ?")
        values.append(which.worker)
    if which.contains is not None:
        # The first release did not note tags.
        wanted.append("(instr(error, ?) OR instr(tag, ?) OR tag IS NULL)")
        values += [which.contains] * 2
    sql = f"SELECT id, worker, error, buried, tag, {LETTER_BYTES} FROM dead WHERE {' AND '.join(wanted)}"
    newest = db.execute("SELECT coalesce(MAX(id), 0) FROM dead").fetchone()[0]
    for some in _portions(db, sql, values, which.ids, after, newest):
        for letter in some:
            if letter.tag is not None or _contains(db, letter, which.contains):
                yield letter


def _contains(db: sqlite3.Connection, letter: _Letter, text: str | None) -> bool:
    if text is None or text in letter.error:
        return True
    return any(text in event.tag for event in _events(db, [letter]).values())


def _portions(
    db: sqlite3.Connection, sql: str, values: Sequence[str], ids: Sequence[int], after: int, newest: int
) -> Iterator[list[_Letter]]:
    """Yield them in portions, each read to its end: an open query would have the spool's log grow."""
    if ids:
        for some in grouped(sorted({one for one in ids if after < one <= newest}), lambda _: 1, _LOOKED_AT):
            marks = ",".join("?" * len(some))
            rows = db.execute(f"{sql} AND id IN ({marks}) ORDER BY id", (*values, *some)).fetchall()
            yield [_Letter(*row) for row in rows]
        return
    while True:
        rows = db.execute(
            f"{sql} AND id > ? AND id <= ? ORDER BY id LIMIT ?", (*values, after, newest, _LOOKED_AT)
        ).fetchall()
        if not rows:
            return
        yield [_Letter(*row) for row in rows]
        after = rows[-1][0]


def _events(db: sqlite3.Connection, letters: Sequence[_Letter]) -> dict[int, Event]:
    """Return the events of letters by their ids, of those that are still there."""
    found = {}
    for letter in letters:
        for (blob,) in db.execute("SELECT event FROM dead WHERE id = ? AND settled = 1", (letter.id,)).fetchall():
            try:
                found[letter.id] = _EVENT.decode(blob)
            except UNREADABLE:
                found[letter.id] = undecodable(blob, letter.buried)
    return found


def _life(db: sqlite3.Connection, id_: str) -> int:
    """Return the number of a life, which is made if need be; an engine that starts forgets those without chunks."""
    found = db.execute("SELECT number FROM lives WHERE id = ?", (id_,)).fetchone()
    return int(found[0]) if found else db.execute("INSERT INTO lives (id) VALUES (?)", (id_,)).lastrowid or 0


def _put(db: sqlite3.Connection, lane: str, events: list[Event], life: int, first: int) -> int:
    payload = encode_events(events)
    oldest = min(event.received for event in events)
    id_ = db.execute(
        "INSERT INTO chunks (worker, prio, events, bytes, oldest, life, first, payload)"
        " VALUES (?, 0, ?, ?, ?, ?, ?, ?)",
        (lane, len(events), len(payload), oldest, life, first, payload),
    ).lastrowid
    db.execute("INSERT INTO requeued (worker, events, bytes) VALUES (?, ?, ?)", (lane, len(events), len(payload)))
    return id_ or 0


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / FILE
    if not path.exists():
        raise SpoolError(f"eventsd: spool.dir: there is no spool in {folder}")
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_SECONDS)) as db:
            # Bytes that a disk has changed must not hide all the others.
            db.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
            refuse_later(db, path)
            prepare(db)
            yield db
    except sqlite3.Error as exc:
        raise SpoolError(f"eventsd: spool.dir: {path}: {exc}") from exc


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
