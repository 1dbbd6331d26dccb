"""What is kept of jobs, returns, state runs, orchestrations, runners, wheels, minions and events, on each tables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from salt_eventsd.event.parse import Event
from tests.support.events import (
    JID,
    MINION,
    STAMP,
    fired,
    job,
    job_data,
    return_data,
    returned,
    state_result,
)
from tests.support.stores import NODE, Database, Row, batch_of

_STAMP = datetime.fromisoformat(STAMP).replace(tzinfo=timezone.utc)
_RECEIVED = _STAMP + timedelta(seconds=0.25)


def test_a_job(tables: Database) -> None:
    # When
    tables.worker().write(batch_of([job(fun="cmd.run", arg=["uptime", {"shell": "/bin/sh"}], tgt=["a", "b"])]))

    # Then
    [row] = tables.rows("jobs")
    load = row.pop("load")
    assert load["fun"] == "cmd.run"
    assert load["missing"] == []
    assert row == {
        "jid": JID,
        "apart": "",
        "kind": "job",
        "fun": "cmd.run",
        "arg": ["uptime", {"shell": "/bin/sh"}],
        "tgt": '["a","b"]',
        "tgt_type": "glob",
        "user": "root",
        "minions": [MINION],
        "minion_count": 1,
        "stamp": _STAMP,
        "master_id": NODE,
        "syndics": None,
    }


def test_a_return(tables: Database) -> None:
    # When
    value = {"stdout": "up", "number": 1.5, "none": None, "list": [True, False]}
    tables.worker().write(batch_of([returned(value, fun="cmd.run_all", fun_args=["uptime"], retcode=3)]))

    # Then
    [row] = tables.rows("returns")
    load, digest, _ = row.pop("load"), row.pop("digest"), row.pop("id")
    assert (load["cmd"], "return" in load, isinstance(digest, int)) == ("_return", False, True)
    assert row == {
        "jid": JID,
        "minion_id": MINION,
        "fun": "cmd.run_all",
        "fun_args": ["uptime"],
        "retcode": 3,
        "success": False,
        "test": False,
        "return": value,
        "duration_ms": None,
        "stamp": _STAMP,
        "received": _RECEIVED,
        "master_id": NODE,
        "states": None,
        "states_changed": None,
        "states_failed": None,
    }


def test_a_state_run(tables: Database) -> None:
    # Given
    run = {
        "file_|-motd_|-/etc/motd_|-managed": state_result(changes={"diff": "+hello"}, duration=2.25),
        "service_|-nginx_|-nginx_|-running": state_result(
            "nginx", 1, result=False, comment="nginx is not there", __id__="nginx", __sls__="web"
        ),
    }

    # When
    tables.worker().write(batch_of([returned(run, fun="state.apply", fun_args=["web"], retcode=2)]))

    # Then
    first, second = tables.rows("states")
    assert first == {
        "jid": JID,
        "minion_id": MINION,
        "run_num": 0,
        "sls": "motd",
        "state_id": "motd",
        "state": "file.managed",
        "name": "/etc/motd",
        "result": True,
        "changed": True,
        "duration_ms": 2.25,
        "comment": "in the right state",
        "changes": {"diff": "+hello"},
        "stamp": _STAMP,
        "test": False,
        "fun": "state.apply",
        "slow_ms": 2.25,
    }
    assert (second["result"], second["changed"], second["comment"]) == (False, False, "nginx is not there")
    [row] = tables.rows("returns")
    assert (row["success"], row["duration_ms"], row["return"].keys()) == (False, 3.75, run.keys())


def test_a_state_run_with_test_true(tables: Database) -> None:
    # Given
    run = {"pkg_|-vim_|-vim_|-installed": state_result("vim", result=None, changes={"vim": {"new": "9"}})}

    # When
    args = ["web", {"__kwarg__": True, "test": True}]
    tables.worker().write(batch_of([returned(run, fun="state.apply", fun_args=args)]))

    # Then
    [state], [row] = tables.rows("states"), tables.rows("returns")
    assert (state["result"], state["changed"], state["test"], row["test"]) == (None, False, True, True)


def test_an_orchestration(tables: Database) -> None:
    # Given
    run = {"salt_|-deploy_|-deploy_|-state": state_result("deploy", __id__="deploy", __sls__="orch.deploy")}
    value = {"data": {"master-1_master": run}, "outputter": "highstate", "retcode": 0}
    tag = f"salt/run/{JID}/ret"

    # When
    tables.worker().write(batch_of([fired(tag, {**return_data(value, fun="runner.state.orchestrate"), "id": None})]))

    # Then
    [state], [row] = tables.rows("states"), tables.rows("returns")
    assert (row["retcode"], row["success"], state["fun"]) == (0, True, "runner.state.orchestrate")
    assert (state["minion_id"], state["sls"], state["state"]) == ("master-1_master", "orch.deploy", "salt.state")
    assert (row["minion_id"], row["fun"]) == (NODE, "runner.state.orchestrate")


@pytest.mark.parametrize("kind", [pytest.param("run", id="runner"), pytest.param("wheel", id="wheel")])
def test_a_job_of_the_master(tables: Database, kind: str) -> None:
    # Given
    names = {"run": "runner", "wheel": "wheel"}
    fun = f"{names[kind]}.key.list"
    new = {"jid": JID, "fun": fun, "fun_args": ["all"], "user": "sudo_alice", "_stamp": STAMP}

    # When
    ret = {**new, "return": ["web1"], "success": True}
    tables.worker().write(batch_of([fired(f"salt/{kind}/{JID}/new", new), fired(f"salt/{kind}/{JID}/ret", ret)]))

    # Then
    [started], [ended] = tables.rows("jobs"), tables.rows("returns")
    assert (started["kind"], started["fun"], started["user"], started["arg"]) == (
        names[kind],
        fun,
        "sudo_alice",
        ["all"],
    )
    assert (ended["minion_id"], ended["return"], ended["success"]) == (NODE, ["web1"], True)
    assert tables.rows("minions") == []


def test_an_event_of_no_job(tables: Database) -> None:
    # When
    data = {"disk": "/dev/sda", "free": 0.5, "_stamp": STAMP}
    tables.worker().write(batch_of([fired("company/alarm/disk", data)]))

    # Then
    [row] = tables.rows("events")
    assert row.pop("digest") is not None
    assert row.pop("id") is not None
    assert row == {
        "tag": "company/alarm/disk",
        "data": data,
        "stamp": _STAMP,
        "received": _RECEIVED,
        "master_id": NODE,
    }


def test_a_minion_has_its_first_and_its_newest_sign_of_life(tables: Database) -> None:
    # Given
    def seen(minute: int, jid: str, fun: str) -> Event:
        return returned(jid=jid, fun=fun, _stamp=f"2026-01-02T03:{minute:02}:00.000001")

    worker = tables.worker()

    # When: the newest is neither the last to come nor alone in its batch
    worker.write(batch_of([seen(10, "10", "test.ping")]))
    worker.write(batch_of([seen(20, "20", "old.fun"), seen(40, "40", "new.fun"), seen(30, "30", "old.fun")], first=2))
    worker.write(batch_of([seen(5, "5", "late.fun")], first=3))

    # Then
    [row] = tables.rows("minions")
    assert row == {
        "minion_id": MINION,
        "first_seen": datetime(2026, 1, 2, 3, 10, 0, 1, tzinfo=timezone.utc),
        "last_seen": datetime(2026, 1, 2, 3, 40, 0, 1, tzinfo=timezone.utc),
        "last_jid": "40",
        "last_fun": "new.fun",
        "master_id": NODE,
    }


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        pytest.param("2026-01-02T03:04:05.000001", "2026-01-02T03:04:05.000001", id="a-microsecond"),
        pytest.param("2026-01-02T03:04:05.999999", "2026-01-02T03:04:05.999999", id="all-but-one"),
        pytest.param("2026-01-02T03:04:05", "2026-01-02T03:04:05.000000", id="whole"),
        pytest.param("2026-01-02T03:04:05.500000+02:00", "2026-01-02T01:04:05.500000", id="another-zone"),
        pytest.param("2026-03-29T02:30:00.250000", "2026-03-29T02:30:00.250000", id="no-such-hour-in-berlin"),
    ],
)
def test_times_are_utc_with_microseconds(
    tables: Database, stamp: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("PGTZ", "Europe/Berlin")

    # When
    tables.worker().write(batch_of([returned(_stamp=stamp)]))

    # Then
    moment = datetime.fromisoformat(expected).replace(tzinfo=timezone.utc)
    assert tables.column("returns", "stamp") == [moment]
    assert tables.column("minions", "last_seen") == [moment]


def test_every_database_keeps_the_same(tables: Database, tmp_path: Any) -> None:
    # Given: a bit of everything, and SQLite, which takes rows as they are, to compare with
    events = [
        *(returned({"n": n, "text": "x" * n}, jid=f"r{n}", minion_id=f"minion-{n % 7}") for n in range(100)),
        *(job(f"j{n}", arg=[n, None, 2**53 + n, -0.1 * n], minions=[f"m{i}" for i in range(n)]) for n in range(20)),
        *(fired(f"some/tag/{n}", {"n": n, "_stamp": STAMP}) for n in range(50)),
        fired("an/odd/one", ["a", "list"]),
        job("odd", tgt={"a": 1}, tgt_type=7, user=None, minions="all"),
        returned("text", jid="odd", retcode="2", success="yes", fun_args="text"),
        returned(None, jid="none", retcode=2**40),
        returned(None, jid="most", retcode=2**70),
        fired(f"salt/job/{JID}/new", {**job_data(), "arg": {"not": "a list"}}),
        returned(
            {"state.apply": {"a_|-b_|-c_|-d": state_result()}, "test.ping": True},
            jid="several",
            fun=["state.apply", "test.ping"],
            retcode={"state.apply": 3221225477, "test.ping": 0},
            success={"state.apply": False, "test.ping": True},
        ),
    ]
    plain = Database(f"sqlite:///{tmp_path / 'plain.db'}")

    # When
    tables.worker().write(batch_of(events))
    plain.worker().write(batch_of(events))

    # Then
    for name in ("jobs", "returns", "states", "events", "minions"):
        assert _by_content(tables.rows(name)) == _by_content(plain.rows(name))
    plain.close()


def _by_content(rows: list[Row]) -> list[Row]:
    """Rows without the number the database gave them, in an order that does not depend on it."""
    return sorted(({key: value for key, value in row.items() if key != "id"} for row in rows), key=repr)


def test_a_duration_is_exact(tables: Database) -> None:
    # Given: a day and an eighth of a millisecond, more than a float of 32 bits holds
    milliseconds = 86_400_000.125
    run = {"cmd_|-long_|-long_|-run": state_result("long", duration=milliseconds)}

    # When
    tables.worker().write(batch_of([returned(run, fun="state.apply")]))

    # Then
    assert tables.column("states", "duration_ms") == [milliseconds]
