"""Receipts of neighbours become one, and hold up nobody: not the batches after it, nor those that others write."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from salt_eventsd.database import receipts_tidy
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.workers.write import Batch
from tests.support.events import numbered
from tests.support.stores import SPOOL, Database, batch_of

#: Longer than a test takes.
_LONG_SECONDS = 3600.0


def _batch(number: int, *, prio: bool = False) -> Batch:
    chunk = StoredChunk(number, "history", prio, 1, 100, 1.0, SPOOL, number)
    return replace(batch_of(numbered(1, start=number), first=number), origins={number: chunk})


def test_a_prio_batch_leaves_it_to_others(tables: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: it is due
    monkeypatch.setattr(receipts_tidy, "_FRESH", timedelta(0))
    monkeypatch.setattr(receipts_tidy, "_JOIN_SECONDS", 0.0)
    worker = tables.worker()
    worker.write(_batch(1))
    monkeypatch.setattr(receipts_tidy, "_JOIN_SECONDS", _LONG_SECONDS)

    # When
    worker.write(_batch(2, prio=True))

    # Then
    assert tables.column("receipts", "chunk") == [1, 2]

    # When
    worker.write(_batch(3))

    # Then
    assert tables.column("receipts", "chunk") == [3]


def test_a_prio_batch_does_it_if_no_others_come(tables: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(receipts_tidy, "_FRESH", timedelta(0))
    monkeypatch.setattr(receipts_tidy, "_JOIN_SECONDS", 0.0)
    worker = tables.worker()
    worker.write(_batch(1, prio=True))

    # When
    worker.write(_batch(2, prio=True))

    # Then
    assert tables.column("receipts", "chunk") == [2]


def test_others_write_receipts_meanwhile(served: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a server that looks through the whole table for so many of its rows
    monkeypatch.setattr(receipts_tidy, "_FRESH", timedelta(0))
    worker, other = served.worker(), served.worker(timeout=2)
    other.write(_batch(1000))
    begun, go = threading.Event(), threading.Event()

    @sa.event.listens_for(worker.worker._engine, "after_cursor_execute")
    def _pause(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM eventsd_receipts"):
            begun.set()
            assert go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(worker.write, batch_of(*(numbered(1, start=n) for n in range(60))))
        assert begun.wait(20)

        # When
        try:
            other.write(_batch(1001))
        finally:
            go.set()
        joined.result()

    # Then
    assert served.column("receipts", "chunk") == [60, 1000, 1001]
    with worker.worker._engine.connect() as connection:
        assert connection.get_isolation_level() == connection.default_isolation_level
