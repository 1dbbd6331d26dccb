"""Globs, as databases can read them."""

from __future__ import annotations

import re


def is_glob(text: str) -> bool:
    """
    Say whether a text is more than a name.

    :param text: that somebody asked for.
    """
    return any(mark in text for mark in "*?[")


def like(glob: str) -> str:
    """
    Return a glob as a pattern for ``LIKE``, with ``!`` to escape.

    :param glob: without brackets.
    """
    plain = re.sub(r"([!%_])", r"!\1", glob)
    return plain.replace("*", "%").replace("?", "_")


def expression(glob: str) -> str:
    """
    Return a glob as a regular expression that the databases read alike.

    :param glob: of any kind.
    """
    parts: list[str] = []
    rest = glob
    while rest:
        if found := re.match(r"\[([!^]?)(\][^\]]*|[^\]]+)\]", rest):
            inside = re.sub(r"([\\\[\]^])", r"\\\1", found[2])
            parts.append(f"[{'^' if found[1] else ''}{inside}]")
            rest = rest[found.end() :]
            continue
        one, rest = rest[0], rest[1:]
        parts.append({"*": ".*", "?": "."}.get(one) or re.sub(r"([^0-9A-Za-z_\s])", r"\\\1", one))
    return f"^{''.join(parts)}$"
