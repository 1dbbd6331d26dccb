"""Find the programs of a database server, and start them as somebody the server agrees to run as."""

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
    A server's programs are not installed.

    :param server: its name.
    :param programs: what was looked for.
    :param packages: what to install.
    """

    def __init__(self, server: str, programs: str, packages: str) -> None:
        super().__init__(f"{server} is not installed (no {programs} found): install {packages}")
        self.server = server


def find(*names: str) -> str | None:
    """
    Return the path of the first of some programs that is installed, of the newest version where there are several;
    None if only those of the package index are wanted.

    :param names: of the program, the preferred one first.
    :raises ValueError: the variable that says what is wanted says something else.
    """
    wanted = os.environ.get("EVENTSD_TEST_SERVERS", "")
    if wanted not in ("", "index"):
        raise ValueError(f"EVENTSD_TEST_SERVERS: expected index, or nothing, got {wanted}")
    if wanted:
        return None
    # What a wheel has put beside this Python's programs is not installed on the machine.
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
    """Return the arguments of ``Popen`` that keep a server from running as root, which PostgreSQL refuses to."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(*paths: Path) -> None:
    """
    Give files to the user a server runs as.

    :param paths: of the files and folders.
    """
    if user := unprivileged():
        for path in paths:
            os.chown(path, user["user"], user["group"])


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """
    Run a program of a server to its end.

    :param command: the program and its arguments.
    :param folder: where it runs.
    :param environment: of the program.
    :raises RuntimeError: it failed; with what it said.
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
