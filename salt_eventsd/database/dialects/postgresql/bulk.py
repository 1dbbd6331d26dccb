"""
Many rows as one JSON document, which PostgreSQL takes apart itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.database.dialects.base.bulk import USUAL_DOCUMENT_BYTES, Inserter, Row, documents


def by_recordset(table: sa.Table, columns: Sequence[str], conflict: Callable[[Any], Insert]) -> Inserter:
    """
    Return an inserter for PostgreSQL: the rows as one document, taken apart by ``json_to_recordset``.

    :param table: the table.
    :param columns: its columns that are inserted.
    :param conflict: adds the conflict clause to the insert.
    """
    document = sa.cast(sa.bindparam("document"), postgresql.JSON)
    source = (
        sa.func.json_to_recordset(document)
        .table_valued(*[sa.column(name, table.c[name].type) for name in columns], name="r")
        .render_derived(with_types=True)
    )
    select = sa.select(*[source.c[name] for name in columns])
    statement = conflict(postgresql.insert(table).from_select(list(columns), select))

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        taken = 0
        for document in documents(map(msgspec.json.encode, rows), USUAL_DOCUMENT_BYTES):
            taken += connection.execute(statement, {"document": document.decode()}).rowcount
        return taken

    return insert
