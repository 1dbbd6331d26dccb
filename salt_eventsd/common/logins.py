"""
The options with which workers log in: :mod:`salt_eventsd.redact.own_secrets` hides their passwords in errors.

Most commands read the configuration and report no error. So the module that finds passwords is loaded with the first
error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

#: How many workers' options are remembered until an error asks for them; the oldest are forgotten first.
_MOST = 1000
_noted: deque[Mapping[str, Any]] = deque(maxlen=_MOST)


def note(options: Mapping[str, Any]) -> None:
    """
    Remember a worker's options.

    :param options: as they stand in the config.
    """
    # Each command and each reload reads the configuration again.
    if options not in _noted:
        _noted.append(options)


def noted() -> list[Mapping[str, Any]]:
    """Return the options noted since the last call."""
    found = []
    while _noted:
        found.append(_noted.popleft())
    return found
