"""
The file of an archive. It has its name only once it is whole and on the disk; reading it tells one that is not whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import zstandard

from salt_eventsd.database import migrate
from salt_eventsd.exceptions import EventsdError

FORMAT, VERSION = "salt-eventsd archive", 1
#: Nobody else may read what was returned.
_MODE = 0o600
_LEVEL = 3
_CHUNK_BYTES = 2**20
#: No row is longer: no database takes as much in one value.
_LONGEST_LINE_BYTES = 2**30
#: Where there are no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS, errno.EMLINK)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first line.

    :param format: what the file is.
    :param version: of this form of file.
    :param tables: the version of the tables.
    :param before: what is in it is older than this time.
    :param made: when it was made.
    :param worker: whose history it is.
    """

    format: str
    version: int
    tables: str
    before: str = ""
    made: str = ""
    worker: str = ""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """
    The last line.

    :param rows: how many rows of each table there are.
    :param checksum: of all lines before it.
    """

    rows: dict[str, int]
    checksum: str


class BadArchive(EventsdError):
    """The file is no archive, or not a whole one, or a newer one; nothing was done with it."""


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


class Reading:
    """
    A file that is read.

    :param path: its name.
    :raises BadArchive: it cannot be read, or is no archive, or a newer one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as exc:
            raise BadArchive(f"{path}: {exc.strerror}") from None
        try:
            self.head = self._read_head()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def lines(self) -> Iterator[bytes]:
        """
        Yield the rows, each as a line. Only after the last one it is sure that all were right.

        :raises BadArchive: the file is not whole, or was changed.
        """
        digest = hashlib.blake2b(digest_size=16)
        count = 0
        held: bytes | None = None
        for line in self._all():
            if held is not None:
                digest.update(held + b"\n")
                if count:
                    yield held
                count += 1
            held = line
        try:
            end = msgspec.json.decode(held or b"", type=End)
        except msgspec.DecodeError:
            raise self._cut_off() from None
        if end.checksum != digest.hexdigest() or sum(end.rows.values()) != count - 1:
            raise BadArchive(f"{self._path} was changed: its rows are not those that its checksum is of")

    def verify(self) -> Mapping[str, int]:
        """
        Read the whole file, and return how many rows of each table it has.

        :raises BadArchive: it is not whole, or was changed.
        """
        from salt_eventsd.database.archive import lines

        counts: Counter[str] = Counter()
        for text in self.lines():
            try:
                counts[lines.check(text)] += 1
            except (ValueError, RecursionError) as exc:
                raise BadArchive(f"{self._path} has a row that no salt-eventsd has written: {exc}") from None
        return counts

    def _read_head(self) -> Head:
        what = f"{self._path} is no archive of salt-eventsd"
        try:
            head = msgspec.json.decode(next(self._all(), b""), type=Head)
        except msgspec.DecodeError:
            raise BadArchive(what) from None
        if head.format != FORMAT:
            raise BadArchive(what)
        if head.version > VERSION or head.tables > migrate.HEAD:
            raise BadArchive(
                f"{self._path} is of a newer salt-eventsd: version {head.version} with tables of {head.tables}, and"
                f" this one knows {VERSION} and {migrate.HEAD}: upgrade salt-eventsd"
            )
        return head

    def _all(self) -> Iterator[bytes]:
        self._file.seek(0)
        reader = zstandard.ZstdDecompressor().stream_reader(self._file, closefd=False)
        rest: list[bytes] = []
        held = 0
        while chunk := self._chunk(reader):
            *whole, last = chunk.split(b"\n")
            for line in whole:
                yield b"".join([*rest, line])
                rest, held = [], 0
            rest.append(last)
            held += len(last)
            if held > _LONGEST_LINE_BYTES:
                raise BadArchive(f"{self._path} has a line of more than {_LONGEST_LINE_BYTES} bytes")
        if any(rest):
            raise self._cut_off()

    def _chunk(self, reader: Any) -> bytes:
        try:
            return bytes(reader.read(_CHUNK_BYTES))
        except zstandard.ZstdError:
            raise BadArchive(f"{self._path} is no archive of salt-eventsd, or was damaged") from None

    def _cut_off(self) -> BadArchive:
        return BadArchive(f"{self._path} is cut off: its last line is missing, so nothing of it was taken")
