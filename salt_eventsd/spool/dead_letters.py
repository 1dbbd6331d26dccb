"""
Dead letters: events that a backend refused, as an operator lists, requeues and discards them.

The engine need not run. What is put back is noted in a table that a running engine looks at once a second. However many
letters are meant, a step moves only a few, so that an engine never waits long for the file; each step is one
transaction, so a command that is interrupted can be given again.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salt_eventsd.common import moments
from salt_eventsd.common.english import counted
from salt_eventsd.common.grouping import grouped
from salt_eventsd.event.chunk import encode_events, lane_of
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import FILE
from salt_eventsd.spool.letter_rows import Letter, events_of, find, opened, transaction
from salt_eventsd.spool.lives import begin_life

#: How much of a letter's payload is listed, in bytes; enough to see what to discard and what to requeue.
_SHOWN_BYTES = 4096
#: How many letters are listed at most.
MOST_LISTED = 1000
#: How much a chunk of requeued events has at most; more letters become several chunks, each in its own transaction.
_CHUNK_EVENTS = 100
_CHUNK_BYTES = 2**20
#: After each step, the file is left to the engine for as long as the step took, but no longer than this.
_MOST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Filter:
    """
    Which dead letters are meant; what is None or empty leaves none out.

    :param ids: only these.
    :param worker: only this worker's.
    :param contains: only those whose error or tag contains this text.
    """

    ids: Sequence[int] = ()
    worker: str | None = None
    contains: str | None = None


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
    with opened(folder) as db:
        for letter in find(db, which.worker, which.contains, which.ids, after):
            if len(found) >= min(limit, MOST_LISTED):
                break
            for event in events_of(db, [letter]).values():
                found.append(
                    {
                        "id": letter.id,
                        "worker": letter.worker,
                        "rule": event.rule,
                        "into": event.into,
                        "tag": event.tag,
                        "error": letter.error,
                        "buried": moments.told(letter.buried),
                        "data": _shown(event),
                    }
                )
    return found


def _shown(event: Event) -> Any:
    """Return a payload, cut off if it is long: what a runner returns goes over the bus, and into the job cache."""
    if (size := _size(event)) <= _SHOWN_BYTES:
        return event.data
    return f"{event.json()[:_SHOWN_BYTES].decode('utf-8', 'ignore')}... ({size} bytes in all)"


def _size(event: Event) -> int:
    return len(event.body) + len(event.returned)


def unknown(folder: Path, which: Filter) -> list[int]:
    """
    Return those of the ids of a filter that are of no dead letter it means.

    :param folder: the spool's.
    :param which: a filter with ids.
    :raises SpoolError: the spool cannot be read.
    """
    with opened(folder) as db:
        known = {letter.id for letter in find(db, which.worker, which.contains, which.ids)}
    return sorted(set(which.ids) - known)


def requeue(folder: Path, which: Filter) -> int:
    """
    Put dead letters back into the backlogs of their lanes, and return how many.

    :param folder: the spool's.
    :param which: which of them.
    :raises SpoolError: the spool cannot be written; the message says how many were put back before that.
    """
    # They begin a life: in an older copy of a spool, the ids that come next may be those of chunks that were written.
    life = uuid.uuid4().hex
    last: dict[str, int] = {}

    def put_back(db: sqlite3.Connection, letters: Sequence[Letter]) -> int:
        number = begin_life(db, life).number
        by_lane: dict[str, list[Event]] = {}
        events = events_of(db, letters)
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
    Delete dead letters for good, and return how many.

    :param folder: the spool's.
    :param which: which of them.
    :raises SpoolError: the spool cannot be written; the message says how many were deleted before that.
    """

    def delete(db: sqlite3.Connection, letters: Sequence[Letter]) -> int:
        return db.executemany("DELETE FROM dead WHERE id = ?", [(letter.id,) for letter in letters]).rowcount

    return _in_steps(folder, which, delete, "deleted")


def _in_steps(
    folder: Path, which: Filter, step: Callable[[sqlite3.Connection, Sequence[Letter]], int], done: str
) -> int:
    count = 0
    with opened(folder) as db:
        try:
            for some in grouped(
                find(db, which.worker, which.contains, which.ids),
                lambda letter: letter.bytes,
                _CHUNK_BYTES,
                _CHUNK_EVENTS,
            ):
                began = time.monotonic()
                with transaction(db):
                    moved = step(db, some)
                count += moved
                time.sleep(min(time.monotonic() - began, _MOST_PAUSE_SECONDS))
        except sqlite3.Error as exc:
            raise SpoolError(
                f"eventsd: spool.dir: {folder / FILE}: {exc}; {counted(count, 'letter', 'was')} {done}"
            ) from exc
    return count


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
