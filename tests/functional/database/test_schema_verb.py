"""``eventsd.schema show``, ``version`` and ``upgrade``, as an operator has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.database import migrate, schema
from salt_eventsd.operate.schema import schema as act
from tests.support.events import returned
from tests.support.old_tables import LAST_OLD, OLD_VERSIONS, make_old_tables
from tests.support.stores import Database, batch_of
from tests.support.versions import differences


def _act(url: str, action: Any, **arguments: Any) -> dict[str, Any]:
    opts = {"id": "master-1", "cachedir": "/nowhere", "eventsd": {"workers": {"history": {"url": url}}}}
    return act(opts, action, arguments, lambda _line: None)


def _fill(database: Database, version: str) -> None:
    """Put rows into tables of an old version, with what each version has added."""
    stamp = "'2026-01-01 00:00:00.000001'"
    true = database.by_kind("1", "true", "1")
    database.execute(
        "INSERT INTO eventsd_jobs (jid, kind, fun, stamp, master_id, minions, minion_count) "
        f"VALUES ('1', 'job', 'state.apply', {stamp}, 'm', '[\"a\"]', 1)",
        "INSERT INTO eventsd_returns (jid, minion_id, fun, retcode, success, stamp, received, master_id, digest) "
        f"VALUES ('1', 'a', 'state.apply', 2, {database.by_kind('0', 'false', '0')}, {stamp}, {stamp}, 'm', 7)",
        f"INSERT INTO eventsd_states (jid, minion_id, run_num, changed, stamp) VALUES ('1', 'a', 0, {true}, {stamp})",
        "INSERT INTO eventsd_minions (minion_id, first_seen, last_seen, master_id) "
        f"VALUES ('a', {stamp}, {stamp}, 'm')",
        f"INSERT INTO eventsd_receipts (spool, chunk, stamp) VALUES ('s', 1, {stamp})",
    )
    if version >= "0002":
        database.execute(f"UPDATE eventsd_states SET test = {true}, fun = 'state.apply'")
    if version >= "0003":
        database.execute("UPDATE eventsd_receipts SET lane = 'history', first_chunk = 1, oldest = 5")


@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_tables_of_each_older_version_are_upgraded_with_what_is_in_them(fresh: Database, version: str) -> None:
    # Given
    make_old_tables(fresh, version)
    _fill(fresh, version)
    before = fresh.query("SELECT jid, minion_id, fun, retcode, digest, stamp FROM eventsd_returns")

    # When
    older = _act(fresh.url, "version")
    told = _act(fresh.url, "upgrade")

    # Then
    assert older == {
        "schema": [{"worker": "history", "version": version, "expected": migrate.HEAD, "state": "older"}],
        "retcode": 1,
    }
    assert told == {"upgraded": [{"worker": "history", "from": version, "to": migrate.HEAD}], "retcode": 0}
    with fresh.engine.connect() as connection:
        assert differences(connection) == []
    assert fresh.query("SELECT jid, minion_id, fun, retcode, digest, stamp FROM eventsd_returns") == before
    [state], [receipt] = fresh.rows("states"), fresh.rows("receipts")
    assert (state["changed"], state["test"]) == (True, True if version >= "0002" else None)
    assert (receipt["lane"], receipt["oldest"]) == (("history", 5) if version >= "0003" else (None, None))
    assert fresh.query("SELECT jid, minion_id FROM eventsd_v_failures") == [("1", "a")]

    # When: an engine goes on writing
    fresh.worker().write(batch_of([returned(jid="2", retcode=3221225477)]))

    # Then
    assert fresh.column("returns", "jid") == ["1", "2"]
    [shown] = _act(fresh.url, "show")["schema"]
    assert (shown["state"], shown["missing"]) == ("current", [])


def test_an_upgrade_makes_the_tables_where_there_are_none(fresh: Database) -> None:
    # Given
    before = _act(fresh.url, "show")

    # When
    told = _act(fresh.url, "upgrade")

    # Then
    assert before["schema"][0]["state"] == "none"
    assert before["retcode"] == 0
    assert told["upgraded"] == [{"worker": "history", "from": None, "to": migrate.HEAD}]
    assert _act(fresh.url, "upgrade")["upgraded"][0]["from"] == migrate.HEAD


def test_what_is_missing_is_shown(fresh: Database) -> None:
    # Given
    fresh.make_tables()
    on = fresh.by_kind("", "", " ON eventsd_returns")
    fresh.execute("DROP VIEW eventsd_v_changes", f"DROP INDEX eventsd_returns_by_fun{on}")

    # When
    told = _act(fresh.url, "show")

    # Then
    [shown] = told["schema"]
    assert shown["missing"] == ["eventsd_returns_by_fun", "eventsd_v_changes"]
    assert {one["table"] for one in shown["tables"]} == set(schema.metadata.tables)
    if fresh.kind != "sqlite":
        assert all(one["bytes"] > 0 for one in shown["tables"])


@pytest.mark.parametrize("action", ["version", "show", "upgrade"])
def test_tables_of_a_newer_release_are_told_and_left_alone(fresh: Database, action: str) -> None:
    # Given
    fresh.worker().write(batch_of([returned(jid="1")]))
    fresh.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'", "DELETE FROM eventsd_returns")

    # When
    told = _act(fresh.url, action)

    # Then
    assert told["retcode"] == 2
    if action == "upgrade":
        assert "version 9999" in told["problem"]
        assert "upgrade salt-eventsd" in told["problem"]
        assert "\n" not in told["problem"]
    else:
        assert told["schema"][0]["state"] == "newer"
    assert fresh.query(f"SELECT version_num FROM {schema.VERSION_TABLE}") == [("9999",)]


@pytest.mark.parametrize("to", [pytest.param(LAST_OLD, id="text"), pytest.param(int(LAST_OLD), id="number")])
def test_there_is_no_way_back(fresh: Database, to: Any) -> None:
    # Given
    fresh.make_tables()

    # When
    told = _act(fresh.url, "upgrade", to=to)

    # Then
    assert told["retcode"] == 2
    assert told["problem"] == (
        f"eventsd: workers.history: to: the tables are of version {migrate.HEAD}, and no release takes them back to"
        f" {LAST_OLD}: an older one needs a backup from before the upgrade"
    )
    assert _act(fresh.url, "version")["schema"][0]["version"] == migrate.HEAD


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    told = _act(f"sqlite:///{tmp_path / 'new.db'}", "upgrade", to="9999")

    assert told["retcode"] == 2
    assert f"to: expected {migrate.HEAD}, the one version" in told["problem"]
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        pytest.param("shwo", {}, "action: expected one of", id="no such action"),
        pytest.param("show", {"to": "x"}, "to: show has no such argument; it has worker", id="another action's"),
        pytest.param("show", {"worker": "x"}, "worker: expected a sql worker, one of history, got 'x'", id="worker"),
    ],
)
def test_a_wrong_argument(tmp_path: Path, action: str, arguments: dict[str, Any], problem: str) -> None:
    told = _act(f"sqlite:///{tmp_path / 'history.db'}", action, **arguments)

    assert told["retcode"] == 2
    assert told["problem"].startswith(problem)


@pytest.mark.parametrize("action", ["show", "version", "upgrade"])
def test_a_database_that_is_away(action: str) -> None:
    told = _act("postgresql://salt:secret@127.0.0.1:1/salt", action)

    assert told["retcode"] == 2
    assert told["problem"].startswith("eventsd: workers.history: ")
    assert "secret" not in told["problem"]
    assert "\n" not in told["problem"]
