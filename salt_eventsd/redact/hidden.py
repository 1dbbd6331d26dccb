"""
Says whether the value beside a secret's name in a mapping or list is masked: some say nothing that is secret.
"""

from __future__ import annotations

from typing import Any

from salt_eventsd.redact.names import Kind, hides

_VERSIONS = frozenset(("old", "new"))
_MOST_VERSIONS = 16


def is_hidden(kind: Kind, value: Any) -> bool:
    """
    Say whether the value beside a name is masked.

    :param kind: what the name says about it.
    :param value: the value.
    """
    if value is None or isinstance(value, bool) or value in ("", b"", [], {}):
        return False
    if isinstance(value, str):
        return hides(kind, value[:512].encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray)):
        return hides(kind, bytes(value[:512]))
    if isinstance(value, (int, float)):
        return hides(kind, b"%d" % value if isinstance(value, int) and abs(value) < 2**64 else b"1")
    if kind is Kind.PLACE and _is_versions(value):
        return False
    # Two values are user and password, as libraries take them. More values under such a name are settings.
    return kind is not Kind.CODED or (isinstance(value, (list, tuple)) and len(value) == 2)


def _is_versions(value: Any) -> bool:
    """Say whether a value reports a change of a package: {"old": "1.2", "new": "1.3"}, or a list of versions."""
    if isinstance(value, dict):
        inner = list(value.values()) if value.keys() <= _VERSIONS else [1]
    else:
        inner = list(value) if isinstance(value, (list, tuple)) else [1]
    return len(inner) <= _MOST_VERSIONS and all(
        isinstance(one, str) and not is_hidden(Kind.PLACE, one) for one in inner
    )
