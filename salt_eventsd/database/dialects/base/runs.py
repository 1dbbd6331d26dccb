"""
Rows that come many at a time, as the results of states do: tuples, of which few ever need to be mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Protocol, overload

from salt_eventsd.database.dialects.base.bulk import Row

Values = tuple[Any, ...]


class Run(Protocol):
    """
    Rows that came together.

    :ivar columns: the columns of their table that are inserted, in its order.
    :ivar values: of each row, in this order.
    :ivar may_be_large: whether a single one of them may be large.
    """

    def __len__(self) -> int: ...

    @property
    def columns(self) -> Sequence[str]: ...

    @property
    def values(self) -> Sequence[Values]: ...

    @property
    def may_be_large(self) -> bool: ...

    def text(self) -> str | None:
        """Return them as lines of text with the signs of :mod:`.lines`; None if a value has one of these in it."""

    def only(self, values: list[Values]) -> Run:
        """
        Return some of them alone.

        :param values: theirs.
        """


class Runs(Sequence[Row]):
    """
    All rows that are inserted into a table at a time: a sequence of mappings, which are made when somebody asks.

    :param runs: the rows that came together, at least one such.
    :param others: the other rows.
    """

    def __init__(self, runs: Sequence[Run], others: Sequence[Row]) -> None:
        self.runs = runs
        self.others = others
        self._count = len(others) + sum(map(len, runs))

    @cached_property
    def _rows(self) -> list[Row]:
        # Made once: those who compare rows tell them apart by their id().
        columns = self.runs[0].columns
        return [*self.others, *(dict(zip(columns, one, strict=True)) for run in self.runs for one in run.values)]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return self._rows[place]


def tuples_of(rows: Sequence[Row], values: Callable[[Row], Values]) -> Iterator[Values]:
    """
    Return the values of each row, one after the other, without making a mapping of what is a tuple already.

    :param rows: all with the same columns.
    :param values: makes a row the tuple of its values, in the order of its table.
    """
    if isinstance(rows, Runs):
        return chain(map(values, rows.others), chain.from_iterable(run.values for run in rows.runs))
    return map(values, rows)


def apart(
    rows: Sequence[Row], values: Callable[[Row], Values], is_large: Callable[[Values], bool]
) -> tuple[list[Values], Sequence[Row]]:
    """
    Return the values of the rows that are large, and the other rows.

    :param rows: all with the same columns.
    :param values: makes a row the tuple of its values, in the order of its table.
    :param is_large: says of the values of a row whether it is large.
    """
    runs, others = (rows.runs, rows.others) if isinstance(rows, Runs) else ((), rows)
    large = [one for run in runs if run.may_be_large for one in run.values if is_large(one)]
    large += [one for one in map(values, others) if is_large(one)]
    if not large:
        return [], rows
    rest = [row for row in others if not is_large(values(row))]
    if not runs:
        return large, rest
    small = [run.only([one for one in run.values if not is_large(one)]) if run.may_be_large else run for run in runs]
    return large, Runs(small, rest)
