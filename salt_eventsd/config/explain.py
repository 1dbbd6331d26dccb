"""
Turn plain data into the structs of ``structs``, and turn each error into a line that names the key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from salt_eventsd.config.structs import EventRule, Size

Struct = TypeVar("Struct", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$(.*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_OWN_KEY = re.compile(r"([a-z_]+(?:\[\d+\]|\.[^:]+)?): (.*)\Z", re.DOTALL)
#: msgspec's words, and YAML's words for the same.
_WORDS = (("object", "mapping"), ("array", "list"), ("str", "text"), ("int", "number"), ("float", "number"))


@dataclass(frozen=True)
class Wrong:
    """
    An error that msgspec found, in words of YAML.

    :param path: where, as msgspec writes it after the ``$``: a key of a mapping that is not a struct reads ``[...]``.
    :param key: the wrong key at that path; "" if the value at that path is wrong.
    :param what: what is wrong.
    :param unknown: whether the key is unknown.
    """

    path: str
    key: str
    what: str
    unknown: bool = False


def explain(error: msgspec.ValidationError, kind: type[msgspec.Struct] | None = None) -> Wrong:
    """
    Split an error of msgspec into its parts.

    :param error: of a conversion, or raised by a struct as ``ValueError("port: expected ...")`` about its key.
    :param kind: the struct that the value was to become; its keys are named in the error about an unknown key.
    """
    message, path = str(error), ""
    if at := _AT.search(message):
        message, path = message[: at.start()], at[1]
    if unknown := _UNKNOWN.fullmatch(message):
        known = _fields_at(kind, path.replace("[...]", "").lstrip(".")) if kind else []
        return Wrong(path, unknown[1], _unknown(unknown[1], known), unknown=True)
    if missing := _MISSING.fullmatch(message):
        return Wrong(path, missing[1], "missing")
    if own := _OWN_KEY.fullmatch(message):
        return Wrong(path, own[1], own[2])
    return Wrong(path, "", _yaml_words(message[:1].lower() + message[1:].replace("`", "")))


def convert(
    value: Any, kind: type[Struct], where: str, problems: list[str], others: tuple[str, ...] = ()
) -> Struct | None:
    """
    Convert plain data into a struct. Return None and add to ``problems`` if that fails.

    :param value: plain data.
    :param kind: the struct.
    :param where: the key of the value.
    :param problems: this function adds what is wrong to the list, with its key.
    :param others: further known keys, to be named in the error about an unknown key.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_hook)
    except msgspec.ValidationError as exc:
        wrong = explain(exc)
        path = _readable(wrong.path, value)
        key, message = _joined(where, path, wrong.key), wrong.what
        if wrong.unknown:
            known = [*_fields_at(kind, path), *(others if not path else ())]
            message = _unknown(wrong.key, known)
        problems.append(f"eventsd: {key}: {message}" if key else f"eventsd: {message}")
        return None


def _unknown(key: str, known: Iterable[str]) -> str:
    known = sorted(known)
    return f"unknown key; known are {', '.join(known)}{meant(key, known)}" if known else "unknown key"


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _yaml_words(message: str) -> str:
    message = message.replace("expected int, got float", "expected whole number, got another")
    for word, plain in _WORDS:
        message = re.sub(rf"\b{word}\b", plain, message)
    return message


def _hook(kind: type, value: Any) -> Any:
    if kind is Size:
        return Size.read(value)
    raise NotImplementedError(kind)


def _readable(path: str, value: Any) -> str:
    """
    Turn msgspec's path, in which a mapping's own keys all read ``[...]``, into the keys of the config.

    msgspec means the first key whose value does not fit, so this tries each key in turn.
    """
    parts = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]|(\[\.\.\.\])", path)
    keys: list[str] = []
    for name, index, _any in parts:
        if name:
            keys.append(name)
            value = value.get(name) if isinstance(value, Mapping) else None
        elif index:
            keys[-1:] = [f"{keys[-1]}[{index}]"] if keys else [f"[{index}]"]
            value = value[int(index)] if isinstance(value, list) else None
        elif isinstance(value, Mapping):
            for key, one in value.items():
                if not (isinstance(one, str) if keys[-1:] == ["functions"] else _fits(one)):
                    keys.append(str(key))
                    value = one
                    break
    return ".".join(keys)


def _fits(value: Any) -> bool:
    """Say whether a value is a valid rule. Only in mappings of rules are the keys the user's and the values checked."""
    try:
        msgspec.convert(value, EventRule, dec_hook=_hook)
    except msgspec.ValidationError:
        return False
    return True


def _fields_at(kind: type[msgspec.Struct], path: str) -> list[str]:
    current: Any = kind
    for part in path.split(".") if path else []:
        field = next((one for one in msgspec.structs.fields(current) if one.name == part), None)
        if field is None:
            continue  # a rule's name, which the user chose: the struct behind it is the same
        inner = [one for one in (field.type, *getattr(field.type, "__args__", ())) if _is_struct(one)]
        current = inner[0] if inner else current
    return [one.encode_name for one in msgspec.structs.fields(current)]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def meant(word: Any, known: Iterable[str]) -> str:
    """
    Return a hint that names the word the user probably meant; "" if no known word is similar.

    :param word: the word the user wrote.
    :param known: the known words.
    """
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
