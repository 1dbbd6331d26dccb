"""
The options of a worker, from plain data into a frozen struct; what is wrong with them is said with the key it is at.
"""

from __future__ import annotations

import os
import re
from typing import Any, TypeVar

import msgspec

from salt_eventsd.config import Size
from salt_eventsd.fields import Field, Template, compile_field, compile_template
from salt_eventsd.workers import Context

Struct = TypeVar("Struct", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$(.*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_OWN_KEY = re.compile(r"([a-z_]+(?:\[\d+\])?): (.*)\Z", re.DOTALL)
#: msgspec's words for what YAML calls otherwise.
_WORDS = (("object", "mapping"), ("array", "list"), ("str", "text"), ("int", "number"), ("float", "number"))


class Secret(str):
    """Text that no ``repr`` shows: a password, or a URL that may have one in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Secrets(tuple[Secret, ...]):
    """One or several of them; in the config, text or a list."""

    __slots__ = ()


def read_options(context: Context, kind: type[Struct]) -> Struct:
    """
    Check a worker's options.

    :param context: the worker's.
    :param kind: a struct with a field for each option. A ``__post_init__`` may raise ``ValueError("port: expected a
        number from 1 to 65535, got 0")`` about one of them.
    :raises ConfigError: one of them is wrong.
    """
    given = context.known(*(field.encode_name for field in msgspec.structs.fields(kind)))
    try:
        return msgspec.convert(given, kind, dec_hook=_hook)
    except msgspec.ValidationError as exc:
        message, path = str(exc), ""
        if at := _AT.search(message):
            message, path = message[: at.start()], at[1].replace("[...]", "").lstrip(".")
        key = ""
        if unknown := _UNKNOWN.fullmatch(message):
            key, message = unknown[1], "unknown key"
        elif missing := _MISSING.fullmatch(message):
            key, message = missing[1], "missing"
        elif own := _OWN_KEY.fullmatch(message):
            key, message = own[1], own[2]
        else:
            message = _yaml_words(message[:1].lower() + message[1:].replace("`", ""))
        raise context.problem(".".join(part for part in (path, key) if part), message) from None


def read_template(context: Context, key: str, text: str) -> Template:
    """
    Compile an option that is a template.

    :param context: the worker's.
    :param key: the option.
    :param text: its value.
    :raises ConfigError: what is wrong with it.
    """
    try:
        return compile_template(text)
    except ValueError as exc:
        raise context.problem(key, str(exc)) from None


def read_field(context: Context, key: str, text: str) -> Field:
    """
    Compile an option that names a field of the event.

    :param context: the worker's.
    :param key: the option.
    :param text: its value.
    :raises ConfigError: what is wrong with it.
    """
    try:
        return compile_field(text)
    except ValueError as exc:
        raise context.problem(key, str(exc)) from None


def check_file(context: Context, key: str, path: str | None) -> None:
    """
    Check an option that names a file to be read later.

    :param context: the worker's.
    :param key: the option.
    :param path: its value.
    :raises ConfigError: it is not there, or may not be read.
    """
    if path is not None and not os.access(path, os.R_OK):
        raise context.problem(key, f"expected a file that can be read, got {path}")


def missing_library(error: ImportError, extra: str) -> ImportError:
    """
    Return the error to raise where a worker's library is not installed; it says how to install it.

    :param error: of the import.
    :param extra: of this package.
    """
    return ImportError(f"{error}; install it with: salt-pip install 'salt-eventsd[{extra}]'", name=error.name)


def require(condition: bool, message: str) -> None:
    """
    Raise unless a condition holds; for ``__post_init__`` of a struct.

    :param condition: what must hold.
    :param message: ``key: what is wrong and what would be right``.
    :raises ValueError: it does not.
    """
    if not condition:
        raise ValueError(message)


def _hook(kind: type, value: Any) -> Any:
    if kind is Size:
        return Size.read(value)
    if kind is Secret:
        if not isinstance(value, str):
            # The value stays untold: it is a secret, of whatever type.
            raise ValueError(f"expected text, got {type(value).__name__}")
        return Secret(value)
    if kind is Secrets:
        return Secrets(_hook(Secret, one) for one in (value if isinstance(value, list) else [value]))
    raise NotImplementedError(kind)


def _yaml_words(message: str) -> str:
    for word, plain in _WORDS:
        message = re.sub(rf"\b{word}\b", plain, message)
    return message
