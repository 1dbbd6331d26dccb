"""Mounts and fills small disks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """
    Mount a small disk. Skip the test where that is not allowed.

    :param folder: the mount point, which this makes.
    :param size: the size in bytes.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        why = getattr(exc, "stderr", "") or str(exc)
        pytest.skip(f"NOT TESTED: a small disk cannot be mounted here: {why.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path, leave: int = 0) -> None:
    """
    Write a file that fills its disk.

    :param path: the path of the file.
    :param leave: how many bytes to leave free.
    """
    with path.open("wb", buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
        file.truncate(max(0, file.tell() - leave))
