"""
The rows of a table in the order of time, in slices.

Each row has a place on a line: its time in microseconds, and within that the beginning of its digest. A slice is a part
of this line with all rows in it, so what was sent on is told by where slices begin and end, and rows that come or go
meanwhile move nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.transfer.pages import Entry, Key, in_utc, key_columns, size_of

#: A microsecond has so many places, by the first bits of the digest: a minion may give one time to very many rows.
PLACES = 2**12
_DIGEST_BITS = 64
_SHIFT = _DIGEST_BITS - 12
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
#: A slice is closed when its rows take so many bytes.
_SLICE_BYTES = 4 * 2**20

Pages = Callable[["datetime | None", "datetime", "int | None"], "list[Placed]"]


class Span(NamedTuple):
    """Part of the line, from its first place to its last."""

    first: int
    last: int


class Placed(NamedTuple):
    """
    A row and its place on the line.

    :param place: where it is.
    :param stamp: its time.
    :param digest: None where its table has none.
    :param entry: its key and its size.
    """

    place: int
    stamp: datetime
    digest: int | None
    entry: Entry


class Slice(NamedTuple):
    """
    Part of the line, and all rows in it.

    :param span: from where to where.
    :param keys: of the rows, in order.
    """

    span: Span
    keys: list[Key]


def span_of(start: datetime, end: datetime) -> Span:
    """
    Return the part of the line from one time to before another.

    :param start: the first time in it.
    :param end: the first time behind it.
    """
    return Span(_micros(start) * PLACES, _micros(end) * PLACES - 1)


def gaps(whole: Span, covered: Sequence[tuple[int, int]]) -> list[Span]:
    """
    Return what of a span is not covered.

    :param whole: the span.
    :param covered: the first and the last place of each part that is.
    """
    found = []
    first = whole.first
    for begin, end in sorted(covered):
        if begin > first:
            found.append(Span(first, min(begin - 1, whole.last)))
        first = max(first, end + 1)
    if first <= whole.last:
        found.append(Span(first, whole.last))
    return [one for one in found if one.first <= one.last]


def slices(pages: Pages, span: Span, rows: int) -> Iterator[Slice]:
    """
    Yield all of a span in slices, in order.

    :param pages: returns rows from :func:`page`: from a time on, up to a time, or of that time alone from a digest on.
    :param span: the part of the line.
    :param rows: how many rows ``pages`` returns, unless there are no more.
    """
    start, end = _time(span.first // PLACES), _time(span.last // PLACES)
    first = span.first
    for some, is_last in _closed(pages, start, end, rows):
        inside = [one for one in some if span.first <= one.place <= span.last]
        for _, same in _bounded(inside):
            last = same[-1].place
            yield Slice(Span(first, last), [one.entry.key for one in same])
            first = last + 1
        if is_last and first <= span.last:
            yield Slice(Span(first, span.last), [])


def page(
    connection: Connection, table: sa.Table, start: datetime | None, end: datetime, digest: int | None, rows: int
) -> list[Placed]:
    """
    Return the next rows of a table, in the order of their places.

    :param connection: to the history, in a transaction.
    :param table: with a column ``stamp``.
    :param start: the first time; None for rows of the time ``end`` alone.
    :param end: the last time.
    :param digest: of rows of one time, only those with a larger digest.
    :param rows: no more than so many.
    """
    stamp = table.c.stamp
    has_digest = "digest" in table.c
    own = table.c.digest if has_digest else sa.null()
    query = sa.select(*key_columns(table), size_of(connection, table), own, stamp).limit(rows)
    if start is None:
        query = query.where(stamp == end).order_by(own if has_digest else table.c.jid)
        if digest is not None:
            query = query.where(own > digest)
    else:
        query = query.where(stamp >= start, stamp <= end).order_by(stamp)
    found = [in_utc(row) for row in connection.execute(query)]
    placed = [Placed(_place(row[-1], row[-2]), row[-1], row[-2], Entry(row[:-3], int(row[-3] or 0))) for row in found]
    return sorted(placed, key=lambda one: (one.place, one.digest or 0))


def _closed(pages: Pages, start: datetime, end: datetime, rows: int) -> Iterator[tuple[list[Placed], bool]]:
    """Yield rows so that all rows of a place come together, and whether those were the last."""
    at = start
    while True:
        found = pages(at, end, None)
        if len(found) < rows:
            yield found, True
            return
        last = found[-1].stamp
        if found[0].stamp < last:
            # Of the last time, there may be more rows than fit the page.
            yield [one for one in found if one.stamp < last], False
            at = last
        else:
            yield from ((some, False) for some in _of_one_time(pages, last, rows))
            at = last + _MICROSECOND


def _of_one_time(pages: Pages, when: datetime, rows: int) -> Iterator[list[Placed]]:
    held: list[Placed] = []
    digest: int | None = None
    while True:
        found = pages(None, when, digest)
        held += found
        if len(found) < rows or found[-1].digest is None:
            yield held
            return
        digest = found[-1].digest
        if held[0].place < held[-1].place:
            yield [one for one in held if one.place < held[-1].place]
            held = [one for one in held if one.place == held[-1].place]


def _bounded(placed: Sequence[Placed]) -> Iterator[tuple[int, list[Placed]]]:
    """Yield rows in groups of bounded size, all of a place together."""
    group: list[Placed] = []
    size = 0
    for _, same in groupby(placed, key=lambda one: one.place):
        some = list(same)
        more = sum(one.entry.bytes for one in some)
        if group and size + more > _SLICE_BYTES:
            yield size, group
            group, size = [], 0
        group += some
        size += more
    if group:
        yield size, group


def _place(stamp: datetime, digest: Any) -> int:
    return _micros(stamp) * PLACES + (0 if digest is None else (int(digest) >> _SHIFT) + PLACES // 2)


def _micros(when: datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
