"""
Dead letters as rows of the spool's file, which several processes may have open; the engine need not run.

They are looked through in portions, each read to its end: an open query would have the spool's log grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from salt_eventsd.common.grouping import grouped
from salt_eventsd.event.chunk import decode_event
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import FILE
from salt_eventsd.spool.schema import LETTER_BYTES, prepare, refuse_later

#: How long to wait for the engine's own transactions, in seconds.
_PATIENCE_SECONDS = 10.0
#: How many letters a portion has, without their events.
_PORTION = 500


class Letter(NamedTuple):
    """
    A dead letter without its event.

    :param worker: the worker that could not write it. Its lane is told by the rule that the event names.
    :param tag: the event's; None in a file of the first release.
    :param bytes: what it takes.
    """

    id: int
    worker: str
    error: str
    buried: float
    tag: str | None
    bytes: int


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """
    Give a connection to a spool's file, whether an engine has it open or not.

    :param folder: the spool's.
    :raises SpoolError: there is no spool, it is of a later release, or it cannot be read or written.
    """
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
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """
    Commit at the end, or change nothing.

    :param db: from :func:`opened`.
    :raises sqlite3.Error: nothing was changed.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def find(
    db: sqlite3.Connection, worker: str | None, contains: str | None, ids: Sequence[int], after: int = 0
) -> Iterator[Letter]:
    """
    Yield letters, oldest first, of those there are when this begins: what is put back may be buried again before the
    last one is reached.

    :param db: from :func:`opened`.
    :param worker: only this worker's; None for everybody's.
    :param contains: only those whose error or tag contains this text; None for all.
    :param ids: only these; empty for all.
    :param after: only those with a higher id.
    :raises sqlite3.Error: the file cannot be read.
    """
    wanted, values = ["settled = 1"], []
    if worker is not None:
        wanted.append("worker = ?")
        values.append(worker)
    if contains is not None:
        # The first release did not note tags.
        wanted.append("(instr(error, ?) OR instr(tag, ?) OR tag IS NULL)")
        values += [contains] * 2
    sql = f"SELECT id, worker, error, buried, tag, {LETTER_BYTES} FROM dead WHERE {' AND '.join(wanted)}"
    newest = db.execute("SELECT coalesce(MAX(id), 0) FROM dead").fetchone()[0]
    for some in _portions(db, sql, values, ids, after, newest):
        for letter in some:
            if letter.tag is not None or _contains(db, letter, contains):
                yield letter


def events_of(db: sqlite3.Connection, letters: Sequence[Letter]) -> dict[int, Event]:
    """
    Return the events of letters by their ids, of those that are still there.

    :param db: from :func:`opened`.
    :param letters: which.
    :raises sqlite3.Error: the file cannot be read.
    """
    found = {}
    for letter in letters:
        for (blob,) in db.execute("SELECT event FROM dead WHERE id = ? AND settled = 1", (letter.id,)).fetchall():
            found[letter.id] = decode_event(blob, letter.buried)
    return found


def _contains(db: sqlite3.Connection, letter: Letter, text: str | None) -> bool:
    if text is None or text in letter.error:
        return True
    return any(text in event.tag for event in events_of(db, [letter]).values())


def _portions(
    db: sqlite3.Connection, sql: str, values: Sequence[str], ids: Sequence[int], after: int, newest: int
) -> Iterator[list[Letter]]:
    if ids:
        for some in grouped(sorted({one for one in ids if after < one <= newest}), lambda _: 1, _PORTION):
            marks = ",".join("?" * len(some))
            rows = db.execute(f"{sql} AND id IN ({marks}) ORDER BY id", (*values, *some)).fetchall()
            yield [Letter(*row) for row in rows]
        return
    while True:
        rows = db.execute(
            f"{sql} AND id > ? AND id <= ? ORDER BY id LIMIT ?", (*values, after, newest, _PORTION)
        ).fetchall()
        if not rows:
            return
        yield [Letter(*row) for row in rows]
        after = rows[-1][0]
