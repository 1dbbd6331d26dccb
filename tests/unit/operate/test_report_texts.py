"""Texts of a report: short, readable, and with nothing in them that cannot be seen; and the intervals of its charts."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from salt_eventsd.operate.report.intervals import MOST, edges
from salt_eventsd.operate.report.texts import LONGEST, changed, said, shown

NOW = datetime(2026, 11, 26, 14, 7, 33, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param(7, "7", id="number"),
        pytest.param("wéb 漢字 🧂", "wéb 漢字 🧂", id="letters of all kinds"),
        pytest.param("a\u202eb", "a\\u202eb", id="from right to left"),
        pytest.param("a\u2066b\u2069", "a\\u2066b\\u2069", id="isolates"),
        pytest.param("a\x00b\x1b[31m", "a\\x00b\\x1b[31m", id="control characters"),
        pytest.param("a\ud800b", "a\\ud800b", id="lone surrogate"),
        pytest.param("a\U000e0041b", "a\\U000e0041b", id="tag"),
        pytest.param("a\nb\tc", "a\nb\tc", id="lines"),
        pytest.param("x" * LONGEST, "x" * LONGEST, id="as long as can be"),
        pytest.param("x" * (LONGEST + 1), "x" * LONGEST + "…", id="too long"),
        pytest.param("\u202e" * LONGEST, ("\\u202e" * LONGEST)[:LONGEST] + "…", id="names that make it too long"),
        pytest.param("e" + "\u0301" * 90, "e" + "\u0301" * 3, id="a pile of accents"),
    ],
)
def test_what_is_shown(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_a_text_of_a_megabyte_is_as_short() -> None:
    assert len(shown("<script>" * 200_000)) == LONGEST + 1


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param('"command not found"', "command not found", id="text"),
        pytest.param('["Rendering failed", "no file"]', "Rendering failed; no file", id="lines"),
        pytest.param('{"a": 1}', '{"a": 1}', id="mapping"),
        pytest.param('"it was cut\\noff he', "it was cut off he", id="beginning"),
    ],
)
def test_what_was_returned(returned: str | None, expected: str) -> None:
    assert said(returned) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param('{"diff": "-a\\n+b"}', "-a\n+b", id="difference"),
        pytest.param('{"vim": {"old": "", "new": "9.0"}}', "vim: nothing → 9.0", id="package"),
        pytest.param('{"mode": "0640", "x": [1]}', "mode: 0640\nx: [1]", id="names"),
        pytest.param('{"diff": "-a\\n+', '{"diff": "-a +', id="beginning"),
        pytest.param("[1]", "[1]", id="no mapping"),
    ],
)
def test_what_was_changed(changes: str, expected: str) -> None:
    assert changed(changes) == expected


@pytest.mark.parametrize(
    ("length", "step"),
    [
        pytest.param(timedelta(seconds=1), timedelta(minutes=1), id="a second"),
        pytest.param(timedelta(hours=1), timedelta(minutes=2), id="an hour"),
        pytest.param(timedelta(days=1), timedelta(minutes=30), id="a day"),
        pytest.param(timedelta(days=7), timedelta(hours=3), id="a week"),
        pytest.param(timedelta(days=90), timedelta(days=2), id="a quarter"),
        pytest.param(timedelta(days=36_500), timedelta(days=619), id="a century"),
    ],
)
def test_intervals_are_few_and_cover_all_of_it(length: timedelta, step: timedelta) -> None:
    cuts = edges(NOW - length, NOW)

    assert {after - before for before, after in itertools.pairwise(cuts)} == {step}
    assert len(cuts) - 1 <= MOST
    assert cuts[0] <= NOW - length < cuts[1]
    assert cuts[-2] < NOW <= cuts[-1]
