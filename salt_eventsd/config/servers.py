"""What the options of all have in common who talk to servers: secrets that nobody sees, and limits of time."""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.config.checks import require
from salt_eventsd.config.structs import Size


class Secret(str):
    """Text that no ``repr`` shows: a password, or a URL that may have one in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Secrets(tuple[Secret, ...]):
    """One or several secrets; in the config, a text or a list of texts."""

    __slots__ = ()


class Timed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a worker that waits for a server.

    :param timeout: how long connecting and each request may take, in seconds.
    """

    timeout: float = 60.0

    def __post_init__(self) -> None:
        fits = 0 < self.timeout <= 3600
        require(fits, f"timeout: expected a number above 0 and up to 3600, got {self.timeout}")


def read_secret(kind: type, value: Any) -> Any:
    """
    Read an option of one of the types that are known here and in :mod:`~salt_eventsd.config.structs`; a hook for
    :func:`msgspec.convert`.

    :param kind: the option's type.
    :param value: its value.
    :raises ValueError: it is of another type.
    """
    if kind is Size:
        return Size.read(value)
    if kind is Secret:
        if not isinstance(value, str):
            # The error does not show the value: it is a secret, of whatever type.
            raise ValueError(f"expected text, got {type(value).__name__}")
        return Secret(value)
    if kind is Secrets:
        return Secrets(read_secret(Secret, one) for one in (value if isinstance(value, list) else [value]))
    raise NotImplementedError(kind)
