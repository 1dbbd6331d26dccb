"""
Match: the config's rules, compiled once, say which workers get an event. Pure: no I/O, no clock, no Salt.

A rule takes an event by its tag, its function, its minion and conditions on its payload; the event goes to the rule's
workers and, besides, to those of each sub-event that matches.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from salt_eventsd.common.patterns import Pattern, PatternTimeout, compile_pattern
from salt_eventsd.common.remembered import Remembered
from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN, lane_of
from salt_eventsd.event.parse import identity
from salt_eventsd.language.conditions import Conditions, Subject, compile_conditions, minion_condition
from salt_eventsd.language.fields import MISSING, Field, compile_field
from salt_eventsd.rules.tags import TagIndex, TagPattern, tag_glob, tag_pattern

log = logging.getLogger(__name__)

#: What remembered answers may take in memory: all of what rules say, and which rules a tag has.
_ANSWERS_BYTES, _CANDIDATES_BYTES = 12 * 2**20, 2 * 2**20
#: After so many questions it is looked at whether it helps to remember answers.
_TRIAL = 20_000
_CHARS_A_RULE = 200
#: A longer text is not remembered, in characters.
_LONGEST_REMEMBERED = 256
_TAG, _INNER_TAG = compile_field("tag"), compile_field("data.tag")


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
class Rule:
    """A compiled rule. ``None`` as a pattern matches everything."""

    name: str
    tag: TagPattern | None
    fun: Pattern | None
    ignore: Pattern | None
    minions: tuple[str, ...]
    where: tuple[Conditions, ...]
    unless: Conditions | None
    routes: tuple[Route, ...]
    subs: tuple[Rule, ...]
    undecided: Undecided = field(default_factory=Undecided, compare=False)

    def fields(self) -> Iterator[Field]:
        """Yield what it looks at besides the function, once the tag has matched."""
        for conditions in (*self.where, *([self.unless] if self.unless else [])):
            yield from conditions.fields
        for sub in self.subs:
            if sub.tag is not None:
                yield from (_TAG, _INNER_TAG)
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
        inner = subject.value(_INNER_TAG)
        tags = (subject.tag, subject.full_tag, inner if isinstance(inner, str) else "")
        try:
            return any(pattern.match(tag) for tag in tags if tag)
        except PatternTimeout:
            self.undecided.note(self.name)
            return False


class Candidates:
    """
    The rules whose tag matches an event; there are none for the many events nobody wants.

    What they say depends on the function and on the fields their conditions look at. Those are mostly a minion's id or
    a return code, so an answer is remembered under their values; where these are hardly ever the same again, it is not.

    :param rules: the rules.
    """

    def __init__(self, rules: tuple[Rule, ...], number: int, answers: Remembered[list[Route]]) -> None:
        self.rules = rules
        self._number = number
        self._fields = tuple({one: None for rule in rules for one in rule.fields()})
        self._looks_at_tag = _TAG in self._fields
        self._any_minion = tuple(number for number, rule in enumerate(rules) if not rule.minions)
        self._by_minion = TagIndex(
            (tag_glob(glob), number) for number, rule in enumerate(rules) for glob in rule.minions
        )
        self._answers = answers
        self._asked = self._hits = 0
        self._remembers = True

    def __bool__(self) -> bool:
        return bool(self.rules)

    def routes(self, tag: str, fun: str, data: Any = None, full_tag: str = "") -> list[Route]:
        """
        Return where an event goes; a worker gets it once for each table, however many rules say so.

        :param tag: the tag, without a syndic's prefix.
        :param fun: the function, "" if it has none.
        :param data: its payload, decoded.
        :param full_tag: the tag as it came off the bus.
        """
        key: tuple[Any, ...] = (self._number, fun)
        chars = len(fun)
        if not self._fields:
            known = self._answers.get(key)
            if known is not None:
                return known
            if chars > _LONGEST_REMEMBERED:
                return self._routes(Subject(tag, fun, "", "", data))
        else:
            jid, minion_id, _, _ = identity(data, tag)
            subject = Subject(tag, fun, jid, minion_id, data, full_tag)
            asked = self._key(subject) if self._remembers else None
            if asked is None:
                return self._routes(subject)
            chars, key = asked
            known = self._answers.get(key)
            self._asked += 1
            if known is not None:
                self._hits += 1
                return known
            if self._asked >= _TRIAL:
                self._remembers = self._hits > self._asked // 2
                self._asked = self._hits = 0
        found = self._routes(subject if self._fields else Subject(tag, fun, "", "", data))
        self._answers.put(key, found, chars)
        return found

    def _key(self, subject: Subject) -> tuple[int, tuple[Any, ...]] | None:
        """What the answer depends on, with how many characters that has; None if it is too long to be remembered."""
        texts: list[str] = [subject.fun, subject.full_tag if self._looks_at_tag else ""]
        key: list[Any] = [self._number, *texts]
        for one in self._fields:
            value = subject.value(one)
            if isinstance(value, str):
                texts.append(value)
                key.append(value)
            elif isinstance(value, (int, float)) or value is None or value is MISSING:
                # 1 and true are not the same to a condition, but to a dict.
                key.append((type(value), value))
            else:
                return None
        lengths = [len(text) for text in texts]
        return None if max(lengths) > _LONGEST_REMEMBERED else (sum(lengths), tuple(key))

    def _routes(self, subject: Subject) -> list[Route]:
        routes: dict[tuple[str, str], Route] = {}
        numbers = {*self._any_minion, *self._by_minion.matching(subject.minion_id)}
        for number in sorted(numbers):
            for one in self.rules[number].routes_for(subject):
                key = (one.worker, one.rule if one.into == OWN else one.into)
                known = routes.get(key)
                if known is None or (one.prio and not known.prio):
                    routes[key] = one
        return list(routes.values())


class Rules:
    """
    All rules of a config.

    :param rules: in the config's order.
    """

    def __init__(self, rules: tuple[Rule, ...], undecided: Undecided | None = None) -> None:
        self.rules = rules
        self.undecided = undecided or Undecided()
        self._always = tuple(number for number, rule in enumerate(rules) if rule.tag is None)
        self._index = TagIndex(
            ((rule.tag, number) for number, rule in enumerate(rules) if rule.tag is not None), self._not_decided
        )
        self._answers: Remembered[list[Route]] = Remembered(_ANSWERS_BYTES)
        self._known: Remembered[Candidates] = Remembered(_CANDIDATES_BYTES)
        self._made = 0

    def candidates(self, tag: str, full_tag: str) -> Candidates:
        """
        Return the rules whose tag matches; none for the many events nobody wants, which are then never unpacked.

        :param tag: without a syndic's prefix.
        :param full_tag: as it came off the bus.
        """
        found = self._always + self._index.matching(tag)
        if full_tag is not tag:
            found += self._index.matching(full_tag)
        known = self._known.get(found)
        if known is None:
            rules = tuple(self.rules[number] for number in sorted(set(found)))
            self._made += 1
            known = Candidates(rules, self._made, self._answers)
            # What stands in it for each rule takes about as much as so many characters.
            self._known.put(found, known, _CHARS_A_RULE * len(found))
        return known

    def _not_decided(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            self.undecided.note(self.rules[number].name)


def compile_rules(events: Mapping[str, EventRule]) -> Rules:
    """
    Compile the ``events`` block, which :mod:`salt_eventsd.config.structs` has found right.

    :param events: rule name -> rule.
    """
    undecided = Undecided()
    return Rules(tuple(_compile(name, rule, None, undecided) for name, rule in events.items()), undecided)


def named(events: Mapping[str, EventRule], parent: EventRule | None = None) -> Iterator[tuple[str, EventRule]]:
    """
    Yield all rules, sub-events among them, each with its whole name and with what it inherits.

    :param events: rule name -> rule.
    """
    for name, rule in events.items():
        # What a sub-event does not say it takes from its parent, so `subs: {raid: {fun: ..., into: events}}` is enough.
        workers = rule.workers or (parent.workers if parent else ())
        prio = rule.prio if rule.prio is not None else (parent.prio if parent else None)
        whole = rule.with_inherited(workers, prio)
        yield name, whole
        yield from named({f"{name}.subs.{key}": sub for key, sub in rule.subs.items()}, whole)


def _compile(name: str, rule: EventRule, parent: EventRule | None, undecided: Undecided) -> Rule:
    _, whole = next(named({name: rule}, parent))
    ignore = "|".join(fnmatch.translate(glob) for glob in rule.ignore)
    into = OWN if rule.is_own else rule.into or ""
    where = [minion_condition(rule.minions)] if rule.minions else []
    if rule.where:
        where.append(compile_conditions(rule.where))
    return Rule(
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
