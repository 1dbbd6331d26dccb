"""
``python -m grafana.source``: write the dashboards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana.source import prometheus
from grafana.source.engine import engine
from grafana.source.jobs import jobs
from grafana.source.minion import minion
from grafana.source.sql import DATABASES
from grafana.source.states import states

FOLDER = Path(__file__).parents[1] / "dashboards"


def files() -> Iterator[tuple[Path, str]]:
    """Yield each dashboard's file and its text."""
    for database in DATABASES:
        for name, make in (("engine", engine), ("jobs", jobs), ("states", states), ("minion", minion)):
            yield FOLDER / database.folder / f"{name}.json", _text(make(database))
    for name, of_metrics in (("engine", prometheus.engine), ("jobs", prometheus.jobs), ("minion", prometheus.minion)):
        yield FOLDER / "prometheus" / f"{name}.json", _text(of_metrics())


def _text(dashboard: dict[str, Any]) -> str:
    return json.dumps(dashboard, indent=1) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
