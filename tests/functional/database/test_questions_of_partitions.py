"""Questions to tables of partitions look into few of them, and find what came late or has an odd job id, too."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database.questions import minions
from salt_eventsd.database.questions.read import reading
from salt_eventsd.database.questions.runs import last
from salt_eventsd.event.parse import Event
from salt_eventsd.operate.schema import schema as verb
from tests.support.events import returned, state_result
from tests.support.stores import Database, batch_of

NOW = datetime.now(timezone.utc)
AGES = [None, *(timedelta(days=days) for days in (0.7, 5, 31, 49))]


def run(minion_id: str, days_ago: float, jid: str | float | None = None) -> Event:
    """Return what a run of states returned; its job id is of the same time, or of another one, or none of a time."""
    began = days_ago if jid is None else jid
    told = began if isinstance(began, str) else f"{NOW - timedelta(days=began):%Y%m%d%H%M%S%f}"
    stamp = (NOW - timedelta(days=days_ago)).replace(tzinfo=None).isoformat(timespec="microseconds")
    states = {"file_|-a_|-a_|-managed": state_result("a", 0)}
    return returned(states, jid=told, minion_id=minion_id, fun="state.apply", _stamp=stamp)


@pytest.fixture
def history(served: Database) -> Database:
    """A history of some months, whose minions have been there all the time."""
    worker = served.worker()
    worker.write(
        batch_of(
            [
                run("often", 2),
                run("often", 40),
                run("often", 60),
                run("late", 3),
                run("late", 1, jid=60),
                run("odd", 6),
                run("odd", 1, jid="req"),
                run("fast-clock", 0.5, jid="20990101000000000000"),
                run("slow-clock", 0.5, jid=90),
                run("stale", 40),
                run("stale", 50),
                run("stale-and-late", 32),
                run("stale-and-late", 30, jid=50),
                returned(minion_id="never"),
            ]
        )
    )
    served.close()
    served.execute("UPDATE eventsd_minions SET first_seen = '2020-01-01'")
    return served


def partition(database: Database) -> None:
    opts = {"eventsd": {"workers": {"history": {"module": "sql", "url": database.url}}}, "cachedir": "/nowhere"}
    assert verb({"id": "m", **opts}, "partition", {"by": "day"}, print)["retcode"] == 0


def how_minions_were(database: Database) -> list[list[dict[str, Any]]]:
    with reading(database.engine) as reader:
        return [
            sorted(
                minions.conformity(reader, at=None if age is None else NOW - age), key=lambda row: str(row["minion_id"])
            )
            for age in AGES
        ]


def test_how_minions_are_is_the_same_in_partitions(history: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    whole = how_minions_were(history)
    jids = {row["minion_id"]: row["jid"] for row in whole[0]}
    assert jids["late"].startswith(f"{NOW - timedelta(days=60):%Y%m%d}")
    assert (jids["odd"], jids["never"]) == ("req", None)

    # When
    partition(history)

    # Then, also where looks are many, and where more is late than is looked through
    assert how_minions_were(history) == whole
    monkeypatch.setattr(last, "_FEW_LOOKS", 0)
    assert how_minions_were(history) == whole
    monkeypatch.setattr(last, "_MOST_LATE", 1)
    assert how_minions_were(history) == whole


def test_the_last_days_are_looked_at_first(history: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    partition(history)
    monkeypatch.setattr(last, "_FEW_LOOKS", 0)
    told: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        told.append((statement, parameters))

    # When
    sa.event.listen(history.engine, "before_cursor_execute", note)
    with reading(history.engine) as reader:
        minions.conformity(reader, at=NOW - timedelta(days=30))
    sa.event.remove(history.engine, "before_cursor_execute", note)
    statement, parameters = next(one for one in told if "LIMIT" in one[0] and re.search(r"fun\)? IN", one[0]))

    # Then the partitions of other days are not
    words = "EXPLAIN" if history.kind == "postgresql" else "EXPLAIN PARTITIONS"
    with history.engine.connect() as connection:
        plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{words} {statement}", parameters))
    looked_at = set(re.findall(r"p\d{8}|returns_\w*before", plan))
    assert 1 <= len(looked_at) <= 12, plan
    assert f"{NOW:%Y%m%d}" not in "".join(looked_at)
