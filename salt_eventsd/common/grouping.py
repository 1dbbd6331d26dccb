"""
Cut a stream of items into groups of bounded size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def grouped(
    items: Iterable[Item], size_of: Callable[[Item], int], most_size: int, most_items: int = sys.maxsize
) -> Iterator[list[Item]]:
    """
    Yield items in groups, in their order. An item that exceeds the limit by itself is a group of its own.

    :param items: the stream.
    :param size_of: returns an item's size.
    :param most_size: the largest size of a group.
    :param most_items: the most items in a group.
    """
    group: list[Item] = []
    size = 0
    for item in items:
        more = size_of(item)
        if group and (size + more > most_size or len(group) >= most_items):
            yield group
            group, size = [], 0
        group.append(item)
        size += more
    if group:
        yield group
