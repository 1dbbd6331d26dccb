"""Values as columns take them, where no database is needed to tell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.user_tables.values import TRUNCATED_HEAD, Values
from salt_eventsd.exceptions import Refused

WHEN = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=timezone.utc)


def converted(backend: str, kind: str, value: Any, **more: Any) -> Any:
    return Values(dialect_for(backend), **more).for_column(kind, False)(value)


@pytest.mark.parametrize(
    ("backend", "kind", "value", "expected"),
    [
        pytest.param("sqlite", "time", WHEN, "2026-01-02 03:04:05.000600", id="time"),
        pytest.param("postgresql", "time", WHEN, "2026-01-02 03:04:05.000600+00", id="time with its zone"),
        pytest.param(
            "mysql", "time", "2026-01-02T04:04:05.000600+01:00", "2026-01-02 03:04:05.000600", id="time as text"
        ),
        pytest.param("mysql", "time", "never", "never", id="no time"),
        pytest.param("mysql", "time", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", id="before all time"),
        pytest.param("mysql", "time", 7, 7, id="a number for a time"),
        pytest.param("mysql", "date", WHEN, "2026-01-02", id="date"),
        pytest.param("mysql", "clock", WHEN, "03:04:05.000600", id="time of day"),
        pytest.param("mysql", "integer", WHEN, 1767323045, id="seconds"),
        pytest.param("mysql", "integer", True, 1, id="true as a number"),
        pytest.param("postgresql", "integer", 2.0, 2, id="whole float"),
        pytest.param("sqlite", "integer", 2**63, str(2**63), id="a number SQLite cannot bind"),
        pytest.param("mysql", "integer", 2**63, 2**63, id="a number MySQL can"),
        pytest.param("mysql", "integer", [1], "[1]", id="a list for a number"),
        pytest.param("postgresql", "boolean", True, True, id="true"),
        pytest.param("mysql", "boolean", True, 1, id="true without a type for it"),
        pytest.param("postgresql", "text", "a\0", "a\N{SYMBOL FOR NULL}", id="NUL"),
        pytest.param("postgresql", "other", "a\0", "a\N{SYMBOL FOR NULL}", id="NUL in a type of its own"),
        pytest.param("postgresql", "bytes", "a\\", "\\x615c", id="bytes as hexadecimal"),
        pytest.param("sqlite", "bytes", "ä", "ä".encode(), id="bytes"),
        pytest.param("mysql", "json", "text", '"text"', id="text as a document"),
        pytest.param("mysql", "json", WHEN, '"2026-01-02 03:04:05.000600"', id="time as a document"),
    ],
)
def test_a_value_for_a_column(backend: str, kind: str, value: Any, expected: Any) -> None:
    found = converted(backend, kind, value)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("text", "kept"), [("null", None), ("7", "7"), ('{"a": 1}', '{"a": 1}')])
def test_json_text_for_a_column_of_json(text: str, kept: str | None) -> None:
    assert Values(dialect_for("mysql")).for_column("json", True)(text) == kept


@pytest.mark.parametrize(
    ("largest", "head"),
    [
        pytest.param(2**20, TRUNCATED_HEAD, id="so much is enough"),
        pytest.param(100_000, 12_500, id="there must be room for the rest of the row"),
    ],
)
def test_text_beyond_what_fits_keeps_its_beginning(largest: int, head: int) -> None:
    text = "\N{PILE OF POO}" * 500_000

    kept = converted("mysql", "text", text, largest=largest)

    assert text.startswith(kept)
    assert head - 4 < len(kept.encode()) <= head
    assert converted("mysql", "text", text, largest=2_000_000) == text


def test_text_beyond_what_fits_refuses_its_event_if_that_is_wanted() -> None:
    with pytest.raises(Refused, match="a value of 11 bytes, and the database takes 10"):
        converted("mysql", "text", "x" * 11, largest=10, truncate=False)


def test_a_row_beyond_what_fits_is_refused() -> None:
    values = Values(dialect_for("mysql"), 10)

    values.must_fit({"a": "x" * 5, "b": "y" * 5, "c": 7}, 20)
    with pytest.raises(Refused, match="a row of 11 bytes, and the database takes 10"):
        values.must_fit({"a": "x" * 5, "b": "y" * 6}, 20)
