"""
Fields: what ``data.return``, ``minion_id`` or ``data.changes | json`` stands for in an event. They mean the same in
conditions, columns, statements and templates.

An expression is a root, a path below it, and perhaps ``| json``: ``tag``, ``data.id``, ``data."a key.with dots".0``. In
a column, a value that is not text is a constant, and so is text in a second pair of quotes: ``"'web'"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made
from datetime import datetime, timezone
from typing import Any, Final

import msgspec

from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

#: What an expression may begin with.
ROOTS = (
    *("data", "tag", "jid", "minion_id", "fun", "kind", "phase"),
    *("stamp", "received", "now", "rule", "master_id"),
)
#: Roots that are known before an event is kept; conditions may ask only for these.
EARLY_ROOTS = ("data", "tag", "jid", "minion_id", "fun")
#: What an event has at hand under the same name.
_AT_HAND = frozenset(("tag", "jid", "minion_id", "fun", "kind", "phase", "rule"))
_EXPRESSION = re.compile(r"""([a-z_]+)((?:\.(?:[^."'|\s]+|"[^"]*"|'[^']*'))*)\s*(?:\|\s*(\w+)\s*)?\Z""")
_SEGMENT = re.compile(r"""\.(?:"([^"]*)"|'([^']*)'|([^."'|\s]+))""")
_QUOTED = re.compile(r"""'([^']*)'\Z|"([^"]*)"\Z""")


class _Missing:
    """The value of a field that the event does not have, which is not the same as null."""

    def __repr__(self) -> str:
        return "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


@dataclass(frozen=True)
class Field:
    """
    A compiled expression.

    :param text: the expression as it stands in the configuration.
    :param root: one of :data:`ROOTS`.
    :param path: keys, or positions in lists, below the root.
    :param as_json: whether the value is wanted as JSON text.
    :ivar outcome: the field of a return's outcome that it asks for, one of
        :data:`salt_eventsd.event.outcome.FIELDS`; "" if none.
    :ivar at_hand: whether the event has the value as an attribute of that name.
    """

    text: str
    root: str
    path: tuple[str, ...] = ()
    as_json: bool = False
    outcome: str = made(init=False, default="", compare=False)
    at_hand: bool = made(init=False, default=False, compare=False)

    def __post_init__(self) -> None:
        asks = self.root == "data" and len(self.path) == 1 and self.path[0] in outcome.FIELDS
        object.__setattr__(self, "outcome", self.path[0] if asks else "")
        object.__setattr__(self, "at_hand", self.root in _AT_HAND and not self.path and not self.as_json)

    def of(self, facts: Facts) -> Any:
        """Return the value, :data:`MISSING` if the event has none."""
        if self.at_hand:
            return getattr(facts.event, self.root)
        if self.outcome and (found := facts.outcome(self)) is not MISSING:
            return msgspec.json.encode(found).decode() if self.as_json else found
        return facts.value(self.root, self.path, self.as_json)


@dataclass(frozen=True)
class Constant:
    """A value that is the same for every event; it stands where a field may stand."""

    value: Any

    def of(self, facts: Facts) -> Any:
        """Return the value."""
        return self.value


class Facts:
    """
    What expressions can ask of an event that is kept. Only the parts of the payload that they ask for are decoded.

    :param event: the event.
    :param node_id: the id of the master (or minion) that the engine runs on.
    """

    __slots__ = ("_body", "_node_id", "_returned", "event")

    def __init__(self, event: Event, node_id: str) -> None:
        self.event = event
        self._node_id = node_id
        self._body: Any = MISSING
        self._returned: Any = MISSING

    def value(self, root: str, path: tuple[str, ...], as_json: bool = False) -> Any:
        """
        Return a value, :data:`MISSING` if there is none.

        :param root: one of :data:`ROOTS`.
        :param path: keys and positions below it.
        :param as_json: whether to return it as JSON text.
        """
        event = self.event
        if as_json and root == "data" and len(path) < 2:
            # It is JSON text already: there is no need to decode and encode it.
            if not path:
                return event.json().decode()
            if path[0] == "return":
                return event.returned.decode() if event.returned else MISSING
        found = dig(self._root(root, path), path)
        if as_json and found is not MISSING:
            return msgspec.json.encode(found).decode()
        return found

    def outcome(self, field: Field) -> Any:
        """Return a field of a return's outcome; :data:`MISSING` if it does not say, or the event is no return."""
        event = self.event
        if not event.returned:
            return MISSING
        return outcome_of({**self._data(("",)), **self._data(("return",))}, field, event.kind == "run")

    def _root(self, root: str, path: tuple[str, ...]) -> Any:
        event = self.event
        if root == "data":
            return self._data(path)
        if root in ("stamp", "received", "now"):
            # "now" is when the event was read: then a row is the same if it is written again, or much later.
            return datetime.fromtimestamp(event.stamp if root == "stamp" else event.received, timezone.utc)
        return self._node_id if root == "master_id" else getattr(event, root)

    def _data(self, path: tuple[str, ...]) -> Any:
        event = self.event
        if not path:
            return event.data
        if path[0] == "return":
            if self._returned is MISSING and event.returned:
                self._returned = {"return": msgspec.json.decode(event.returned)}
            return self._returned
        if self._body is MISSING:
            self._body = msgspec.json.decode(event.body)
        return self._body


def outcome_of(data: Any, field: Field, of_runner: bool) -> Any:
    """
    Return a field of a return's outcome, which is the same in conditions, columns and our own tables.

    :param data: the payload, decoded.
    :param field: a field with an ``outcome``.
    :param of_runner: whether the return is a runner's.
    :returns: the value, :data:`MISSING` if the return does not say, or the payload is no return's.
    """
    if not isinstance(data, (dict, Mapping)) or "return" not in data:
        return MISSING
    found = outcome.field_of(data, field.outcome, of_runner)
    return MISSING if found is None else found


def dig(value: Any, path: tuple[str, ...]) -> Any:
    """
    Return the value at a path, :data:`MISSING` if there is none.

    :param value: nested mappings and lists.
    :param path: keys, and positions in lists.
    """
    for key in path:
        # Nearly all are plain, and to ask the class of all mappings takes much longer.
        if isinstance(value, (dict, Mapping)):
            value = value.get(key, MISSING)
        elif isinstance(value, (list, tuple)) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
    return value


def compile_field(text: str, roots: tuple[str, ...] = ROOTS) -> Field:
    """
    Compile an expression.

    :param text: the expression, such as ``data.return | json``.
    :param roots: the roots it may begin with.
    :raises ValueError: says what is wrong with it.
    """
    shape = _EXPRESSION.match(text.strip())
    if shape is None or shape[1] not in roots:
        hint = "" if shape else "; a key with dots or spaces stands in quotes"
        raise ValueError(
            f"{text!r} is no field; expected one of {', '.join(roots)}, with a path such as data.id{hint}"
            "; a constant text stands in quotes of its own"
        )
    if shape[2] and shape[1] != "data":
        raise ValueError(f"{text!r}: only data has fields of its own")
    if shape[3] not in (None, "json"):
        raise ValueError(f"{text!r}: no filter {shape[3]!r}; there is json")
    path = tuple("".join(parts) for parts in _SEGMENT.findall(shape[2]))
    return Field(text, shape[1], path, shape[3] is not None)


def compile_value(value: Any) -> Field | Constant:
    """
    Compile the source of a column or a parameter: an expression, or a constant.

    :param value: text is an expression, unless it has a second pair of quotes; anything else is a constant.
    :raises ValueError: says what is wrong with it.
    """
    if not isinstance(value, str):
        return Constant(value)
    if quoted := _QUOTED.match(value.strip()):
        return Constant(quoted[1] if quoted[1] is not None else quoted[2])
    return compile_field(value)


def as_text(value: Any) -> str:
    """
    Return a value as text: text stays as it is, a time becomes ISO 8601, and everything else becomes JSON.

    :param value: the value of a field.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds").removesuffix("+00:00")
    return msgspec.json.encode(value).decode()
