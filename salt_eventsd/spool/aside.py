"""
Spool files that are set aside: broken ones, and files that somebody put in the place of ours. They are kept for whoever
wants to look into them, but only the newest, within bounds.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

#: How many files are kept at most, the newest ones.
MOST_KEPT = 5
_KINDS = ("broken", "stray")


class Aside:
    """
    What an engine has set aside since its start.

    :param path: of the spool's file.
    """

    def __init__(self, path: Path) -> None:
        #: The paths of broken files.
        self.paths: list[str] = []
        #: How many files that were set aside have been deleted.
        self.deleted = 0
        self._path = path

    def move_broken(self, why: Exception, most_bytes: int) -> None:
        """
        Set the spool's file aside because it is broken.

        :param why: what SQLite said.
        :param most_bytes: how much may be set aside in all.
        :raises OSError: it cannot be moved.
        """
        stem = _move_away(self._path, "broken")
        self.paths.append(str(self._path.parent / stem))
        log.error("eventsd: the spool is broken (%s); it was set aside as %s, and a new one was begun", why, stem)
        self.thin_out(most_bytes)

    def replace_stray(self, copy: Path, most_bytes: int) -> None:
        """
        Set a file aside that took the place of ours, if there is one, and put ours back.

        :param copy: what was in ours.
        :param most_bytes: how much may be set aside in all.
        :raises OSError: they cannot be moved.
        """
        _move_away(self._path, "stray")
        os.replace(copy, self._path)
        self.thin_out(most_bytes)

    def thin_out(self, most_bytes: int) -> None:
        """
        Delete what was set aside longest ago, until no more than so much of it is left; the newest stays in any case.

        :param most_bytes: how much may be left.
        :raises OSError: something cannot be deleted.
        """
        for name in _thinned_out(self._path, most_bytes):
            self.deleted += 1
            path = str(self._path.parent / name)
            if path in self.paths:
                self.paths.remove(path)
            log.warning("eventsd: %s was deleted, for newer spools have been set aside since", path)


def move_log_away(path: Path) -> str:
    """
    Give the log beside a spool's file another name.

    :param path: of the file.
    :returns: the name it has now.
    :raises OSError: it cannot be moved.
    """
    name = f"{_free_name(path, 'stray')}-wal"
    os.replace(f"{path}-wal", path.parent / name)
    Path(f"{path}-shm").unlink(missing_ok=True)
    return name


def _move_away(path: Path, kind: str) -> str:
    """Give a spool's file another name, which is returned; its log too: SQLite would take that for the next file's."""
    stem = _free_name(path, kind)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", path.parent / f"{stem}{suffix}")
    return stem


def _free_name(path: Path, kind: str) -> str:
    when = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    stems = (f"{path.name}.{kind}-{when}-{number}" for number in itertools.count())
    return next(
        stem for stem in stems if not any((path.parent / f"{stem}{suffix}").exists() for suffix in ("", "-wal"))
    )


def _thinned_out(path: Path, most_bytes: int) -> list[str]:
    """Delete the oldest files and return their names."""
    parts: dict[str, list[Path]] = {}
    for kind in _KINDS:
        for part in path.parent.glob(f"{path.name}.{kind}-*"):
            parts.setdefault(part.name.removesuffix("-wal").removesuffix("-shm"), []).append(part)
    deleted = []
    size = 0
    for number, stem in enumerate(sorted(parts, key=_when, reverse=True)):
        size += sum(_size(part) for part in parts[stem])
        if number and (number >= MOST_KEPT or size > most_bytes):
            deleted.append(stem)
            for part in parts[stem]:
                part.unlink(missing_ok=True)
    return deleted


def _when(stem: str) -> tuple[str, int]:
    """Return what comes after the kind: the time, and a number that tells apart those of one second."""
    _kind, when, number = stem.rsplit("-", 2)
    return when, int(number) if number.isdigit() else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
