"""The commands of Redis that an event becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salt_eventsd.backends.options import read_field, read_template
from salt_eventsd.backends.redis.options import Action
from salt_eventsd.backends.shape import sample_of, value_of
from salt_eventsd.config.language.fields import Facts, Field
from salt_eventsd.config.language.template import MARK, Template, tame
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from salt_eventsd.workers.write import Context

#: What a field may not bring into a key, and how many characters of it are kept.
_UNFIT = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{MARK}]")
_LONGEST_PART = 512

#: Queues one command in a pipeline.
Command = Callable[[Any], Any]


@dataclass(frozen=True)
class Step:
    """
    An action of the options, compiled.

    :param verb: set, list, stream or publish.
    :param key: of the key or channel.
    :param value: the field that is written; None for the whole event.
    :param expire: after how many seconds a key goes, None for never.
    :param maxlen: how many elements a list or a stream keeps, None for all.
    """

    verb: str
    key: Template
    value: Field | None
    expire: int | None
    maxlen: int | None

    def command(self, facts: Facts, event: Event, node_id: str, largest: int | None) -> tuple[str, Command]:
        """
        Return an event's key and command.

        :param facts: of the event.
        :param event: the event.
        :param node_id: the master's (or minion's) id.
        :param largest: how large a value may be, in bytes; None if nobody knows.
        :raises Refused: the event lacks a field, or the value is larger.
        """
        key = self.key.render(facts, clean)
        value = value_of(self.value, facts, event, node_id)
        if largest is not None and len(value) > largest:
            raise Refused(f"the value is larger than the server takes ({largest} bytes)")
        if self.verb == "set":
            return key, lambda pipe: pipe.set(key, value, ex=self.expire)
        if self.verb == "stream":
            return key, lambda pipe: pipe.xadd(key, {"event": value}, maxlen=self.maxlen, approximate=True)
        if self.verb == "publish":
            return key, lambda pipe: pipe.publish(key, value)
        return key, lambda pipe: pipe.rpush(key, value)

    @property
    def trial(self) -> tuple[str, ...]:
        """The words of a command such as an event would make, with a key of the same shape."""
        key = sample_of(self.key)
        return {
            "set": ("SET", key, ""),
            "stream": ("XADD", key, "*", "event", ""),
            "publish": ("PUBLISH", key, ""),
        }.get(self.verb, ("RPUSH", key, ""))


@dataclass
class Commands:
    """
    The commands of a batch.

    :param done: says whether one of an event's commands has been run by an earlier try; told the event and the number
        of the step.
    :ivar trims: how many elements stay of each list that grows.
    """

    steps: Sequence[Step]
    node_id: str
    largest: int | None
    done: Callable[[Event, int], bool]
    trims: dict[str, int] = field(default_factory=dict)

    def of(self, event: Event) -> list[tuple[int, Command]]:
        """
        Return an event's commands that have not been run, each with the number of its step.

        :param event: the event.
        :raises Refused: one of them cannot be made.
        """
        return list(self._of(event))

    def _of(self, event: Event) -> Iterator[tuple[int, Command]]:
        facts = Facts(event, self.node_id)
        for number, step in enumerate(self.steps):
            if not self.done(event, number):
                key, command = step.command(facts, event, self.node_id, self.largest)
                if step.verb == "list" and step.maxlen:
                    self.trims[key] = step.maxlen
                yield number, command


def read_steps(context: Context, actions: Sequence[Action]) -> list[Step]:
    """
    Compile the option ``actions``.

    :param context: what the worker is made from.
    :param actions: the option.
    :raises ConfigError: a key is no template, or a value no field.
    """
    return [_read_step(context, f"actions[{number}]", action) for number, action in enumerate(actions)]


def _read_step(context: Context, where: str, action: Action) -> Step:
    key = read_template(context, f"{where}.{action.verb}", getattr(action, action.verb))
    value = None if action.value is None else read_field(context, f"{where}.value", action.value)
    return Step(action.verb, key, value, action.expire, action.maxlen)


def queue(pipe: Any, commands: Sequence[Command], trims: Mapping[str, int]) -> None:
    """
    Queue commands, and after them what keeps lists short.

    :param pipe: the client's.
    :param commands: in order.
    :param trims: from :class:`Commands`.
    """
    for command in commands:
        command(pipe)
    for key, maxlen in trims.items():
        pipe.ltrim(key, -maxlen, -1)


def clean(text: str, apart: str = "") -> str:
    """
    Return a field's text as part of a key: no control characters, not endless, and never the same as another's.

    :param text: of a field.
    :param apart: further signs that may not stand in it.
    """
    return tame(text, _UNFIT, apart, _LONGEST_PART)
