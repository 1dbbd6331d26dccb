"""
Match: the config's rules, compiled once, say which workers get an event. Pure: no I/O, no clock, no Salt.

A rule takes an event by its tag (and, for a sub-event, also by its function); the event goes to the rule's workers and,
besides, to those of each sub-event that matches.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass

from salt_eventsd.config import EventRule


@dataclass(frozen=True)
class Route:
    """
    One destination of an event.

    :param worker: the worker's name.
    :param rule: the rule's name; a sub-event's is ``<parent>.subs.<name>``, as in the config.
    :param into: a built-in table of the sql worker, or "" to let the kind of event decide.
    :param prio: write at once.
    """

    worker: str
    rule: str
    into: str
    prio: bool


@dataclass(frozen=True)
class Rule:
    """A compiled rule. ``None`` as a pattern matches everything."""

    name: str
    tag: re.Pattern[str] | None
    fun: re.Pattern[str] | None
    ignore: re.Pattern[str] | None
    routes: tuple[Route, ...]
    subs: tuple[Rule, ...]

    def routes_for(self, tag: str, fun: str) -> Iterator[Route]:
        """Yield where an event goes whose tag has matched already."""
        if self.fun is not None and not self.fun.match(fun):
            return
        if self.ignore is not None and fun and all(map(self.ignore.match, fun.split(","))):
            return
        yield from self.routes
        for sub in self.subs:
            if sub.tag is None or sub.tag.match(tag):
                yield from sub.routes_for(tag, fun)


@dataclass(frozen=True)
class Rules:
    """All rules of a config, in its order."""

    rules: tuple[Rule, ...]

    def candidates(self, tag: str, full_tag: str) -> list[Rule]:
        """
        Return the rules whose tag matches; empty for the many events nobody wants, which are then never unpacked.

        :param tag: without a syndic's prefix.
        :param full_tag: as it came off the bus.
        """
        return [
            rule
            for rule in self.rules
            if rule.tag is None or rule.tag.match(tag) or (tag is not full_tag and rule.tag.match(full_tag))
        ]


def route(candidates: list[Rule], tag: str, fun: str) -> list[Route]:
    """
    Return where an event goes; a worker gets it once for each table, however many rules say so.

    :param candidates: from :meth:`Rules.candidates`.
    :param tag: the tag.
    :param fun: the function, "" if it has none.
    """
    routes: dict[tuple[str, str], Route] = {}
    for rule in candidates:
        for one in rule.routes_for(tag, fun):
            known = routes.get((one.worker, one.into))
            if known is None or (one.prio and not known.prio):
                routes[one.worker, one.into] = one
    return list(routes.values())


def compile_rules(events: dict[str, EventRule]) -> Rules:
    """
    Compile the ``events`` block, which :mod:`salt_eventsd.config` has found right.

    :param events: rule name -> rule.
    """
    return Rules(tuple(_compile(name, rule, None) for name, rule in events.items()))


def _compile(name: str, rule: EventRule, parent: EventRule | None) -> Rule:
    # What a sub-event does not say it takes from its parent, so `subs: {raid: {fun: ..., into: events}}` is enough.
    workers = rule.workers or (parent.workers if parent else ())
    prio = rule.prio if rule.prio is not None else (parent.prio if parent else None)
    ignore = "|".join(fnmatch.translate(glob) for glob in rule.ignore)
    resolved = rule.with_inherited(workers, prio)
    return Rule(
        name=name,
        tag=re.compile(rule.tag) if rule.tag else None,
        fun=re.compile(rule.fun) if rule.fun else None,
        ignore=re.compile(ignore) if ignore else None,
        routes=tuple(Route(worker, name, rule.into or "", bool(prio)) for worker in workers),
        subs=tuple(_compile(f"{name}.subs.{key}", sub, resolved) for key, sub in rule.subs.items()),
    )
