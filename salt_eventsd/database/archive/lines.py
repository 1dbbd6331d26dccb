"""A row of any of our tables as a line of JSON, and back: the same value, whatever the two databases are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.retention.aged_jobs import in_utc

#: The tables whose rows an archive has, by the name that a line gives them.
TABLES: Mapping[str, sa.Table] = {
    "jobs": schema.jobs,
    "returns": schema.returns,
    "states": schema.states,
    "events": schema.events,
    "minions": schema.minions,
}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A row.

    :param table: one of :data:`TABLES`.
    :param row: its columns.
    :param texts: columns of JSON whose text is no JSON; it stands there as a text.
    """

    table: str
    row: dict[str, msgspec.Raw]
    texts: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode
_as_json = msgspec.json.Decoder(msgspec.Raw).decode


def columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """
    Return the columns of a table as :func:`line_of` takes them: JSON as its text, which no driver has decoded.

    :param table: one of :data:`TABLES`.
    """
    return [
        sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, sa.JSON) else column
        for column in table.c
    ]


def line_of(table: str, row: Mapping[str, Any]) -> bytes:
    """
    Return a row as a line, without its end.

    :param table: one of :data:`TABLES`.
    :param row: of :func:`columns`.
    """
    cells: dict[str, msgspec.Raw] = {}
    texts = []
    for column in TABLES[table].c:
        value = row[column.name]
        if isinstance(column.type, sa.JSON) and value is not None:
            try:
                # Between tokens of JSON, and nowhere else, a line may end.
                cells[column.name] = _as_json(value.encode().replace(b"\n", b" "))
                continue
            except (msgspec.DecodeError, UnicodeEncodeError):
                texts.append(column.name)
        elif isinstance(value, datetime):
            value = in_utc(value).isoformat("T", "microseconds")
        cells[column.name] = msgspec.Raw(_encode(value))
    return _encode(Line(table, cells, tuple(texts)))


def read(text: bytes) -> Line:
    """
    Return a line, read.

    :param text: from :func:`line_of`.
    :raises ValueError: it is none.
    """
    line = _decode(text)
    if line.table not in TABLES:
        raise ValueError(f"there is no table {line.table!r}")
    return line


def check(text: bytes) -> str:
    """
    Return of which table a line is, and see to it that each value is one that its column may have.

    :param text: from :func:`line_of`.
    :raises ValueError: it is none, or a value is of another kind.
    """
    line = read(text)
    _checker(line.table)(text)
    for name in line.texts:
        msgspec.json.decode(line.row.get(name, b"null"), type=str)
    return line.table


@cache
def _checker(table: str) -> Callable[[bytes], Any]:
    fields: list[Any] = []
    for column in TABLES[table].c:
        # SQLAlchemy's own kind of text is none for msgspec.
        name, kind = str(column.name), _kind(column.type)
        if kind is msgspec.Raw:
            fields.append((name, kind, msgspec.Raw(b"null")))
        elif column.nullable or column.autoincrement is True:
            fields.append((name, kind | None, None))
        elif column.server_default is not None:
            # An archive of an older version has not got it.
            fields.append((name, kind, default_of(column)))
        else:
            fields.append((name, kind))
    row = msgspec.defstruct("Row", fields, kw_only=True)
    return msgspec.json.Decoder(msgspec.defstruct("Whole", [("row", row)])).decode


def _kind(of: Any) -> Any:
    if isinstance(of, sa.JSON):
        return msgspec.Raw
    if isinstance(of, sa.DateTime):
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if isinstance(of, sa.Boolean):
        return bool
    if isinstance(of, sa.Integer):
        return Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    if isinstance(of, sa.Float):
        return float
    return str


def key_of(line: Line) -> tuple[Any, ...]:
    """
    Return what tells a row from others of its table, as the table's columns take it.

    :param line: a row.
    """
    table = TABLES[line.table]
    return tuple(
        value_of(table.c[name], line.row[name]) if name in line.row else default_of(table.c[name])
        for name in schema.key_of(table)
    )


def default_of(column: sa.Column[Any]) -> str | None:
    """
    Return what stands in a cell of which nothing is said: where a column has a default, that is an empty text.

    :param column: the cell's.
    """
    return None if column.server_default is None else ""


def value_of(column: sa.Column[Any], text: msgspec.Raw) -> Any:
    """
    Return what stands in a cell, as SQLAlchemy takes it.

    :param column: not one of JSON.
    :param text: from a line.
    """
    value = msgspec.json.decode(text)
    if isinstance(column.type, sa.DateTime) and value is not None:
        return datetime.fromisoformat(value).astimezone(timezone.utc)
    return value


def row_of(line: Line, dialect: Dialect) -> dict[str, Any]:
    """
    Return a row as an inserter takes it: see :mod:`salt_eventsd.database.dialects.base.encode`.

    :param line: the row. A column that it lacks, being of an older version, has its default.
    :param dialect: of the database that the row goes to.
    """
    row: dict[str, Any] = {}
    for column in TABLES[line.table].c:
        if column.autoincrement is True:
            continue
        text = line.row.get(column.name)
        if text is None or bytes(text) == b"null":
            row[column.name] = default_of(column)
        elif isinstance(column.type, sa.JSON):
            is_text = column.name in line.texts
            row[column.name] = dialect.json(msgspec.json.decode(text, type=str).encode() if is_text else bytes(text))
        else:
            value = value_of(column, text)
            if isinstance(value, datetime):
                value = dialect.moment(value)
            row[column.name] = dialect.text(value) if isinstance(value, str) else value
    return row
