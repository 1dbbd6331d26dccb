"""
The kinds of panels, and how their numbers look.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import Panel

RED, GREEN, BLUE, ORANGE, GRAY = "red", "green", "blue", "orange", "text"
#: Colors of outcomes, wherever they stand.
COLORS = {
    "failed": RED,
    "succeeded": GREEN,
    "healthy": GREEN,
    "changed": BLUE,
    "stale": ORANGE,
    "missing": ORANGE,
    "never": GRAY,
}


def stat(title: str, *queries: str, width: int = 4, bad: bool = False, **more: Any) -> Panel:
    """
    Return a panel with a number.

    :param title: what it counts.
    :param queries: what finds it.
    :param width: of 24.
    :param bad: whether anything above 0 is.
    :param more: see :class:`~grafana.source.model.Panel`.
    """
    color: dict[str, Any] = {"mode": "fixed", "fixedColor": BLUE}
    steps: list[dict[str, Any]] = [{"color": GREEN, "value": None}]
    if bad:
        color = {"mode": "thresholds"}
        steps.append({"color": RED, "value": 1e-9})
    custom = {"color": color, "thresholds": {"mode": "absolute", "steps": steps}, "noValue": "0"}
    return Panel(title, "stat", queries, width, 4, custom=custom, **more)


def graph(title: str, *queries: str, width: int = 12, bars: bool = False, **more: Any) -> Panel:
    """
    Return a panel with curves over time.

    :param title: what they show.
    :param queries: what finds them.
    :param width: of 24.
    :param bars: bars on top of each other, for counts.
    :param more: see :class:`~grafana.source.model.Panel`.
    """
    look: dict[str, Any] = {"drawStyle": "line", "fillOpacity": 12, "lineWidth": 2, "showPoints": "auto"}
    if bars:
        look = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}}
    return Panel(title, "timeseries", queries, width, custom={"custom": look, "min": 0}, overrides=_colored(), **more)


def table(title: str, *queries: str, width: int = 24, **more: Any) -> Panel:
    """
    Return a panel with rows.

    :param title: what they are.
    :param queries: what finds them.
    :param width: of 24.
    :param more: see :class:`~grafana.source.model.Panel`.
    """
    look = {"custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}}
    marks = [{"type": "value", "options": {word: {"color": color} for word, color in COLORS.items()}}]
    colored = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    outcome = {
        "matcher": {"id": "byName", "options": "outcome"},
        "properties": [colored, {"id": "mappings", "value": marks}],
    }
    return Panel(title, "table", queries, width, custom=look, overrides=[outcome], **more)


def _colored() -> list[dict[str, Any]]:
    return [
        {
            "matcher": {"id": "byName", "options": word},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for word, color in COLORS.items()
    ]
