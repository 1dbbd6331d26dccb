"""
Ahead: which events of an unfinished batch have been written, for places that cannot tell a second copy from the first.
"""

from __future__ import annotations

from collections.abc import Iterable

from salt_eventsd.workers.isolate import is_split
from salt_eventsd.workers.write import Batch

#: How many ids are remembered; each has 32 characters.
_MOST = 50_000


class Ahead:
    """
    Ids of events that need not be written again.

    The engine forgets a batch that is written whole, and so does this. Parts of a split batch are remembered: the next
    part may fail, and then the whole batch comes again.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[str]) -> None:
        """
        Remember events that have been written.

        :param ids: the events' ids.
        """
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > _MOST:
            del self._ids[next(iter(self._ids))]

    def settled(self, batch: Batch, ids: Iterable[str]) -> None:
        """
        Forget the events of a batch that does not come again. Parts of a batch are kept in mind.

        :param batch: the batch; all of it that can be written has been.
        :param ids: of its events.
        """
        if not is_split(batch):
            for id_ in ids:
                self._ids.pop(id_, None)
