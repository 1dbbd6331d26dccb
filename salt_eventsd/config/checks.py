"""
Checks of single values, for the ``__post_init__`` of the configuration's structs. Each check raises ``ValueError("key:
what is wrong and what would be right")``; ``explain`` puts the path of the struct before it.
"""

from __future__ import annotations

from salt_eventsd.common.patterns import compiled

#: Far more than is useful, and fewer than a system refuses.
MOST_THREADS = 256
#: Stands for the master's (or minion's) cachedir in a path or URL.
CACHEDIR = "<cachedir>"


def require(condition: bool, message: str) -> None:
    """
    Raise unless a condition holds.

    :param condition: the condition.
    :param message: ``key: what is wrong and what would be right``.
    :raises ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError(message)


def require_port(port: int | None) -> None:
    """
    Raise unless ``port`` is a port number or None.

    :param port: as in the config.
    :raises ValueError: it is not a port number.
    """
    require(port is None or 0 < port < 65_536, f"port: expected a number from 1 to 65535, got {port}")


def require_threads(key: str, number: int) -> None:
    """
    Raise unless a number of threads is within bounds.

    :param key: the key of the number.
    :param number: as in the config.
    :raises ValueError: it is below 1 or above :data:`MOST_THREADS`.
    """
    require(1 <= number <= MOST_THREADS, f"{key}: expected a number from 1 to {MOST_THREADS}, got {number}")


def require_path(key: str, path: str) -> None:
    """
    Raise unless a path is absolute.

    :param key: the key of the path.
    :param path: as in the config.
    :raises ValueError: it begins neither with ``/`` nor with :data:`CACHEDIR`, or holds a NUL.
    """
    require(is_path(path), f"{key}: expected a path that begins with / or {CACHEDIR}, got {path!r}")


def is_path(path: str) -> bool:
    """
    Say whether a path is absolute. A relative one would name a file below ``/``, a master's working directory.

    :param path: as in the config.
    """
    return path.startswith(("/", CACHEDIR)) and "\0" not in path


def require_expression(key: str, expression: str | None) -> None:
    """
    Raise unless a regular expression compiles or is None.

    :param key: the key of the expression.
    :param expression: as in the config.
    :raises ValueError: it does not compile.
    """
    if expression is None:
        return
    try:
        compiled(expression)
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from None
