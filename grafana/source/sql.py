"""
What differs between the databases, and what the dashboards of both ask alike. Grafana's own macros (``$__timeFilter``,
``$__timeGroupAlias``) are the same for both.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana.source.model import Panel, Source
from grafana.source.panels import graph

#: An answer, a state or a change that failed, in numbers; where it is not known, it has not.
FAILED = "CASE WHEN r.success THEN 0 WHEN r.success IS NULL THEN 0 ELSE 1 END"


@dataclass(frozen=True)
class Database:
    """
    A kind of database.

    :param folder: of its dashboards.
    :param source: Grafana's.
    :param text: the type that makes a text of anything.
    :param start: the beginning of the time that is looked at, as a time.
    :param each_state: a condition that is true for each state ``s``, where an index is found only by it.
    """

    folder: str
    source: Source
    text: str
    start: str
    each_state: str = ""

    def beginning(self, column: str, length: int = 300) -> str:
        """
        Return the beginning of a text or of JSON.

        :param column: of either.
        :param length: in characters.
        """
        return f"SUBSTRING(CAST({column} AS {self.text}), 1, {length})"


DATABASES = (
    Database(
        "postgresql",
        Source("grafana-postgresql-datasource", "PostgreSQL"),
        "text",
        "CAST($__timeFrom() AS timestamptz)",
    ),
    Database(
        "mysql",
        Source("mysql", "MariaDB"),
        "char",
        "$__timeFrom()",
        " AND (s.result = TRUE OR s.result = FALSE OR s.result IS NULL)",
    ),
)


def answers(returned: str) -> Panel:
    """
    Return the panel of answers over time, by how they went.

    :param returned: which answers: the query from ``FROM`` on, with ``r`` for the table.
    """
    return graph(
        "Answers",
        f"SELECT $__timeGroupAlias(r.stamp,$__interval), COUNT(*) - SUM({FAILED}) AS succeeded,"
        f" SUM({FAILED}) AS failed {returned} GROUP BY 1 ORDER BY 1",
        bars=True,
    )
