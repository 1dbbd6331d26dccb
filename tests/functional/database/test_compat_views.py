"""Views for programs that read the tables of Salt's own returners, and views that are made later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salt_eventsd.database import compat
from salt_eventsd.operate.views import views
from tests.support.events import fired, job, returned
from tests.support.stores import Database, batch_of


def _views(database: Database, **arguments: Any) -> dict[str, Any]:
    opts = {"id": "m", "cachedir": "/nowhere", "eventsd": {"workers": {"history": {"url": database.url}}}}
    return views(opts, **arguments)


def _fill(database: Database) -> None:
    events = [
        job(jid="1", fun="test.arg", arg=["x", {"n": 1}], user="alice"),
        returned({"a": [1, None, "\u00e4 % :x"]}, jid="1", minion_id="a", fun="test.arg", fun_args=["x"]),
        returned("again", jid="1", minion_id="a", fun="test.arg"),
        returned(None, jid="1", minion_id="b", fun="test.arg", retcode=1, success=False),
        returned(True, jid="2", minion_id="a"),
        returned(True, jid="2", minion_id="b"),
        fired("company/alarm", {"level": 7, "_stamp": "2026-01-02T03:04:05"}),
    ]
    database.worker().write(batch_of(events))


@pytest.mark.parametrize("load", [True, False])
def test_a_program_finds_what_it_reads(fresh: Database, load: bool) -> None:
    # Given
    fresh.worker(load=load).write(batch_of())
    _fill(fresh)

    # When
    told = _views(fresh, compat="salt")

    # Then
    assert told == {"made": [{"worker": "history", "view": name} for name in compat.NAMES], "retcode": 0}
    q = fresh.by_kind('"', '"', "`")
    columns = f"fun, jid, {q}return{q}, id, success, full_ret, alter_time"
    rows = fresh.query(f"SELECT {columns} FROM salt_returns ORDER BY jid, id")
    assert [(jid, minion_id, success) for _, jid, _, minion_id, success, _, _ in rows] == [
        ("1", "a", "1"),
        ("1", "b", "0"),
        ("2", "a", "1"),
        ("2", "b", "1"),
    ]
    assert json.loads(rows[0][2]) == {"a": [1, None, "\u00e4 % :x"]}
    assert rows[1][2] == "null"
    whole = json.loads(rows[0][5])
    assert (whole["fun_args"], whole["return"]["a"][0], whole["retcode"], whole["success"]) == (["x"], 1, 0, True)
    failed = json.loads(rows[1][5])
    assert (failed["return"], failed["retcode"], failed["success"], failed["id"]) == (None, 1, False, "b")

    jobs = {jid: json.loads(text) for jid, text in fresh.query(f"SELECT jid, {q}load{q} FROM jids")}
    assert set(jobs) == {"1", "2"}
    assert len(fresh.query("SELECT jid FROM jids")) == 2
    assert (jobs["1"]["user"], jobs["1"]["arg"], jobs["1"]["fun"]) == ("alice", ["x", {"n": 1}], "test.arg")
    assert jobs["2"]["user"] == ""

    [(tag, data, master_id)] = fresh.query("SELECT tag, data, master_id FROM salt_events")
    assert (tag, json.loads(data)["level"], master_id) == ("company/alarm", 7, "master-1")

    # When: once more
    assert _views(fresh, compat="salt")["retcode"] == 0


def test_the_newest_returns_are_found_by_the_index(made: Database) -> None:
    # Given
    _fill(made)
    _views(made, compat="salt")
    explain = made.by_kind("EXPLAIN QUERY PLAN", "EXPLAIN", "EXPLAIN")
    off = ["SET enable_seqscan = off", "SET enable_sort = off"] if made.kind == "postgresql" else []

    # When
    with made.engine.connect() as connection:
        for statement in off:
            connection.exec_driver_sql(statement)
        asked = f"{explain} SELECT jid, id FROM salt_returns ORDER BY alter_time DESC LIMIT 50"
        plan = str(connection.exec_driver_sql(asked).all())

    # Then
    if made.kind == "postgresql":
        assert "eventsd_returns_by_stamp" in plan
        assert "Sort" not in plan
    elif made.kind == "sqlite":
        assert "eventsd_returns_by_stamp" in plan
        assert "TEMP B-TREE" not in plan


def test_tables_of_a_returner_are_left_alone(made: Database) -> None:
    # Given
    made.execute("CREATE TABLE salt_returns (jid VARCHAR(255))", "INSERT INTO salt_returns VALUES ('theirs')")

    # When
    told = _views(made, compat="salt")

    # Then
    assert told["retcode"] == 2
    assert "there is a salt_returns that is not ours" in told["problem"]
    assert "\n" not in told["problem"]
    assert made.query("SELECT jid FROM salt_returns") == [("theirs",)]

    # When: they have a schema of their own
    if made.kind == "postgresql":
        made.execute("CREATE SCHEMA alcali")
        _fill(made)
        assert _views(made, compat="salt", schema="alcali")["made"][1]["view"] == "alcali.salt_returns"
        assert len(made.query("SELECT jid FROM alcali.salt_returns")) == 4


def test_missing_views_are_made(made: Database) -> None:
    # Given
    made.execute("DROP VIEW eventsd_v_changes", "DROP VIEW eventsd_v_answers")

    # When
    told = _views(made)

    # Then
    assert {one["view"] for one in told["made"]} == {"eventsd_v_changes", "eventsd_v_answers"}
    assert made.query("SELECT * FROM eventsd_v_changes") == []
    assert _views(made) == {"made": [], "retcode": 0}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"compat": "pepper"}, "compat: expected salt, got 'pepper'", id="compat"),
        pytest.param({"schema": "x"}, "schema: only compat=salt", id="schema alone"),
        pytest.param({"worker": "x"}, "worker: expected a sql worker, one of history, got 'x'", id="worker"),
        pytest.param({"compat": "salt", "schema": "a b"}, "schema: expected a name of letters", id="schema"),
    ],
)
def test_a_wrong_argument(fresh: Database, arguments: dict[str, Any], problem: str) -> None:
    told = _views(fresh, **arguments)

    assert told["retcode"] == 2
    assert problem in told["problem"]
