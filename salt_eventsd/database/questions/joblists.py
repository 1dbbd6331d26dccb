"""
Lists of jobs for Salt's job cache: all of them, or the newest. Such a list may have a million jobs, so what is done for
each costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.jobcache import COLUMNS, decoded, load_of_row
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.schema import jobs
from salt_eventsd.event.handed import FIND_JOB

#: The id of a job, whether it stands apart, whose it is, and its load.
_Listed = tuple[str, str, str, Row]
#: So many different jobs are remembered while jobs are listed, with so many characters at most; most are the same few.
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 10_000, 2000


def loads(reader: Reader, master_id: str | None = None) -> Iterator[tuple[str, Row]]:
    """
    Ask for all jobs, and yield each with as much of its load as a list of jobs shows. Jobs that do not differ in it
    have one load among them, which says the id of the first.

    :param reader: of the history.
    :param master_id: as in :func:`.jobcache.load_of`.
    """
    return _own_last(_listed(reader, _list_of(reader)), master_id)


def _own_last(found: Iterable[_Listed], master_id: str | None) -> Iterator[tuple[str, Row]]:
    own = []
    for jid, apart, told_by, load in found:
        if not apart:
            yield jid, load
        elif told_by == master_id:
            own.append((jid, load))
    yield from own


def newest_loads(
    reader: Reader, count: int, without_find_job: bool = True, master_id: str | None = None
) -> list[tuple[str, Row]]:
    """
    Return the newest jobs as :func:`loads` does, the oldest of them first.

    :param reader: of the history.
    :param count: how many.
    :param without_find_job: leave out Salt's own questions whether a job still runs.
    :param master_id: as in :func:`.jobcache.load_of`.
    """
    # The last one of an id counts.
    which = _list_of(reader).order_by(jobs.c.jid.desc(), jobs.c.apart.desc()).limit(count)
    which = which.where(sa.or_(jobs.c.apart == "", jobs.c.master_id == (master_id or "")))
    if without_find_job:
        which = which.where(sa.or_(jobs.c.fun.is_(None), jobs.c.fun != FIND_JOB))
    return [(jid, load) for jid, _, _, load in reversed(list(_listed(reader, which)))]


def _list_of(reader: Reader) -> sa.Select[Any]:
    """Return the question for jobs, for :func:`_listed`."""
    # The whole of a job is read only for what no column has: metadata, and the names of several functions.
    is_of_use = sa.or_(reader.dialect.questions.may_have(jobs.c.load, "metadata", "kwargs"), jobs.c.fun.like("%,%"))
    whole = sa.case((is_of_use, sa.cast(jobs.c.load, sa.Text))).label("whole")
    columns = [sa.cast(one, sa.Text).label(one.name) if one.name == "arg" else one for one in COLUMNS]
    return sa.select(*columns, jobs.c.apart, whole)


def _listed(reader: Reader, which: sa.Select[Any]) -> Iterator[_Listed]:
    return _loads_of([column.name for column in which.selected_columns], reader.each(which))


def _loads_of(names: Sequence[str], found: Iterable[tuple[Any, ...]]) -> Iterator[_Listed]:
    """Yield jobs. It may be all there are, so nothing is done twice."""
    of_arg, of_tgt = names.index("arg"), names.index("tgt")
    known: dict[tuple[Any, ...], Row] = {}
    for values in found:
        # The id comes first; ``apart`` and the whole come last.
        jid, apart, whole, same = values[0], values[-2], values[-1], values[1:-2]
        load = known.get(same) if whole is None else None
        if load is None:
            row = dict(zip(names, values, strict=True))
            row["arg"] = decoded(values[of_arg])
            load = load_of_row(row, decoded(whole))
            if whole is None and len(values[of_tgt] or "") + len(values[of_arg] or "") <= _LONGEST_REMEMBERED:
                if len(known) >= _MOST_REMEMBERED:
                    known.clear()
                known[same] = load
        yield jid, apart, same[-1], load
