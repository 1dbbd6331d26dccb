"""What of a batch that got stuck halfway is there already, in places that cannot tell a second copy from the first."""

from __future__ import annotations

from collections.abc import Iterable

from salt_eventsd.workers.isolate import is_split
from salt_eventsd.workers.write import Batch

#: So many ids are remembered; each is of 32 characters.
_MOST = 50_000


class Ahead:
    """
    Ids of events that need not be written again.

    A batch that is written whole is forgotten by the engine, and so by this. Its parts, when it is split, are not: the
    next part may fail, and then all of it comes again.
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

        :param ids: theirs.
        """
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > _MOST:
            del self._ids[next(iter(self._ids))]

    def settled(self, batch: Batch, ids: Iterable[str]) -> None:
        """
        Forget a batch that does not come again.

        :param batch: of which all that can be written has been.
        :param ids: of its events.
        """
        if not is_split(batch):
            for id_ in ids:
                self._ids.pop(id_, None)
