"""Arguments as people give them to a verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from salt_eventsd.exceptions import EventsdError


def path_of(verb: str, key: str, value: Any) -> Path:
    """
    Return the path of a file or folder that a verb was given.

    :param verb: the verb's name, for the message.
    :param key: the argument's name, for the message.
    :param value: what was given. YAML may have made a number, a list or a time of it.
    :raises EventsdError: it is no path.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise EventsdError(f"eventsd.{verb}: {key}: expected the path of a file or folder, got {value!r}")
    return Path(value)
