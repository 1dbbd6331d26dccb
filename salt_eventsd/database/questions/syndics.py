"""
What each master sees of a job that syndics pass on: as in Salt's own job cache, the master above all minions, and the
syndics among them; a master below its own minions and those of syndics below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt_eventsd.database.questions.read import Row


def minions_seen(job: Row, master_id: str | None) -> list[str]:
    """
    Return the minions that a master has heard of for a job, sorted.

    :param job: with ``minions`` and ``syndics``.
    :param master_id: the master's.
    """
    told = job["syndics"]
    if not isinstance(told, dict):
        return sorted(map(str, job["minions"])) if isinstance(job["minions"], list) else []
    return sorted(_all_of(told, _below(told, master_id) or list(told)))


def own_minions(job: Row, master_id: str | None) -> set[str] | None:
    """
    Return the minions of a job that are below a syndic's master; None for a master that has all answers.

    :param job: with ``syndics``.
    :param master_id: the master's.
    """
    told = job["syndics"]
    if not isinstance(told, dict) or not (paths := _below(told, master_id)):
        return None
    return _all_of(told, paths)


def _below(told: Mapping[str, Any], master_id: str | None) -> list[str]:
    """Return the paths of a master's own syndic, and of those below it; none if no syndic is its own."""
    # A syndic has the id of the minion beside it, and a master by default that with this behind it.
    ids = {master_id, (master_id or "").removesuffix("_master")}
    own = [path for path in told if path and path.rpartition("/")[2] in ids]
    return [path for path in told if any(path == one or path.startswith(f"{one}/") for one in own)]


def _all_of(told: Mapping[str, Any], paths: list[str]) -> set[str]:
    return {str(one) for path in paths if isinstance(told[path], list) for one in told[path]}
