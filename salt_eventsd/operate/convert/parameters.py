"""
The fields of an old event as named parameters: ``fields: [jid, id]`` becomes ``{jid: data.jid, id: data.id}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salt_eventsd.config.language.fields import compile_field
from salt_eventsd.operate.convert.notes import Unconvertible

#: What the old backends stored as base64 of JSON.
_ENCODED = {"New_Job_Worker": "arg", "Minion_Return_Worker": "return", "Minion_Sub_Worker": "return"}
#: The field that is true or false.
_BOOLEAN = "success"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Parameter:
    """
    One field.

    :param name: the parameter's.
    :param expression: what it is of an event.
    :param encoded: 0.9.3 stored it as base64 of JSON.
    """

    name: str
    expression: str
    encoded: bool = False

    @property
    def quoted(self) -> str:
        """What it is in SQL where the template had it in quotes: there a boolean became its name."""
        if not self.expression.endswith(f".{_BOOLEAN}"):
            return f":{self.name}"
        return f"case when :{self.name} then 'True' when not :{self.name} then 'False' end"


def parameters(event: Mapping[str, Any], backend: str) -> list[Parameter]:
    """
    Return the fields of an old event in their order; a field that stands there twice is one parameter.

    :param event: the old event, or one of its subs.
    :param backend: the old backend's name.
    :raises Unconvertible: they are no list of names.
    """
    fields = event.get("fields")
    if fields is None:
        fields = []
    if not isinstance(fields, (list, tuple)):
        raise Unconvertible(f"fields: expected a list of names, got {fields!r}")
    made: list[Parameter] = []
    known: dict[str, Parameter] = {}
    for one in fields:
        if isinstance(one, (dict, list)) or one is None or one == "":
            raise Unconvertible(f"fields: expected names, got {one!r}")
        key = str(one)
        if key not in known:
            name = _name(key, {parameter.name for parameter in known.values()})
            encoded = _ENCODED.get(backend) == key
            known[key] = Parameter(name, path_of(event, key) + (" | json" if encoded else ""), encoded)
        made.append(known[key])
    return made


def path_of(event: Mapping[str, Any], key: str) -> str:
    """
    Return what a field of an old event is today.

    :param event: the old event; its ``dict_name`` says which part of the event holds its fields.
    :param key: the field.
    :raises Unconvertible: today's config cannot name it.
    """
    name = event.get("dict_name")
    where = [] if name in (None, "data") else [str(name)]
    text = "data" + "".join(f".{_quoted(one)}" for one in (*where, key))
    try:
        compile_field(text)
    except ValueError as exc:
        raise Unconvertible(f"fields: {exc}") from None
    return text


def _quoted(key: str) -> str:
    if _PLAIN.fullmatch(key):
        return key
    return f'"{key}"' if '"' not in key else f"'{key}'"


def _name(key: str, taken: set[str]) -> str:
    """A name that SQL and SQLAlchemy both take for a parameter, and that no other field has."""
    word = re.sub(r"[^A-Za-z0-9_]+", "_", key).strip("_") or "field"
    word = f"field_{word}" if word[0].isdecimal() else word
    name, number = word, 1
    while name.lower() in {one.lower() for one in taken} or re.fullmatch(r"text_\d+", name):
        number += 1
        name = f"{word}_{number}"
    return name
