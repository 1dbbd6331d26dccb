"""What a minion has left is gone, its name with it, and what others have left stays, on each database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.engines import SqlOptions, make_reader
from salt_eventsd.database.questions import minions, missing
from salt_eventsd.database.questions.read import reading
from salt_eventsd.database.retention import forget as module
from salt_eventsd.event.clip import named
from salt_eventsd.operate.purge import forget
from tests.support.aged import Answer, jid_of, job_events, stamp
from tests.support.events import fired, job, returned
from tests.support.stores import Database, batch_of

GONE, STAYS = "web1.example.com", "web10.example.com"


@pytest.fixture
def opts(tables: Database, tmp_path: Path) -> dict[str, Any]:
    """Options of a master whose history has two minions."""
    events = [
        *job_events("20260101000000000001", 1, Answer(GONE, 1, states=3), Answer(STAYS, 1, states=2)),
        *job_events("20260101000000000002", 1, Answer(GONE, 1, failed=True)),
        *job_events("20260101000000000003", 1, Answer(STAYS, 1)),
        job("20260101000000000004", tgt=[GONE, STAYS], tgt_type="list", arg=[GONE, f"at {STAYS}"], minions=[STAYS]),
        *job_events(jid_of(2), 2, Answer(GONE, 2), is_told=False),
        fired(f"salt/minion/{GONE}/start", {"id": GONE, "_stamp": stamp(1)}),
        fired(f"salt/minion/{STAYS}/start", {"id": STAYS, "_stamp": stamp(1)}),
        fired("salt/auth", {"id": GONE, "act": "accept", "_stamp": stamp(1)}),
        fired("salt/presence/present", {"present": [GONE, STAYS], "n": 2**63, "_stamp": stamp(1)}),
        fired("company/alarm", {"text": f"not {GONE}x", "_stamp": stamp(1)}),
    ]
    tables.worker().write(batch_of(events))
    workers = {"history": {"module": "sql", "url": tables.url}}
    return {"id": "master-1", "cachedir": str(tmp_path), "eventsd": {"workers": workers}}


def _rows(*rows: tuple[str, str, int]) -> list[dict[str, Any]]:
    return [
        {"worker": "history", "table": f"eventsd_{table}", "rows": number, "done": done} for table, done, number in rows
    ]


EXPECTED = _rows(
    ("events", "changed", 1),
    ("events", "deleted", 2),
    ("jobs", "changed", 2),
    ("jobs", "deleted", 1),
    ("minions", "deleted", 1),
    ("returns", "deleted", 3),
    ("states", "deleted", 3),
)


def test_all_of_it_goes_and_nothing_else(tables: Database, opts: dict[str, Any]) -> None:
    # When
    counted = forget(opts, GONE, dry_run=True)
    before = {name: len(tables.rows(name)) for name in ("jobs", "returns", "states", "events", "minions")}
    told = forget(opts, GONE)

    # Then
    assert before == {"jobs": 4, "returns": 5, "states": 5, "events": 5, "minions": 2}
    assert counted == {"dry_run": True, "forget": EXPECTED, "retcode": 0}
    assert told == {"dry_run": False, "forget": EXPECTED, "retcode": 0}
    everything = [row for name in schema.metadata.tables for row in tables.rows(name.removeprefix("eventsd_"))]
    assert [row for row in everything if GONE in json.dumps(row, default=str).replace(f"not {GONE}x", "")] == []
    assert set(tables.column("returns", "minion_id")) == {STAYS}
    assert len(tables.rows("returns")) == 2
    assert len(tables.rows("states")) == 2
    assert tables.column("minions", "minion_id") == [STAYS]
    assert [row["data"].get("present") for row in tables.rows("events")] == [None, ["(forgotten)", STAYS], None]


def test_jobs_of_several_minions_stay_with_the_others(tables: Database, opts: dict[str, Any]) -> None:
    # When
    forget(opts, GONE)

    # Then
    first, third, fourth = tables.rows("jobs")
    assert (first["minions"], first["minion_count"], first["tgt"]) == ([STAYS], 1, "*")
    assert first["load"]["minions"] == [STAYS]
    assert (third["minions"], third["minion_count"]) == ([STAYS], 1)
    assert (json.loads(fourth["tgt"]), fourth["arg"]) == ([STAYS], ["(forgotten)", f"at {STAYS}"])
    assert fourth["load"]["tgt"] == [STAYS]


def test_one_that_is_not_known_is_said(tables: Database, opts: dict[str, Any]) -> None:
    told = forget(opts, "web")

    assert told == {"dry_run": False, "forget": [], "notes": ["nothing is known of web"], "retcode": 0}
    assert len(tables.rows("returns")) == 5


@pytest.mark.parametrize("minion", ["", 7, None, "web*", "a\0b", "a\ud800b"], ids=ascii)
def test_what_is_no_id_is_refused(opts: dict[str, Any], minion: Any) -> None:
    told = forget(opts, minion)

    assert told == {"problem": f"minion: expected the id of a minion, whole, got {minion!r}", "retcode": 2}


@pytest.mark.parametrize("asked", ["web1 ", named("web1 ")])
def test_a_minion_whose_id_ends_in_a_blank_is_told_from_the_one_without(
    tables: Database, tmp_path: Path, asked: str
) -> None:
    # Given: to MariaDB, both are one name
    jids = ["20260102030405678901", "20260102030405678902"]
    events = [
        job(jids[0], minions=["web1 ", "web2"], tgt="*"),
        *(returned("x", jid=jids[0], minion_id=name, fun="cmd.run") for name in ("web1 ", "web2")),
        returned("x", jid=jids[1], minion_id="web1", fun="cmd.run"),
        fired("salt/presence/present", {"present": ["web1 ", "web2"], "_stamp": stamp(1)}),
    ]
    tables.worker().write(batch_of(events))
    opts = {
        "id": "m",
        "cachedir": str(tmp_path),
        "eventsd": {"workers": {"history": {"module": "sql", "url": tables.url}}},
    }

    # When
    with reading(make_reader(SqlOptions(url=tables.url))) as reader:
        who = missing.find(reader, None, None, 9)
        runs = minions.one(reader, "web1 ", 5)
    forget(opts, asked)

    # Then
    assert who == []
    assert runs is not None
    assert [one["jid"] for one in runs["last_runs"]] == jids[:1]
    assert sorted(tables.column("returns", "minion_id")) == ["web1", "web2"]
    assert sorted(tables.column("minions", "minion_id")) == ["web1", "web2"]
    assert all("web1" not in str(one) for one in tables.column("jobs", "minions"))
    assert [row["data"]["present"] for row in tables.rows("events")] == [["(forgotten)", "web2"]]


def test_what_is_told_of_a_job_meanwhile_stays(
    tables: Database, opts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a batch, which publishes its job again for more minions when the job was found to name the one
    jid = "20260101000000000001"
    find = module._found

    def find_then(connection: Connection, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        found = find(connection, query)
        connection.commit()
        monkeypatch.undo()
        tables.worker().write(batch_of([job(jid, minions=["web2.example.com"])], first=99))
        return found

    monkeypatch.setattr(module, "_found", find_then)

    # When
    forget(opts, GONE)

    # Then
    [row] = [row for row in tables.rows("jobs") if row["jid"] == jid]
    assert (sorted(row["minions"]), row["minion_count"]) == ([STAYS, "web2.example.com"], 2)
