"""
Mark: how far an import has come. One that is cut off, however hard, leaves it beside the spool, and the next one of the
same jobs goes on there. Nothing depends on it but time: what is there already is not written again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

#: After so long the import begins anew: the job cache may have got more before that place.
_OLD_SECONDS = 86_400.0


class _Kept(msgspec.Struct):
    of: str
    place: str
    at: float


class Mark:
    """
    The mark of one import.

    :param folder: of the spool; where it is not there, nothing is kept.
    :param worker: into whose database is imported.
    :param of: what is imported. The mark of another import is none.
    """

    def __init__(self, folder: Path, worker: str, of: str) -> None:
        self._path = folder / f"import-{worker}.json"
        self._of = of

    def read(self) -> str:
        """Return the place where to go on; "" for the beginning."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return ""
        return kept.place if kept.of == self._of and 0 <= time.time() - kept.at < _OLD_SECONDS else ""

    def set(self, place: str) -> None:
        """
        Note that all up to a place is in the database.

        :param place: where the next import goes on.
        """
        if not place or not self._path.parent.is_dir():
            return
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            beside.write_bytes(msgspec.json.encode(_Kept(self._of, place, time.time())))
            beside.replace(self._path)
        except OSError:
            # A full disk costs the next import some time, and this one nothing.
            beside.unlink(missing_ok=True)

    def remove(self) -> None:
        """Note that the import is at its end."""
        self._path.unlink(missing_ok=True)
