"""Find the programs of a database server, and start them as a user that the server accepts."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/mysql/bin",
    "/usr/local/mysql/scripts",
    "/usr/local/opt/*/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/*/bin",
)


class ServerMissing(Exception):
    """
    The programs of a server are not installed.

    :param server: the name of the server.
    :param programs: the programs that were not found.
    :param packages: the packages to install.
    """

    def __init__(self, server: str, programs: str, packages: str) -> None:
        super().__init__(f"{server} is not installed (no {programs} found): install {packages}")
        self.server = server


def find(*names: str) -> str | None:
    """
    Return the path of the first program that is installed, of its newest version if there are several; None if the
    tests are to use programs of the package index only.

    :param names: the names of the program, the preferred one first.
    :raises ValueError: ``EVENTSD_TEST_SERVERS`` has an unknown value.
    """
    wanted = os.environ.get("EVENTSD_TEST_SERVERS", "")
    if wanted not in ("", "index"):
        raise ValueError(f"EVENTSD_TEST_SERVERS: expected index, or nothing, got {wanted}")
    if wanted:
        return None
    # A program that a wheel has put beside this Python's programs does not count as installed on the machine.
    own = Path(sysconfig.get_path("scripts"))
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder) != own)
    for name in names:
        if found := shutil.which(name, path=path):
            return found
        for pattern in _FOLDERS:
            candidates = [path for path in glob.glob(f"{pattern}/{name}") if os.access(path, os.X_OK)]
            if candidates:
                return max(candidates, key=_version)
    return None


def _version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def unprivileged() -> dict[str, Any]:
    """Return arguments of ``Popen`` that keep a server from running as root: PostgreSQL refuses to."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(*paths: Path) -> None:
    """
    Give files to the user that a server runs as.

    :param paths: the paths of the files and folders.
    """
    if user := unprivileged():
        for path in paths:
            os.chown(path, user["user"], user["group"])


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """
    Run a program of a server to its end.

    :param command: the program and its arguments.
    :param folder: its working directory.
    :param environment: its environment.
    :raises RuntimeError: it failed; the error has its output.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        **unprivileged(),
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
