"""
Say whether a folder or file can be written or made, by this process or by another user, without writing anything. And
make the engine's private folders.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from pathlib import Path


def why_unwritable(folder: Path, user: str = "") -> str:
    """
    Return why no file can be put into a folder; "" if one can.

    :param folder: the folder, which need not exist yet.
    :param user: who would write; "" means the user of this process.
    """
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    except OSError as exc:
        return f"{folder}: {exc.strerror}"
    if not there.is_dir():
        return f"{there} is not a folder"
    if not may(there, os.W_OK | os.X_OK, user):
        return f"{there} cannot be written{_by(there, user)}"
    return ""


def why_file_unwritable(path: Path, user: str = "") -> str:
    """
    Return why a file cannot be written or made; "" if it can.

    :param path: the path of the file.
    :param user: who would write; "" means the user of this process.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return why_unwritable(path.parent, user)
    except OSError as exc:
        return f"{path}: {exc.strerror}"
    if stat.S_ISDIR(mode):
        return f"{path} is a folder; expected a file in a folder"
    return "" if may(path, os.W_OK, user) else f"{path} cannot be written{_by(path, user)}"


def may(path: Path, how: int, user: str = "") -> bool:
    """
    Say whether a user may access an existing file or folder, as far as its mode shows.

    :param path: the path, which must exist.
    :param how: ``os.R_OK``, ``os.W_OK`` and ``os.X_OK``, combined with ``|``.
    :param user: who; "" means the user of this process.
    """
    if not user or user == running_as():
        return os.access(path, how)
    try:
        entry = pwd.getpwnam(user)
        found = path.stat()
    except (KeyError, OSError):
        return True
    if entry.pw_uid == 0:
        return os.access(path, how) or os.geteuid() != 0
    groups = os.getgrouplist(user, entry.pw_gid)
    shift = 6 if found.st_uid == entry.pw_uid else 3 if found.st_gid in groups else 0
    return (found.st_mode >> shift) & how == how


def running_as() -> str:
    """Return the name of the user of this process."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _by(path: Path, user: str) -> str:
    try:
        found = path.stat()
        owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    except (KeyError, OSError):
        return f" by {user or running_as()}"
    return f" by {user or running_as()}: it is {owner}:{group}, mode {stat.S_IMODE(found.st_mode):04o}"


def make_private(folder: Path) -> None:
    """
    Make a folder and its missing parents with mode 0700, whatever the umask is.

    :param folder: the folder. An existing folder keeps its mode, because others may use it, too.
    :raises OSError: the folder cannot be made.
    """
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    for one in reversed(missing):
        try:
            one.mkdir(mode=0o700)
            one.chmod(0o700)
        except FileExistsError:
            continue
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
