"""
Force how rows get into databases: in their quickest way whenever they have one, or never.

``EVENTSD_WAY=quickly`` and ``EVENTSD_WAY=carefully`` force it for all tests of a run, and for the masters and writers
that they start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
