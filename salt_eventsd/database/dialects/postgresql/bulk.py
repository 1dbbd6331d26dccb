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
    source = _recordset(table, columns, sa.bindparam("document"))
    select = sa.select(*[source.c[name] for name in columns])
    statement = conflict(postgresql.insert(table).from_select(list(columns), select))

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        taken = 0
        for document in documents(map(msgspec.json.encode, rows), USUAL_DOCUMENT_BYTES):
            taken += connection.execute(statement, {"document": document.decode()}).rowcount
        return taken

    return insert


def of_keys(table: sa.Table, key: Sequence[str], keys: Sequence[Sequence[Any]], names: Sequence[str]) -> sa.Select[Any]:
    """
    Return a question for the rows of a table that have one of some keys, which travel as such a document, too.

    :param table: the table.
    :param key: the columns of the key.
    :param keys: the values of these columns for each row.
    :param names: the columns that are asked for.
    """
    document = msgspec.json.encode([dict(zip(key, one, strict=True)) for one in keys]).decode()
    wanted = _recordset(table, key, sa.bindparam("document", document))
    # Columns without types: what is read is compared with what was sent.
    there = sa.table(table.name, *[sa.column(name) for name in dict.fromkeys((*key, *names))])
    is_it = sa.and_(*[there.c[name] == wanted.c[name] for name in key])
    return sa.select(*[there.c[name] for name in names]).select_from(there.join(wanted, is_it))


def _recordset(table: sa.Table, columns: Sequence[str], document: sa.BindParameter[Any]) -> Any:
    typed = [sa.column(name, table.c[name].type) for name in columns]
    made = sa.func.json_to_recordset(sa.cast(document, postgresql.JSON)).table_valued(*typed, name="r")
    return made.render_derived(with_types=True)
