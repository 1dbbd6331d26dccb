"""What a lane has done."""

from __future__ import annotations

import threading
import time

from salt_eventsd.writer.carry.pulled import Pulled


class Counts:
    """What a lane has done."""

    def __init__(self) -> None:
        self.written = 0
        #: Events that had been written before: by another writer, or when the parcel came first.
        self.already = 0
        self.buried = 0
        #: Parcels that were set aside whole.
        self.parcels_buried = 0
        self.parcels = 0
        #: How often a parcel of a newer version came.
        self.too_new = 0
        #: Events that came under a name another chunk had in the database, and were given another.
        self.renamed = 0
        #: When a parcel was last settled, in seconds since 1970 UTC; 0 if none was.
        self.last_write = 0.0
        self._mutex = threading.Lock()

    def settled(self, pulled: Pulled) -> None:
        """
        Count a parcel.

        :param pulled: it is acknowledged, or what it could be is committed.
        """
        with self._mutex:
            self.parcels += 1
            self.parcels_buried += bool(pulled.broken)
            self.written += pulled.written
            self.already += pulled.already
            self.last_write = time.time()
