"""Make the tables of sql workers, or bring them to this release's version; there is no way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.made import made
from salt_eventsd.database.migrations.builder import build
from salt_eventsd.exceptions import EventsdError, Held, WorkerError
from salt_eventsd.operate.databases import kept, problem_of, sql_workers
from salt_eventsd.workers.write import Context


def upgrade(opts: Mapping[str, Any], worker: str | None = None, to: Any = None) -> dict[str, Any]:
    """
    Upgrade tables.

    :param opts: Salt's options.
    :param worker: only this one's; else all.
    :param to: the version that is expected; this release works with one alone.
    """
    # YAML makes a number of 0004.
    wanted = None if to is None else f"{to:04d}" if isinstance(to, int) else str(to)
    told: dict[str, Any] = {"upgraded": [], "retcode": 0}
    for context in sql_workers(opts, worker):
        try:
            before, after = _upgrade(context, wanted)
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["upgraded"].append({"worker": context.name, "from": before, "to": after})
    return told


def _upgrade(context: Context, wanted: str | None) -> tuple[str | None, str | None]:
    with kept(context, reads_only=False) as history:
        dialect = dialect_of(history.engine)
        before = made(dialect.session.to_look(history.engine)).version
        _must_be_possible(before, wanted)
        try:
            if not migrate.ensure(history.engine, dialect):
                # An engine does that in a thread of its own; if one is about it now, it goes on.
                build(history.engine)
        except Exception as exc:
            raise exc if isinstance(exc, WorkerError) else dialect.faults.classify(exc) from exc
        return before, made(history.engine).version


def _must_be_possible(found: str | None, wanted: str | None) -> None:
    if wanted in (None, migrate.HEAD):
        return
    if found is not None and wanted is not None and wanted < found:
        raise Held(
            f"to: the tables are of version {found}, and no release takes them back to {wanted}: an older one needs a"
            " backup from before the upgrade"
        )
    raise Held(f"to: expected {migrate.HEAD}, the one version this salt-eventsd works with, got {wanted}")
