"""Rows that are made lines together are the lines that each of them makes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, PIECE_BYTES, Lines
from salt_eventsd.database.dialects.mysql import loading
from salt_eventsd.database.dialects.postgresql import copying

_FORMATS = [
    pytest.param(copying._LINES, id="postgresql"),
    pytest.param(loading._LINES, id="mariadb"),
]
_TEXTS = st.text(max_size=4) | st.sampled_from([MARK, BETWEEN, END, "\n", "\\", f"{MARK}N", "\0"])
_CELLS = st.tuples(
    st.none() | _TEXTS,
    st.none() | st.booleans(),
    st.none() | st.integers() | st.floats(allow_nan=False),
    st.none() | _TEXTS.map(lambda text: msgspec.Raw(text.encode())),
)


@pytest.mark.parametrize("lines", _FORMATS)
@settings(max_examples=200, deadline=None)
@given(rows=st.lists(_CELLS, max_size=6))
def test_together_as_alone(lines: Lines, rows: Sequence[tuple[Any, ...]]) -> None:
    alone = [piece for row in rows for piece in lines.pieces([row])]

    assert b"".join(lines.pieces(rows)) == b"".join(alone)


@pytest.mark.parametrize("lines", _FORMATS)
def test_many_rows_come_in_pieces_of_bounded_size(lines: Lines) -> None:
    # Given: some rows are as large as several pieces
    rows = [(str(number), None, "x" * (PIECE_BYTES * 2 if number % 300 == 7 else 50)) for number in range(700)]

    # When
    pieces = list(lines.pieces(rows))

    # Then
    ends = (b"\n", END.encode())
    assert [line.split(BETWEEN.encode())[0] for piece in pieces for line in _split(piece, ends)] == [
        row[0].encode() for row in rows
    ]
    assert all(len(piece) <= PIECE_BYTES * 1.1 or len(_split(piece, ends)) == 1 for piece in pieces)


@pytest.mark.parametrize("lines", _FORMATS)
def test_what_has_no_form_is_refused(lines: Lines) -> None:
    with pytest.raises(KeyError):
        list(lines.pieces([("a", object())]))


def _split(piece: bytes, ends: Sequence[bytes]) -> list[bytes]:
    end = next(one for one in ends if piece.endswith(one))
    return piece.removesuffix(end).split(end)
