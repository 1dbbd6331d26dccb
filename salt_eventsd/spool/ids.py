"""
The ids of a spool's file and of its chunks. An id means one chunk, whichever file it was in.

A file that broke is replaced by a new one. The ids of the new file go on from those of the old one, so a batch that is
in flight meanwhile settles none of the new chunks.
"""

from __future__ import annotations

import sqlite3


class Ids:
    """What is known of the ids; :meth:`opened` looks at each file that is opened."""

    def __init__(self) -> None:
        #: The id of the file.
        self.file = ""
        #: The lowest chunk id this file may hold; higher than 1 once a broken one was set aside.
        self.lowest = 1
        #: The highest chunk id given, for the case that the file is lost, or put back in time.
        self.highest = 0

    def opened(self, db: sqlite3.Connection) -> None:
        """
        Have a new file's chunk ids go on from those of the file before it.

        :param db: has the file open.
        :raises sqlite3.Error: the file is broken, or cannot be written.
        """
        found = db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
        if found is None:
            raise sqlite3.DatabaseError("malformed: it has no id, though one was put into it")
        id_ = found[0]
        given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
        if given is None and self.highest:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('chunks', ?)", (self.highest,))
        if self.file and id_ != self.file:
            if given is None:
                self.all_lost()
            else:
                # The same file, whose id somebody has removed.
                id_ = self.file
                db.execute("UPDATE meta SET value = ? WHERE key = 'id'", (id_,))
        self.file = id_
        self.highest = max(self.highest, given[0] if given else 0)

    def all_lost(self) -> None:
        """Note that no chunk given so far is left."""
        self.lowest = self.highest + 1
