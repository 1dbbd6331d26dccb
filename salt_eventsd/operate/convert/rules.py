"""Convert the old events to rules, each with its subs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from salt_eventsd.common.patterns import compiled
from salt_eventsd.operate.convert import backends
from salt_eventsd.operate.convert.backends import Workers
from salt_eventsd.operate.convert.block import Block
from salt_eventsd.operate.convert.destinations import into_sql
from salt_eventsd.operate.convert.notes import Notes, Unconvertible

#: Keys of an event that are seen to; others belong to backends of the user's own.
_KNOWN = frozenset(
    (
        *("tag", "fun", "backend", "mysql_tab", "template", "dict_name", "fields", "prio", "batch_mode", "debug"),
        *("index", "type", "ignore", "subs"),
    )
)
#: A job's start, which the old return worker left alone.
_A_START = "salt/job/20150102030405678901/new"


class Rules:
    """
    The rules of an old config.

    :param workers: gives them their workers.
    :param notes: what is to be said goes there.
    """

    def __init__(self, workers: Workers, notes: Notes) -> None:
        self.block = Block()
        self._workers = workers
        self._notes = notes

    def add(self, name: str, event: Any) -> None:
        """
        Add an old event.

        :param name: its name.
        :param event: the old event.
        """
        where = f"events.{name}"
        if not isinstance(event, Mapping):
            self._notes.lose(f"{where}: expected a mapping, got {event!r}; nothing was done by it")
            return
        try:
            head = self._head(event, ("tag",))
        except Unconvertible as exc:
            self._notes.lose(f"{where}.{exc}")
            return
        if "fun" in event:
            self._notes.drop(f"{where}.fun: only subs looked at it")
        aimed = self._aimed(head, event, name, where)
        subs = self._subs(name, event)
        if aimed is not None:
            self.block.put(name, aimed)
            if subs and not aimed.keys() & {"ignore", "unless"}:
                aimed.put("subs", subs)
                return
        # What keeps an event from a rule keeps it from its subs, and without a worker of its own a rule would get the
        # only one there is. So the subs stand alone.
        for key, sub in subs.items():
            self._put_alone(f"{name}.subs.{key}", head, sub)

    def _subs(self, name: str, event: Mapping[str, Any]) -> Block:
        made = Block()
        given = event.get("subs") or {}
        if not isinstance(given, Mapping):
            self._notes.lose(f"events.{name}.subs: expected a mapping, got {given!r}; nothing was done by it")
            return made
        for key, sub in given.items():
            where = f"events.{name}.subs.{key}"
            if not isinstance(sub, Mapping):
                self._notes.lose(f"{where}: expected a mapping, got {sub!r}; nothing was done by it")
                continue
            try:
                head = self._head(sub, ("tag", "fun"))
            except Unconvertible as exc:
                self._notes.lose(f"{where}.{exc}")
                continue
            if "subs" in sub:
                self._notes.lose(f"{where}.subs: 0.9.3 did not look at subs of subs; today they nest, add them by hand")
            rule = self._aimed(head, sub, f"{name}.subs.{key}", where)
            if rule is not None:
                made.put(str(key), rule)
        return made

    def _head(self, event: Mapping[str, Any], keys: tuple[str, ...]) -> Block:
        """What a rule takes."""
        head = Block()
        for key in keys:
            pattern = event.get(key)
            if pattern is None or pattern == "":
                continue
            try:
                compiled(str(pattern))
            except ValueError as exc:
                raise Unconvertible(f"{key}: no regular expression: {exc}; mend it") from None
            head.put(key, str(pattern))
        if not head:
            raise Unconvertible(f"{keys[-1]}: missing, so no event matched; give it a regular expression")
        if _is_urgent(event.get("prio")):
            head.put("prio", 1)
        return head

    def _aimed(self, head: Block, event: Mapping[str, Any], name: str, where: str) -> Block | None:
        """The rule with its worker and what becomes of an event there; None if there is no counterpart."""
        rule = Block()
        for key, value in head.items():
            rule.put(key, value)
        backend = event.get("backend")
        try:
            if not isinstance(backend, str) or not backend:
                raise Unconvertible("backend: missing; name the worker that shall get these events")
            self._aim(rule, event, backend, name)
        except Unconvertible as exc:
            self._notes.lose(f"{where}.{exc}")
            return None
        self._mention(event, backend, where)
        return rule

    def _aim(self, rule: Block, event: Mapping[str, Any], backend: str, name: str) -> None:
        if backend in backends.SQL:
            destination = into_sql(event, backend)
            rule.put("worker", self._workers.sql(backend))
            for key, value in destination.items():
                rule.put(key, value, *destination.comments[key])
            if backend == "Minion_Return_Worker" and re.match(rule.get("tag", "(?!)"), _A_START):
                rule.put("unless", {"data.minions": {"exists": True}}, "Starts of jobs: this backend left them alone.")
        elif backend == backends.ELASTICSEARCH:
            rule.put("worker", self._workers.elasticsearch(event))
            ignore = event.get("ignore") or []
            if ignore:
                rule.put("ignore", [str(one) for one in (ignore if isinstance(ignore, (list, tuple)) else [ignore])])
        elif backend == backends.REDIS:
            rule.put("worker", self._workers.redis())
        elif backend == backends.BENCH:
            rule.put("worker", self._workers.bench())
        elif backend == backends.STATS:
            raise Unconvertible("backend: Stat_Worker takes no events; general.stat_worker is what switches it on")
        else:
            rule.put("worker", self._workers.own(backend, name))

    def _mention(self, event: Mapping[str, Any], backend: str, where: str) -> None:
        """Say what of an event needs no key any more."""
        if backend not in backends.SHIPPED:
            return
        if "batch_mode" in event:
            self._notes.drop("batch_mode: every worker gets its events in batches")
        if "debug" in event:
            self._notes.drop("debug: it had no effect")
        if "type" in event and backend == backends.ELASTICSEARCH:
            self._notes.drop("type: Elasticsearch has no types of documents any more")
        for key in ("index", "type", "ignore"):
            if key in event and backend != backends.ELASTICSEARCH:
                self._notes.drop(f"{where}.{key}: {backend} did not look at it")
        for key in event:
            if key not in _KNOWN:
                self._notes.drop(f"{where}.{key}: 0.9.3 did not know it")

    def _put_alone(self, name: str, parent: Block, sub: Block) -> None:
        """A sub as a rule for itself, with its parent's tag."""
        rule = Block()
        tag = parent["tag"]
        if "tag" in sub:
            tag = f"(?={tag})(?:{sub['tag']})"
            try:
                compiled(tag)
            except ValueError as exc:
                self._notes.lose(f"events.{name}.tag: it and its parent's cannot be made one: {exc}; write one of them")
                return
        rule.put("tag", tag, "Taken out of its parent, whose events go elsewhere or nowhere.")
        prio = {"prio": parent["prio"]} if "prio" in parent else {}
        for key, value in {**prio, **sub}.items():
            if key != "tag":
                rule.put(key, value, *sub.comments.get(key, ()))
        self.block.put(name, rule)


def _is_urgent(prio: Any) -> bool:
    try:
        return prio is not None and float(prio) > 0
    except (TypeError, ValueError, OverflowError):
        raise Unconvertible(f"prio: expected a number, got {prio!r}; take it out, or say 1") from None
