"""
Compile: the ``events`` block of a configuration becomes rules that match.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping

from salt_eventsd.common.patterns import Pattern, compile_pattern
from salt_eventsd.config.language.conditions import compile_conditions, minion_condition
from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN
from salt_eventsd.rules.match import Rules
from salt_eventsd.rules.rule import CompiledRule, Route, Undecided
from salt_eventsd.rules.tags import tag_glob, tag_pattern


def compile_rules(events: Mapping[str, EventRule]) -> Rules:
    """
    Compile the ``events`` block of a configuration.

    :param events: rule name -> rule; :mod:`salt_eventsd.config.structs` has found them right.
    """
    undecided = Undecided()
    return Rules(tuple(_compile(name, rule, None, undecided) for name, rule in events.items()), undecided)


def named(events: Mapping[str, EventRule], parent: EventRule | None = None) -> Iterator[tuple[str, EventRule]]:
    """
    Yield all rules and sub-events, each with its whole name and with what it inherits.

    :param events: name -> rule.
    :param parent: the rule whose sub-events they are, with what it inherits itself.
    """
    for name, rule in events.items():
        # A sub-event inherits what it does not say, so `subs: {raid: {fun: ..., into: events}}` is enough.
        workers = rule.workers or (parent.workers if parent else ())
        prio = rule.prio if rule.prio is not None else (parent.prio if parent else None)
        whole = rule.with_inherited(workers, prio)
        yield name, whole
        yield from named({f"{name}.subs.{key}": sub for key, sub in rule.subs.items()}, whole)


def _compile(name: str, rule: EventRule, parent: EventRule | None, undecided: Undecided) -> CompiledRule:
    _, whole = next(named({name: rule}, parent))
    ignore = "|".join(fnmatch.translate(glob) for glob in rule.ignore)
    into = OWN if rule.is_own else rule.into or ""
    where = [minion_condition(rule.minions)] if rule.minions else []
    if rule.where:
        where.append(compile_conditions(rule.where))
    return CompiledRule(
        name=name,
        tag=tag_pattern(rule.tag) if rule.tag else tag_glob(rule.tag_glob) if rule.tag_glob else None,
        fun=_fun(rule),
        ignore=compile_pattern(ignore) if ignore else None,
        minions=rule.minions,
        where=tuple(where),
        unless=compile_conditions(rule.unless) if rule.unless else None,
        routes=tuple(Route(worker, name, into, bool(whole.prio)) for worker in whole.workers),
        subs=tuple(_compile(f"{name}.subs.{key}", sub, whole, undecided) for key, sub in rule.subs.items()),
        undecided=undecided,
    )


def _fun(rule: EventRule) -> Pattern | None:
    if rule.fun:
        return compile_pattern(rule.fun)
    return compile_pattern(fnmatch.translate(rule.fun_glob)) if rule.fun_glob else None
