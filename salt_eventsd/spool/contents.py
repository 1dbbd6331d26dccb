"""Contents: what is in chunks, put together from the rows that have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from salt_eventsd.event.chunk import Contents, decode_events
from salt_eventsd.event.sharing import decode

#: Returns the rows of a query for the values of its marks.
_Rows = Callable[[str, tuple[int, ...]], list[tuple[Any, ...]]]


def read(rows: _Rows, chunk_ids: Sequence[int]) -> list[Contents]:
    """
    Return what is in some chunks, in their order; nothing for those that are not there any more.

    :param rows: asks the spool's file.
    :param chunk_ids: theirs.
    """
    sql = f"SELECT id, payload, ordering FROM chunks WHERE id IN ({_marks(chunk_ids)})"
    found = {id_: (payload, ordering) for id_, payload, ordering in rows(sql, tuple(chunk_ids))}
    shared = _shared(rows, [id_ for id_, (_, ordering) in found.items() if ordering is not None])
    now = time.time()
    contents = []
    for id_ in chunk_ids:
        # Each goes as soon as it is decoded: otherwise all would be in memory twice.
        payload, ordering = found.pop(id_, (None, None))
        if payload is None:
            contents.append(Contents([]))
        elif ordering is None:
            contents.append(decode_events(payload, now))
        else:
            contents.append(decode(payload, shared.pop(id_, ()), ordering, now))
    return contents


def _shared(rows: _Rows, chunk_ids: Sequence[int]) -> dict[int, list[tuple[bytes, str | None, str | None]]]:
    """Return what each of these chunks shares, in order: payloads, with the rule and the table they have there."""
    found: dict[int, list[tuple[bytes, str | None, str | None]]] = {}
    if chunk_ids:
        sql = (
            "SELECT shares.chunk, shared.payload, shares.rule, shares.destination"
            " FROM shares JOIN shared ON shared.id = shares.payload"
            f" WHERE shares.chunk IN ({_marks(chunk_ids)}) ORDER BY shares.chunk, shares.number"
        )
        for chunk, payload, rule, into in rows(sql, tuple(chunk_ids)):
            found.setdefault(chunk, []).append((payload, rule, into))
    return found


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
