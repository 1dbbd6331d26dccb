"""What a spool takes of its disk, how much more it may take, and what it gives back."""

from __future__ import annotations

import os
from contextlib import suppress

from salt_eventsd.spool.file import FILE, SpoolFile

#: What is left free of the disk, in bytes; of a small disk no more than a quarter.
_RESERVE_BYTES = 16 * 2**20
#: How much of the free pages inside the file is counted on: rows take more than their payload.
_FREE_PAGES_USABLE = 0.8
#: How many free pages the file keeps (64 MiB at 4 KiB); a small spool keeps less. More are given back to the disk.
_FREE_PAGES_KEPT = 16_384
_FREE_SHARE = 1 / 16
_PAGE_BYTES = 4096
#: How many pages are given back at a time.
_PAGES_AT_ONCE = 1024
#: A longer log is copied into the file while there is time for it: until then, a copy of the file alone is an old one.
_LONG_LOG_BYTES = 4 * 2**20


class Disk:
    """
    The disk under a spool's file.

    :param file: the file.
    """

    def __init__(self, file: SpoolFile) -> None:
        self._file = file

    def room_bytes(self) -> int:
        """
        Return how much more may be put, in bytes: what the disk has, less a reserve, or what the file has free inside.

        What is put is on the disk twice for a while, in the log and in the file. The reserve is there so that chunks
        can still be forgotten, which takes room too, when the disk is full.

        :raises OSError: the disk cannot be asked.
        :raises SpoolError: the file cannot be read.
        """
        size, free = self._size_and_free()
        reserve = min(_RESERVE_BYTES, size // 4)
        if free - reserve > _RESERVE_BYTES:
            return (free - reserve) // 2
        # With the log copied into the file and cut off, what is free is free, and free pages can be written again. They
        # go through the log only, for which half of what the disk has is taken at a time.
        rows = self._file.rows
        rows("PRAGMA wal_checkpoint(TRUNCATE)")
        _, free = self._size_and_free()
        pages, page_bytes = rows("PRAGMA freelist_count")[0][0], rows("PRAGMA page_size")[0][0]
        return max((free - reserve) // 2, min(int(pages * page_bytes * _FREE_PAGES_USABLE), free // 2))

    def _size_and_free(self) -> tuple[int, int]:
        """Return the disk's size and what is free of it, less what the log will need once more in the file."""
        disk = os.statvfs(self._file.folder)
        return disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize - self._log_bytes()

    def _log_bytes(self) -> int:
        try:
            return os.stat(f"{self._file.path}-wal").st_size
        except FileNotFoundError:
            return 0

    def used_bytes(self) -> int:
        """Return what the spool takes on disk, in bytes, files that are set aside included."""
        size = 0
        for one in self._file.folder.glob(f"{FILE}*"):
            with suppress(FileNotFoundError):
                size += one.stat().st_size
        return size

    def shrink(self) -> None:
        """
        Give disk space back that an outage's backlog has left free, and copy a long log into the file; does nothing
        while little is free and the log is short.

        :raises SpoolError: the file cannot be written.
        """
        if self._log_bytes() > _LONG_LOG_BYTES:
            self._file.copy_log()
        kept = min(_FREE_PAGES_KEPT, int(self._file.max_bytes * _FREE_SHARE) // _PAGE_BYTES)
        if self._file.rows("PRAGMA freelist_count")[0][0] > kept:
            self._file.rows(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
