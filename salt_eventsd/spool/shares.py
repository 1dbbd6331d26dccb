"""
Shares: what chunks of several lanes have in common is kept once, and deleted with the last of these chunks.

The table ``shared`` has the payloads, ``shares`` says which chunk has which of them. What becomes of them when a chunk
goes, in whatever way, is done by triggers (:mod:`salt_eventsd.spool.schema`). How much is saved is kept as a number: to
add it up at each commit would take the longer the more waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from salt_eventsd.event.chunk import Share, Shared

#: A payload is named by the first chunk that has it, whose id is never given again, and by which of its shares it is.
_MOST_SHARES = 2**20


class Keeping:
    """
    Keeps what the chunks of one transaction share.

    :param db: has the file open, in the transaction.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._ids: dict[Shared, int] = {}
        self._saved = 0

    def put(self, chunk: int, shares: Sequence[Share]) -> None:
        """
        Keep what a chunk shares.

        :param chunk: its id.
        :param shares: what it shares.
        :raises sqlite3.Error: the transaction has to be rolled back.
        """
        for number, (shared, rule, into) in enumerate(shares):
            size = len(shared.payload)
            if (id_ := self._ids.get(shared)) is None:
                id_ = self._ids[shared] = chunk * _MOST_SHARES + number
                self._db.execute("INSERT INTO shared (id, payload) VALUES (?, ?)", (id_, shared.payload))
            else:
                self._saved += size
            self._db.execute(
                "INSERT INTO shares (chunk, number, payload, bytes, rule, destination) VALUES (?, ?, ?, ?, ?, ?)",
                (chunk, number, id_, size, rule, into),
            )

    def end(self) -> int:
        """
        Add up what is saved, and return it: how many bytes less are kept than all chunks have together.

        :raises sqlite3.Error: the transaction has to be rolled back.
        """
        if self._saved:
            self._db.execute("UPDATE meta SET value = value + ? WHERE key = 'saved_bytes'", (self._saved,))
        return saved_bytes(self._db)


def saved_bytes(db: sqlite3.Connection) -> int:
    """
    Return how many bytes less are kept than all chunks have together.

    :param db: has the file open.
    :raises sqlite3.Error: it cannot be read.
    """
    found = db.execute("SELECT value FROM meta WHERE key = 'saved_bytes'").fetchone()
    return int(found[0]) if found else 0
