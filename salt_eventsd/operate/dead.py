"""
What ``salt-run eventsd.dead`` tells: dead letters one by one, or in groups of one reason, each with the rule that took
the event and the table it was for.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.config.structs import Config, EventRule
from salt_eventsd.event.chunk import OWN
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.rules.compile import named
from salt_eventsd.spool import dead_letters
from salt_eventsd.spool.letter_groups import groups

#: What letters may be grouped by.
_BY = "error"


def dead(
    config: Config,
    worker: str | None = None,
    contains: str | None = None,
    limit: Any = 20,
    after: Any = 0,
    by: str | None = None,
) -> dict[str, Any]:
    """
    Return dead letters, or groups of them.

    :param config: a right one.
    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.
    :param limit: no more letters, or groups, than so many, as it was given.
    :param after: only letters with a higher id, as it was given.
    :param by: ``error`` for groups; None for letters.
    :raises EventsdError: an argument is wrong, or the spool cannot be read.
    """
    try:
        most, later_than = int(limit), int(after)
    except (TypeError, ValueError):
        raise EventsdError(f"eventsd.dead: expected numbers, got limit={limit!r} after={after!r}") from None
    if by not in (None, _BY):
        raise EventsdError(f"eventsd.dead: by: expected {_BY}, got {by!r}")
    folder, which = Path(config.general.spool.dir), dead_letters.Filter(worker=worker, contains=contains)
    rules = dict(named(config.events))
    if by is None:
        letters = dead_letters.listed(folder, which, most, later_than)
        return {"letters": [_with_table(letter, rules) for letter in letters], "retcode": 0}
    found = groups(folder, which)
    told = [
        {
            "letters": one.letters,
            "worker": one.worker,
            "rule": one.rule,
            "table": _table(rules, one.rule, one.into),
            "error": one.reason,
            "latest": one.error,
            "latest_id": one.id,
            "bytes": one.bytes,
            "first": _moment(one.first),
            "last": _moment(one.last),
        }
        for one in found[: max(0, most)]
    ]
    return {"groups": told, "letters": sum(one.letters for one in found), "retcode": 0}


def _with_table(letter: dict[str, Any], rules: dict[str, EventRule]) -> dict[str, Any]:
    told = {}
    for key, value in letter.items():
        if key == "into":
            told["table"] = _table(rules, letter["rule"], value)
        else:
            told[key] = value
    return told


def _table(rules: dict[str, EventRule], rule: str, into: str) -> str:
    """Name what an event goes into; a table of the user's own is that of the rule as it is now."""
    if into != OWN:
        return into
    own = rules.get(rule)
    if own is None:
        return "its rule is no longer under events"
    return own.table or "a statement of the rule"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
