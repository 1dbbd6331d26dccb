"""
Options: read the options of a worker into a frozen struct. An error names the key that is wrong.
"""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

from salt_eventsd.config.explain import explain
from salt_eventsd.config.language.fields import Field, compile_field
from salt_eventsd.config.language.template import Template, compile_template
from salt_eventsd.config.servers import Timed, read_secret
from salt_eventsd.workers.write import Context

#: An older name of ``timeout``.
OLD_TIMEOUT = "timeout_seconds"

Struct = TypeVar("Struct", bound=msgspec.Struct)


def option_names(kind: type[msgspec.Struct]) -> list[str]:
    """
    Return the names of a worker's options, ``timeout`` last: many workers have it.

    :param kind: a struct with a field for each.
    """
    return sorted((field.encode_name for field in msgspec.structs.fields(kind)), key=lambda name: name == "timeout")


def read_options(context: Context, kind: type[Struct]) -> Struct:
    """
    Check a worker's options.

    :param context: the worker's.
    :param kind: a struct with a field for each option. A ``__post_init__`` may raise ``ValueError("port: expected a
        number from 1 to 65535, got 0")`` about one of them.
    :raises ConfigError: one of them is wrong.
    """
    names = option_names(kind)
    is_timed = issubclass(kind, Timed)
    given = context.known(*names, *([OLD_TIMEOUT] if is_timed else []))
    old = given.pop(OLD_TIMEOUT, None) if is_timed else None
    is_old = old is not None and "timeout" not in context.options
    if is_old:
        given["timeout"] = old
    try:
        return msgspec.convert(given, kind, dec_hook=read_secret)
    except msgspec.ValidationError as exc:
        wrong = explain(exc, kind)
        path = wrong.path.replace("[...]", "").lstrip(".")
        key = ".".join(part for part in (path, wrong.key) if part)
        raise context.problem(OLD_TIMEOUT if is_old and key == "timeout" else key, wrong.what) from None


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
    Check an option that names a file, which is read later.

    :param context: the worker's.
    :param key: the option.
    :param path: its value.
    :raises ConfigError: there is no such file, or it may not be read.
    """
    if path is not None and not os.access(path, os.R_OK):
        raise context.problem(key, f"expected a file that can be read, got {path}")


def missing_library(error: ImportError, extra: str) -> ImportError:
    """
    Return the error to raise if a worker's library is not installed; it says how to install the library.

    :param error: of the import.
    :param extra: of this package.
    """
    return ImportError(f"{error}; install it with: salt-pip install 'salt-eventsd[{extra}]'", name=error.name)
