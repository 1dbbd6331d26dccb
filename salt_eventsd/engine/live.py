"""
Since when each rule has been in force, in a file beside the state file, which outlives the engine: whoever replays a
rule needs to know what the engine has written by itself.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from salt_eventsd.engine.predecessor import left
from salt_eventsd.rules.compile import named

if TYPE_CHECKING:
    from salt_eventsd.config.structs import Config, EventRule

log = logging.getLogger(__name__)

#: Stands for a moment that nobody has noted.
UNKNOWN = 0.0


class Live:
    """
    Notes since when rules have been in force. Only the thread that applies plans uses it.

    :param state_file: the engine's.
    """

    def __init__(self, state_file: Path) -> None:
        self._path = path_of(state_file)
        self._since = live_since(state_file)
        # An engine of an earlier release has had rules, and has not said so.
        self._is_unknown = self._since is None and _has_worked(state_file)

    def apply(self, config: Config, moment: float) -> None:
        """
        Note that the rules of a configuration are in force, and no others.

        :param config: the configuration.
        :param moment: since when, in seconds since 1970 UTC, unless they were before.
        """
        known = self._since or {}
        now = UNKNOWN if self._is_unknown else moment
        found = {
            place: known.get(place, now)
            for name, rule in named(config.events)
            for place in (place_of(name, rule, worker) for worker in rule.workers)
        }
        self._is_unknown = False
        if found == self._since:
            return
        self._since = found
        try:
            _write(self._path, found)
        except OSError as exc:
            log.warning("eventsd: state_file: it cannot be noted beside it which rules are in force: %s", exc)


def path_of(state_file: Path) -> Path:
    """
    Return where it is noted.

    :param state_file: the engine's.
    """
    return Path(f"{state_file}.rules")


def live_since(state_file: Path) -> dict[str, float] | None:
    """
    Return since when rules have been in force, in seconds since 1970 UTC, by :func:`place_of`; :data:`UNKNOWN` of those
    that already were when this was first noted. None if nobody has noted anything.

    :param state_file: the engine's.
    """
    try:
        return msgspec.json.decode(path_of(state_file).read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return None


def place_of(name: str, rule: EventRule, worker: str) -> str:
    """
    Return what tells a rule and the place it writes into from others.

    :param name: the rule's whole name.
    :param rule: the rule.
    :param worker: one of its workers.
    """
    into = "\0".join((rule.into or "", rule.table or "", rule.statement or ""))
    return f"{name} {worker} {hashlib.sha256(into.encode()).hexdigest()[:16]}"


def _has_worked(state_file: Path) -> bool:
    before = left(state_file)
    return bool(before and (before.bus or (before.before and before.before.bus)))


def _write(path: Path, since: dict[str, float]) -> None:
    draft = path.with_name(f".{path.name}")
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(since))
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
