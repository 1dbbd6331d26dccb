"""
Receipts: which chunks are written in this database, so that none is written twice, whatever copy of a spool it is in.

A chunk is known by the life it was put in (:mod:`salt_eventsd.spool.file`) and its number. The store inserts a receipt
in the transaction that inserts the chunk's rows. A receipt also says which events of its chunk were refused: an older
copy of the spool knows nothing of that, and sets them aside, too. :mod:`~salt_eventsd.database.receipts_tidy` keeps
receipts few.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from salt_eventsd.database import schema
from salt_eventsd.database.receipts_tidy import Run, Tidying
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Reused, Transient
from salt_eventsd.workers.write import Batch, Refusal

#: What is noted of refused events of one chunk, in bytes; of more, only which they are.
_MOST_REFUSED_BYTES = 60_000
_REFUSED = "refused when it was tried first"

_TABLE = schema.receipts
# Made once: it is asked for each batch, and making it costs more than the question.
_OF_CHUNKS = sa.select(_TABLE.c.chunk, _TABLE.c.first_chunk, _TABLE.c.oldest, _TABLE.c.refused).where(
    _TABLE.c.spool == sa.bindparam("life"),
    _TABLE.c.chunk >= sa.bindparam("lowest"),
    sa.func.coalesce(_TABLE.c.first_chunk, _TABLE.c.chunk) <= sa.bindparam("highest"),
    sa.or_(_TABLE.c.lane == sa.bindparam("of_lane"), _TABLE.c.lane.is_(None)),
)
_INSERT = sa.insert(_TABLE)


class Receipts:
    """
    The receipts of one database.

    :ivar tidying: keeps them few.
    """

    def __init__(self) -> None:
        self.tidying = Tidying()

    def take(self, connection: Connection, batch: Batch) -> dict[int, list[Refusal]]:
        """
        Insert the receipts of a batch, and return which of its chunks have been written before, each with the positions
        in it of those events that were refused then, and why.

        :param connection: in the transaction that writes the batch.
        :param batch: the batch.
        :raises Reused: there are receipts of others under the names of some chunks.
        :raises Transient: somebody else is writing one of them just now.
        """
        ids = [chunk for chunk, _ in batch.chunks]
        if not ids:
            return {}
        known: dict[int, list[Refusal]] = {}
        reused: set[int] = set()
        keys = {id_: _key(batch, id_) for id_ in ids}
        by_lane: dict[tuple[str, str], list[int]] = {}
        for id_, key in keys.items():
            by_lane.setdefault(key, []).append(id_)
        for (life, lane), some in by_lane.items():
            runs = _runs(connection, life, lane, min(some), max(some))
            for id_ in some if runs else ():
                if run := _of(runs, id_):
                    kept = batch.origins.get(id_)
                    if kept is None and not batch.replay:
                        raise Transient("an earlier try at this batch has not ended yet in the database")
                    if kept is None or _is_its(run, kept):
                        known[id_] = _refused(run, id_) if kept else []
                    else:
                        reused.add(id_)
        if reused:
            raise Reused(reused)
        now = datetime.now(timezone.utc)
        new = [_row(id_, *keys[id_], batch.origins.get(id_), now) for id_ in ids if id_ not in known]
        if new:
            try:
                connection.execute(_INSERT, new)
            except IntegrityError:
                raise Transient("an earlier try at this batch has not ended yet in the database") from None
        self.tidying.note({keys[id_] for id_ in ids if id_ not in known}, batch.oldest_chunk)
        return known

    def note(self, connection: Connection, batch: Batch, refusals: Sequence[Refusal]) -> None:
        """
        Note which events of a batch were refused.

        :param connection: in the transaction that writes the batch.
        :param batch: the batch.
        :param refusals: which, by their positions in the batch.
        """
        by_chunk: dict[int, list[Refusal]] = {}
        ends = list(accumulate(count for _, count in batch.chunks))
        for at, why in refusals:
            number = bisect_right(ends, at)
            chunk, count = batch.chunks[number]
            by_chunk.setdefault(chunk, []).append((at - ends[number] + count, why))
        for chunk, some in by_chunk.items():
            text = json.dumps(some)
            if len(text) > _MOST_REFUSED_BYTES:
                text = json.dumps([(at, _REFUSED) for at, _ in some])
            mine = (_TABLE.c.spool == _key(batch, chunk)[0], _TABLE.c.chunk == chunk)
            connection.execute(sa.update(_TABLE).where(*mine).values(refused=text))


def covered(connection: Connection, life: str, lane: str, first: int, last: int) -> list[tuple[int, int]]:
    """
    Return which chunks from one to another have receipts, as the first and the last of each run, in order.

    :param connection: in a transaction.
    :param life: the life of the chunks.
    :param lane: their lane's name.
    """
    return [
        (run.last if run.first is None else run.first, run.last) for run in _runs(connection, life, lane, first, last)
    ]


def forget_life(connection: Connection, life: str) -> None:
    """
    Delete the receipts of a life: its chunks may be written once more.

    :param connection: in a transaction.
    :param life: the life's id.
    """
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.spool == life))


def _key(batch: Batch, id_: int) -> tuple[str, str]:
    """The life and the lane of a chunk; who makes batches by hand need not say the lane."""
    kept = batch.origins.get(id_)
    return (kept.life, lane_name(kept.lane)) if kept else (batch.spool_id, "")


def _row(id_: int, life: str, lane: str, kept: StoredChunk | None, now: datetime) -> dict[str, object]:
    return {
        "spool": life,
        "chunk": id_,
        "stamp": now,
        "lane": lane,
        "first_chunk": kept.first if kept else id_,
        "oldest": _microseconds(kept) if kept else None,
    }


def lane_name(lane: str) -> str:
    """
    Return a lane's name as it fits the column.

    :param lane: the lane's.
    """
    if len(lane) <= schema.NAME_LENGTH:
        return lane
    return f"{lane[:200]}#{hashlib.sha256(lane.encode()).hexdigest()[:32]}"


def _microseconds(kept: StoredChunk) -> int:
    return round(kept.oldest * 1_000_000)


def _runs(connection: Connection, life: str, lane: str, first: int, last: int) -> list[Run]:
    """Return the receipts that may be of some chunks, in order. Those of the first version name no lane."""
    found = connection.execute(_OF_CHUNKS, {"life": life, "of_lane": lane, "lowest": first, "highest": last})
    return sorted((Run(*row) for row in found), key=lambda run: run.last)


def _of(runs: Sequence[Run], id_: int) -> Run | None:
    at = bisect_left(runs, id_, key=lambda run: run.last)
    if at < len(runs) and (runs[at].first or runs[at].last) <= id_ <= runs[at].last:
        return runs[at]
    return None


def _is_its(run: Run, kept: StoredChunk) -> bool:
    """
    Say whether a receipt is this chunk's.

    A machine that was put back in time gives numbers again that other chunks of the same life have had. Those chunks
    had older events.
    """
    if run.oldest is None:
        return True
    is_single = (run.last, run.first) == (kept.id, kept.first)
    return _microseconds(kept) == run.oldest if is_single else _microseconds(kept) <= run.oldest


def _refused(run: Run, id_: int) -> list[Refusal]:
    return [(at, why) for at, why in json.loads(run.refused)] if run.refused and run.last == id_ else []
