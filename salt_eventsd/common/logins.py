"""
The options with which workers log in: :mod:`salt_eventsd.redact.own_secrets` hides their passwords in errors.

Most commands read the configuration and tell no error. So what finds passwords is loaded with the first error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

#: So many workers are remembered that no error has asked for yet; the oldest go first.
_MOST = 1000
_noted: deque[Mapping[str, Any]] = deque(maxlen=_MOST)


def note(options: Mapping[str, Any]) -> None:
    """
    Remember a worker's options.

    :param options: as they stand in the config.
    """
    # A configuration is read again and again.
    if options not in _noted:
        _noted.append(options)


def noted() -> list[Mapping[str, Any]]:
    """Return what was noted since it was asked for last."""
    found = []
    while _noted:
        found.append(_noted.popleft())
    return found
