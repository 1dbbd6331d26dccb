"""
One rule of all, as for a replay: what the others do with an event is not asked.
"""

from __future__ import annotations

from dataclasses import replace

from salt_eventsd.rules.match import Rules
from salt_eventsd.rules.rule import CompiledRule


def only(rules: Rules, name: str, worker: str) -> Rules | None:
    """
    Return rules that send events where one rule sends them, to one worker. The rules above a sub-event are asked as
    ever, and send them nowhere; its own sub-events are not asked.

    :param rules: all of a configuration.
    :param name: the whole name of the rule.
    :param worker: the worker's name.
    :returns: None if there is no such rule, or it does not send anything to this worker.
    """
    found = [one for rule in rules.rules if (one := _only(rule, name, worker))]
    return Rules(tuple(found), rules.undecided) if found else None


def _only(rule: CompiledRule, name: str, worker: str) -> CompiledRule | None:
    if rule.name == name:
        routes = tuple(route for route in rule.routes if route.worker == worker)
        return replace(rule, routes=routes, subs=()) if routes else None
    if not name.startswith(f"{rule.name}.subs."):
        return None
    subs = tuple(one for sub in rule.subs if (one := _only(sub, name, worker)))
    return replace(rule, routes=(), subs=subs) if subs else None
