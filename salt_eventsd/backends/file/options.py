"""The options of a file worker."""

from __future__ import annotations

import os
import re

import msgspec

from salt_eventsd.config.checks import require
from salt_eventsd.config.structs import Size


class Rotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    When a file is moved away.

    :param bytes: before it grows beyond this.
    :param keep: how many files that were moved away are kept, the newest.
    """

    bytes: Size = Size(100 * 2**20)
    keep: int = 10

    def __post_init__(self) -> None:
        require(1 <= self.keep <= 1000, f"keep: expected a number from 1 to 1000, got {self.keep}")


class FileOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a file worker.

    :param path: of the file, a template.
    :param rotate: by size; None: never.
    :param fsync: write a batch to the disk before the engine forgets it.
    :param mode: of new files, octal.
    """

    path: str = ""
    rotate: Rotate | None = None
    fsync: bool = False
    mode: str | int = "0600"

    def __post_init__(self) -> None:
        require(bool(self.path), "path: missing; expected a file such as /var/log/salt/events.jsonl")
        require(os.path.isabs(self.path), f"path: expected a file's full path, beginning with /, got {self.path!r}")
        require(
            isinstance(self.mode, int) or re.fullmatch("0?[0-7]{3}", self.mode) is not None,
            f"mode: expected an octal number such as '0600', got {self.mode!r}",
        )
        require(
            0o600 <= self.bits <= 0o777, f"mode: expected one by which the owner reads and writes, got {self.mode!r}"
        )

    @property
    def bits(self) -> int:
        """The mode as a number; YAML reads a plain 0600 as octal by itself."""
        return self.mode if isinstance(self.mode, int) else int(self.mode, 8)

    @property
    def folder_bits(self) -> int:
        """The mode of new folders: whoever may read the files may enter, and only the owner may write."""
        return 0o700 | (self.bits & 0o044) | (self.bits & 0o044) >> 2
