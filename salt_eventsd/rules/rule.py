"""
A compiled rule: whether it takes an event, and where the event goes then.

What a configuration says of a rule is :class:`salt_eventsd.config.structs.EventRule`;
:mod:`salt_eventsd.rules.compile` makes this of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from salt_eventsd.common.patterns import Pattern, PatternTimeout
from salt_eventsd.event.chunk import lane_of
from salt_eventsd.language.conditions import Conditions, Subject
from salt_eventsd.language.fields import Field, compile_field
from salt_eventsd.rules.tags import TagPattern

log = logging.getLogger(__name__)

TAG, INNER_TAG = compile_field("tag"), compile_field("data.tag")


@dataclass(frozen=True)
class Route:
    """
    One destination of an event.

    :param worker: the worker's name.
    :param rule: the rule's name; a sub-event's is ``<parent>.subs.<name>``, as in the config.
    :param into: a built-in table of the sql worker, :data:`OWN`, or "" to let the kind of event decide.
    :param prio: write at once.
    """

    worker: str
    rule: str
    into: str
    prio: bool

    @cached_property
    def lane(self) -> str:
        """The queue it goes into."""
        return lane_of(self.worker, self.rule, self.into)


class Undecided:
    """Counts, by rule, events that took one of its expressions too long: they are taken as not matching it."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}

    def note(self, rule: str) -> None:
        """
        Count an event, and tell the first.

        :param rule: the rule's name.
        """
        known = self.events.get(rule, 0)
        self.events[rule] = known + 1
        if not known:
            log.error(
                "eventsd: events.%s: one of its regular expressions took too long on an event, which counts as not "
                "matching; further such events are only counted",
                rule,
            )


@dataclass(frozen=True)
class CompiledRule:
    """A compiled rule. ``None`` as a pattern matches everything."""

    name: str
    tag: TagPattern | None
    fun: Pattern | None
    ignore: Pattern | None
    minions: tuple[str, ...]
    where: tuple[Conditions, ...]
    unless: Conditions | None
    routes: tuple[Route, ...]
    subs: tuple[CompiledRule, ...]
    undecided: Undecided = field(default_factory=Undecided, compare=False)

    def fields(self) -> Iterator[Field]:
        """Yield what it looks at besides the function, once the tag has matched."""
        for conditions in (*self.where, *([self.unless] if self.unless else [])):
            yield from conditions.fields
        for sub in self.subs:
            if sub.tag is not None:
                yield from (TAG, INNER_TAG)
            yield from sub.fields()

    def routes_for(self, subject: Subject) -> Iterator[Route]:
        """Yield where an event goes whose tag has matched already."""
        try:
            if not self._takes(subject):
                return
        except PatternTimeout:
            self.undecided.note(self.name)
            return
        yield from self.routes
        for sub in self.subs:
            if sub.tag is None or sub.has_tag(sub.tag.regex, subject):
                yield from sub.routes_for(subject)

    def _takes(self, subject: Subject) -> bool:
        fun = subject.fun
        if self.fun is not None and not self.fun.match(fun):
            return False
        if self.ignore is not None and fun and all(map(self.ignore.match, fun.split(","))):
            return False
        if not all(conditions.hold(subject) for conditions in self.where):
            return False
        return self.unless is None or not self.unless.hold(subject)

    def has_tag(self, pattern: Pattern, subject: Subject) -> bool:
        """A sub-event's tag may also be the one inside: what a minion sends up is wrapped with its tag."""
        inner = subject.value(INNER_TAG)
        tags = (subject.tag, subject.full_tag, inner if isinstance(inner, str) else "")
        try:
            return any(pattern.match(tag) for tag in tags if tag)
        except PatternTimeout:
            self.undecided.note(self.name)
            return False
