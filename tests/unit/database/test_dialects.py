"""What differs between the databases: NUL in JSON and text, times, and which dialect a URL's backend gets."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.database.dialects import NUL_SYMBOL, Dialect, MariaDB, MySQL, PostgreSQL, SQLite, dialect_for
from salt_eventsd.event.codec import encode


def converted(text: bytes) -> bytes:
    """Return what PostgreSQL is given for JSON text."""
    return bytes(PostgreSQL().json(text))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param(rb'"\u0000"', '"␀"', id="a NUL"),
        pytest.param(rb'"a\u0000b\u0000\u0000"', '"a␀b␀␀"', id="several, side by side"),
        pytest.param(rb'"\\u0000"', r'"\\u0000"', id="an escaped backslash before plain text"),
        pytest.param(rb'"\\\u0000"', r'"\\␀"', id="an escaped backslash before a NUL"),
        pytest.param(rb'"\\\\u0000"', r'"\\\\u0000"', id="two escaped backslashes before plain text"),
        pytest.param(rb'"\\\\\u0000"', r'"\\\\␀"', id="two escaped backslashes before a NUL"),
        pytest.param(rb'"\u0000\\u0000\u0000"', r'"␀\\u0000␀"', id="both in turn"),
        pytest.param(rb'"\n\u0000"', r'"\n␀"', id="behind another escape"),
        pytest.param(rb'{"a\u0000":1}', '{"a␀":1}', id="in a key"),
        pytest.param(rb'"\u0001 u0000 \u00001"', r'"\u0001 u0000 ␀1"', id="what only looks like it"),
        pytest.param("\N{SNOWMAN}".encode(), "\N{SNOWMAN}", id="no escape at all"),
    ],
)
def test_nul_in_json_becomes_visible(text: bytes, kept: str) -> None:
    assert converted(text).decode() == kept


NASTY = st.text(st.sampled_from(["\0", "\\", "u", "0", '"', "x", "\N{SNOWMAN}", "\n"]), max_size=30)
VALUES = st.recursive(
    NASTY | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY, inner, max_size=4),
    max_leaves=10,
)


def without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", NUL_SYMBOL)
    if isinstance(value, dict):
        return {without_nul(key): without_nul(one) for key, one in value.items()}
    return [without_nul(one) for one in value] if isinstance(value, list) else value


@given(value=VALUES)
def test_nothing_but_nul_is_changed_in_any_json(value: Any) -> None:
    assert json.loads(converted(encode(value))) == without_nul(value)


@given(text=NASTY)
def test_a_long_row_of_backslashes_is_no_trouble(text: str) -> None:
    value = "\\" * 20_000 + text

    assert json.loads(converted(encode(value))) == without_nul(value)


@pytest.mark.parametrize("backend", ["sqlite", "mysql", "mariadb"])
def test_databases_that_keep_nul_get_it(backend: str) -> None:
    dialect = dialect_for(backend)

    assert json.loads(dialect.json(b'"a\\u0000"')) == "a\0"
    assert dialect.text("a\0") == "a\0"


def test_nul_in_text_becomes_visible_on_postgresql() -> None:
    assert PostgreSQL().text("a\0b") == "a␀b"


@pytest.mark.parametrize("backend", ["sqlite", "mysql", "mariadb", "postgresql"])
@given(moment=st.datetimes(datetime(1970, 1, 1, 0, 0, 1), datetime(9999, 12, 31)))
def test_times_are_utc(backend: str, moment: datetime) -> None:
    # Given
    seconds = moment.replace(tzinfo=timezone.utc).timestamp()

    # When
    text = dialect_for(backend).time(seconds)

    # Then
    found = datetime.fromisoformat(text[:26])
    assert len(text[:26]) == 26
    assert abs((found - moment).total_seconds()) < 1e-4
    assert text[26:] == ("+00" if backend == "postgresql" else "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(1767323045.678901, "2026-01-02 03:04:05.678901", id="to the microsecond"),
        pytest.param(1767323045, "2026-01-02 03:04:05.000000", id="a whole second"),
        pytest.param(1767323045.9999999, "2026-01-02 03:04:06.000000", id="rounded up into the next"),
        pytest.param(0.000001, "1970-01-01 00:00:00.000001", id="the first"),
    ],
)
def test_times_have_microseconds(seconds: float, text: str) -> None:
    assert SQLite().time(seconds) == text
    assert PostgreSQL().time(seconds) == f"{text}+00"


@pytest.mark.parametrize(
    ("backend", "kind"),
    [
        pytest.param("postgresql", PostgreSQL, id="postgresql"),
        pytest.param("mysql", MySQL, id="mysql"),
        pytest.param("mariadb", MariaDB, id="mariadb"),
        pytest.param("sqlite", SQLite, id="sqlite"),
    ],
)
def test_the_dialect_of_a_backend(backend: str, kind: type[Dialect]) -> None:
    assert type(dialect_for(backend)) is kind
