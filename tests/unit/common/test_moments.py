"""Times as people give them to a command."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from salt_eventsd.common.moments import moment_of

# A Friday.
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("90m", "2026-01-02 01:34:05"),
        ("7d", "2025-12-26 03:04:05"),
        ("30s", "2026-01-02 03:03:35"),
        ("1y", "2025-01-02 03:04:05"),
        ("2026-11-26", "2026-11-26 00:00:00"),
        (20261126, "2026-11-26 00:00:00"),
        (date(2026, 11, 26), "2026-11-26 00:00:00"),
        (datetime(2026, 11, 26, 14), "2026-11-26 14:00:00"),
        ("2026-11-26 14:00", "2026-11-26 14:00:00"),
        ("2026-11-26T14:00:05Z", "2026-11-26 14:00:05"),
        ("2026-11-26T14:00:05.5Z", "2026-11-26 14:00:05.500000"),
        ("2026-11-26T14:00:05.123456789+02:00", "2026-11-26 12:00:05.123456"),
    ],
    ids=str,
)
def test_a_time(given: Any, meant: str) -> None:
    assert moment_of(given, NOW) == datetime.fromisoformat(f"{meant}+00:00")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("last friday 14:00", "2025-12-26 14:00:00"),
        ("yesterday", "2026-01-01 00:00:00"),
        ("3 days ago", "2025-12-30 03:04:05"),
        ("3 days", "2025-12-30 03:04:05"),
        ("1 Day 2 hours", "2026-01-01 01:04:05"),
        ("2weeks", "2025-12-19 03:04:05"),
        ("friday", "2026-01-02 00:00:00"),
        ("Monday 14:00", "2025-12-29 14:00:00"),
        ("friday 14:00", "2025-12-26 14:00:00"),
        ("fri, 26 dec 2025 14:00", "2025-12-26 14:00:00"),
        ("26.12.2025", "2025-12-26 00:00:00"),
        ("2025-12-26 2pm", "2025-12-26 14:00:00"),
        ("today", "2026-01-02 00:00:00"),
        ("7 days, 3 hours", "2025-12-26 00:04:05"),
        ("next friday", "2026-01-09 00:00:00"),
        ("@1767000000", "2025-12-29 09:20:00"),
    ],
    ids=str,
)
def test_a_time_in_words(given: str, meant: str) -> None:
    # Salt brings it along from 3007 on.
    pytest.importorskip("timelib")
    assert moment_of(given, NOW) == datetime.fromisoformat(f"{meant}+00:00")


@pytest.mark.parametrize(
    "given",
    [
        *("nonsense", "", "2026", 90, True, "7 parsecs", "2026-13-45", "999999y", "@99999999999999999", ["7d"]),
        # timelib would take these for a time of today in another zone, or for a day of the next month.
        *("d", "m", "a b", "-90", "-3d", "+3", "1.5d", "2026-02-30", "2026/11/31 14:00", "31.02.2026", "02/30/2026"),
        # What has been was meant, and timelib reads a time to come.
        *("a week", "7 days 14:00", "14:00 saturday", "this saturday", f"{'1' * 30} days"),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
    ],
    ids=str,
)
def test_what_is_no_time_says_what_would_be(given: Any) -> None:
    with pytest.raises(ValueError, match="expected a time such as 90m, 7d"):
        moment_of(given, NOW)
