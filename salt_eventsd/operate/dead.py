"""
What ``salt-run eventsd.dead`` tells: dead letters one by one, or in groups of one reason, each with the rule that took
the event and the table it was for.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import dropwhile
from pathlib import Path
from typing import Any

from salt_eventsd.backends.broker.interface import Letter
from salt_eventsd.common import moments
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config, EventRule
from salt_eventsd.event.chunk import OWN, decode_event
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.operate.databases import problem_of
from salt_eventsd.operate.letters import Chosen, center, central_workers, id_of
from salt_eventsd.rules.compile import named
from salt_eventsd.spool import dead_letters
from salt_eventsd.spool.letter_groups import MOST_GROUPS, OTHERS, Group, groups, reason_of
from salt_eventsd.writer.letters import shown

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
    except (TypeError, ValueError, OverflowError):
        raise EventsdError(f"eventsd.dead: expected numbers, got limit={limit!r} after={after!r}") from None
    if by not in (None, _BY):
        raise EventsdError(f"eventsd.dead: by: expected {_BY}, got {by!r}")
    folder, which = Path(config.general.spool.dir), dead_letters.Filter(worker=worker, contains=contains)
    rules = dict(named(config.events))
    if by is None:
        letters = dead_letters.listed(folder, which, most, later_than)
        return {"letters": [_with_table(letter, rules) for letter in letters], "retcode": 0}
    found = groups(folder, which)
    told = [_told(one, one.id, rules) for one in found[: max(0, most)]]
    return {"groups": told, "letters": sum(one.letters for one in found), "retcode": 0}


def everywhere(opts: Mapping[str, Any], **asked: Any) -> dict[str, Any]:
    """
    Return what :func:`dead` does, and what writers have buried in the brokers of central workers.

    :param opts: Salt's options.
    :param asked: the arguments of :func:`dead`; ``after`` may be an id such as ``history:17``, too.
    :raises EventsdError: an argument or the configuration is wrong, or the spool cannot be read.
    """
    config = load(opts)
    name, colon, number = str(asked["after"]).rpartition(":")
    later_than = int(number) if colon and number.isdecimal() else 0
    told = dead(config, **{**asked, "after": 0 if later_than else asked["after"]})
    if later_than:
        told = {**told, "letters": []} if asked["by"] is None else told
    rules, most = dict(named(config.events)), int(asked["limit"])
    which = Chosen(contains=asked["contains"])
    centers = central_workers(config, opts, asked["worker"])
    if later_than:
        centers = list(dropwhile(lambda context: context.name != name, centers))
    groups: dict[tuple[str, str, str], Group] = {}
    problems = []
    for context in centers:
        try:
            with center(context) as made:
                for letter in which.found(made):
                    if context.name == name and letter.id <= later_than:
                        continue
                    if asked["by"] is not None:
                        _count(groups, letter)
                    elif len(told["letters"]) < min(most, dead_letters.MOST_LISTED):
                        table = {"table": _table(rules, letter.rule, _into(letter))}
                        told["letters"].append({**shown(letter), **table, "id": id_of(context.name, letter)})
                    else:
                        break
        except ConfigError:
            raise
        except EventsdError as exc:
            problems.append(problem_of(context, exc))
    for one in sorted(groups.values(), key=lambda group: -group.letters):
        told["letters"] += one.letters
        if len(told["groups"]) < most:
            told["groups"].append(_told(one, f"{one.worker}:{one.id}", rules))
    return {**told, "problems": problems, "retcode": 1} if problems else told


def _count(groups: dict[tuple[str, str, str], Group], letter: Letter) -> None:
    key = letter.worker, letter.rule, reason_of(letter.error)
    if key not in groups and len(groups) >= MOST_GROUPS:
        key = letter.worker, "", OTHERS
    group = groups.setdefault(key, Group(key[0], key[1], _into(letter), key[2], first=letter.buried))
    group.error, group.id = letter.error, letter.id
    group.letters, group.bytes = group.letters + 1, group.bytes + len(letter.body)
    group.first, group.last = min(group.first, letter.buried), max(group.last, letter.buried)


def _into(letter: Letter) -> str:
    return "" if letter.is_parcel else decode_event(letter.body, letter.buried).into


def _told(one: Group, id_: int | str, rules: dict[str, EventRule]) -> dict[str, Any]:
    return {
        "letters": one.letters,
        "worker": one.worker,
        "rule": one.rule,
        "table": _table(rules, one.rule, one.into),
        "error": one.reason,
        "latest": one.error,
        "latest_id": id_,
        "bytes": one.bytes,
        "first": moments.told(one.first),
        "last": moments.told(one.last),
    }


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
