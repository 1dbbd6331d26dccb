"""
The tables of a spool's file, and how SQLite treats the file.

The file has a version (``PRAGMA user_version``). A file of an earlier release is brought to today's version in one
transaction; a file of a later release is left alone.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

from salt_eventsd.exceptions import SpoolError

#: How long a connection waits for another one that has the file.
BUSY_SECONDS = 10
#: The version this release writes. The first release wrote none, which reads as 0.
VERSION = 3

#: ``lives`` has the ids of lives (:mod:`salt_eventsd.spool.lives`) by number; 0 is the life of a file without lives.
#: ``ordering`` of ``chunks`` is NULL where a chunk shares nothing with others (:mod:`salt_eventsd.spool.shares`).
#: The columns ``worker`` of ``chunks`` and ``requeued`` hold names of lanes, that of ``dead`` the name of a worker.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lives (number INTEGER PRIMARY KEY, id TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        worker TEXT NOT NULL,
        prio INTEGER NOT NULL,
        events INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        oldest REAL NOT NULL,
        life INTEGER NOT NULL DEFAULT 0,
        first INTEGER NOT NULL DEFAULT 0,
        ordering BLOB,
        payload BLOB NOT NULL
    )""",
    "CREATE TABLE IF NOT EXISTS shared (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS shares (
        chunk INTEGER NOT NULL,
        number INTEGER NOT NULL,
        payload INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        rule TEXT,
        destination TEXT,
        PRIMARY KEY (chunk, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS dead (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        chunk INTEGER NOT NULL,
        position INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        worker TEXT NOT NULL,
        error TEXT NOT NULL,
        buried REAL NOT NULL,
        tag TEXT,
        event BLOB NOT NULL,
        UNIQUE (chunk, position)
    )""",
    "CREATE TABLE IF NOT EXISTS requeued (worker TEXT NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    # How many letters each worker has, and their bytes. To count them each second would cost more than to write them.
    """CREATE TABLE IF NOT EXISTS dead_counts (
        worker TEXT PRIMARY KEY,
        letters INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    )""",
)
#: Columns that files of earlier releases lack.
_ADDED = (
    ("chunks", "life", "INTEGER NOT NULL DEFAULT 0"),
    ("chunks", "first", "INTEGER NOT NULL DEFAULT 0"),
    ("chunks", "ordering", "BLOB"),
    ("dead", "tag", "TEXT"),
)
_SIZE = "length({0}.event) + length(CAST({0}.error AS BLOB))"
_COUNT_ONE = f"""BEGIN
    INSERT INTO dead_counts (worker, letters, bytes) VALUES (NEW.worker, 1, {_SIZE.format("NEW")})
    ON CONFLICT (worker) DO UPDATE SET letters = letters + 1, bytes = bytes + excluded.bytes;
END"""
_INDEXES = (
    "DROP INDEX IF EXISTS chunks_by_worker",
    # It has all that is asked of a backlog, so SQLite need not skip over the payloads, which may be large.
    "CREATE INDEX IF NOT EXISTS chunks_by_lane ON chunks (worker, prio, id, events, bytes, oldest, life, first)",
    "CREATE INDEX IF NOT EXISTS shares_by_payload ON shares (payload)",
    # Whoever deletes a chunk, an earlier release included, leaves nothing behind that no chunk has.
    """CREATE TRIGGER IF NOT EXISTS chunk_removed AFTER DELETE ON chunks
    WHEN EXISTS (SELECT 1 FROM shares WHERE chunk = OLD.id) BEGIN
        DELETE FROM shares WHERE chunk = OLD.id;
    END""",
    """CREATE TRIGGER IF NOT EXISTS share_removed AFTER DELETE ON shares BEGIN
        UPDATE meta SET value = value - OLD.bytes
        WHERE key = 'saved_bytes' AND EXISTS (SELECT 1 FROM shares WHERE payload = OLD.payload);
        DELETE FROM shared
        WHERE id = OLD.payload AND NOT EXISTS (SELECT 1 FROM shares WHERE payload = OLD.payload);
    END""",
    "CREATE INDEX IF NOT EXISTS dead_by_worker ON dead (worker, id) WHERE settled = 1",
    f"CREATE TRIGGER IF NOT EXISTS dead_added AFTER INSERT ON dead WHEN NEW.settled = 1 {_COUNT_ONE}",
    f"""CREATE TRIGGER IF NOT EXISTS dead_settled AFTER UPDATE OF settled ON dead
    WHEN NEW.settled = 1 AND OLD.settled = 0 {_COUNT_ONE}""",
    f"""CREATE TRIGGER IF NOT EXISTS dead_removed AFTER DELETE ON dead WHEN OLD.settled = 1 BEGIN
        UPDATE dead_counts SET letters = letters - 1, bytes = bytes - ({_SIZE.format("OLD")})
        WHERE worker = OLD.worker;
    END""",
)
#: What is left in one table where another was removed, and the sum of what is saved.
_TIDYING = (
    "DELETE FROM shares WHERE chunk NOT IN (SELECT id FROM chunks)",
    "DELETE FROM shared WHERE id NOT IN (SELECT payload FROM shares)",
    """INSERT OR REPLACE INTO meta SELECT 'saved_bytes', coalesce(SUM(bytes * (holders - 1)), 0)
    FROM (SELECT bytes, COUNT(*) AS holders FROM shares GROUP BY payload)""",
)
_NAMES = frozenset(
    {
        *("meta", "lives", "chunks", "shared", "shares", "dead", "requeued", "dead_counts"),
        *("chunks_by_lane", "shares_by_payload", "chunk_removed", "share_removed"),
        *("dead_by_worker", "dead_added", "dead_settled", "dead_removed"),
    }
)
#: What a dead letter takes, in bytes; for queries on ``dead``.
LETTER_BYTES = _SIZE.format("dead")


def connect(path: Path) -> sqlite3.Connection:
    """
    Open a spool's file. If there is none, make it, with all its tables.

    :param path: of the file.
    :raises sqlite3.Error: it cannot be opened.
    :raises OSError: the same.
    :raises SpoolError: it is of a later release.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    try:
        refuse_later(db, path)
        # WAL with NORMAL: a commit outlives the engine's death without an fsync each time.
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        # In some distributions SQLite overwrites what is deleted: forgetting would need as much disk as keeping.
        db.execute("PRAGMA secure_delete=OFF")
        prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def refuse_later(db: sqlite3.Connection, path: Path) -> None:
    """
    Refuse a file that a later release has made.

    :param db: has it open.
    :param path: of the file.
    :raises SpoolError: a later release has made it.
    """
    if (found := _version(db)) > VERSION:
        raise SpoolError(
            f"eventsd: spool.dir: {path} is a spool of version {found}, but this salt-eventsd knows {VERSION}: "
            "upgrade salt-eventsd, or give it a folder of its own"
        )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def prepare(db: sqlite3.Connection) -> None:
    """
    Make what is missing in a spool's file: everything in a new one, a part in a file of an earlier release.

    :param db: has it open.
    :raises sqlite3.Error: nothing was changed.
    """
    if _version(db) == VERSION and _is_whole(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        _make(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _make(db: sqlite3.Connection) -> None:
    counted = _has(db, "dead_counts")
    for statement in _TABLES:
        db.execute(statement)
    for table, column, kind in _ADDED:
        if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    for statement in _INDEXES:
        db.execute(statement)
    if not counted:
        db.execute(
            f"INSERT INTO dead_counts SELECT worker, COUNT(*), SUM({LETTER_BYTES}) FROM dead"
            " WHERE settled = 1 GROUP BY worker"
        )
    before = db.execute("SELECT id FROM lives WHERE number = 0").fetchone()
    db.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", before or (uuid.uuid4().hex,))
    db.execute("INSERT OR IGNORE INTO lives SELECT 0, value FROM meta WHERE key = 'id'")
    lost = db.execute("SELECT DISTINCT life FROM chunks WHERE life NOT IN (SELECT number FROM lives)").fetchall()
    db.executemany("INSERT INTO lives (number, id) VALUES (?, ?)", [(number, uuid.uuid4().hex) for (number,) in lost])
    for statement in _TIDYING:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _is_whole(db: sqlite3.Connection) -> bool:
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    return names >= _NAMES and bool(db.execute("SELECT 1 FROM meta WHERE key = 'id'").fetchone())


def _has(db: sqlite3.Connection, table: str) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone())
