"""
Force how rows get into databases: in their quickest way whenever they have one, or in that of large rows, or never.

``EVENTSD_WAY=quickly``, ``EVENTSD_WAY=large`` and ``EVENTSD_WAY=carefully`` force it for all tests of a run, and for
the masters and writers that they start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from salt_eventsd.database.dialects.base import quickly
from salt_eventsd.database.dialects.mysql import prepared

#: How many rows are tried quickly, how many failures do not matter, and how long no value of a small row is.
_WAYS = {
    "quickly": (1, sys.maxsize, quickly.LARGE_VALUE),
    "large": (1, sys.maxsize, -1),
    "carefully": (0, 0, quickly.LARGE_VALUE),
}
WAYS = tuple(_WAYS)


@contextmanager
def forced(way: str) -> Iterator[None]:
    """
    Force a way.

    :param way: one of :data:`WAYS`, "" for none.
    """
    fewest, chances, small = _WAYS.get(way) or (quickly.FEWEST_ROWS, quickly.CHANCES, quickly.LARGE_VALUE)
    with (
        mock.patch.multiple(quickly, FEWEST_ROWS=fewest, CHANCES=chances),
        mock.patch.object(prepared, "LARGE_VALUE", small),
    ):
        yield


@contextmanager
def forced_everywhere(way: str) -> Iterator[None]:
    """
    Force a way here, and in the Python processes that are started meanwhile.

    :param way: one of :data:`WAYS`, "" for none.
    """
    here = Path(__file__)
    paths = [str(here.with_name("forced_way")), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"EVENTSD_WAY_ROOT": str(here.parents[2]), "PYTHONPATH": os.pathsep.join(paths)}
    with forced(way), mock.patch.dict(os.environ, environment if way else {}):
        yield
