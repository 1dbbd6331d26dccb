"""
Force how rows get into databases: in their quickest way whenever they have one, or never.

``EVENTSD_WAY=quickly`` and ``EVENTSD_WAY=carefully`` force it for all tests of a run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from salt_eventsd.database.dialects.base import quickly

#: How many rows are tried quickly, and how many failures do not matter.
_WAYS = {"quickly": (1, sys.maxsize), "carefully": (0, 0)}
WAYS = tuple(_WAYS)


@contextmanager
def forced(way: str) -> Iterator[None]:
    """
    Force a way.

    :param way: one of :data:`WAYS`, "" for none.
    """
    fewest, chances = _WAYS.get(way) or (quickly.FEWEST_ROWS, quickly.CHANCES)
    with mock.patch.multiple(quickly, FEWEST_ROWS=fewest, CHANCES=chances):
        yield
