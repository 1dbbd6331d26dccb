"""Look at the tables of sql workers: their version, what they take on the disk, and what of them is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.database.made import Made, made
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.databases import kept, problem_of, sql_workers
from salt_eventsd.workers.write import Context


def version(opts: Mapping[str, Any], worker: str | None = None) -> dict[str, Any]:
    """
    Say which version the tables are of.

    :param opts: Salt's options.
    :param worker: only this one's; else all.
    """
    return _all(opts, worker, ("version", "expected", "state"))


def show(opts: Mapping[str, Any], worker: str | None = None) -> dict[str, Any]:
    """
    Say which version the tables are of, how large they are, and which tables, indexes and views are missing.

    :param opts: Salt's options.
    :param worker: only this one's; else all.
    """
    return _all(opts, worker, None)


def _all(opts: Mapping[str, Any], worker: str | None, fields: tuple[str, ...] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"schema": [], "retcode": 0}
    for context in sql_workers(opts, worker):
        try:
            found = _look(context)
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        whole = {
            "version": found.version,
            "expected": found.expected,
            "state": found.state,
            "tables": [{"table": name, "bytes": size} for name, size in found.tables.items()],
            "missing": found.missing,
        }
        row = {name: value for name, value in whole.items() if fields is None or name in fields}
        told["schema"].append({"worker": context.name, **row})
        # Tables that are not made yet are what a new worker has.
        told["retcode"] = max(told["retcode"], {"older": 1, "newer": 2}.get(found.state, 0))
    return told


def _look(context: Context) -> Made:
    with kept(context, reads_only=True) as history:
        return made(history.engine)
