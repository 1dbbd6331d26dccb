"""
Forget a minion: its returns, states, events and its row go; where others name it, the name goes.

What commands have returned on other minions, or to runners, is not looked into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import schema
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.retention import aged_rows
from salt_eventsd.database.retention.aged_jobs import JOBS, RETURNS, STATES, Counts
from salt_eventsd.database.retention.aged_rows import Part
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps
from salt_eventsd.event.clip import named, spelled

#: Stands where the name of a minion stood.
FORGOTTEN = "(forgotten)"
_EVENTS, _MINIONS = schema.events, schema.minions
_ALL = datetime(9999, 1, 1, tzinfo=timezone.utc)
#: Lists under these keys are of minions: they get shorter. Elsewhere a value keeps its place.
_LISTS = ("minions", "missing", "tgt", "syndics")
#: The columns of a job that may name a minion.
_NAMING = ("minions", "syndics", "tgt", "arg", "load")
_OF_JOB = (JOBS.c.apart, *(JOBS.c[name] for name in _NAMING))


class Forget:
    """
    Forgets one minion in one database.

    :param engine: of the database; one that only reads is enough to count.
    :param minion_id: whom.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, minion_id: str, pace: Pace | None = None) -> None:
        self._steps = Steps(engine, pace)
        # As payloads have it, and as rows do.
        self._id = spelled(minion_id)
        self._kept = named(self._id)

    def count(self) -> Counts:
        """
        Return how many rows would be deleted or changed, by table; change nothing.

        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._steps.looking():
            return self._all()

    def run(self) -> Counts:
        """
        Delete and change the rows, and return how many they were.

        :raises Busy: a purge of this database is running.
        :raises WorkerError: the database is away, or refuses; what was done before stays done.
        """
        with self._steps.changing():
            return self._all()

    def _all(self) -> Counts:
        counts = Counts()
        # Jobs first: whether one is of this minion alone is told by the returns of others, too.
        for some in (*self._jobs(), *self._events(), *self._rows()):
            counts.update(some)
        return counts

    def _rows(self) -> Iterator[Counts]:
        for name, table in (("states", STATES), ("returns", RETURNS)):
            part = Part(name, table, table.c.minion_id == self._kept, _ALL)
            after = None
            while some := self._steps.ask(aged_rows.page, part, after, self._steps.pace.rows):
                after = some.last
                yield _deleted(self._steps.ask(aged_rows.count, part, some))
                self._do([aged_rows.deletion(part, some)])
        is_its = _MINIONS.c.minion_id == self._kept
        if self._steps.ask(_scalar, sa.select(sa.func.count()).select_from(_MINIONS).where(is_its)):
            yield Counts({("minions", "deleted"): 1})
            self._do([sa.delete(_MINIONS).where(is_its)])

    def _jobs(self) -> Iterator[Counts]:
        for rows in self._pages(JOBS.c.jid, _OF_JOB):
            for some in self._changed_at_once(rows):
                if self._steps.changes:
                    yield self._steps.change(self._change_jobs, some)
                else:
                    yield self._steps.ask(self._change_jobs, some)[0]

    def _change_jobs(self, connection: Connection, rows: Sequence[sa.Row[Any]]) -> tuple[Counts, int]:
        if self._steps.changes:
            # Who writes may have told more of them since they were found, and is not to do so now.
            keys = [(row.jid, row.apart) for row in rows]
            query = sa.select(JOBS.c.jid, *_OF_JOB).where(among((JOBS.c.jid, JOBS.c.apart), keys))
            rows = connection.execute(query.with_for_update()).all()
        counts = Counts()
        for row in rows:
            if not (new := self._left_of(row)):
                continue
            is_alone = new.get("minions") == [] and not _answers_of_others(connection, row.jid, self._kept)
            is_job = sa.and_(JOBS.c.jid == row.jid, JOBS.c.apart == row.apart)
            counts["jobs", "deleted" if is_alone else "changed"] += 1
            if self._steps.changes:
                connection.execute(sa.delete(JOBS).where(is_job) if is_alone else _update(JOBS, new).where(is_job))
        return counts, sum(counts.values())

    def _left_of(self, row: sa.Row[Any]) -> dict[str, Any]:
        """Return what changes in a job whose minion is forgotten."""
        new: dict[str, Any] = {}
        for name in _NAMING:
            value = row._mapping[name]
            old = _tgt(value) if name == "tgt" else _decoded(value)
            if (left := self._without(old, name)) != old:
                new[name] = left
        if isinstance(new.get("minions"), list):
            new["minion_count"] = len(new["minions"])
        return new

    def _events(self) -> Iterator[Counts]:
        for rows in self._pages(_EVENTS.c.id, [_EVENTS.c.tag, _EVENTS.c.data]):
            for some in self._changed_at_once(rows):
                yield self._change_events(some)

    def _change_events(self, rows: Sequence[sa.Row[Any]]) -> Counts:
        statements: list[sa.Delete | sa.Update] = []
        counts = Counts()
        for row in rows:
            old = _decoded(row.data)
            is_event = _EVENTS.c.id == row.id
            if self._id in row.tag.split("/") or (isinstance(old, dict) and old.get("id") == self._id):
                counts["events", "deleted"] += 1
                statements.append(sa.delete(_EVENTS).where(is_event))
            elif (left := self._without(old)) != old:
                counts["events", "changed"] += 1
                statements.append(_update(_EVENTS, {"data": left}).where(is_event))
        self._do(statements)
        return counts

    def _changed_at_once(self, rows: Sequence[sa.Row[Any]]) -> Iterator[Sequence[sa.Row[Any]]]:
        """Yield some of the rows of a page: far fewer are changed in a moment than are looked at."""
        start = 0
        while start < len(rows):
            end = start + (self._steps.pace.rows if self._steps.changes else len(rows))
            yield rows[start:end]
            start = end

    def _pages(self, key: sa.Column[Any], columns: Sequence[sa.Column[Any]]) -> Iterator[Sequence[sa.Row[Any]]]:
        """Yield the rows in which the name may stand, from a table as a whole, some at a time."""
        last = None
        while end := self._steps.ask(_end_of_page, key, last, self._steps.pace.looks):
            within = key <= end if last is None else sa.and_(key > last, key <= end)
            may_name = sa.or_(
                *(
                    sa.cast(column, sa.Text).contains(name, autoescape=True)
                    for column in columns
                    for name in {self._id, self._kept}
                )
            )
            yield self._steps.ask(_found, sa.select(key, *columns).where(within, may_name))
            last = end

    def _without(self, value: Any, name: str = "") -> Any:
        left = without(value, self._id, name)
        return left if self._kept == self._id else without(left, self._kept, name)

    def _do(self, statements: Sequence[sa.Delete | sa.Update]) -> None:
        if statements and self._steps.changes:
            self._steps.execute(statements)


def without(value: Any, minion_id: str, name: str = "") -> Any:
    """
    Return a value that does not name a minion.

    :param value: as it is.
    :param minion_id: whom.
    :param name: the key under which the value stands.
    """
    if value == minion_id and isinstance(value, str):
        return FORGOTTEN
    if isinstance(value, dict):
        items = value.items()
        return {FORGOTTEN if key == minion_id else key: without(one, minion_id, _of(name, key)) for key, one in items}
    if isinstance(value, list):
        kept = [one for one in value if one != minion_id] if name in _LISTS else value
        return [without(one, minion_id) for one in kept]
    return value


def _of(name: str, key: str) -> str:
    return name if name == "syndics" else key


def _deleted(counts: Counts) -> Counts:
    found = Counts()
    for (table, _), rows in counts.items():
        found[table, "deleted"] += rows
    return found


def _update(table: sa.Table, new: dict[str, Any]) -> sa.Update:
    # Only the target and the number of minions are no JSON.
    plain = ("minion_count", "tgt")
    texts = {
        name: value if value is None or (name in plain and not isinstance(value, list)) else json.dumps(value)
        for name, value in new.items()
    }
    return sa.update(table).values(texts)


def _decoded(value: Any) -> Any:
    """Return the value of a column of JSON, which is text in some databases."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _tgt(value: Any) -> Any:
    """Return a job's target: a list of minions stands there as its JSON."""
    return _decoded(value) if isinstance(value, str) and value.startswith("[") else value


def _scalar(connection: Connection, query: sa.Select[Any]) -> Any:
    return connection.scalar(query)


def _found(connection: Connection, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    return connection.execute(query).all()


def _end_of_page(connection: Connection, key: sa.Column[Any], after: Any, rows: int) -> Any:
    query = sa.select(key).order_by(key).limit(rows)
    keys = connection.scalars(query if after is None else query.where(key > after)).all()
    return keys[-1] if keys else None


def _answers_of_others(connection: Connection, jid: str, minion_id: str) -> bool:
    query = sa.select(sa.literal(1)).where(RETURNS.c.jid == jid, RETURNS.c.minion_id != minion_id).limit(1)
    return connection.scalar(query) is not None
