"""The lanes of an engine, which grow while others look through them."""

from __future__ import annotations

import threading
from collections.abc import ItemsView, Iterator, Mapping, ValuesView

from salt_eventsd.dispatch.lane import Lane


class Lanes(Mapping[str, Lane]):
    """
    The lanes by name. Whoever looks through them sees those there were when they began.

    :param lanes: to begin with.
    """

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        self._lanes = dict(lanes)
        self._adding = threading.Lock()

    def add(self, lane: Lane) -> Lane:
        """Add a lane while others look, and return it; one of its name that is there already stays, and is returned."""
        with self._adding:
            if lane.name not in self._lanes:
                self._lanes = {**self._lanes, lane.name: lane}
            return self._lanes[lane.name]

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    def values(self) -> ValuesView[Lane]:
        """Return the lanes there are now."""
        return self._lanes.values()

    def items(self) -> ItemsView[str, Lane]:
        """Return the lanes there are now, with their names."""
        return self._lanes.items()
