"""
Many rows as JSON documents, which MySQL 8 and MariaDB 10.6 take apart themselves.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.database.dialects.base.bulk import USUAL_DOCUMENT_BYTES, Inserter, Row, documents, values_of


def by_json_table(
    table: sa.Table, columns: Sequence[str], conflict: Callable[[Any], Insert], most_bytes: int, large: Inserter
) -> Inserter:
    """
    Return an inserter for MySQL 8 and MariaDB 10.6: the rows as documents, taken apart by ``JSON_TABLE``.

    :param table: the table.
    :param columns: its columns that are inserted.
    :param conflict: adds the conflict clause to the insert.
    :param most_bytes: no document is longer, so that it fits a packet when it is escaped.
    :param large: inserts a row that is longer by itself.
    """
    dialect = mysql.dialect()
    # Rows travel as lists: a column's name may hold anything, and would be repeated in each.
    shapes = ", ".join(
        f"c{place} {_json_table_type(table.c[name].type, dialect)} PATH '$[{place}]' ERROR ON ERROR"
        for place, name in enumerate(columns)
    )
    document = "CONVERT(FROM_BASE64(:document) USING utf8mb4)"
    source = sa.text(f"JSON_TABLE({document}, '$[*]' COLUMNS ({shapes})) AS r")
    select: Any = sa.select(*[sa.literal_column(f"r.c{place}") for place in range(len(columns))]).select_from(source)
    statement = conflict(mysql.insert(table).from_select(list(columns), select))

    encode, values = msgspec.json.Encoder().encode, values_of(columns)

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        taken = 0

        def texts() -> Iterator[bytes]:
            nonlocal taken
            for row in rows:
                text = encode(values(row))
                if len(text) > most_bytes:
                    taken += large(connection, [row])
                else:
                    yield text

        for document in documents(texts(), min(most_bytes, USUAL_DOCUMENT_BYTES)):
            # Base64 has nothing in it that PyMySQL would escape, which it does character by character.
            taken += connection.execute(statement, {"document": b64encode(document).decode()}).rowcount
        return taken

    return insert


def _json_table_type(kind: Any, dialect: Any) -> str:
    sql = str(kind.dialect_impl(dialect).compile(dialect=dialect))
    is_text = isinstance(kind, (sa.String, sa.JSON))
    return f"{sql} CHARACTER SET utf8mb4" if is_text else sql
