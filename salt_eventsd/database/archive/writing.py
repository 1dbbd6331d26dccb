"""
Write the file of an archive. It has its name only once it is whole and on the disk.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import zstandard

from salt_eventsd.database.archive.file import BadArchive, End, Head

#: Nobody else may read what was returned.
_MODE = 0o600
_LEVEL = 3
#: Where there are no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS, errno.EMLINK)


class Writing:
    """
    A file that is being written. At the end of the ``with`` it has its name, unless there was an error.

    :param path: the name, which nothing has yet.
    :param head: the first line.
    :raises BadArchive: there is such a file, or somebody else is writing it.
    :raises OSError: it cannot be written.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        if os.path.lexists(path):
            raise BadArchive(f"to: {path} is there already; expected the name of a new file")
        # What a process that was killed has left is written over.
        descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _MODE)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise self._busy() from None
        if not self._is_ours():
            # Who had it has just finished it, and given it its name.
            self._file.close()
            raise self._busy()
        os.fchmod(descriptor, _MODE)
        self._file.truncate(0)
        self._hash = hashlib.blake2b(digest_size=16)
        self._stream = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(
            self._file, closefd=False
        )
        self.rows: Counter[str] = Counter()
        self._line(msgspec.json.encode(head))
        # Of a file that is cut off later, the first line can be read.
        self._stream.flush()

    def add(self, table: str, line: bytes) -> None:
        """
        Add a row.

        :param table: whose row it is, for the count.
        :param line: from :func:`.lines.line_of`.
        """
        self._line(line)
        self.rows[table] += 1

    def __enter__(self) -> Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(FileNotFoundError):
                self._partial.unlink()
            self._file.close()

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._partial), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    def _busy(self) -> BadArchive:
        return BadArchive(f"to: somebody else is writing {self._partial}")

    def _line(self, line: bytes) -> None:
        self._hash.update(line + b"\n")
        self._stream.write(line + b"\n")

    def _finish(self) -> None:
        end = End(rows=dict(sorted(self.rows.items())), checksum=self._hash.hexdigest())
        self._stream.write(msgspec.json.encode(end) + b"\n")
        self._stream.close()  # type: ignore[no-untyped-call]  # zstandard's has no types
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            # Unlike a rename, this replaces nothing.
            os.link(self._partial, self._path)
        except FileExistsError:
            raise BadArchive(f"to: {self._path} was made meanwhile; expected the name of a new file") from None
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
            os.rename(self._partial, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
