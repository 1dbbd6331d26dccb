"""
Archive what is old of a sql worker's history into a file, and restore it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.common.moments import moment_of
from salt_eventsd.database.archive.file import BadArchive
from salt_eventsd.database.archive.restore import Restore
from salt_eventsd.database.archive.write import Archive
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate import databases as histories
from salt_eventsd.workers.write import Context

#: How much of its time an archive that somebody waits for may be at it.
_SHARE = 0.5


def archive(
    opts: Mapping[str, Any],
    before: Any = None,
    to: Any = None,
    restore: Any = None,
    worker: str | None = None,
    purge: Any = False,
    dry_run: Any = False,
) -> dict[str, Any]:
    """
    Archive what is old of one sql worker's history, or restore it.

    :param opts: Salt's options.
    :param before: what is older goes into the file.
    :param to: the path of the file to write.
    :param restore: the path of a file to restore, instead of the two above.
    :param worker: whose history; needed if there are several sql workers.
    :param purge: delete what is in the file once it is whole.
    :param dry_run: count rows, and do nothing.
    """
    try:
        is_dry, purges = histories.yes_or_no("dry_run", dry_run), histories.yes_or_no("purge", purge)
        if restore is not None:
            if before is not None or to is not None or purges:
                raise EventsdError("restore: expected neither before nor to nor purge beside it")
            source = _path("restore", restore)
            return _restore(opts, worker, source, is_dry)
        when = _moment(before)
        target = None if is_dry and to is None else _path("to", to)
        return _archive(opts, worker, when, target, purges, is_dry)
    except EventsdError as exc:
        return {"problem": str(exc), "retcode": 2}


def _archive(
    opts: Mapping[str, Any], worker: str | None, before: datetime, to: Path | None, purges: bool, is_dry: bool
) -> dict[str, Any]:
    context = histories.one_worker(opts, worker)
    told: dict[str, Any] = {"dry_run": is_dry, "before": before.isoformat(), "archive": [], "retcode": 0}
    with histories.kept(context, reads_only=is_dry) as kept:
        one = Archive(kept.engine, before, Pace(_SHARE))
        try:
            if is_dry or to is None:
                told["archive"] = _rows(context.name, one.count(), "archived")
                return told
            one.write(to, context.name, purges=purges)
        except EventsdError as exc:
            told.update(problem=_said(context, exc), retcode=2)
        if one.told.archived:
            told["file"] = str(to)
        told["archive"] = _rows(context.name, one.told.archived, "archived")
        told["archive"] += _rows(context.name, one.told.deleted, "deleted")
    return told


def _restore(opts: Mapping[str, Any], worker: str | None, source: Path, is_dry: bool) -> dict[str, Any]:
    context = histories.one_worker(opts, worker)
    told: dict[str, Any] = {"dry_run": is_dry, "file": str(source), "archive": [], "retcode": 0}
    with histories.kept(context, reads_only=is_dry) as kept:
        one = Restore(kept.engine, source, Pace(_SHARE))
        try:
            if is_dry:
                one.count()
            else:
                one.run()
        except EventsdError as exc:
            told.update(problem=_said(context, exc), retcode=2)
        told["archive"] = _rows(context.name, one.added, "added")
    if not told["archive"] and not told["retcode"]:
        told["notes"] = ["all of its rows are in the history already"]
    return told


def _said(context: Context, error: EventsdError) -> str:
    return str(error) if isinstance(error, BadArchive) else histories.problem_of(context, error)


def _rows(worker: str, counts: Mapping[str, int], done: str) -> list[dict[str, Any]]:
    return [
        {"worker": worker, "table": f"eventsd_{name}", "rows": rows, "done": done}
        for name, rows in sorted(counts.items())
    ]


def _moment(before: Any) -> datetime:
    if before is None:
        raise EventsdError("before: missing; expected a time such as 90d or 2026-01-01, or restore=FILE instead")
    try:
        when = moment_of(before)
    except ValueError as exc:
        raise EventsdError(f"before: {exc}") from None
    if when > datetime.now(timezone.utc):
        raise EventsdError(f"before: expected a time that has passed, got {before!r}")
    return when


def _path(key: str, path: Any) -> Path:
    if not isinstance(path, str) or not Path(path).is_absolute() or path.endswith("/"):
        raise EventsdError(
            f"{key}: expected the whole path of a file such as /srv/archive/2025.jsonl.zst, got {path!r}"
        )
    return Path(path)
