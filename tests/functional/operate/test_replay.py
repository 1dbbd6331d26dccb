"""``eventsd.replay``: a rule that is new gets its past, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.config.load import load
from salt_eventsd.database import schema
from salt_eventsd.engine.live import Live
from salt_eventsd.operate.replay import replay
from tests.support.events import fired, job, returned, state_result
from tests.support.stores import Database, batch_of

ROOT = Path(__file__).parents[3]
_RAID = "CREATE TABLE raid (srv VARCHAR(64), state TEXT, jid VARCHAR(64))"
_RULE = {
    "tag": r"salt/job/\d+/ret/",
    "fun": r"raid\.check",
    "worker": "history",
    "table": "raid",
    "columns": {"srv": "data.id", "state": "data.return.state", "jid": "data.jid"},
}


def _opts(tmp_path: Path, url: str, rule: dict[str, Any], **workers: Any) -> dict[str, Any]:
    return {
        "id": "master-1",
        "cachedir": str(tmp_path),
        "extension_modules": "",
        "eventsd": {
            "workers": {"history": {"module": "sql", "url": url}, **workers},
            "events": {"returns": {"tag": "salt/job/", "worker": "history", "subs": {"raid": rule}}},
            "state_file": str(tmp_path / "status.json"),
        },
    }


def _replay(opts: dict[str, Any], rule: str = "returns.subs.raid", **more: Any) -> dict[str, Any]:
    return replay(opts, {"rule": rule, "since": "all", **more}, lambda _line: None)


def _jid(number: int) -> str:
    return f"202601020304{number:08d}"


def _raids(count: int, first: int = 0) -> list[Any]:
    return [
        returned(
            {"state": f"s{number}", "a": 1, "bb": [number]},
            jid=_jid(number),
            fun="raid.check" if number % 2 == 0 else "test.ping",
            _stamp=f"2026-01-02T03:{number // 60 % 60:02d}:{number % 60:02d}.{number:06d}",
        )
        for number in range(first, first + count)
    ]


def _rows(database: Database) -> list[tuple[Any, ...]]:
    return database.query("SELECT jid, srv, state FROM raid ORDER BY jid")


_EXPECTED = [(_jid(number), "web1.example.com", f"s{number}") for number in range(0, 50, 2)]


def test_a_new_rule_gets_its_past_once(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(50)))
    mine.execute(_RAID)
    opts = _opts(tmp_path, mine.url, _RULE)

    # When
    counted = _replay(opts, dry_run=True)

    # Then
    assert (counted["dry_run"], counted["retcode"]) == (True, 0)
    assert [(one["table"], one["rows"], one["events"], one["written"]) for one in counted["replayed"]] == [
        ("eventsd_jobs", 0, 0, 0),
        ("eventsd_returns", 50, 25, 0),
        ("eventsd_events", 0, 0, 0),
    ]
    assert _rows(mine) == []

    # When
    told = _replay(opts)

    # Then
    assert told["retcode"] == 0
    assert [one["written"] for one in told["replayed"]] == [0, 25, 0]
    assert _rows(mine) == _EXPECTED
    assert len(mine.rows("returns")) == 50

    # When: once more, and from an earlier time on
    again = _replay(opts)

    # Then
    assert [one["written"] for one in again["replayed"]] == [0, 0, 0]
    assert _rows(mine) == _EXPECTED
    assert any("again=True" in note for note in again["notes"])

    # When
    mine.execute("DELETE FROM raid")
    _replay(opts, again=True)

    # Then
    assert _rows(mine) == _EXPECTED


def test_it_ends_where_the_engine_began_to_write_by_itself(mine: Database, tmp_path: Path) -> None:
    # Given an engine that has had the rule for some of the time
    mine.worker().write(batch_of(_raids(50)))
    mine.execute(_RAID)
    opts = _opts(tmp_path, mine.url, _RULE)
    at = "2026-01-02T03:00:{}"
    began = datetime.fromisoformat(at.format("20+00:00")).timestamp()
    Live(tmp_path / "status.json").apply(load(opts), began)

    # When
    further = _replay(opts, until=at.format("30"), dry_run=True)
    later = _replay(opts, since=at.format("25"))
    told = _replay(opts)

    # Then
    assert (told["retcode"], [one["written"] for one in told["replayed"]]) == (0, [0, 10, 0])
    assert told["notes"][0].startswith("history: until=2026-01-02T03:00:20.000000, for since then the engine")
    assert further["notes"] == [
        "history: what came after 2026-01-02T03:00:20.000000 is there twice: since then the engine has written it by"
        " itself"
    ]
    assert [one["events"] for one in further["replayed"]] == [0, 15, 0]
    assert later["retcode"] == 2
    assert later["problem"].startswith("until: expected a time after since; history: until=2026-01-02T03:00:20")

    # When the table takes nothing twice
    mine.execute("CREATE UNIQUE INDEX raid_once ON raid (jid)")
    upserting = _replay(_opts(tmp_path, mine.url, {**_RULE, "upsert": ["jid"]}), again=True)

    # Then
    assert [one["written"] for one in upserting["replayed"]] == [0, 25, 0]
    assert _rows(mine) == _EXPECTED


def test_where_an_earlier_release_has_not_noted_since_when_the_end_has_to_be_given(
    mine: Database, tmp_path: Path
) -> None:
    # Given
    mine.worker().write(batch_of(_raids(10)))
    mine.execute(_RAID)
    opts = _opts(tmp_path, mine.url, _RULE)
    (tmp_path / "status.json").write_text('{"bus": {}}')
    Live(tmp_path / "status.json").apply(load(opts), 1.0)

    # When
    told = _replay(opts)

    # Then
    assert (told["retcode"], told["problem"].partition(";")[0]) == (2, "until: missing")
    assert _replay(opts, until="2026-01-02T03:00:05")["replayed"][1]["written"] == 3


def test_times_may_overlap(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(50)))
    mine.execute(_RAID)
    opts = _opts(tmp_path, mine.url, _RULE)
    at = "2026-01-02T03:00:{:02d}"

    # When
    counts = [
        sum(one["written"] for one in _replay(opts, since=since, until=until)["replayed"])
        for since, until in (
            (at.format(10), at.format(20)),
            (at.format(30), at.format(40)),
            (at.format(15), at.format(35)),
            ("all", None),
        )
    ]

    # Then
    assert counts == [5, 5, 5, 10]
    assert _rows(mine) == _EXPECTED


def test_many_rows_of_one_time_come_once(mine: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: pages are smaller than what has one time
    monkeypatch.setattr("salt_eventsd.database.transfer.history._PAGE_ROWS", 7)
    same = [
        returned({"state": str(number)}, jid=_jid(number), fun="raid.check", _stamp="2026-01-02T03:00:07.000001")
        for number in range(100, 160)
    ]
    mine.worker().write(batch_of([*_raids(50), *same]))
    mine.execute(_RAID)

    # When
    _replay(_opts(tmp_path, mine.url, _RULE))

    # Then
    wanted = [*_EXPECTED, *((_jid(number), "web1.example.com", str(number)) for number in range(100, 160))]
    assert _rows(mine) == wanted


def test_a_replay_that_is_killed_goes_on_and_writes_nothing_twice(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(3000)))
    mine.execute(_RAID)
    opts = _opts(tmp_path, mine.url, _RULE)
    opts["eventsd"]["workers"]["history"]["batch"] = {"events": 20}
    call = (
        "import json, sys\n"
        "from salt_eventsd.operate.replay import replay\n"
        "print(json.dumps(replay(json.loads(sys.argv[1]), {'rule': 'returns.subs.raid', 'since': 'all'}, len)))"
    )

    # When: several times, each once it has written some rows more
    kills = 0
    for _ in range(4):
        before = len(_rows(mine))
        process = subprocess.Popen([sys.executable, "-c", call, json.dumps(opts)], cwd=ROOT, stdout=subprocess.PIPE)
        patience = time.monotonic() + 60
        while process.poll() is None and len(_rows(mine)) <= before and time.monotonic() < patience:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    told = _replay(opts)

    # Then
    assert kills >= 2
    assert told["retcode"] == 0
    assert sum(one["written"] for one in told["replayed"]) < 1500
    assert _rows(mine) == [(_jid(number), "web1.example.com", f"s{number}") for number in range(0, 3000, 2)]


def test_a_statement_of_the_users_own(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(10)))
    mine.execute(_RAID)
    rule = {name: _RULE[name] for name in ("tag", "fun", "worker")}
    rule["statement"] = "INSERT INTO raid (srv, state, jid) VALUES (:srv, :state, :jid)"
    rule["fields"] = _RULE["columns"]

    # When
    _replay(_opts(tmp_path, mine.url, rule))

    # Then
    assert _rows(mine) == _EXPECTED[:5]


def test_into_another_database_the_built_in_tables_become_the_same(mine: Database, tmp_path: Path) -> None:
    # Given: what an engine has written there already is not doubled, though a database may change the order of fields
    states = {"pkg_|-a_|-a_|-installed": state_result("a", 0), "pkg_|-b_|-b_|-installed": state_result("b", 1)}
    events = [
        job(jid=_jid(1), fun="state.apply", minions=["web1.example.com"]),
        returned(states, jid=_jid(1), fun="state.apply"),
        returned({"z": 1, "a": [1.5, None]}, jid=_jid(2), minion_id="b"),
        fired("salt/run/20260102030405000001/new", {"jid": "20260102030405000001", "fun": "runner.manage.up"}),
        fired(
            "salt/run/20260102030405000001/ret",
            {"jid": "20260102030405000001", "fun": "runner.manage.up", "return": {"b": 1, "a": 2}, "success": True},
        ),
        fired("company/alarm/1", {"level": 7, "_stamp": "2026-01-02T03:04:05.000001", "deep": {"b": 1, "a": 2}}),
    ]
    mine.worker().write(batch_of(events))
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.worker().write(batch_of(events[1:2]))
    opts = _opts(tmp_path, mine.url, _RULE, other={"module": "sql", "url": other.url})
    opts["eventsd"]["events"]["everything"] = {"tag": ".*", "worker": "other"}

    # When
    told = _replay(opts, rule="everything")

    # Then
    assert told["retcode"] == 0, told
    for table, left_out in (
        ("jobs", ()),
        ("returns", ("id", "received")),
        ("states", ()),
        ("events", ("id", "received")),
    ):
        found, wanted = (
            sorted(
                ({key: value for key, value in row.items() if key not in left_out} for row in database.rows(table)),
                key=lambda row: json.dumps(row, default=str, sort_keys=True),
            )
            for database in (other, mine)
        )
        assert found == wanted, table
    other.close()


@pytest.mark.parametrize("load", [True, False])
def test_without_the_whole_event_its_columns_are_enough(mine: Database, tmp_path: Path, load: bool) -> None:
    # Given
    mine.worker(load=load).write(batch_of([*_raids(4), job(jid=_jid(9), arg=["x"], minions=["a", "b"])]))
    mine.execute(_RAID)
    rule = {**_RULE, "tag": "salt/job/", "fun": r"raid\.check|test\.ping"}
    rule["columns"] = {"state": "data", "jid": "data.jid"}

    # When
    _replay(_opts(tmp_path, mine.url, rule))

    # Then
    told = {jid: json.loads(state) for jid, _, state in _rows(mine)}
    assert told[_jid(9)]["arg"] == ["x"]
    assert told[_jid(9)]["minions"] == ["a", "b"]
    assert told[_jid(9)]["tgt"] == "*"
    assert told[_jid(2)]["id"] == "web1.example.com"
    assert told[_jid(2)]["return"] == {"state": "s2", "a": 1, "bb": [2]}
    assert told[_jid(2)]["_stamp"] == "2026-01-02T03:00:02.000002"
    assert (told[_jid(2)]["retcode"], told[_jid(2)]["success"]) == (0, True)


def test_secrets_are_masked_as_they_are_today(tables: Database, tmp_path: Path) -> None:
    # Given: when it came, the key was no secret yet
    tables.worker().write(batch_of([returned({"state": "ok", "pin": "4711"}, jid=_jid(2), fun="raid.check")]))
    path = tmp_path / "out.log"
    opts = _opts(
        tmp_path, tables.url, {"worker": "out", "fun": r"raid\.check"}, out={"module": "file", "path": str(path)}
    )
    opts["eventsd"]["redact"] = {"keys": ["pin"]}

    # When
    told = _replay(opts)

    # Then
    assert told["retcode"] == 0, told
    text = path.read_text()
    assert "4711" not in text
    assert '"pin":"***"' in text.replace('": "', '":"')

    # When: a backend that is no database is not given it again either, once it has it
    again = _replay(opts)

    # Then
    assert sum(one["written"] for one in again["replayed"]) == 0
    assert path.read_text() == text


def test_an_event_that_stands_in_two_tables_was_on_the_bus_once(mine: Database, tmp_path: Path) -> None:
    # Given: two rules took it
    copies = [
        returned({"state": "x"}, jid=_jid(2), fun="raid.check"),
        fired(
            f"salt/job/{_jid(2)}/ret/web1.example.com",
            {**returned({"state": "x"}, jid=_jid(2), fun="raid.check").data},
            into="events",
        ),
    ]
    mine.worker().write(batch_of(copies))
    assert len(mine.rows("events")) == 1
    mine.execute(_RAID)

    # When
    _replay(_opts(tmp_path, mine.url, _RULE))

    # Then
    assert len(_rows(mine)) == 1


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param({"eventsd_forged": "fired by minion db1"}, id="whole"),
        # What a database cannot take as a whole loses what else it said.
        pytest.param({"eventsd_truncated": True, "beginning": "{"}, id="its-beginning"),
    ],
)
def test_what_was_found_forged_speaks_for_nobody(mine: Database, tmp_path: Path, kept: dict[str, Any]) -> None:
    # Given: a minion fired what looks like another one's return; the engine kept it as a plain event
    data = {**returned({"state": "forged"}, jid=_jid(2), fun="raid.check").data, **kept}
    mine.worker().write(batch_of([fired(f"salt/job/{_jid(2)}/ret/web1.example.com", data, into="events")]))
    mine.execute(_RAID)

    # When
    told = _replay(_opts(tmp_path, mine.url, _RULE))

    # Then
    assert told["retcode"] == 0
    assert _rows(mine) == []


@pytest.mark.parametrize("load", [True, False])
def test_a_minion_s_return_does_not_become_a_runner_s(mine: Database, tmp_path: Path, load: bool) -> None:
    # Given: it names a runner's function, and says of itself that the load is not whole
    made = returned({"state": "x"}, jid=_jid(2), fun="runner.raid.check", eventsd_truncated=True)
    mine.worker(load=load).write(batch_of([made]))
    mine.execute(_RAID)
    rule = {**_RULE, "tag": "salt/(job|run)/", "columns": {"srv": "tag", "state": "data.id", "jid": "data.jid"}}
    del rule["fun"]

    # When
    opts = _opts(tmp_path, mine.url, rule)
    opts["eventsd"]["events"]["returns"]["tag"] = "salt/(job|run)/"
    _replay(opts)

    # Then
    assert _rows(mine) == [(_jid(2), f"salt/job/{_jid(2)}/ret/web1.example.com", "web1.example.com")]


def test_what_the_database_refuses_is_told_and_the_rest_is_written(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(50)))
    size = mine.by_kind("CHECK (state <> 's8')", "CHECK (state <> 's8')", "CHECK (state <> 's8')")
    mine.execute(f"CREATE TABLE raid (srv VARCHAR(64), state VARCHAR(64) {size}, jid VARCHAR(64))")

    # When
    told = _replay(_opts(tmp_path, mine.url, _RULE))

    # Then
    assert told["retcode"] == 1
    assert [one["refused"] for one in told["replayed"]] == [0, 1, 0]
    assert len(_rows(mine)) == 24
    [note] = told["notes"]
    assert note.startswith(f"refused: salt/job/{_jid(8)}/ret/web1.example.com: ")


def test_a_table_that_is_missing_stops_it_and_it_goes_on_when_it_is_there(mine: Database, tmp_path: Path) -> None:
    # Given
    mine.worker().write(batch_of(_raids(50)))
    opts = _opts(tmp_path, mine.url, _RULE)

    # When
    stopped = _replay(opts)
    mine.execute(_RAID)
    told = _replay(opts)

    # Then
    assert stopped["retcode"] == 2
    assert "\n" not in stopped["problem"]
    assert "raid" in stopped["problem"]
    assert told["retcode"] == 0
    assert _rows(mine) == _EXPECTED


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"rule": "rade"}, "rule: expected the name of a rule, one of returns, returns.subs", id="rule"),
        pytest.param({"since": None}, "since: missing; expected a time such as 90d", id="no time"),
        pytest.param({"since": "soon"}, "since: expected a time such as 90m", id="since"),
        pytest.param({"until": "2000-01-01"}, "until: expected a time after since", id="until"),
        pytest.param({"worker": "x"}, "worker: expected a worker of the rule returns.subs.raid, one of", id="worker"),
        pytest.param({"source": "x"}, "source: expected a sql worker, one of history, got 'x'", id="source"),
        pytest.param({"dry_run": "maybe"}, "dry_run: expected True or False, got 'maybe'", id="dry run"),
    ],
)
def test_a_wrong_argument(tmp_path: Path, arguments: dict[str, Any], problem: str) -> None:
    told = _replay(_opts(tmp_path, f"sqlite:///{tmp_path / 'x.db'}", _RULE), **arguments)

    assert told["retcode"] == 2
    assert told["problem"].startswith(problem)
    assert "\n" not in told["problem"]


def test_a_newer_history_is_left_alone(fresh: Database, tmp_path: Path) -> None:
    # Given
    fresh.make_tables()
    fresh.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")

    # When
    told = _replay(_opts(tmp_path, fresh.url, _RULE))

    # Then
    assert told["retcode"] == 2
    assert "9999" in told["problem"]
