"""Make views: those that are missing, and those with the names of the tables of Salt's own returners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.database.making_views import make_compatible, make_missing
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.databases import kept, problem_of, sql_workers

#: Whose tables the views look like.
_COMPATIBLE = "salt"


def views(
    opts: Mapping[str, Any], worker: str | None = None, compat: Any = None, schema: str | None = None
) -> dict[str, Any]:
    """
    Make views in the databases of sql workers.

    :param opts: Salt's options.
    :param worker: only in this one's; else in all.
    :param compat: ``salt`` for the views of that kind; None for our own that are missing.
    :param schema: where the views of that kind are to be, if not beside the tables.
    """
    told: dict[str, Any] = {"made": [], "retcode": 0}
    try:
        if compat not in (None, _COMPATIBLE):
            raise EventsdError(f"compat: expected salt, got {compat!r}")
        if schema is not None and compat is None:
            raise EventsdError("schema: only compat=salt makes views elsewhere than beside the tables")
        contexts = sql_workers(opts, worker)
    except EventsdError as exc:
        return {"problem": "; ".join(str(exc).splitlines()), "retcode": 2}
    for context in contexts:
        try:
            with kept(context, reads_only=False) as history:
                made = make_compatible(history.engine, schema) if compat else make_missing(history.engine)
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["made"] += [{"worker": context.name, "view": name} for name in made]
    return told
