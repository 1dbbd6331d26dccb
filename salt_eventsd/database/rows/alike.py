"""
What the returns of a job mostly have in common. They come one by one, so it is made once for all of them. Pure: no
database in here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.database.rows.cells import Cells
from salt_eventsd.database.rows.digest import Digest
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

#: Longer arguments of a function are not kept until the next return of its job, in bytes.
_LONGEST_KEPT = 16 * 2**10


class Common(msgspec.Struct, frozen=True, gc=False):
    """
    Cells of a return's row, by the names of their columns, and what else follows from the same.

    :param may_count: whether the row may have counts of states.
    :param digest: makes the digests of returns like this one; None if something else is in them.
    """

    jid: str
    fun: str
    fun_args: Any
    retcode: int | None
    success: bool | None
    test: bool | None
    may_count: bool
    digest: Digest | None


class Alike:
    """
    Makes it, and keeps the latest.

    :param cells: makes cells.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._latest: tuple[Any, Common | None] = (None, None)

    def of(self, event: Event, arguments: bytes, retcode: Any, success: Any) -> Common:
        """
        Return it for a return whose value tells nothing of its outcome.

        :param event: the return.
        :param arguments: of its function, as JSON text.
        :param retcode: as in the payload.
        :param success: as in the payload.
        """
        told = (event.__class__, event.jid, event.fun, arguments, retcode, success)
        # Another thread may change it in between.
        latest, found = self._latest
        if found is not None and latest == told:
            return found
        parts = outcome.parts_of(event.fun, decoded(arguments), None)
        found = self.told(event, arguments, outcome.read(parts, retcode, success))
        if len(arguments) <= _LONGEST_KEPT and _is_short(retcode) and _is_short(success):
            self._latest = (told, found)
        return found

    def told(self, event: Event, arguments: bytes, told: outcome.Outcome) -> Common:
        """
        Return it for a return of which the outcome is known.

        :param event: the return.
        :param arguments: of its function, as JSON text.
        :param told: the outcome.
        """
        fun = self._cells.clip(event.fun, NAME_LENGTH)
        jid, fun_args = self._cells.key(event.jid, JID_LENGTH), self._cells.value(arguments)
        may_count = not told.test and "state." in fun
        return Common(jid, fun, fun_args, *told, may_count, Digest.begun(event, told.retcode))


def decoded(text: bytes) -> Any:
    """
    Return a value.

    :param text: as JSON; nothing is None.
    """
    return msgspec.json.decode(text) if text else None


def _is_short(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))
