"""
Lists of jobs for Salt's job cache: all of them, or the newest. Such a list may have a million jobs, so what is done for
each costs little.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.jobcache import COLUMNS, decoded, load_of_row
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.schema import jobs
from salt_eventsd.event.handed import FIND_JOB

#: So many different arguments of jobs are remembered while jobs are listed; most jobs have the same few.
_MOST_ARGUMENTS = 10_000


def loads(reader: Reader, master_id: str | None = None) -> Iterator[tuple[str, Row]]:
    """
    Yield all jobs, each with as much of its load as a list of jobs shows.

    :param reader: of the history.
    :param master_id: as in :func:`.jobcache.load_of`.
    """
    own = []
    for row in _listed(reader, _list_of(reader)):
        if not row["apart"]:
            yield row["jid"], load_of_row(row, row["whole"])
        elif row["master_id"] == master_id:
            own.append(row)
    for row in own:
        yield row["jid"], load_of_row(row, row["whole"])


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
    return [(row["jid"], load_of_row(row, row["whole"])) for row in reversed(list(_listed(reader, which)))]


def _list_of(reader: Reader) -> sa.Select[Any]:
    """Return the question for jobs, for :func:`_listed`."""
    # The whole of a job is read only for what no column has: metadata, and the names of several functions.
    is_of_use = sa.or_(reader.dialect.questions.may_have(jobs.c.load, "metadata", "kwargs"), jobs.c.fun.like("%,%"))
    whole = sa.case((is_of_use, sa.cast(jobs.c.load, sa.Text))).label("whole")
    columns = [sa.cast(one, sa.Text).label(one.name) if one.name == "arg" else one for one in COLUMNS]
    return sa.select(*columns, jobs.c.apart, whole)


def _listed(reader: Reader, which: sa.Select[Any]) -> Iterator[Row]:
    """Yield what a question for jobs finds; it may be all of them, so nothing is done twice."""
    names = [column.name for column in which.selected_columns]
    known: dict[str | None, Any] = {}
    for values in reader.tuples(which):
        row = dict(zip(names, values, strict=True))
        text = row["arg"]
        if text not in known:
            if len(known) >= _MOST_ARGUMENTS:
                known.clear()
            known[text] = decoded(text)
        row["arg"] = known[text]
        if row["whole"] is not None:
            row["whole"] = decoded(row["whole"])
        yield row
