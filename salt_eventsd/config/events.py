"""
Read the ``events`` block, and check that the workers which its rules name exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from salt_eventsd.config.explain import convert, meant
from salt_eventsd.config.plain import without_empty
from salt_eventsd.config.structs import EventRule, default_events, stats_rule

#: The name of the worker in a config that has no ``workers``.
DEFAULT_WORKER = "history"


def read_events(
    raw: Mapping[Any, Any], workers: list[str], counting: list[str], problems: list[str]
) -> dict[str, EventRule]:
    """
    Return the rules.

    :param raw: the block, plain data.
    :param workers: the names of all workers.
    :param counting: the workers that keep the engine's own counters. They get the counters even if no rule names them.
    :param problems: this function adds what is wrong to the list.
    """
    events = _read(raw, workers, [name for name in workers if name not in counting], problems)
    named = {name for rule in events.values() for name in rule.all_workers}
    unnamed = [name for name in counting if name not in named]
    return {**events, **stats_rule(unnamed)} if unnamed else events


def _read(raw: Mapping[Any, Any], workers: list[str], choice: list[str], problems: list[str]) -> dict[str, EventRule]:
    if not raw:
        if not choice:
            return {}
        target = choice[0] if len(choice) == 1 else DEFAULT_WORKER
        if target not in choice:
            problems.append(
                f"eventsd: events: missing; with several workers ({', '.join(choice)}) "
                "say which events each gets, or name one of them history"
            )
        return default_events(target)
    events = {}
    for name, entry in raw.items():
        where = f"events.{name}"
        rule = convert(_filled(entry), EventRule, where, problems)
        if rule is None:
            continue
        if not (rule.tag or rule.tag_glob):
            problems.append(f"eventsd: {where}.tag: missing; expected a regular expression such as salt/job/\\d+/ret/")
        if not rule.workers and len(choice) == 1:
            rule = msgspec.structs.replace(rule, worker=choice[0])
        _aimless(rule, where, False, workers, problems)
        _known_workers(rule, where, workers, problems)
        events[str(name)] = rule
    return events


def _filled(entry: Any) -> Any:
    """Return a rule without its empty keys; its sub-events likewise."""
    rule = without_empty(entry)
    if isinstance(rule, Mapping) and isinstance(subs := rule.get("subs"), Mapping):
        return {**rule, "subs": {key: _filled(sub) for key, sub in subs.items()}}
    return rule


def _known_workers(rule: EventRule, where: str, workers: list[str], problems: list[str]) -> None:
    problems.extend(
        f"eventsd: {where}.worker: no worker {name!r} under workers; there is {_listed(workers)}{meant(name, workers)}"
        for name in rule.workers
        if name not in workers
    )
    for key, sub in rule.subs.items():
        _known_workers(sub, f"{where}.subs.{key}", workers, problems)


def _aimless(rule: EventRule, where: str, inherits: bool, workers: list[str], problems: list[str]) -> None:
    """Report rules without a worker. A rule needs its own or its parent's, unless it exists only for its sub-events."""
    if not (rule.workers or inherits or rule.subs):
        problems.append(f"eventsd: {where}.worker: missing; expected one or several of {_listed(workers)}")
    for key, sub in rule.subs.items():
        _aimless(sub, f"{where}.subs.{key}", bool(rule.workers) or inherits, workers, problems)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
