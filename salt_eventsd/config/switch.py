"""Says whether Salt starts the engine: checks the form of ``engines:``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from salt_eventsd.config.options import engines_of
from salt_eventsd.exceptions import ConfigError

_RIGHT = "engines: expected a list with eventsd in it: engines: [eventsd]"


def switch(engines: Any) -> tuple[str, list[str]]:
    """
    Return why Salt does not start the engine ("" if it does), and what else is wrong under ``engines:``.

    :param engines: the block, as in Salt's configuration.
    """
    if isinstance(engines, str):
        return f"{_RIGHT}, got the text {engines!r}, of which Salt takes each letter for an engine", []
    if engines is not None and not isinstance(engines, (list, tuple, Mapping)):
        return f"{_RIGHT}, got {type(engines).__name__}", []
    try:
        ours = engines_of(engines)
    except ConfigError:
        # Loading the configuration reports this error.
        return "", []
    wrong = _overlooked(engines)
    if not ours:
        return f"{_RIGHT}{_meant(engines)}", wrong
    if len(ours) > 1:
        wrong.append("engines: eventsd is there more than once; all but one would be idle, as they share a spool")
    return "", wrong


def _overlooked(engines: Any) -> list[str]:
    """Return a line for each engine that Salt overlooks: of an entry of a list, it reads only the first key."""
    if not isinstance(engines, (list, tuple)):
        return []
    return [
        f"engines: Salt looks at {next(iter(one))} alone of the entry with {', '.join(map(str, one))}; put a dash "
        "before each engine, and indent an engine's options below it"
        for one in engines
        if isinstance(one, Mapping) and len(one) > 1
    ]


def _meant(engines: Any) -> str:
    names = [
        str(name)
        for one in ([engines] if isinstance(engines, Mapping) else engines or [])
        for name in (one if isinstance(one, Mapping) else [one])
    ]
    close = difflib.get_close_matches("eventsd", names, 1)
    return f"; there is {close[0]!r}" if close else ""
