"""
Columns that have one value in all rows of a statement: SQLite gets it once. To take a value over costs it about as much
as to write it, and a batch has many that are the same: most returns of a backlog have succeeded, and tell no duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: So many sets of columns are chosen from. SQLite keeps what it has made of each one's statements.
_MOST_SETS = 4
#: So many columns more than the best of those before a new one must have.
_FEWEST_MORE = 3


class Alike:
    """Chooses the columns that are sent once for all rows. It keeps to a few sets of them, whatever rows come."""

    def __init__(self) -> None:
        self._sets: list[frozenset[int]] = [frozenset()]

    def of(self, columns: Sequence[Sequence[Any]]) -> frozenset[int]:
        """
        Return the places of columns in which all rows have the value of the first, but never of all columns.

        :param columns: the values of each column, at least one value.
        """
        found = [at for at, column in enumerate(columns) if _is_one(column)]
        alike = frozenset(found[: len(columns) - 1])
        best = max((known for known in self._sets if known <= alike), key=len)
        if len(alike) < len(best) + _FEWEST_MORE or len(self._sets) > _MOST_SETS:
            return best
        self._sets.append(alike)
        return alike


def _is_one(column: Sequence[Any]) -> bool:
    """Say whether values are the same to SQLite; of numbers, 1 and 1.0 are equal, and not the same."""
    first = column[0]
    if column.count(first) < len(column):
        return False
    return first is None or isinstance(first, str) or all(isinstance(value, int) for value in column)
