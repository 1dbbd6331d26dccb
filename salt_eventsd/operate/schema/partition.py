"""Turn the large tables of a sql worker into tables of partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.database.partitions import make
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.databases import kept, one_worker, problem_of

_BY = ("month", "day")


def partition(opts: Mapping[str, Any], worker: str | None = None, by: Any = None) -> dict[str, Any]:
    """
    Turn tables without partitions into tables of partitions.

    :param opts: Salt's options.
    :param worker: whose tables; needed if there are several sql workers.
    :param by: ``month`` or ``day``; what the worker's option ``partitions`` says if it is not given.
    """
    context = one_worker(opts, worker)
    with kept(context, reads_only=False) as history:
        wanted = by if by is not None else history.partitions
        if wanted not in _BY:
            raise EventsdError(
                f"by: expected month or day, got {by!r}; workers.{context.name}.partitions would do, too"
            )
        if by is not None and history.partitions not in ("none", by):
            raise EventsdError(
                f"by: workers.{context.name}.partitions says {history.partitions}, expected the same here"
            )
        try:
            found = make.partition(history.engine, wanted)
        except EventsdError as exc:
            return {"problem": problem_of(context, exc), "retcode": 2}
    told: dict[str, Any] = {
        "partitioned": [
            {"worker": context.name, "table": table, "partitions": names} for table, names in found.items()
        ],
        "retcode": 0,
    }
    if not found:
        told["notes"] = ["all of the tables have partitions already"]
    elif history.partitions == "none":
        told["notes"] = [
            f"set workers.{context.name}.partitions: {wanted}, so that further partitions are made in time"
        ]
    return told
