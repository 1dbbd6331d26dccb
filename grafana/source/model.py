"""
Makes a dashboard as Grafana reads it (version 10 and later) of panels in rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: How wide a dashboard is, in Grafana's units.
_WIDTH = 24
#: The version of dashboards' JSON that Grafana 10 writes; later ones read it.
_SCHEMA = 39


@dataclass(frozen=True)
class Source:
    """
    Where panels ask.

    :param plugin: Grafana's id of it.
    :param title: its name.
    """

    plugin: str
    title: str

    @property
    def reference(self) -> dict[str, str]:
        """The data source that the reader of the dashboard has chosen."""
        return {"type": self.plugin, "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """
    A panel.

    :param title: above it; a question is better than a noun.
    :param kind: Grafana's type: ``stat``, ``timeseries``, ``table``, ``bargauge``.
    :param queries: what it asks, each in a letter's name; SQL or PromQL.
    :param width: of 24.
    :param height: in rows of Grafana's.
    :param unit: of its numbers, in Grafana's words.
    :param about: what it shows, if the title does not say.
    :param custom: further defaults of its fields.
    :param overrides: likewise, of some fields.
    :param instant: only the newest value is asked of Prometheus.
    :param legends: of the queries of Prometheus.
    """

    title: str
    kind: str
    queries: Sequence[str]
    width: int = 12
    height: int = 8
    unit: str = "short"
    about: str = ""
    custom: dict[str, Any] = field(default_factory=dict)
    overrides: Sequence[dict[str, Any]] = ()
    instant: bool = False
    legends: Sequence[str] = ()


def dashboard(
    name: str, title: str, source: Source, rows: Sequence[Sequence[Panel]], variables: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """
    Return a dashboard.

    :param name: its id, the same on each Grafana.
    :param title: its name.
    :param source: which data sources it can be used with.
    :param rows: panels that stand side by side.
    :param variables: what its reader chooses, besides the data source.
    """
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        left = 0
        for panel in row:
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            panels.append(_panel(len(panels) + 1, panel, source, place))
            left += panel.width
        if left != _WIDTH:
            raise ValueError(f"{title}: a row is {left} wide: {[panel.title for panel in row]}")
        top += max(panel.height for panel in row)
    chosen = {"name": "source", "label": source.title, "type": "datasource", "query": source.plugin, "refresh": 1}
    return {
        "uid": f"eventsd-{name}",
        "title": title,
        "tags": ["salt", "eventsd", source.plugin],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [chosen, *variables]},
        "links": [
            {
                "type": "dashboards",
                "title": "Salt",
                "tags": ["eventsd", source.plugin],
                "keepTime": True,
                "asDropdown": True,
            }
        ],
        "panels": panels,
    }


def choice(name: str, label: str, source: Source, query: str) -> dict[str, Any]:
    """
    Return a variable whose values a query finds.

    :param name: of the variable.
    :param label: beside it.
    :param source: what is asked.
    :param query: what.
    """
    about = {"name": name, "label": label, "type": "query", "datasource": source.reference, "query": query}
    return {**about, "refresh": 2, "sort": 1, "multi": False, "includeAll": False}


def words(name: str, label: str, default: str) -> dict[str, Any]:
    """
    Return a variable that its reader types.

    :param name: of the variable.
    :param label: beside it.
    :param default: what stands there first.
    """
    now = {"text": default, "value": default, "selected": True}
    return {"name": name, "label": label, "type": "textbox", "query": default, "current": now, "options": [now]}


def _panel(number: int, panel: Panel, source: Source, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": source.reference,
        "gridPos": place,
        "targets": [_target(number, panel, source) for number in range(len(panel.queries))],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "custom": panel.custom.get("custom", {}), **_without(panel.custom)},
            "overrides": list(panel.overrides),
        },
        "options": _OPTIONS.get(panel.kind, {}),
    }


def _without(custom: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in custom.items() if key != "custom"}


def _target(number: int, panel: Panel, source: Source) -> dict[str, Any]:
    about = {"refId": "ABCDEFGH"[number], "datasource": source.reference}
    if source.plugin != "prometheus":
        form = "time_series" if panel.kind == "timeseries" else "table"
        return {**about, "format": form, "rawQuery": True, "editorMode": "code", "rawSql": panel.queries[number]}
    legend = panel.legends[number] if number < len(panel.legends) else "__auto"
    ask = {"instant": panel.instant, "range": not panel.instant}
    shape = {"format": "table"} if panel.kind == "table" else {"format": "time_series"}
    return {**about, **ask, **shape, "expr": panel.queries[number], "legendFormat": legend}


_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
    "bargauge": {"reduceOptions": {**_LAST, "values": True}, "orientation": "horizontal", "displayMode": "gradient"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "table": {"showHeader": True, "cellHeight": "sm"},
}
