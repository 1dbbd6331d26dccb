"""
What is in a spool's file, and how SQLite is to treat it.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    prio INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    oldest REAL NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunks_by_worker ON chunks (worker, prio, id, events, bytes, oldest);
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chunk INTEGER NOT NULL,
    position INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    worker TEXT NOT NULL,
    error TEXT NOT NULL,
    buried REAL NOT NULL,
    event BLOB NOT NULL,
    UNIQUE (chunk, position)
);
CREATE TABLE IF NOT EXISTS requeued (worker TEXT NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """
    Open a spool's file; it is made, with what belongs into it, where it is not there.

    :param path: of the file.
    :raises sqlite3.Error: it cannot be opened.
    :raises OSError: the same.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # WAL with NORMAL: a commit outlives the engine's death without an fsync each time.
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA journal_size_limit=67108864")
        # Some distributions have SQLite overwrite what is deleted: forgetting would take as much disk as keeping.
        db.execute("PRAGMA secure_delete=OFF")
        db.executescript(_SCHEMA)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (uuid.uuid4().hex,))
    except BaseException:
        db.close()
        raise
    return db
