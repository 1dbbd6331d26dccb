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

    def give_back(self, engine: Engine, wait: Callable[[float], bool]) -> None:
        """
        See :class:`Upkeep`. A file that an older release has made keeps its pages for new rows: only ``VACUUM`` would
        change that, and it takes the whole file's size again and locks it for as long.
        """
        pages = _FIRST_PAGES
        while _is_wasteful(engine):
            began = time.monotonic()
            # Each step has a connection of its own: one that is kept through the waits would run out of its time.
            _run(engine, f"PRAGMA incremental_vacuum({pages})")
            took = max(time.monotonic() - began, 0.001)
            pages = round(min(_MOST_PAGES, max(_FEWEST_PAGES, pages * min(2.0, _STEP_SECONDS / took))))
            if not wait(took * 4):
                break
        # It waits for nobody; what is being read now goes back the next time.
        _run(engine, "PRAGMA wal_checkpoint(PASSIVE)")


def _run(engine: Engine, pragma: str) -> None:
    """Run a pragma to its end, outside of a transaction."""
    raw = engine.raw_connection()
    try:
        # incremental_vacuum gives a page back with each step, as a row without columns. A cursor stops at such a row; a
        # script is stepped to its end.
        raw.cursor().executescript(pragma)
    finally:
        raw.close()


def _is_wasteful(engine: Engine) -> bool:
    """Say whether a file has free pages, and may give them back."""
    with engine.connect() as connection:
        gives = connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() == _INCREMENTAL
        return gives and bool(connection.exec_driver_sql("PRAGMA freelist_count").scalar())
