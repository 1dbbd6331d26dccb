"""
Delete what is older than ``keep`` says, or count it, on the databases of sql workers; and what a minion has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from salt_eventsd.common.globs import is_glob
from salt_eventsd.database.partitions.make import MOST_OUTSIDE
from salt_eventsd.database.retention.forget import FORGOTTEN, Forget
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.exceptions import EventsdError, SpoolError
from salt_eventsd.operate.databases import kept, problem_of, sql_workers, yes_or_no
from salt_eventsd.operate.job_cache.places import places_of

#: How much of its time a purge that somebody waits for may be at it.
_SHARE = 0.5


def purge(opts: Mapping[str, Any], worker: str | None = None, dry_run: Any = False) -> dict[str, Any]:
    """
    Purge the databases of sql workers.

    :param opts: Salt's options.
    :param worker: only this one; else all.
    :param dry_run: count what is too old, and delete nothing.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        contexts = sql_workers(opts, worker)
    except EventsdError as exc:
        return {"problem": str(exc), "retcode": 2}
    told: dict[str, Any] = {"dry_run": is_dry, "purge": [], "retcode": 0}
    for context in contexts:
        try:
            with kept(context, reads_only=is_dry) as history:
                if not history.keep.ends:
                    told.setdefault("notes", []).append(f"workers.{context.name}.keep is not set: everything is kept")
                    continue
                one = Purge(history.engine, history.keep, Pace(_SHARE))
                counts = one.count() if is_dry else one.run()
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["purge"] += [
            {"worker": context.name, "table": f"eventsd_{table}", "outcome": outcome or None, "rows": rows}
            for (table, outcome), rows in sorted(counts.items())
        ]
        if one.partitions:
            done = "would be dropped as a whole" if is_dry else "were dropped as a whole"
            told.setdefault("notes", []).append(f"{context.name}: partitions that {done}: {', '.join(one.partitions)}")
        told.setdefault("notes", []).extend(
            f"{context.name}: {rows if rows <= MOST_OUTSIDE else f'more than {MOST_OUTSIDE}'} rows of {table} are in no"
            " partition of a time"
            for table, rows in one.outside.items()
        )
        if not told["notes"]:
            del told["notes"]
    return told


def forget(opts: Mapping[str, Any], minion: Any, worker: str | None = None, dry_run: Any = False) -> dict[str, Any]:
    """
    Have the databases of sql workers forget a minion.

    :param opts: Salt's options.
    :param minion: its id.
    :param worker: only this worker's database; else all.
    :param dry_run: count what would be deleted or changed, and do nothing.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        is_name = isinstance(minion, str) and minion == minion.replace("\0", "").encode("utf-8", "replace").decode()
        if not is_name or not minion or minion == FORGOTTEN or is_glob(minion):
            raise EventsdError(f"minion: expected the id of a minion, whole, got {minion!r}")
        contexts = sql_workers(opts, worker)
    except EventsdError as exc:
        return {"problem": str(exc), "retcode": 2}
    told: dict[str, Any] = {"dry_run": is_dry, "forget": [], "retcode": 0}
    for context in contexts:
        try:
            with kept(context, reads_only=is_dry) as history:
                one = Forget(history.engine, minion, Pace(_SHARE))
                counts = one.count() if is_dry else one.run()
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["forget"] += [
            {"worker": context.name, "table": f"eventsd_{table}", "rows": rows, "done": done}
            for (table, done), rows in sorted(counts.items())
        ]
    if not is_dry:
        # What Salt's job cache has handed over would be answered from there for a while.
        with suppress(SpoolError):
            places_of(opts).doorstep.forget(minion)
    if not told["forget"]:
        told["notes"] = [f"nothing is known of {minion}"]
    return told
