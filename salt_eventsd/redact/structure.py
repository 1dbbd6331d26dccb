"""
Masks secrets in decoded payloads: those that keys, pairs and options of mappings and lists name, and those in texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from salt_eventsd.common.budget import step
from salt_eventsd.common.patterns import Pattern
from salt_eventsd.redact.commands import in_words
from salt_eventsd.redact.hidden import is_hidden
from salt_eventsd.redact.inside import Inside, as_text
from salt_eventsd.redact.names import Kind
from salt_eventsd.redact.own_patterns import FIELDS, OwnPatterns, Tally
from salt_eventsd.redact.text import MASK, TextMasker

#: How Salt separates the parts of a state result's key.
_STATE_SEPARATOR = "_|-"
#: Fields that name the value of another field of the same mapping, as in a container's environment.
_NAME_FIELDS = frozenset(
    ["name", "key", "field", "variable", "var", "property", "attribute", "option", "setting", "parameter", "param", "k"]
).union(["Name", "Key", "Field", "Variable", "ParameterKey", "OptionName"])
#: Fields that may do so, or may be something else, such as a minion id beside an event's data.
_MAYBE_NAME_FIELDS = frozenset(["id", "label", "type", "kind", "title"])
_VALUE_FIELDS = frozenset(
    ["value", "values", "content", "contents", "val", "v", "Value", "Values", "Content", "Val", "ParameterValue"]
)
_MAYBE_VALUE_FIELDS = frozenset(["data", "text", "string", "default", "current", "new", "old", "Data"])
_NOTHING: frozenset[str] = frozenset()
#: Fields of a Kubernetes manifest that hold a secret's data.
_MANIFEST_FIELDS = frozenset(("data", "stringData"))
#: Texts with more characters are not decoded as JSON.
_LONGEST_JSON = 2**22
#: Of so few texts, a look at each is cheaper than to find out where there is none to look at.
_FEW_TEXTS = 64
_NOTHING_CLEAN: frozenset[int] = frozenset()
_ONLY_TEXT = {str}
_HOLDS_TEXT = frozenset((str, bytes, bytearray, dict, list, tuple))


class Walk:
    """
    One walk through one payload. It first searches all texts and keys together, which costs a fraction of searching
    each.

    :param masker: masks text.
    :param values: patterns whose matches are secret anywhere.
    :param tally: counts what happened when patterns ran out of time.
    """

    def __init__(self, masker: TextMasker, values: Sequence[Pattern], tally: Tally) -> None:
        self._masker = masker
        self._values = values
        self._own = OwnPatterns(values, tally)
        self._looks = 0
        self._odd: set[str] = set()
        self._has_tools = False
        #: Mappings with nothing odd in them.
        self._clean = _NOTHING_CLEAN
        self._most = 0
        #: Texts seen before in this event, with their masked form.
        self._known: dict[str, str] = {}
        self._known_keys: dict[str, str] = {}

    def masked(self, value: Any) -> Any:
        """
        Return a value with its secrets masked.

        :param value: a decoded payload, or a part of one.
        :raises RecursionError: the value is nested too deeply.
        """
        inside = Inside(value)
        odd = self._masker.odd(inside.texts)
        if not odd.texts and not odd.has_tools and not self._values:
            return value
        before = self._odd, self._has_tools, self._clean
        self._odd, self._has_tools, self._most = odd.texts, odd.has_tools, max(self._most, odd.most)
        looks_at_all = odd.has_tools or self._values or len(inside.texts) <= _FEW_TEXTS
        self._clean = _NOTHING_CLEAN if looks_at_all else inside.without(odd.texts)
        try:
            return self._value(value)
        finally:
            self._odd, self._has_tools, self._clean = before

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value) if self._values or value in self._odd else value
        if isinstance(value, dict):
            return self._mapping(value) if value and id(value) not in self._clean else value
        if isinstance(value, (list, tuple)):
            return self._list(value) if value else value
        if isinstance(value, (bytes, bytearray)):
            return self._text(as_text(value))
        return value

    def _text(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._looked_at(text)
        return known

    def _looked_at(self, text: str) -> str:
        masked = text
        if text in self._odd:
            step()
            self._looks += 1
            if self._looks > self._most:
                return MASK
            masked = self._as_json(text) or self._masker.masked(text)
        return self._own.masked(masked) if self._values else masked

    def _as_json(self, text: str) -> str | None:
        """Return a JSON text with its secrets masked; None if it is not JSON, or the passes for text must search it."""
        bare = text.strip()
        if bare[:1] + bare[-1:] not in ("{}", "[]") or len(text) > _LONGEST_JSON:
            return None
        try:
            decoded = json.loads(bare, object_pairs_hook=_once)
            masked = self.masked(decoded)
        except (ValueError, RecursionError):
            return None
        if masked == decoded:
            return text if not self._values else None
        second = bare.partition("\n")[2]
        indent = len(second) - len(second.lstrip(" ")) if second else None
        tight = indent is None and '": ' not in bare[:4096]
        return json.dumps(masked, ensure_ascii=False, indent=indent, separators=(",", ":") if tight else None)

    def _kind(self, key: Any) -> Kind | None:
        if isinstance(key, str):
            if key not in self._odd:
                return None
            return self._kind_of(key.encode("utf-8", "surrogatepass"))
        return self._kind_of(key) if isinstance(key, bytes) else None

    def _kind_of(self, name: bytes) -> Kind | None:
        known = self._masker.names.known(name)
        if not isinstance(known, bool):
            return known
        self._looks += 1
        return self._masker.names.kind(name) if self._looks <= self._most else Kind.SECRET

    def _mapping(self, value: dict[Any, Any]) -> dict[Any, Any]:
        step()
        odd, check_keys = self._odd, bool(self._values)
        beside = self._held_beside(value)
        manifest = "Secret" in odd and value.get("kind") == "Secret"
        if not (check_keys or beside or manifest) and odd.isdisjoint(value) and set(map(type, value)) == _ONLY_TEXT:
            return self._plain(value)
        found: dict[Any, Any] = {}
        numbers: dict[str, int] = {}
        for key, one in value.items():
            shown, kind = key, None
            if check_keys or key in odd or not isinstance(key, str):
                shown, kind = self._key(key), self._kind(key)
            if shown in found:
                shown = _numbered(shown, found, numbers)
            secret = kind or (Kind.SECRET if key in beside else None)
            if secret is not None and is_hidden(secret, one):
                found[shown] = MASK
            elif manifest and key in _MANIFEST_FIELDS and isinstance(one, dict):
                found[shown] = dict.fromkeys(one, MASK)
            else:
                found[shown] = self._value(one)
        return found

    def _plain(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """Return a mapping with its values masked: the usual case, in which nothing is to be said of a key."""
        odd, found = self._odd, dict(value)
        for key, one in value.items():
            if type(one) is str:
                if one in odd:
                    found[key] = self._text(one)
            elif type(one) in _HOLDS_TEXT:
                found[key] = self._value(one)
        return found

    def _held_beside(self, value: dict[Any, Any]) -> frozenset[str]:
        """Return the fields of a mapping that hold a secret because another field has a secret's name as its value."""
        if self._names_one(value, _NAME_FIELDS):
            return _VALUE_FIELDS | _MAYBE_VALUE_FIELDS
        return _VALUE_FIELDS if self._names_one(value, _MAYBE_NAME_FIELDS) else _NOTHING

    def _names_one(self, value: dict[Any, Any], fields: frozenset[str]) -> bool:
        return not fields.isdisjoint(value) and any(self._kind(value[key]) for key in fields.intersection(value))

    def _list(self, value: Sequence[Any]) -> list[Any]:
        step()
        kinds = set(map(type, value))
        if kinds.isdisjoint(_HOLDS_TEXT):
            return list(value)
        is_command = self._has_tools and type(value[0]) is str
        if not is_command and kinds.isdisjoint((bytes, bytearray)) and not self._any_odd(value):
            return [self._value(one) for one in value]
        replaced = in_words(value) if is_command else {}
        found: list[Any] = []
        hide = False
        for number, one in enumerate(value):
            if number in replaced:
                found.append(replaced[number])
            elif hide and one is not None and not isinstance(one, bool):
                found.append(MASK)
            else:
                found.append(self._value(one))
            hide = False
            if isinstance(one, (str, bytes)) and (number == 0 or one[:1] in ("-", b"-")):
                # The value of an option is the next word. A list of two is a name and its value.
                is_option = one[:1] in ("-", b"-") and number + 1 < len(value) and not _is_option(value[number + 1])
                if is_option or len(value) == 2:
                    kind = self._kind(one)
                    hide = kind is not None and number + 1 < len(value) and is_hidden(kind, value[number + 1])
        return found

    def _any_odd(self, value: Sequence[Any]) -> bool:
        odd = self._odd
        return any(type(one) is str and one in odd for one in value)

    def _key(self, key: Any) -> Any:
        """Return a key with its secrets masked: the key of a state holds the state's name, which may be a command."""
        if not isinstance(key, (str, bytes)):
            return key
        text = key if isinstance(key, str) else as_text(key)
        masked = self._known_keys.get(text)
        if masked is None:
            masked = self._known_keys[text] = self._masked_key(text)
        return key if masked == text else masked

    def _masked_key(self, text: str) -> str:
        masked = text
        if text in self._odd:
            self._looks += 1
            if self._looks > self._most:
                return MASK
            masked = _STATE_SEPARATOR.join([self._masker.masked(part) for part in text.split(_STATE_SEPARATOR)])
        return self._own.masked(masked) if self._values and text not in FIELDS else masked


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("of two values under one key, only one would be looked at")
    return found


def _numbered(key: Any, found: dict[Any, Any], numbers: dict[str, int]) -> Any:
    """Return a key with a number, for a second key that differs from another only in its secrets."""
    text = str(key)
    number = numbers.get(text, 1)
    shown: Any = key
    while shown in found:
        number += 1
        shown = text.replace(MASK, f"{MASK}{number}", 1) if MASK in text else f"{text}#{number}"
    numbers[text] = number
    return shown


def _is_option(value: Any) -> bool:
    return isinstance(value, (str, bytes)) and value[:1] in ("-", b"-")
