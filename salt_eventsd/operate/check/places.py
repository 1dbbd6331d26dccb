"""Whether the engine can write where its configuration says: folders, files, their owners, and room on the disk."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.config.folders import running_as, why_file_unwritable, why_unwritable
from salt_eventsd.config.structs import Config


def places(opts: Mapping[str, Any], config: Config) -> tuple[list[str], list[str]]:
    """
    Return what is wrong with the places on disk, and what an operator should look at.

    :param opts: Salt's options, of which ``user`` counts.
    :param config: found right.
    """
    user = _user(opts)
    spool, state_file = Path(config.general.spool.dir), Path(config.general.state_file)
    wrong = []
    for key, what in (
        ("spool.dir", why_unwritable(spool, user)),
        ("state_file", why_file_unwritable(state_file, user)),
    ):
        if what:
            wrong.append(f"eventsd: {key}: {what}")
    if spool.is_dir():
        wrong += [
            f"eventsd: spool.dir: {what}"
            for path in sorted(spool.glob("spool.db*"))
            if (what := why_file_unwritable(path, user))
        ]
    odd = _disk(spool, int(config.general.spool.max_bytes))
    if user:
        odd.append(
            f"eventsd: checked as {running_as()}, but the engine runs as {user}: what is said of files and of backends "
            f"may differ; check as {user}"
        )
    return wrong, odd


def _user(opts: Mapping[str, Any]) -> str:
    """Return the user of Salt's daemon; "" if this process runs as that user, or if this system has no such user."""
    user = str(opts.get("user") or "")
    try:
        return user if user and pwd.getpwnam(user).pw_uid != os.geteuid() else ""
    except KeyError:
        return ""


def _disk(spool: Path, most: int) -> list[str]:
    try:
        there = next(one for one in (spool, *spool.absolute().parents) if one.exists())
        disk = os.statvfs(there)
        used = sum(path.stat().st_size for path in spool.glob("spool.db*")) if there == spool else 0
    except OSError:
        return []
    free = disk.f_bavail * disk.f_frsize
    if used + free >= most:
        return []
    return [
        f"eventsd: spool.max_bytes: {_size(most)}, but the disk of {there} has room for {_size(used + free)} only; "
        "make room, or say less"
    ]


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
