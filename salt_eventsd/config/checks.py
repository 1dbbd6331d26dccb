"""
What values of a configuration must be, for the ``__post_init__`` of its structs: each raises ``ValueError("key: what is
wrong and what would be right")``, which is told with the place the struct has in the configuration.
"""

from __future__ import annotations

from salt_eventsd.common.patterns import compiled

#: Far more than is of any use, and less than what a system refuses.
MOST_THREADS = 256
#: What stands in a path or URL for the master's (or minion's) cachedir.
CACHEDIR = "<cachedir>"


def require(condition: bool, message: str) -> None:
    """
    Raise unless a condition holds.

    :param condition: what must hold.
    :param message: ``key: what is wrong and what would be right``.
    :raises ValueError: it does not.
    """
    if not condition:
        raise ValueError(message)


def require_port(port: int | None) -> None:
    """
    Raise unless ``port`` is one, or left out.

    :param port: as in the config.
    :raises ValueError: it is none.
    """
    require(port is None or 0 < port < 65_536, f"port: expected a number from 1 to 65535, got {port}")


def require_threads(key: str, number: int) -> None:
    """
    Raise unless a system has so many threads to give.

    :param key: where it stands.
    :param number: as in the config.
    :raises ValueError: it has not.
    """
    require(1 <= number <= MOST_THREADS, f"{key}: expected a number from 1 to {MOST_THREADS}, got {number}")


def require_path(key: str, path: str) -> None:
    """
    Raise unless a path is the same wherever it is used.

    :param key: where it stands.
    :param path: as in the config.
    :raises ValueError: it is not.
    """
    require(is_path(path), f"{key}: expected a path that begins with / or {CACHEDIR}, got {path!r}")


def is_path(path: str) -> bool:
    """
    Say whether a path names one file or folder, wherever it is used: a master's working directory is ``/``.

    :param path: as in the config.
    """
    return path.startswith(("/", CACHEDIR)) and "\0" not in path


def require_expression(key: str, expression: str | None) -> None:
    """
    Raise unless a regular expression compiles, or is left out.

    :param key: where it stands.
    :param expression: as in the config.
    :raises ValueError: it does not.
    """
    if expression is None:
        return
    try:
        compiled(expression)
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from None
