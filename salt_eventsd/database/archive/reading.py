"""
Read the file of an archive, and tell one that is not whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from salt_eventsd.database import migrate
from salt_eventsd.database.archive.file import FORMAT, VERSION, BadArchive, End, Head

_CHUNK_BYTES = 2**20
#: No row is longer: no database takes as much in one value.
_LONGEST_LINE_BYTES = 2**30


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
