"""
The form of an archive's file: its first line, its last line, and what is wrong with one that is none.
"""

from __future__ import annotations

import msgspec

from salt_eventsd.exceptions import EventsdError

FORMAT, VERSION = "salt-eventsd archive", 1


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
