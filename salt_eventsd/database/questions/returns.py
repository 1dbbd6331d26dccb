"""
Returns: what minions, runners and wheels returned, and what of it failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa

from salt_eventsd.common.globs import is_glob
from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.newest import flagged, floor, found_near, functions, names, newest
from salt_eventsd.database.questions.read import Reader, Row, aware
from salt_eventsd.database.questions.wanted import Part, Wanted, rows_of
from salt_eventsd.database.questions.which import Condition, is_there, of_name, older, since
from salt_eventsd.database.schema import returns, states

#: No database has to read a statement with more values than this.
_MOST_NAMED = 500
#: To look into the states of a return takes as long as to read so many.
_LOOKS = 4
#: Functions of fewer returns are rare.
_RARE = 2000
#: Each function is looked for by itself.
_FEW_FUNCTIONS = 8
#: Where more has failed in a time, it is seen first whether the states that are asked for failed in a few jobs only:
#: for that, all states that ever failed are gone through, unless they are many.
_MANY_FAILED, _FEW_FAILED, _MOST_FAILED_STATES = 10_000, 1000, 40_000
_BY_FUN = "eventsd_returns_by_fun"
_NAMES = ("id", "jid", "minion_id", "fun", "fun_args", "retcode", "success", "test", "return", "duration_ms", "stamp")
_COLUMNS = tuple(returns.c[name] for name in (*_NAMES, "master_id"))


class _Way(Enum):
    """How a page of returns is found: in the order of times, by few rows that are sorted, or by indexes alone."""

    BY_TIME = 1
    SORTED = 2
    BY_INDEX = 3


@dataclass(frozen=True)
class Which:
    """
    Which returns; what is None is no condition. Names may be globs.

    :param jid: of their job.
    :param minion: who returned.
    :param fun: the function, or one of several.
    :param since: not before this.
    :param until: before this.
    """

    jid: str | None = None
    minion: str | None = None
    fun: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_of_few(self) -> bool:
        """Whether it is one job or one minion, which have few returns, whatever else is asked for."""
        return self.jid is not None or (self.minion is not None and not is_glob(self.minion))

    def wanted(self, reader: Reader) -> Wanted:
        """Return the conditions of a question."""
        beside = reader.dialect.questions.beside
        stamp = returns.c.stamp if self.jid is None else beside(returns.c.stamp)
        found = Wanted(tuple(since(stamp, self.since, self.until)))
        if self.jid is not None:
            found = found.also(returns.c.jid == self.jid, *of_name(reader, returns.c.minion_id, self.minion))
        else:
            found = found.joined(names(reader, returns.c.minion_id, self.minion))
        # Many minions are found by no index.
        has_lead = self.jid is not None or bool(found.names)
        return found.joined(functions(reader, returns.c.fun, self.fun, is_beside=has_lead))


def find(reader: Reader, which: Which, limit: int, before: int | None = None) -> list[Row]:
    """
    Return returns, with all that was returned.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: only returns that come after this one, by its ``id``: the last one of a page gives the next.
    """
    return _page(reader, which.wanted(reader), limit, before, _Way.BY_TIME if which.jid is None else _Way.SORTED)


def failures(
    reader: Reader,
    which: Which,
    limit: int,
    before: int | None = None,
    state: str | None = None,
    sls: str | None = None,
) -> list[Row]:
    """
    Return the returns that failed, each with its states that failed under ``states``.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: as in :func:`find`.
    :param state: only where a state failed whose module, id or name fits this glob.
    :param sls: only where a state of such a file failed.
    """
    wanted, way = _failed(reader, which, state, sls)

    def page(bounded: Wanted) -> list[Row]:
        return _page(reader, bounded, limit, before, way)

    has_state = state is not None or sls is not None
    is_near = has_state and not which.is_of_few
    found = found_near(reader, returns.c.stamp, wanted, limit, page, _LOOKS) if is_near else page(wanted)
    of_one: dict[tuple[str, str], list[Row]] = {}
    of_job: dict[str, list[Row]] = {}
    for told in _failed_states(reader, found):
        place = told.pop("jid"), told.pop("minion_id")
        of_one.setdefault(place, []).append(told)
        of_job.setdefault(place[0], []).append(told)
    for row in found:
        its = of_job.get(row["jid"], ()) if _is_of_runner(row) else of_one.get((row["jid"], row["minion_id"]), ())
        row["states"] = [dict(one) for one in its]
    return found


def _failed(reader: Reader, which: Which, state: str | None, sls: str | None) -> tuple[Wanted, _Way]:
    """Return the conditions of :func:`failures`, and by which way they are found."""
    wanted, way = which.wanted(reader), _Way.BY_TIME if which.jid is None else _Way.SORTED
    is_false = reader.dialect.questions.aside(returns.c.success, False)
    has_state = state is not None or sls is not None
    rest = (_has_failed(reader, state, sls),) if has_state else ()
    if has_state and (jids := _jobs_of_few(reader, which, state, sls)) is not None:
        is_its = returns.c.jid.in_(jids) if jids else sa.false()
        return Wanted((is_its, is_false, wanted.aside), rest=rest, has_begin=True), _Way.SORTED
    has_begin = which.since is not None
    if which.is_of_few or _is_of_names(reader, which, wanted, has_state):
        is_partial = reader.dialect.ddl.partial_indexes
        is_by_index = is_partial and wanted.has_several and not reader.partitions_of(returns)
        way = _Way.BY_INDEX if is_by_index and which.jid is None else way
        wanted = wanted.also(is_false)
        return replace(wanted, rest=(*wanted.rest, *rest), has_begin=has_begin), way
    # Failures are few, and have an index of their own.
    flag = flagged(reader, returns.c.success, False).also(*since(returns.c.stamp, which.since, which.until))
    # Beside a look into states, PostgreSQL would look through all of another index for the names of many minions.
    is_meant = sa.case((wanted.aside, 1), else_=0) == 1 if has_state else wanted.aside
    if not has_state and which.minion is None and (funs := _few_functions(wanted)):
        place = (returns.c.stamp, returns.c.id)
        by_index = reader.dialect.questions.told_by_index(returns.c.fun, funs, *place, _BY_FUN)
        # Where the table has partitions, each look would be one into each of them.
        if by_index is not None and reader.has_index(returns, _BY_FUN) and not reader.partitions_of(returns):
            is_meant, way = by_index, _Way.BY_INDEX
    if not wanted.is_nothing:
        wanted = replace(flag, rest=(is_meant,), has_begin=has_begin)
    return replace(wanted, rest=(*wanted.rest, *rest)), way


def _jobs_of_few(reader: Reader, which: Which, state: str | None, sls: str | None) -> list[str] | None:
    """
    Return the jobs in which a state failed that fits, if they are few and there is much else that failed in a time:
    then less is read for them than to look into the states of all that failed.
    """
    if which.since is None or which.is_of_few:
        return None
    failed = flagged(reader, returns.c.success, False).also(*since(returns.c.stamp, which.since, which.until))
    if floor(reader, returns.c.stamp, failed, _MANY_FAILED) is None:
        return None
    # A copy of a state may be of another time than the return: so all are gone through, if not many failed.
    if floor(reader, states.c.stamp, flagged(reader, states.c.result, False), _MOST_FAILED_STATES) is not None:
        return None
    fits = of_name(reader, states.c.sls, sls)
    if state is not None:
        fits.append(of_state(reader, state))
    (part,) = flagged(reader, states.c.result, False).also(*fits).parts(reader)
    found = reader.values(part.newest(sa.select(states.c.jid), [states.c.stamp], _FEW_FAILED + 1))
    return sorted(set(found)) if len(found) <= _FEW_FAILED else None


def of_state(reader: Reader, glob: str) -> Condition:
    """
    Return the condition that a state fits a glob: by its module (``file``), function, id or name.

    :param reader: of the history.
    :param glob: with ``*``, ``?`` and ``[...]``, or a name.
    """
    fits = reader.dialect.questions.fits
    return sa.or_(
        fits(states.c.state, glob),
        fits(states.c.state, f"{glob}.*"),
        fits(states.c.state_id, glob),
        fits(states.c.name, glob),
    )


def _has_failed(reader: Reader, state: str | None, sls: str | None) -> Condition:
    """A state that fits has failed. An orchestration's are told under the master's name, and not always its own."""
    # Written so that the index over jids is taken: the one over results would lead to all failed states each time.
    is_false = sa.case((states.c.result == sa.false(), 1), else_=0) == 1
    failed = [states.c.jid == returns.c.jid, is_false, *of_name(reader, states.c.sls, sls)]
    if state is not None:
        failed.append(of_state(reader, state))
    return sa.or_(
        is_there(states, [states.c.minion_id == returns.c.minion_id, *failed]),
        sa.and_(returns.c.fun.like("runner.%"), is_there(states, failed)),
    )


def _few_functions(wanted: Wanted) -> tuple[str, ...]:
    """Return the functions that are asked for if they are a few; of no minion, that is all but times."""
    names = wanted.names[0] if wanted.names else None
    return names.values if names and len(names.values) <= _FEW_FUNCTIONS else ()


def _page(reader: Reader, wanted: Wanted, limit: int, before: int | None, way: _Way) -> list[Row]:
    """Return a page of returns."""
    is_of_index = way is _Way.BY_INDEX
    if before is not None:
        place = reader.rows(sa.select(returns.c.stamp, returns.c.id).where(returns.c.id == before))
        if not place:
            note = f"there is no return {before} (any more); until= the time of the last row goes on"
            # A near page is asked for before the whole.
            reader.notes += [note] if note not in reader.notes else []
            return []
        than = (datetime.fromisoformat(place[0]["stamp"]), before)
        wanted = wanted.also(older(returns.c.stamp, returns.c.id, than))
    asked = sa.select(*_COLUMNS, _schedule(reader))
    order = (returns.c.stamp, returns.c.id)
    # The index of a minion's returns may know all that is asked for: then no others are read.
    is_known = _is_of_minions(wanted) and not reader.dialect.ddl.partial_indexes
    if is_known or is_of_index or wanted.has_several or wanted.is_nothing:
        places = newest(reader, order, wanted, limit, returns if is_known else None)
        if not places:
            return []
        if is_of_index:
            # Of more of them, the conditions would be looked at once more, each with its row.
            keys = [key for _, key in places]
            rows = [
                row
                for some in grouped(keys, lambda _: 1, _MOST_NAMED)
                for row in reader.rows(asked.where(returns.c.id.in_(some)))
            ]
            return sorted(rows, key=lambda row: (row["stamp"], row["id"]), reverse=True)
        which: Condition = wanted.aside if reader.dialect.ddl.partial_indexes else wanted.whole
        if len(places) <= _MOST_NAMED:
            which = returns.c.id.in_([key for _, key in places])
        part = Part(sa.and_(which, returns.c.stamp >= aware(places[-1][0])))
    else:
        (part,) = wanted.parts(reader)
    stamp = reader.dialect.questions.sorted_by(returns.c.stamp) if way is _Way.SORTED else returns.c.stamp
    return reader.rows(part.newest(asked, (stamp, returns.c.id), limit))


def _is_of_names(reader: Reader, which: Which, wanted: Wanted, has_state: bool) -> bool:
    """Whether indexes know what failed of the names that are asked for, and the rows of others are not read."""
    if reader.dialect.ddl.partial_indexes:
        return not has_state and (_is_of_minions(wanted) or bool(_few_functions(wanted)))
    # Without a begin, how far back states are looked at goes by all that failed.
    is_bounded = which.since is not None or not has_state
    return is_bounded and (_is_of_minions(wanted) or _is_of_rare(reader, which, wanted))


def _is_of_rare(reader: Reader, which: Which, wanted: Wanted) -> bool:
    """Whether it is many minions, and functions that few returns are of: by these, fewer rows are read than failed."""
    return which.minion is not None and bool(wanted.names) and rows_of(reader, wanted.names[0], _RARE) < _RARE


def _is_of_minions(wanted: Wanted) -> bool:
    """Whether an index finds the returns of some minions, each by its name."""
    return any(one.column is returns.c.minion_id for one in wanted.names)


def _schedule(reader: Reader) -> sa.Label[Any]:
    return reader.dialect.questions.member(returns.c.load, "schedule").label("schedule")


def _is_of_runner(row: Row) -> bool:
    """Whether its states are those of an orchestration, which are told under other names than its own."""
    return str(row["fun"] or "").startswith("runner.")


def _failed_states(reader: Reader, found: Sequence[Row]) -> list[Row]:
    names = ("jid", "minion_id", "run_num", "sls", "state_id", "state", "name", "comment")
    asked = sa.select(*(states.c[name] for name in names)).where(states.c.result == sa.false())
    asked = asked.order_by(states.c.jid, states.c.minion_id, states.c.run_num)
    # A job of thousands of minions has tens of thousands of states.
    pairs = {(row["jid"], row["minion_id"]) for row in found if not _is_of_runner(row)}
    jids = {row["jid"] for row in found if _is_of_runner(row)}
    rows: list[Row] = []
    for some in grouped(sorted(pairs), lambda _: 1, _MOST_NAMED):
        of_pairs = reader.dialect.questions.of_pairs(asked, (states.c.jid, states.c.minion_id), some)
        rows += reader.rows(of_pairs)
    for of_runners in grouped(sorted(jids), lambda _: 1, _MOST_NAMED):
        rows += reader.rows(asked.where(states.c.jid.in_(of_runners)))
    return rows
