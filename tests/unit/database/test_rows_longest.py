"""Marks of states that took long: the longest of each run, and what took a second."""

from __future__ import annotations

from typing import Any

from salt_eventsd.database.rows.longest import mark_longest


def _row(took: float | None, jid: str = "1", minion: str = "m", stamp: str = "a", **more: Any) -> dict[str, Any]:
    return {"jid": jid, "minion_id": minion, "stamp": stamp, "duration_ms": took, **more}


def _marked(*rows: dict[str, Any]) -> list[Any]:
    mark_longest(rows)
    return [row["slow_ms"] for row in rows]


def test_the_longest_of_a_run_is_marked_however_short_it_was() -> None:
    assert _marked(_row(1.0), _row(3.0), _row(2.0), _row(None)) == [None, 3.0, None, None]


def test_what_took_a_second_is_marked_besides() -> None:
    assert _marked(_row(1000.0), _row(999.9), _row(5000.0)) == [1000.0, None, 5000.0]


def test_each_job_minion_and_time_is_a_run() -> None:
    rows = (_row(2.0), _row(1.0, jid="2"), _row(1.0, minion="n"), _row(1.0, stamp="b"), _row(1.0))
    assert _marked(*rows) == [2.0, 1.0, 1.0, 1.0, None]


def test_a_run_that_tells_no_durations_has_no_mark() -> None:
    assert _marked(_row(None), _row(None)) == [None, None]


def test_what_is_marked_already_stays_so_by_how_long_it_took() -> None:
    assert _marked(_row(1.0, slow_ms=1.0), _row(2.0, slow_ms=0.0), _row(3.0, slow_ms=None)) == [1.0, 2.0, 3.0]
