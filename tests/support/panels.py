"""
Draws a dashboard of Grafana's from what its queries find: its panels where they stand, in plain HTML. It shows that
they have something to say, and is no Grafana.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[Any, Any]]
_COLORS = {
    "failed": "#f2495c",
    "succeeded": "#73bf69",
    "changed": "#5794f2",
    "healthy": "#73bf69",
    "stale": "#ff9830",
    "usual": "#b877d9",
}
_BLUE = "#5794f2"
_MOST_ROWS = 9
_ROW = 38
_STYLE = """
body{margin:0;background:#111217;color:#ccccdc;font:13px system-ui,"Liberation Sans",sans-serif}
main{display:grid;grid-template-columns:repeat(24,minmax(0,1fr));grid-auto-rows:ROWpx;gap:8px;padding:12px}
h1{font-size:20px;margin:14px 14px 0;font-weight:500}
section{background:#181b1f;border:1px solid #25282e;border-radius:3px;padding:8px 10px;overflow:hidden;
display:flex;flex-direction:column}
h2{font-size:13px;font-weight:500;margin:0 0 6px}
b{font-size:38px;font-weight:500;margin:auto;line-height:1}
table{border-collapse:collapse;width:100%;font-size:12px}
th{text-align:left;color:#6e9fff;font-weight:500}
td,th{padding:4px 6px;border-bottom:1px solid #25282e;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;
max-width:310px}
svg{flex:1;min-height:0;width:100%}
p{margin:4px 0 0;font-size:12px;color:#9a9eaa}
p i{display:inline-block;width:14px;height:4px;border-radius:2px;margin:0 5px 2px 12px}
""".replace("ROW", str(_ROW - 8))


def draw(dashboard: Mapping[str, Any], ask: Callable[[str], Rows]) -> str:
    """
    Return a page.

    :param dashboard: Grafana's JSON.
    :param ask: returns what a query finds.
    """
    panels = "".join(
        _panel(panel, [ask(target["rawSql"]) for target in panel["targets"]]) for panel in dashboard["panels"]
    )
    title = html.escape(dashboard["title"])
    return f"<!DOCTYPE html><meta charset=utf-8><style>{_STYLE}</style><h1>{title}</h1><main>{panels}</main>"


def _panel(panel: Mapping[str, Any], found: Sequence[Rows]) -> str:
    place = panel["gridPos"]
    style = f"grid-column:{place['x'] + 1}/span {place['w']};grid-row:{place['y'] + 1}/span {place['h']}"
    unit = panel["fieldConfig"]["defaults"]["unit"]
    body = {"stat": _stat, "timeseries": _graph}.get(panel["type"], _table)(panel, found[0], unit)
    return f'<section style="{style}"><h2>{html.escape(panel["title"])}</h2>{body}</section>'


def _shown(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return html.escape(str(value)[:19] if hasattr(value, "year") else str(value))
    if isinstance(value, (str, bool)):
        return html.escape(str(value))
    if unit == "ms":
        return f"{number:,.0f} ms" if number < 1000 else f"{number / 1000:,.1f} s"
    return f"{number:.2f} %" if unit == "percent" else f"{number:,.0f}"


def _stat(panel: Mapping[str, Any], rows: Rows, unit: str) -> str:
    value = next(iter(rows[0].values()))
    is_bad = panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds"
    color = _BLUE if not is_bad else _COLORS["failed" if float(value or 0) > 0 else "healthy"]
    return f'<b style="color:{color}">{_shown(value, unit)}</b>'


def _table(_panel: Mapping[str, Any], rows: Rows, unit: str) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in (rows[0] if rows else ()))
    lines = "".join(
        "<tr>" + "".join(_cell(name, value, unit) for name, value in row.items()) + "</tr>" for row in rows[:_MOST_ROWS]
    )
    return f"<table><tr>{heads}</tr>{lines}</table>"


def _cell(name: str, value: Any, unit: str) -> str:
    color = f' style="color:{_COLORS[value]}"' if isinstance(value, str) and value in _COLORS else ""
    own = unit if name in ("average", "longest") else "short"
    return f"<td{color}>{_shown(value, own)}</td>"


def _graph(panel: Mapping[str, Any], rows: Rows, _unit: str) -> str:
    names = [name for name in rows[0] if name != "time"]
    bars = panel["fieldConfig"]["defaults"]["custom"].get("drawStyle") == "bars"
    begin, end = float(rows[0]["time"]), float(rows[-1]["time"])
    length = max(1.0, end - begin)
    step = min((float(b["time"]) - float(a["time"]) for a, b in itertools.pairwise(rows)), default=length)
    values = [[float(row[name] or 0) for name in names] for row in rows]
    most = max(sum(line) if bars else max(line) for line in values) or 1.0
    drawn = []
    for at, name in enumerate(names):
        color = _COLORS.get(name, _BLUE)
        points = []
        for row, line in zip(rows, values, strict=True):
            x = 1000 * (float(row["time"]) - begin) / (length + step)
            base = sum(line[:at]) if bars else 0.0
            y = 200 * (1 - (base + line[at]) / most)
            high = 200 * line[at] / most
            wide = max(1.5, 1000 * step / (length + step) * 0.8)
            if bars:
                points.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{color}"/>')
            else:
                points.append(f"{x:.1f},{y:.1f}")
        line_of = f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="2"/>'
        drawn.append("".join(points) if bars else line_of)
    keys = "".join(f'<i style="background:{_COLORS.get(name, _BLUE)}"></i>{html.escape(name)}' for name in names)
    return f'<svg viewBox="0 0 1000 204" preserveAspectRatio="none">{"".join(drawn)}</svg><p>{keys}</p>'
