"""
Rows of returns as they go into their table: usual ones, of which one is like the one before, and others. Pure: no
database in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, ClassVar

import msgspec

from salt_eventsd.database.dialects.base.lines import BETWEEN, END, text_of
from salt_eventsd.database.dialects.base.runs import Run, Values
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.schema import returns as _TABLE

#: The columns of the row of a return, in the order of its values.
COLUMNS = tuple(column.name for column in _TABLE.columns if column.name != "id")
#: Makes the mapping of a return's row the tuple of its values.
values_in: Callable[[Row], Values] = itemgetter(*COLUMNS)
#: What only runs of states have: how many there were, changed something, and failed.
_NO_COUNTS = (None, None, None)
#: How a line ends behind the digest.
LINE_END = f"{BETWEEN}{text_of(_NO_COUNTS)}{END}"
#: So many rows become lines at a time.
_ROWS_AT_ONCE = 256


class Like(msgspec.Struct, frozen=True, gc=False):
    """
    What returns have in common that differ in job, minion and time alone.

    :param outcome: the columns from ``fun`` to ``test``.
    :param returned: this column, and so on.
    :param around: what stands in a line behind the minion's id, the time and the payload; None if there may be a sign
        of lines in it.
    """

    outcome: tuple[Any, Any, Any, Any, Any]
    returned: Any
    duration_ms: float | None
    received: str
    master_id: str
    digest: int
    around: tuple[str, str, str] | None


class Usual(msgspec.Struct, frozen=True, gc=False):
    """
    The row of a usual return.

    :param like: what it has in common with others.
    :param load: this column.
    :param may_be_line: no value has a sign of lines in it.
    """

    like: Like
    jid: str
    minion_id: str
    stamp: str
    load: Any
    may_be_line: bool

    @property
    def values(self) -> Values:
        """The values of the row."""
        like = self.like
        return (
            self.jid,
            self.minion_id,
            *like.outcome,
            like.returned,
            like.duration_ms,
            self.stamp,
            like.received,
            like.master_id,
            self.load,
            like.digest,
            *_NO_COUNTS,
        )


class UsualReturns(msgspec.Struct, frozen=True, gc=False):
    """
    Usual rows, as :class:`salt_eventsd.database.dialects.base.runs.Run` has them.

    :param rows: those that may be lines.
    :cvar columns: the columns of the table.
    :cvar may_be_large: a value of these is never large.
    """

    columns: ClassVar[Sequence[str]] = COLUMNS
    may_be_large: ClassVar[bool] = False
    rows: Sequence[Usual]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def values(self) -> list[Values]:
        """The values of each row."""
        return [row.values for row in self.rows]

    def only(self, values: list[Values]) -> Returns:
        """
        Return some of them alone.

        :param values: theirs.
        """
        return Returns(values)

    def text(self) -> str | None:
        """See :class:`salt_eventsd.database.dialects.base.runs.Run`."""
        lines: list[str] = []
        for row in self.rows:
            if (around := row.like.around) is None:
                return None
            begin, middle, end = around
            load = row.load
            text = load if load.__class__ is str else text_of((load,))
            lines.append(f"{row.jid}{BETWEEN}{row.minion_id}{begin}{row.stamp}{middle}{text}{end}")
        return "".join(lines)


class Returns(msgspec.Struct, frozen=True, gc=False):
    """
    Other rows, likewise.

    :param values: of each row.
    :cvar columns: the columns of the table.
    :cvar may_be_large: a single row may be large.
    """

    columns: ClassVar[Sequence[str]] = COLUMNS
    may_be_large: ClassVar[bool] = True
    values: list[Values]

    def __len__(self) -> int:
        return len(self.values)

    def only(self, values: list[Values]) -> Returns:
        """
        Return some of them alone.

        :param values: theirs.
        """
        return Returns(values)

    def text(self) -> str | None:
        """Return None: whether a sign of lines is in a value, is seen where they are written."""
        return None


def runs_of(usual: Sequence[Usual], others: list[Values]) -> Iterator[Run]:
    """
    Yield rows as they are inserted together. The first returns of a job are not usual yet, and come first.

    :param usual: the usual ones.
    :param others: the values of all others.
    """
    lines = [row for row in usual if row.may_be_line]
    if len(lines) < len(usual):
        others = [*others, *(row.values for row in usual if not row.may_be_line)]
    if others:
        yield Returns(others)
    for start in range(0, len(lines), _ROWS_AT_ONCE):
        yield UsualReturns(lines[start : start + _ROWS_AT_ONCE])
