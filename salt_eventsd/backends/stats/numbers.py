"""The numbers in a payload, by their dotted names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from salt_eventsd.backends.graphite.metric import number_of

#: How many keys may lead to a number.
_DEEPEST = 20


def numbers(data: Any) -> Iterator[tuple[tuple[str, ...], float]]:
    """
    Yield all numbers in a payload, each with the keys that lead to it. True is 1, false is 0; lists are left out.

    :param data: the payload.
    """
    # A loop and no recursion: whoever sends a payload decides how deep it is. What is deeper than this has no name.
    todo: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, Mapping):
            if len(path) < _DEEPEST:
                todo += [((*path, str(key)), one) for key, one in reversed(list(value.items()))]
        elif path and (number := number_of(value)) is not None:
            yield path, number
