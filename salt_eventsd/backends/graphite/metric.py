"""The path and the number of a metric, as an event has them."""

from __future__ import annotations

import math
from typing import Any

from salt_eventsd.backends.graphite.carbon import clean
from salt_eventsd.backends.options import read_template
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import Template
from salt_eventsd.exceptions import Refused
from salt_eventsd.workers.write import Context

#: Carbon could keep no longer path, for each is the path of a file; in characters.
_LONGEST_PATH = 1000


def read_path(context: Context, key: str, prefix: str, path: str) -> Template:
    """
    Compile the path of a metric.

    :param context: what the worker is made from.
    :param key: the option it comes from.
    :param prefix: stands before it; may be empty.
    :param path: a template; may be empty.
    :raises ConfigError: it is no path.
    """
    text = ".".join(part for part in (prefix.strip("."), path.strip(".")) if part)
    template = read_template(context, key, text)
    literal = "".join(part for part, _, _ in template.parts)
    if not literal.isprintable() or not literal.isascii() or any(sign in literal for sign in " /;"):
        raise context.problem(key, f"{text!r} is no path of a metric; expected words with dots between them")
    return template


def path_of(template: Template, facts: Facts) -> str:
    """
    Return a metric's path for an event, "" if the event lacks a part of it.

    :param template: from :func:`read_path`.
    :param facts: of the event.
    """
    try:
        path = template.render(facts, clean)
    except Refused:
        return ""
    return "" if len(path) > _LONGEST_PATH or path.startswith(".") or path.endswith(".") or ".." in path else path


def number_of(value: Any) -> float | None:
    """
    Return a value as a number, None if it is not one; true is 1 and false is 0.

    :param value: from an event.
    """
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
