"""
See whether a folder can be written into, or be made, without writing.
"""

from __future__ import annotations

import os
from pathlib import Path


def trouble(folder: Path) -> str:
    """
    Return why nothing can be put into a folder, "" if it can.

    :param folder: which may have to be made.
    """
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    except OSError as exc:
        return f"{folder}: {exc.strerror}"
    if not there.is_dir():
        return f"{there} is not a folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written"
    return ""
