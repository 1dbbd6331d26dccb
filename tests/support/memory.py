"""
Temporary files in memory, where there is room: a test that writes into SQLite or a spool waits for the disk otherwise.

Nothing here survives a power failure, and nothing that a test does needs that; a kill loses no file in memory.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

_FOLDER = Path("/dev/shm")
#: Some ten times what all tests leave at the end.
_ROOM_BYTES = 2 * 1024**3
#: pytest's own name for where its temporary folders are.
_VARIABLE = "PYTEST_DEBUG_TEMPROOT"


def prefer_memory() -> None:
    """Have pytest put its temporary folders there, unless the environment names a place or there is too little room."""
    if (
        _FOLDER.is_dir()
        and os.access(_FOLDER, os.W_OK)
        and shutil.disk_usage(_FOLDER).free >= _ROOM_BYTES
        and psutil.virtual_memory().available >= 2 * _ROOM_BYTES
    ):
        os.environ.setdefault(_VARIABLE, str(_FOLDER))
