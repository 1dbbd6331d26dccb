"""
One compiled rule: which events it takes, and where it sends them.

:mod:`salt_eventsd.rules.compile` makes it of an :class:`salt_eventsd.config.structs.EventRule`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from salt_eventsd.common.patterns import Pattern, PatternTimeout
from salt_eventsd.config.language.conditions import Conditions, Subject
from salt_eventsd.config.language.fields import Field, compile_field
from salt_eventsd.event.chunk import lane_of
from salt_eventsd.rules.tags import TagPattern

log = logging.getLogger(__name__)

#: The tag of an event, and the tag inside of an event that a minion has fired: Salt wraps the one in the other.
TAG, INNER_TAG = compile_field("tag"), compile_field("data.tag")


@dataclass(frozen=True)
class Route:
    """
    One destination of an event.

    :param worker: the worker's name.
    :param rule: the rule's whole name; that of a sub-event is ``<parent>.subs.<name>``.
    :param into: a built-in table; :data:`salt_eventsd.event.chunk.OWN` for a table or statement of the user's own; ""
        if the kind of event decides.
    :param prio: whether it is to be written at once.
    """

    worker: str
    rule: str
    into: str
    prio: bool

    @cached_property
    def lane(self) -> str:
        """The name of the lane that the event waits in."""
        return lane_of(self.worker, self.rule, self.into)


class Undecided:
    """
    Counts, by rule, the events on which a regular expression took too long. Such an event counts as not matching.

    :ivar events: rule name -> how many.
    """

    def __init__(self) -> None:
        self.events: dict[str, int] = {}

    def note(self, rule: str) -> None:
        """
        Count an event, and log the first one of each rule.

        :param rule: the rule's whole name.
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
    """
    A compiled rule. A pattern that is None matches everything.

    :param name: the rule's whole name.
    :param tag: what the tag must match.
    :param fun: what the function must match.
    :param ignore: functions that are not taken.
    :param minions: globs; some of them must match the minion id, if there are any.
    :param where: what must hold; the condition on the minion id is among it.
    :param unless: what must not hold.
    :param routes: where the events go.
    :param subs: the sub-events; they are asked only about events that this rule takes.
    :param undecided: counts events on which an expression took too long.
    """

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
        """Yield the fields that its answer depends on, besides the function, once the tag has matched."""
        for conditions in (*self.where, *([self.unless] if self.unless else [])):
            yield from conditions.fields
        for sub in self.subs:
            if sub.tag is not None:
                yield from (TAG, INNER_TAG)
            yield from sub.fields()

    def routes_for(self, subject: Subject) -> Iterator[Route]:
        """
        Yield where an event goes.

        :param subject: an event whose tag has matched already.
        """
        try:
            if not self._takes(subject):
                return
        except PatternTimeout:
            self.undecided.note(self.name)
            return
        yield from self.routes
        for sub in self.subs:
            if sub.has_tag(subject):
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

    def has_tag(self, subject: Subject) -> bool:
        """
        Say whether an event has the tag of this sub-event: as its own tag, or as the one that a minion has given it.

        :param subject: an event that the parent rule takes.
        """
        if self.tag is None:
            return True
        pattern = self.tag.regex
        inner = subject.value(INNER_TAG)
        tags = (subject.tag, subject.full_tag, inner if isinstance(inner, str) else "")
        try:
            return any(pattern.match(tag) for tag in tags if tag)
        except PatternTimeout:
            self.undecided.note(self.name)
            return False
