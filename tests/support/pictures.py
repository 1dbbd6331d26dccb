"""
Makes the pictures of the documentation anew: ``python -m tests.support.pictures``. It needs Chromium, and a
PostgreSQL as the tests do.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from salt_eventsd.engine import state_file
from salt_eventsd.operate.report.make import make
from salt_eventsd.spool.lock import lock
from tests.support.browser import Browser, chromium
from tests.support.fleet import week
from tests.support.grafana import FOLDER as DASHBOARDS
from tests.support.grafana import Look
from tests.support.numbers import fill_numbers
from tests.support.panels import draw
from tests.support.reports import bus_of, report_of, spool_of, worker_of
from tests.support.servers import PostgreSQL
from tests.support.stores import NODE, Database, batch_of

#: Of a picture.
_MOST_BYTES = 150_000
FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def fill(url: str) -> None:
    """
    Write two weeks of a fleet into a database.

    :param url: of an empty one.
    """
    database = Database(url)
    worker = database.worker()
    events = week(days=14)
    for start in range(0, len(events), 500):
        worker.write(batch_of(events[start : start + 500], first=start + 1))
    database.close()


def main() -> int:
    """Make them."""
    path = chromium()
    if path is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(f"sqlite:///{folder / 'history.db'}")
        held = lock(folder)
        (folder / "status.json").write_bytes(state_file.encode(_engine(folder)))
        workers = {"history": {"url": f"sqlite:///{folder / 'history.db'}"}}
        opts: dict[str, Any] = {"id": "salt.example.com", "cachedir": str(folder)}
        opts["eventsd"] = {"workers": workers, "state_file": str(folder / "status.json")}
        make(opts, str(folder / "report.html"), "7d", None)
        held.close()
        _take(path, folder / "report.html")
    _of_grafana(path)
    return 0


def _of_grafana(program: str) -> None:
    """The panels of the dashboards of PostgreSQL, each as large as it stands there."""
    now = datetime.now(timezone.utc)
    look = Look(now - timedelta(days=7), now, {"minion": "web03.example.com", "file": "/etc/%", "master": NODE}, "3h")
    with PostgreSQL() as server, tempfile.TemporaryDirectory() as name:
        url = server.new_database()
        fill(url)
        fill_numbers(url)
        engine = sa.create_engine(url, poolclass=sa.NullPool).execution_options(no_parameters=True)
        for path in sorted((DASHBOARDS / "postgresql").glob("*.json")):
            with engine.connect() as connection:
                page = draw(
                    json.loads(path.read_text(encoding="utf-8")),
                    lambda text: [
                        dict(row) for row in connection.exec_driver_sql(look.sql(text, "postgresql")).mappings()
                    ],
                )
            (Path(name) / "page.html").write_text(page, encoding="utf-8")
            browser = Browser(program)
            browser.show(1280)
            browser.open(Path(name) / "page.html")
            picture = FOLDER / f"grafana-{path.stem}.png"
            for height in range(1400, 400, -100):
                browser.screenshot(picture, 0, height)
                if picture.stat().st_size <= _MOST_BYTES:
                    break
            browser.close()


def _engine(folder: Path) -> Any:
    now = time.time()
    bus = bus_of(received=1_482_310, events_per_second=24.3, since=now - 9 * 86_400, last=now)
    worker = worker_of(written=1_120_544, up=1, last_write=now - 0.4)
    spool = spool_of(dir=str(folder), max_bytes=1 << 30, bytes=210_000, events=52)
    return report_of(started=now - 9 * 86_400, bus=bus, workers={"history": worker}, spool=spool)


def _take(program: str, page: Path) -> None:
    browser = Browser(program)
    try:
        browser.show(1280)
        browser.open(page)
        browser.screenshot(FOLDER / "report-light.png", 0, 1180)
        browser.show(400, dark=True)
        browser.open(page)
        top = browser.evaluate("document.getElementById('minions').getBoundingClientRect().top + scrollY")
        browser.screenshot(FOLDER / "report-dark.png", int(top), 1000)
    finally:
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
