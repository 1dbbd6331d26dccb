"""
Spool files that are set aside: broken ones, and those that took the place of ours. They are kept for whoever wants to
look into them, but not without end.
"""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from pathlib import Path

#: No more files than this are kept, the newest ones.
MOST_KEPT = 5
_KINDS = ("broken", "stray")


def move_away(path: Path, kind: str) -> str:
    """
    Give a spool's file another name, its log too: SQLite would take that for the next file's.

    :param path: of the file.
    :param kind: why, as a part of the name.
    :returns: the name it has now.
    """
    stem = _free(path, kind)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", path.parent / f"{stem}{suffix}")
    return stem


def move_log_away(path: Path) -> str:
    """
    Give the log beside a spool's file another name.

    :param path: of the file.
    :returns: the name it has now.
    """
    name = f"{_free(path, 'stray')}-wal"
    os.replace(f"{path}-wal", path.parent / name)
    Path(f"{path}-shm").unlink(missing_ok=True)
    return name


def _free(path: Path, kind: str) -> str:
    when = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    stems = (f"{path.name}.{kind}-{when}-{number}" for number in itertools.count())
    return next(
        stem for stem in stems if not any((path.parent / f"{stem}{suffix}").exists() for suffix in ("", "-wal"))
    )


def thin_out(path: Path, most_bytes: int) -> list[str]:
    """
    Delete what was set aside longest ago, until no more than so much of it is left; the newest stays in any case.

    :param path: of the spool's file.
    :param most_bytes: how much may be left.
    :returns: the names of what was deleted.
    """
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
    """What comes after the kind: the time, and a number that tells those of one second apart."""
    _kind, when, number = stem.rsplit("-", 2)
    return when, int(number) if number.isdigit() else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
