"""Upkeep of SQLite, whose file stays as large as it was unless it is told to give pages back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sqlalchemy.engine import Engine

from salt_eventsd.database.dialects.base.upkeep import Upkeep

_FIRST_PAGES, _FEWEST_PAGES, _MOST_PAGES = 500, 50, 20_000
#: What a step should take, in seconds.
_STEP_SECONDS = 0.1
_INCREMENTAL = 2


class SQLiteUpkeep(Upkeep):
    """What a purge asks of a database."""

    clock: ClassVar = "CAST(strftime('%s', 'now') AS INTEGER)"

    def give_back(self, engine: Engine, wait: Callable[[float], bool]) -> int:
        """
        See :class:`Upkeep`. A file that an older release has made keeps its pages for new rows: only ``VACUUM`` would
        change that, and it takes the whole file's size again and locks it for as long.
        """
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()

            def told(pragma: str) -> int:
                return int(cursor.execute(f"PRAGMA {pragma}").fetchone()[0])

            if told("auto_vacuum") != _INCREMENTAL:
                return 0
            before, page, pages = told("page_count"), told("page_size"), _FIRST_PAGES
            while told("freelist_count"):
                began = time.monotonic()
                # A page is given back with each row that is fetched.
                cursor.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
                took = max(time.monotonic() - began, 0.001)
                pages = round(min(_MOST_PAGES, max(_FEWEST_PAGES, pages * min(2.0, _STEP_SECONDS / took))))
                if not wait(took * 4):
                    break
            given = (before - told("page_count")) * page
            # It waits for nobody; what is being read now goes back the next time.
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return given
        finally:
            raw.close()
