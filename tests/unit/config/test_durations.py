"""Lengths of time as a configuration has them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salt_eventsd.config.durations import duration_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
        pytest.param("90m", timedelta(minutes=90), id="minutes"),
        pytest.param("12h", timedelta(hours=12), id="hours"),
        pytest.param("7d", timedelta(days=7), id="days"),
        pytest.param("2w", timedelta(days=14), id="weeks"),
        pytest.param("1y", timedelta(days=365), id="years"),
        pytest.param("forever", None, id="forever"),
    ],
)
def test_a_length_of_time_is_read(text: str, expected: timedelta | None) -> None:
    # Given a text, when it is read, then as a person means it
    assert duration_of(text) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5d", "7 d", "7D", 7, None, "9999999d", "\u0667d"])
def test_what_is_none_says_what_would_be_one(text: object) -> None:
    # Given what is no length of time, when it is read, then the error says what would be right
    with pytest.raises(ValueError, match="expected a time like 12h, 30d or 1y, or forever, got"):
        duration_of(text)
