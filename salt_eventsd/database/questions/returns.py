"""
Returns: what minions, runners and wheels returned, and what of it failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, all_of, of_function, of_name, older, since
from salt_eventsd.database.schema import returns, states

_NAMES = ("id", "jid", "minion_id", "fun", "fun_args", "retcode", "success", "test", "return", "duration_ms", "stamp")
_COLUMNS = tuple(returns.c[name] for name in (*_NAMES, "master_id"))


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

    def conditions(self, reader: Reader) -> list[Condition]:
        """Return the conditions of a question."""
        return [
            *([] if self.jid is None else [returns.c.jid == self.jid]),
            *since(returns.c.stamp, self.since, self.until),
            *of_function(reader, returns, self.fun),
            *of_name(reader, returns.c.minion_id, self.minion),
        ]


def find(reader: Reader, which: Which, limit: int, before: int | None = None) -> list[Row]:
    """
    Return returns, with all that was returned.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: only returns that come after this one, by its ``id``: the last one of a page gives the next.
    """
    return _page(reader, which.conditions(reader), limit, before)


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
    conditions = [*which.conditions(reader), returns.c.success == sa.false()]
    if state is not None or sls is not None:
        # Written so that the index over jids is taken: the one over results would lead to all failed states each time.
        is_false = sa.case((states.c.result == sa.false(), 1), else_=0) == 1
        failed = [states.c.jid == returns.c.jid, is_false, *of_name(reader, states.c.sls, sls)]
        if state is not None:
            failed.append(of_state(reader, state))
        conditions.append(sa.exists().where(_is_of_minion(), *failed))
    found = _page(reader, conditions, limit, before)
    known = _failed_states(reader, [row["jid"] for row in found])
    for row in found:
        is_runner = str(row["fun"] or "").startswith("runner.")
        told = [
            one for one in known if one["jid"] == row["jid"] and (is_runner or one["minion_id"] == row["minion_id"])
        ]
        row["states"] = [{key: value for key, value in one.items() if key not in ("jid", "minion_id")} for one in told]
    return found


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


def _is_of_minion() -> Condition:
    """An orchestration's states are told under the master's name, which is not always the one it returned under."""
    return sa.or_(states.c.minion_id == returns.c.minion_id, returns.c.fun.like("runner.%"))


def _page(reader: Reader, conditions: Sequence[Condition], limit: int, before: int | None) -> list[Row]:
    wanted = list(conditions)
    if before is not None:
        place = reader.rows(sa.select(returns.c.stamp, returns.c.id).where(returns.c.id == before))
        if not place:
            return []
        than = (datetime.fromisoformat(place[0]["stamp"]), before)
        wanted.append(older(returns.c.stamp, returns.c.id, than))
    asked = sa.select(*_COLUMNS, _schedule(reader)).where(all_of(wanted))
    return reader.rows(asked.order_by(returns.c.stamp.desc(), returns.c.id.desc()).limit(limit))


def _schedule(reader: Reader) -> sa.Label[Any]:
    return reader.dialect.questions.member(returns.c.load, "schedule").label("schedule")


def _failed_states(reader: Reader, jids: Sequence[str]) -> list[Row]:
    names = ("jid", "minion_id", "run_num", "sls", "state_id", "state", "name", "comment")
    asked = sa.select(*(states.c[name] for name in names))
    failed = asked.where(states.c.jid.in_(sorted(set(jids))), states.c.result == sa.false())
    return reader.rows(failed.order_by(states.c.jid, states.c.minion_id, states.c.run_num)) if jids else []
