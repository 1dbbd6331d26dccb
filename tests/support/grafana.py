"""
What Grafana does with a panel's query before it asks: its macros and variables, as its data sources for PostgreSQL,
MySQL and Prometheus expand them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Query:
    """
    A query of a panel.

    :param dashboard: its file's name.
    :param title: of the panel.
    :param kind: of the panel, Grafana's type.
    :param text: SQL or PromQL, as it stands there.
    :param target: all of it.
    """

    dashboard: str
    title: str
    kind: str
    text: str
    target: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.dashboard}-{self.target['refId']}-{re.sub(r'[^a-zA-Z0-9]+', '-', self.title)}"


def queries(folder: str) -> Iterator[Query]:
    """
    Yield the queries of the dashboards of a data source.

    :param folder: of its dashboards.
    """
    for path in sorted((FOLDER / folder).glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                text = target.get("rawSql") or target["expr"]
                yield Query(path.stem, panel["title"], panel["type"], text, target)


@dataclass(frozen=True)
class Look:
    """
    What somebody looks at.

    :param start: the beginning of the time.
    :param end: its end.
    :param variables: what is chosen.
    :param interval: how long a point of a curve is.
    """

    start: datetime
    end: datetime
    variables: Mapping[str, str]
    interval: str = "1h"

    def sql(self, text: str, kind: str) -> str:
        """
        Return a query as the database gets it.

        :param text: the query.
        :param kind: ``postgresql`` or ``mysql``.
        """
        text = text.replace("$__interval", self.interval)
        for name, value in self.variables.items():
            text = text.replace(f"${{{name}:sqlstring}}", "'" + value.replace("'", "''") + "'")
        group = r"\$__timeGroup(Alias)?\(([^,()]+),\s*([^,()]+)\)"
        text = re.sub(group, lambda found: self._group(found, kind), text)
        between = rf"\1 BETWEEN {self._time(self.start, kind)} AND {self._time(self.end, kind)}"
        text = re.sub(r"\$__timeFilter\(([^()]+)\)", between, text)
        text = text.replace("$__timeFrom()", self._time(self.start, kind))
        text = text.replace("$__timeTo()", self._time(self.end, kind))
        assert "$" not in text, text
        return text

    def promql(self, text: str) -> str:
        """
        Return a query as Prometheus gets it.

        :param text: the query.
        """
        length = f"{int((self.end - self.start).total_seconds())}s"
        for name, value in (("__range", length), ("__rate_interval", self.interval), ("__interval", self.interval)):
            text = text.replace(f"${name}", value)
        for name, value in self.variables.items():
            text = text.replace(f"${name}", value)
        assert "$" not in text, text
        return text

    @staticmethod
    def _time(when: datetime, kind: str) -> str:
        if kind == "mysql":
            return f"FROM_UNIXTIME({int(when.timestamp())})"
        return f"'{when.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}'"

    @staticmethod
    def _group(found: re.Match[str], kind: str) -> str:
        seconds = int(found[3].strip()[:-1]) * _UNITS[found[3].strip()[-1]]
        if kind == "mysql":
            grouped = f"UNIX_TIMESTAMP({found[2]}) DIV {seconds} * {seconds}"
        else:
            grouped = f"floor(extract(epoch from {found[2]})/{seconds})*{seconds}"
        return grouped + (' AS "time"' if found[1] else "")
