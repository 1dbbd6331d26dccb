"""Every query of the dashboards of PostgreSQL and MariaDB, asked of a database with a fleet's week in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from grafana.source.__main__ import files
from tests.support.docs import ROOT
from tests.support.fleet import week
from tests.support.grafana import FOLDER, Look, Query, queries
from tests.support.history import FAILED, Story
from tests.support.numbers import fill_numbers
from tests.support.servers import Server
from tests.support.stores import NODE, Database, batch_of

Rows = list[dict[str, Any]]
#: The folder of dashboards -> the fixture of a server.
_SERVERS = {"postgresql": "postgresql", "mysql": "mariadb"}
_CASES = [
    pytest.param(folder, query, id=f"{folder}-{query.name}", marks=pytest.mark.database(_SERVERS[folder]))
    for folder in _SERVERS
    for query in queries(folder)
]
#: What is right of a minion with which all is well. The story below has something to show in them.
_MAY_BE_EMPTY = {"What failed on it, and why?", "What was changed on it, and by whom?"}


def _fill(url: str, events: list[Any]) -> None:
    database = Database(url)
    worker = database.worker()
    for start in range(0, len(events), 500):
        worker.write(batch_of(events[start : start + 500], first=start + 1))
    database.close()


def _ask(url: str, folder: str, text: str, look: Look) -> Rows:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.execution_options(no_parameters=True).connect() as connection:
        # As the provisioned data source says it.
        connection.exec_driver_sql(
            "SET time_zone = '+00:00'" if folder == "mysql" else "SET TIME ZONE 'America/New_York'"
        )
        return [dict(row) for row in connection.exec_driver_sql(look.sql(text, folder)).mappings()]


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Returns the URL of a database with the week, of each kind."""
    urls: dict[str, str] = {}

    def url(folder: str) -> str:
        if folder not in urls:
            server: Server = request.getfixturevalue(_SERVERS[folder])
            urls[folder] = server.new_database()
            _fill(urls[folder], week())
            fill_numbers(urls[folder])
        return urls[folder]

    return url


@pytest.mark.parametrize(("folder", "query"), _CASES)
def test_a_panel_has_something_to_show(fleet: Callable[[str], str], folder: str, query: Query) -> None:
    # Given
    now = datetime.now(timezone.utc)
    look = Look(now - timedelta(days=3), now, {"minion": "web03.example.com", "file": "/etc/%", "master": NODE})

    # When
    rows = _ask(fleet(folder), folder, query.text, look)

    # Then
    if query.title not in _MAY_BE_EMPTY:
        assert rows
    if query.kind == "stat":
        assert len(rows) == 1
        assert len(rows[0]) == 1
        assert float(next(iter(rows[0].values()))) >= 0
    if query.kind == "timeseries":
        times = [float(row["time"]) for row in rows]
        assert times == sorted(set(times))
        assert look.start.timestamp() - 3600 <= times[0] <= times[-1] <= look.end.timestamp()
        assert all(float(value or 0) >= 0 for row in rows for name, value in row.items() if name != "time")
    assert all(len(value) <= 300 for row in rows for value in row.values() if isinstance(value, str))


@pytest.mark.parametrize(
    "folder", [pytest.param(one, id=one, marks=pytest.mark.database(server)) for one, server in _SERVERS.items()]
)
def test_the_answers_are_those_of_a_story(request: pytest.FixtureRequest, folder: str) -> None:
    """The questions that an operator has, against a truth that is known from outside."""
    # Given
    story = Story(seed=5)
    story.by_chance(120)
    changed = story.states({"web1.example.com": "changed"}, user="alice", names=["/etc/ntp.conf", "/etc/chosen.conf"])
    server: Server = request.getfixturevalue(_SERVERS[folder])
    url = server.new_database()
    _fill(url, story.events)
    now = datetime.now(timezone.utc)
    look = Look(now - timedelta(days=2), now, {"minion": "web1.example.com", "file": "/etc/chosen.conf"})
    asked = {(query.dashboard, query.title): query.text for query in queries(folder)}

    def rows(dashboard: str, title: str) -> Rows:
        return _ask(url, folder, asked[dashboard, title], look)

    def number(dashboard: str, title: str) -> float:
        return float(next(iter(rows(dashboard, title)[0].values())))

    # Then
    returned = [ok for job in story.jobs for _, _, ok in job.returned]
    states = [state for job in story.jobs for state in job.states]
    assert number("jobs", "How many jobs?") == sum(job.published for job in story.jobs)
    assert number("jobs", "How many failed?") == sum(job.outcome == FAILED for job in story.jobs)
    assert number("jobs", "How many answers?") == len(returned)
    assert number("jobs", "How many changed something?") == len({state.jid for state in states if state.changed})
    rate = pytest.approx(100 * returned.count(False) / len(returned))
    assert number("jobs", "Answers that failed") == rate
    assert sum(row["failed"] for row in rows("jobs", "Answers")) == returned.count(False)
    ran = Counter((job.user, job.fun, job.kind) for job in story.jobs if job.published)
    assert {(row["who"], row["what"], row["kind"]): row["times"] for row in rows("jobs", "Who ran it?")} == ran
    assert len(rows("jobs", "Why did it fail?")) == min(200, returned.count(False))
    longest = max(state.duration for state in states)
    assert rows("states", "Which states take longest?")[0]["longest"] == longest
    [row] = rows("states", "Which job changed this file?")
    assert (row["jid"], row["who"], row["name"]) == (changed.jid, "alice", "/etc/chosen.conf")
    assert rows("minion", "How is it?")[0]["outcome"] == "changed"


@pytest.mark.parametrize(
    "folder", [pytest.param(one, id=one, marks=pytest.mark.database(server)) for one, server in _SERVERS.items()]
)
def test_the_engine_is_told_by_its_numbers(request: pytest.FixtureRequest, folder: str) -> None:
    # Given
    server: Server = request.getfixturevalue(_SERVERS[folder])
    url = server.new_database()
    fill_numbers(url)
    now = datetime.now(timezone.utc)
    look = Look(now - timedelta(days=1), now, {"master": NODE})
    asked = {query.title: query.text for query in queries(folder) if query.dashboard == "engine"}

    def rows(title: str) -> Rows:
        return _ask(url, folder, asked[title], look)

    def number(title: str) -> float:
        return float(next(iter(rows(title)[0].values())))

    # Then: a start anew is no loss, and what rules have is in the worker's numbers already
    titles = ("Workers down", "Events lost", "Gaps", "Dead letters", "Tries that failed")
    assert [number(title) for title in titles] == [1, 1, 0, 0, 1]
    assert sum(float(row["received"]) for row in rows("Events")) == 100
    assert sum(float(row["written"]) for row in rows("Events written")) == 80
    assert [float(row["waiting"]) for row in rows("Events that wait")][-1] == 5
    [worker] = rows("Workers")
    assert (worker["worker"], worker["up"], worker["waiting"], worker["written"]) == ("history", 0, 5, 40)


def test_usual_is_what_was_before(request: pytest.FixtureRequest) -> None:
    """A failure rate that is higher than usual can be seen as such."""
    pytest.importorskip("psycopg2")
    # Given: one of four failed some days ago, and all of today
    story = Story()
    minions = ["a", "b", "c", "d"]
    story.at(timedelta(days=3)).ping(minions, failed=["a"])
    story.at(timedelta(hours=1)).ping(minions, failed=minions)
    now = datetime.now(timezone.utc)
    look = Look(now - timedelta(days=1), now, {})
    for folder, fixture in _SERVERS.items():
        server: Server = request.getfixturevalue(fixture)
        url = server.new_database()
        _fill(url, story.events)
        asked = {query.title: query.text for query in queries(folder) if query.dashboard == "jobs"}

        # When
        rows = _ask(url, folder, asked["Is the failure rate higher than usual?"], look)

        # Then
        assert [(float(row["failed"]), float(row["usual"])) for row in rows] == [(100.0, 25.0)]


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path, _ in files()])
def test_a_file_is_what_it_is_made_of(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == dict(files())[path], "python -m grafana.source makes it anew"


def test_dashboards_can_stand_side_by_side() -> None:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*/*.json")]

    assert len(found) == 11
    assert len({one["uid"] for one in found}) == len({one["title"] for one in found}) == 11
    for one in found:
        assert len({panel["id"] for panel in one["panels"]}) == len(one["panels"])
        kinds = {target["datasource"]["type"] for panel in one["panels"] for target in panel["targets"]}
        assert kinds == {one["templating"]["list"][0]["query"]}


def test_provisioning_names_the_sources_that_dashboards_ask() -> None:
    text = (ROOT / "grafana" / "provisioning" / "datasources" / "eventsd.yaml").read_text(encoding="utf-8")

    sources = {one["type"]: one for one in yaml.safe_load(text)["datasources"]}

    asked = {json.loads(path.read_text(encoding="utf-8"))["templating"]["list"][0]["query"] for path, _ in files()}
    assert set(sources) == asked
    assert sources["mysql"]["jsonData"]["timezone"] == "+00:00"
