"""
Keep the spool within ``max_bytes``: what gives way when it is full, and that it is counted.

The operator chooses what is dropped: the oldest events (the default, for the newest are mostly the ones asked for), or
the newest (so that nothing is lost that was kept).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from salt_eventsd.config.structs import SpoolConfig
from salt_eventsd.dispatch.backlog import Backlog
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.event.sharing import sizes
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: How much more than needed is freed, as a part of ``max_bytes``, so that a full spool is not searched at each commit.
_HEADROOM = 0.02
#: A spool that was full has room again when no more than this part of ``max_bytes`` is in use.
_ROOM_AGAIN = 0.9
#: The log says that the spool is full no more often than this, in seconds.
_TELL_SECONDS = 60.0


class HasBacklog(Protocol):
    """A lane, as far as the quota knows it."""

    @property
    def backlog(self) -> Backlog:
        """What waits for it, from which the quota drops."""


class Quota:
    """
    Decides which chunks may be kept.

    :param config: returns the spool's settings as they are now; asked each time.
    :param spool: the spool.
    :param lanes: the lanes by name; their backlogs count what is dropped.
    """

    def __init__(self, config: Callable[[], SpoolConfig], spool: Spool, lanes: Mapping[str, HasBacklog]) -> None:
        self._config = config
        self._spool = spool
        self._lanes = lanes
        self.full = False
        self._tell_at = 0.0
        self._is_told = False

    @property
    def config(self) -> SpoolConfig:
        """The spool's settings as they are now."""
        return self._config()

    @property
    def used(self) -> int:
        """What counts against ``max_bytes``, in bytes: what waits to be written, and dead letters."""
        return self.waiting + self._spool.burials.letter_bytes

    @property
    def waiting(self) -> int:
        """What waits to be written, in bytes; what several lanes get counts once."""
        return max(0, sum(lane.backlog.bytes for lane in self._lanes.values()) - self._spool.saved_bytes)

    @property
    def is_full(self) -> bool:
        """Whether events had to be dropped, and the backlogs have not become smaller since."""
        return self.full and self.used > int(self.config.max_bytes) * (1 - 2 * _HEADROOM)

    def admit(self, chunks: list[Chunk]) -> list[Chunk]:
        """
        Make room for chunks within ``max_bytes``; return those that may be kept. The others are dropped and counted.

        :param chunks: what is about to be kept.
        :raises SpoolError: no room could be made.
        """
        most = int(self.config.max_bytes)
        used = self.used
        needed = used + sum(sizes(chunks)) - most
        self._tell(needed > 0, used)
        if needed <= 0:
            return chunks
        if self.config.when_full == "drop_oldest":
            needed -= self._drop_oldest(needed + int(most * _HEADROOM))
        return self._drop_newest(chunks, needed) if needed > 0 else chunks

    def fitting(self, chunks: list[Chunk]) -> int:
        """
        Return how many of the chunks, from the first on, the disk has room for.

        :param chunks: what is about to be kept.
        :raises SpoolError: the disk cannot be asked.
        """
        try:
            room = self._spool.disk.room_bytes()
        except OSError as exc:
            raise SpoolError(f"eventsd: spool.dir: {self._spool.folder}: {exc.strerror}") from exc
        for number, size in enumerate(sizes(chunks)):
            room -= size
            if room < 0:
                return number
        return len(chunks)

    def _drop_oldest(self, needed: int) -> int:
        """
        Drop from the longest backlog first, so that one dead backend does not cost another its events. What another
        lane waits with, too, is free only once it is dropped from both.
        """
        before = self.used
        backlogs = [lane.backlog for lane in self._lanes.values()]
        while backlogs and (left := needed - (before - self.used)) > 0:
            longest = max(backlogs, key=lambda one: one.bytes)
            if not longest.drop_oldest(left):
                backlogs.remove(longest)
        return before - self.used

    def _drop_newest(self, chunks: list[Chunk], needed: int) -> list[Chunk]:
        admitted, taken = list(chunks), list(sizes(chunks))
        while admitted and needed > 0:
            gone = admitted.pop()
            needed -= taken.pop()
            self._lanes[gone.lane].backlog.count_dropped(gone.events)
        return admitted

    def _tell(self, full: bool, used: int) -> None:
        """
        Log when the spool becomes full, and when it has room again.

        A full spool is just below its limit each time something was dropped. So it has room again only when there is a
        good deal of it.
        """
        if full and not self.full:
            self.full = True
            if time.monotonic() >= self._tell_at:
                self._tell_at = time.monotonic() + _TELL_SECONDS
                self._is_told = True
                log.error(
                    "eventsd: the spool is full (spool.max_bytes %d): events are dropped (%s) and counted",
                    self.config.max_bytes,
                    self.config.when_full,
                )
        elif self.full and used < int(self.config.max_bytes) * _ROOM_AGAIN:
            self.full = False
            if self._is_told:
                self._is_told = False
                log.warning("eventsd: the spool has room again")
