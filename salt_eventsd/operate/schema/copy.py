"""Copy all tables of one worker into the database of another, as to move from SQLite to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salt_eventsd.backends import sql
from salt_eventsd.database.engines import shown
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.transfer.copy import Copied, Copy
from salt_eventsd.exceptions import EventsdError, Held
from salt_eventsd.operate.databases import kept, problem_of, sql_workers, yes_or_no

#: How much of the time may go into reading and writing; whoever writes into either database gets the rest.
_SHARE = 0.7


def copy(
    opts: Mapping[str, Any],
    worker: str | None = None,
    to: str | None = None,
    dry_run: Any = False,
    tell: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """
    Copy what is not there yet.

    :param opts: Salt's options.
    :param worker: whose tables are copied.
    :param to: into whose database.
    :param dry_run: count, and change nothing.
    :param tell: is told of progress, a line each.
    """
    is_dry = yes_or_no("dry_run", dry_run)
    if not worker or not to:
        missing = "to" if worker else "worker"
        raise EventsdError(f"{missing}: missing; copy takes worker=FROM to=INTO, each the name of a sql worker")
    [context], [into] = sql_workers(opts, worker), sql_workers(opts, to, "to")
    source = sql.source(context)
    try:
        with kept(into, reads_only=is_dry) as history:
            if shown(source.url) == shown(history.engine.url) or worker == to:
                raise Held(f"to: {to} has the same database as {worker}; expected another one")
            one = Copy(source, history.engine, Pace(_SHARE), lambda told: tell(_line(told)))
            tables = one.count() if is_dry else one.run()
            shortened = one.shortened
    except EventsdError as exc:
        return {"problem": problem_of(into, exc), "retcode": 2}
    finally:
        source.dispose()
    return _answer(tables, shortened, is_dry)


def _answer(tables: list[Copied], shortened: int, is_dry: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"dry_run": is_dry, "copied": [], "retcode": 0}
    for one in tables:
        row = {"table": one.table, "rows": one.rows, "copied": one.copied, "there": one.there, "missing": one.missing}
        told["copied"].append(row)
        if one.refused:
            told.setdefault("notes", []).append(f"{one.table}: {one.refused} rows were refused: {one.why}")
    if shortened:
        told.setdefault("notes", []).append(
            f"{shortened} values were too large for the database, which has their beginning (eventsd_truncated)"
        )
    # Rows that came while this was going on are missing, too.
    if not is_dry and (left := sum(one.missing for one in tables)):
        told.setdefault("notes", []).append(f"{left} rows are not there; the same command again copies them")
        told["retcode"] = 1
    return told


def _line(told: Copied) -> str:
    return f"{told.table}: {told.rows} rows looked at, {told.copied} copied, {told.there} were there"
