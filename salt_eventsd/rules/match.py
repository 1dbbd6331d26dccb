"""
Match: all rules together say which workers get an event.

A rule takes an event by its tag, its function, its minion and conditions on its payload. The event goes to the rule's
workers, and also to those of each of its sub-events that takes it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from salt_eventsd.common.remembered import Remembered
from salt_eventsd.config.language.conditions import Subject
from salt_eventsd.config.language.fields import MISSING
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import identity
from salt_eventsd.rules.rule import TAG, CompiledRule, Route, Undecided
from salt_eventsd.rules.tags import TagIndex, tag_glob

#: How much memory remembered answers may take, in bytes: where events go, and which rules match a tag.
_ANSWERS_BYTES, _CANDIDATES_BYTES = 12 * 2**20, 2 * 2**20
#: After so many questions, answers are remembered on only if more than half of them were found.
_TRIAL = 20_000
#: What one rule takes in a remembered set of candidates, in characters of text that take as much.
_CHARS_A_RULE = 200
#: A longer text is not remembered, in characters.
_LONGEST_REMEMBERED = 256
#: What of a payload says how the function went, besides what was returned.
_OF_OUTCOME = ("fun", "fun_args", "arg", "retcode", "success")


class Looks(NamedTuple):
    """
    What conditions look at, in returns that are the same in nearly all.

    :param at_minion: the minion's id.
    :param at_outcome: how the function went.
    :param keys: those of the payload.
    """

    at_minion: bool
    at_outcome: bool
    keys: frozenset[str]


class Candidates:
    """
    The rules whose tag matches that of an event; false if there are none, as for most events.

    Where the event goes depends on its function and on the fields that the conditions of these rules look at: mostly a
    minion id or a return code. So the answer is remembered under their values, unless these hardly ever repeat.

    :param rules: the rules, in the order of the configuration.
    :param number: tells these candidates from others.
    :param answers: remembers answers, for all candidates.
    """

    def __init__(self, rules: tuple[CompiledRule, ...], number: int, answers: Remembered[list[Route]]) -> None:
        self.rules = rules
        self._number = number
        self._fields = tuple({one: None for rule in rules for one in rule.fields()})
        self._looks_at_tag = TAG in self._fields
        self._any_minion = tuple(number for number, rule in enumerate(rules) if not rule.minions)
        self._by_minion = TagIndex(
            (tag_glob(glob), number) for number, rule in enumerate(rules) for glob in rule.minions
        )
        self._answers = answers
        self._asked = self._hits = 0
        self._remembers = True

    def __bool__(self) -> bool:
        return bool(self.rules)

    def looks(self, differs: Collection[str]) -> Looks | None:
        """
        Return what it depends on where returns go that are of one job and function, and have the same payload but for
        what differs; None if it depends on that.

        :param differs: keys of the payload.
        """
        at_minion = at_outcome = False
        keys: set[str] = set()
        for one in self._fields:
            if one.outcome:
                at_outcome = True
                keys.update(_OF_OUTCOME, one.path)
            elif one.root == "minion_id":
                at_minion = True
            elif one.root == "data":
                if not one.path or one.path[0] in differs:
                    return None
                keys.add(one.path[0])
            elif one.root not in ("fun", "jid"):
                return None
        return Looks(at_minion, at_outcome, frozenset(keys))

    def routes(
        self, tag: str, fun: str, data: Any = None, full_tag: str = "", names: tuple[str, str] | None = None
    ) -> list[Route]:
        """
        Return where an event goes. A worker gets it once for each table, however many rules send it there.

        :param tag: the tag, without a syndic's prefix.
        :param fun: the function, "" if it has none.
        :param data: its payload, decoded.
        :param full_tag: the tag as it came off the bus.
        :param names: its job id and its minion id, if they are known.
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
            jid, minion_id = names or identity(data, tag)[:2]
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
        """Return how many characters the values have that the answer depends on, and the values; None if too many."""
        fun, tag = subject.fun, subject.full_tag if self._looks_at_tag else ""
        key: list[Any] = [self._number, fun, tag]
        longest = max(len(fun), len(tag))
        chars = len(fun) + len(tag)
        for one in self._fields:
            value = subject.value(one)
            if isinstance(value, str):
                key.append(value)
                size = len(value)
                chars += size
                longest = max(longest, size)
            elif isinstance(value, (int, float)) or value is None or value is MISSING:
                # A condition tells 1 from true, but a dict does not.
                key.append((type(value), value))
            else:
                return None
        return None if longest > _LONGEST_REMEMBERED else (chars, tuple(key))

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
    All rules of a configuration.

    :param rules: in the order of the configuration.
    :param undecided: counts events on which an expression took too long.
    """

    def __init__(self, rules: tuple[CompiledRule, ...], undecided: Undecided | None = None) -> None:
        self.rules = rules
        self.undecided = undecided or Undecided()
        self._always = tuple(number for number, rule in enumerate(rules) if rule.tag is None)
        self._index = TagIndex(
            ((rule.tag, number) for number, rule in enumerate(rules) if rule.tag is not None), self._not_decided
        )
        self._answers: Remembered[list[Route]] = Remembered(_ANSWERS_BYTES)
        self._known: Remembered[Candidates] = Remembered(_CANDIDATES_BYTES)
        self._made = 0
        #: The candidates are the same for all tags that are the same up to so many slashes; None if that is not known.
        self.slashes = self._index.slashes

    def candidates(self, tag: str, full_tag: str) -> Candidates:
        """
        Return the rules whose tag matches. Most events have none, and then nobody decodes their payload.

        :param tag: the tag, without a syndic's prefix.
        :param full_tag: the tag as it came off the bus.
        """
        found = self._always + self._index.matching(tag)
        if full_tag is not tag:
            found += self._index.matching(full_tag)
        known = self._known.get(found)
        if known is None:
            rules = tuple(self.rules[number] for number in sorted(set(found)))
            self._made += 1
            known = Candidates(rules, self._made, self._answers)
            self._known.put(found, known, _CHARS_A_RULE * len(found))
        return known

    def _not_decided(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            self.undecided.note(self.rules[number].name)
