"""Jobs that Salt's own returner has kept come into each database as the bus would have brought them, once."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.operate.imports.gaps import repair
from salt_eventsd.operate.imports.run import import_jobs
from tests.support.events import frame, job_data, read, state_result
from tests.support.job_cache import SECRETS, held_by, master_opts, publication
from tests.support.local_cache import LocalCache, jid_of, stamp
from tests.support.stores import Database, batch_of

#: What the bus tells and the job cache does not: when it was, and what a load holds of that.
_OF_THE_BUS = ("id", "stamp", "received", "load", "master_id", "first_seen", "last_seen")
HOUR = 3600.0
NONE = {"jobs": 0, "returns": 0}


@pytest.fixture
def cache(tmp_path: Path, tables: Database) -> LocalCache:
    """A job cache of a master whose history is empty."""
    return LocalCache(master_opts(tmp_path, workers={"history": {"module": "sql", "url": tables.url}}))


def _with_all_shapes(cache: LocalCache) -> None:
    """Keep jobs of all shapes a job cache may hold."""
    began = time.time() - HOUR
    plain = cache.publish(jid_of(began), ["web1", "web2"], arg=["a", {"n": 1, "__kwarg__": True}], fun="test.arg")
    cache.answer({"a": [1, None], "\N{SNOWMAN}": b"\xff"}, plain, "web1", "test.arg", out="nested")
    cache.answer(None, plain, "web2", "test.arg", retcode=2, success=False)
    several = cache.publish(jid_of(began + 1), ["web1"], fun=["test.ping", "cmd.run"], arg=[[], ["x"]])
    codes = {"test.ping": 0, "cmd.run": 3}
    good = {"test.ping": True, "cmd.run": False}
    cache.answer({"test.ping": True, "cmd.run": "gone"}, several, "web1", list(codes), retcode=codes, success=good)
    states = cache.publish(jid_of(began + 2), ["web1", "web2"], fun="state.sls", arg=["motd"])
    tags = {
        "file_|-good_|-/etc/motd_|-managed": state_result(number=0, changes={"new": "x"}),
        "file_|-bad_|-/etc/issue_|-managed": state_result("/etc/issue", number=1, result=False, comment="no"),
    }
    cache.answer(tags, states, "web1", "state.sls", retcode=2, success=False)
    cache.answer(["Rendering SLS failed"], states, "web2", "state.sls", retcode=1, success=False)


def _bring_by_bus(cache: LocalCache, database: Database, skip: int | None = None) -> None:
    """Write what the bus has carried, but for every so manieth event."""
    for number, (tag, data) in enumerate(cache.fired):
        if skip is None or number % skip:
            event = read(frame(tag, data), into="jobs" if tag.endswith("/new") else "returns")
            database.worker().write(batch_of([event], first=time.monotonic_ns() + number))


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = {name: database.rows(name) for name in ("jobs", "returns", "states")}
    plain = {
        name: [{key: value for key, value in row.items() if key not in _OF_THE_BUS} for row in rows]
        for name, rows in found.items()
    }
    return {name: sorted(rows, key=str) for name, rows in plain.items()}


def test_what_is_imported_is_what_the_bus_would_have_brought(cache: LocalCache, tables: Database) -> None:
    # Given
    _with_all_shapes(cache)

    # When
    told = import_jobs(cache.opts)
    imported = _rows(tables)
    tables.empty()
    _bring_by_bus(cache, tables)

    # Then
    assert (told["read"], told["added"]) == ({"jobs": 3, "returns": 5}, {"jobs": 3, "returns": 5})
    assert (told["known"], told["refused"], told["unreadable"], told["retcode"]) == (NONE, NONE, 0, 0)
    assert imported == _rows(tables)


@pytest.mark.parametrize("is_on_bus", [False, True], ids=["without a master", "on the bus, too"])
def test_what_salt_ssh_has_kept_is_what_it_fires(cache: LocalCache, tables: Database, is_on_bus: bool) -> None:
    # Given
    states = {"file_|-a_|-a_|-managed": state_result(result=False)}
    answers: dict[str, dict[str, Any]] = {
        "web1": {"id": "web1", "jid": "1", "fun": "state.pkg", "out": "highstate", "return": states, "retcode": 2},
        "web2": {"stdout": "", "stderr": "ssh: no route", "retcode": 255},
    }
    cache.run_by_ssh(jid_of(time.time() - HOUR), answers, "state.apply")
    if is_on_bus:
        _bring_by_bus(cache, tables)

    # When
    import_jobs(cache.opts)

    # Then
    rows = {row["minion_id"]: row for row in tables.rows("returns")}
    assert len(tables.rows("returns")) == 2
    assert {name: (row["fun"], row["retcode"], row["success"]) for name, row in rows.items()} == {
        "web1": ("state.pkg", 2, False),
        "web2": ("state.apply", 255, False),
    }
    assert rows["web2"]["return"] == "ssh: no route"
    assert [state["result"] for state in tables.rows("states")] == [False]
    assert tables.rows("jobs")[0]["minion_count"] == 2


@pytest.mark.parametrize("skip", [pytest.param(None, id="all"), pytest.param(2, id="half"), pytest.param(3, id="most")])
def test_what_the_bus_has_brought_is_not_imported_again(cache: LocalCache, tables: Database, skip: int | None) -> None:
    # Given
    _with_all_shapes(cache)
    _bring_by_bus(cache, tables, skip)
    there = len(tables.rows("jobs")) + len(tables.rows("returns"))

    # When
    first, second = import_jobs(cache.opts), import_jobs(cache.opts)

    # Then
    assert sum(first["known"].values()) == there
    assert sum(first["added"].values()) == 8 - there
    assert (second["added"], sum(second["known"].values()), second["completed"]) == (NONE, 8, 0)
    assert (len(tables.rows("jobs")), len(tables.rows("returns")), len(tables.rows("states"))) == (3, 5, 2)
    assert {(row["jid"], row["minion_id"]) for row in tables.rows("returns")} == {
        (data["jid"], data["id"]) for tag, data in cache.fired if "/ret/" in tag
    }


def test_what_came_over_the_bus_after_an_import_is_not_there_twice(cache: LocalCache, tables: Database) -> None:
    # Given
    _with_all_shapes(cache)
    import_jobs(cache.opts)

    # When
    _bring_by_bus(cache, tables)

    # Then
    assert (len(tables.rows("jobs")), len(tables.rows("returns")), len(tables.rows("states"))) == (3, 5, 2)


def test_a_return_that_the_bus_has_trimmed_is_one(cache: LocalCache, tables: Database) -> None:
    # Given
    jid = cache.publish(jid_of(time.time() - HOUR), ["web1"])
    cache.answer({"large": "x" * 100}, jid, "web1")
    cache.fired[-1][1]["return"] = {"large": "VALUE_TRIMMED"}
    _bring_by_bus(cache, tables)

    # When
    told = import_jobs(cache.opts)

    # Then
    assert (told["added"], len(tables.rows("returns"))) == (NONE, 1)


def test_a_job_gets_the_minions_it_lacks(cache: LocalCache, tables: Database) -> None:
    # Given a batch, of whose rounds the bus has brought the first
    jid = cache.publish(jid_of(time.time() - HOUR), ["web1"])
    _bring_by_bus(cache, tables)
    cache.publish(jid, ["web2"])

    # When
    first, second = import_jobs(cache.opts), import_jobs(cache.opts)

    # Then
    assert (first["completed"], second["completed"]) == (1, 0)
    assert tables.rows("jobs")[0]["minions"] == ["web1", "web2"]


@pytest.mark.parametrize(
    "verb", [import_jobs, lambda opts: repair(opts, since="2h", source="local_cache")["repair"][0]]
)
def test_a_job_whose_id_another_master_has_given_to_another_job_is_brought_once(
    cache: LocalCache, tables: Database, verb: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    # Given: the first id is shared by two jobs; the second job was passed on, and the other master has told of it
    shared, one = jid_of(time.time() - HOUR), jid_of(time.time() - HOUR + 1)
    other = tables.worker_of("m2_master")
    theirs = [
        job_data(shared, "cmd.run", minions=["web9"], user="bob", arg=["id"], _stamp=stamp()),
        job_data(one, "test.ping", minions=["web1"], user="ann", tgt="web*", _stamp=stamp()),
    ]
    other.write(batch_of([read(frame(f"salt/job/{data['jid']}/new", data), into="jobs") for data in theirs]))
    cache.publish(shared, ["web1"])
    cache.answer(True, shared, "web1")
    cache.publish(one, ["web1", "web2"], tgt="web*")

    # When
    first, second = verb(cache.opts), verb(cache.opts)

    # Then
    assert (first["added"], first["completed"], first["known"]["jobs"]) == ({"jobs": 1, "returns": 1}, 1, 1)
    assert (second["added"], second["completed"], second["known"]) == (NONE, 0, {"jobs": 2, "returns": 1})
    rows = [(row["jid"], row["master_id"], row["fun"], row["minions"]) for row in tables.rows("jobs")]
    assert sorted(rows) == [
        (shared, "m1_master", "test.ping", ["web1"]),
        (shared, "m2_master", "cmd.run", ["web9"]),
        (one, "m1_master", "test.ping", ["web1", "web2"]),
    ]


def test_the_master_s_key_and_passwords_stay_behind(cache: LocalCache, tables: Database, tmp_path: Path) -> None:
    # Given
    jid = jid_of(time.time() - HOUR)
    load = publication(jid)
    cache._functions["local_cache.prep_jid"](passed_jid=jid)
    cache._functions["local_cache.save_load"](jid, load, ["web1"])
    cache.answer({"password": SECRETS[1]}, jid, "web1", "test.arg")

    # When
    import_jobs(cache.opts)

    # Then
    rows = str(tables.rows("jobs")) + str(tables.rows("returns"))
    assert len(tables.rows("returns")) == 1
    assert [secret for secret in SECRETS if secret in rows] == []
    assert held_by(tmp_path / "eventsd") == []
    assert tables.rows("jobs")[0]["load"]["kwargs"]["metadata"] == {"ticket": 7}


def test_runs_of_runners_and_of_salt_call_are_imported(cache: LocalCache, tables: Database) -> None:
    # Given
    runner, call = jid_of(time.time() - HOUR), jid_of(time.time() - HOUR + 1)
    inner = {"fun": "runner.test.arg", "jid": runner, "user": "ann", "fun_args": ["a"], "return": {"a": 1}}
    cache.keep(
        {
            "id": "m1_master",
            "tgt": "m1_master",
            "jid": runner,
            "return": {**inner, "success": True, "_stamp": "2026-01-02T03:04:05.000001"},
            "fun": "runner.test.arg",
            "user": "ann",
        }
    )
    own = {"cmd": "_return", "id": "web1", "jid": call, "fun": "test.ping", "fun_args": [], "return": True}
    cache.keep({**own, "retcode": 0, "tgt": "web1", "tgt_type": "glob", "arg": [], "_stamp": "2026-01-02T03:04:05"})

    # When
    first, second = import_jobs(cache.opts), import_jobs(cache.opts)

    # Then
    assert [(row["jid"], row["kind"], row["fun"]) for row in tables.rows("jobs")] == [
        (runner, "runner", "runner.test.arg"),
        (call, "call", "test.ping"),
    ]
    assert {row["jid"]: row["return"] for row in tables.rows("returns")} == {runner: {"a": 1}, call: True}
    assert (first["added"], second["added"]) == ({"jobs": 1, "returns": 2}, NONE)


def test_a_minion_speaks_for_no_other(cache: LocalCache, tables: Database) -> None:
    # Given a job id that a minion has made up, with a load that says what the next one shall have run
    jid = jid_of(time.time() - HOUR)
    own = {"cmd": "_return", "id": "bad", "jid": jid, "fun": "user.add", "fun_args": ["eve"], "return": True}
    cache.keep({**own, "tgt": "*", "tgt_type": "glob", "retcode": 0})
    cache.answer(False, jid, "good")

    # When
    told = import_jobs(cache.opts)

    # Then
    assert [(row["minion_id"], row["fun"]) for row in tables.rows("returns")] == [("bad", "user.add")]
    assert (tables.rows("jobs"), told["unreadable"]) == ([], 1)
    assert told["not_imported"][0].endswith("good/return.p: nobody has kept which job and function it is of")


@pytest.mark.parametrize(
    ("sent_to", "eventsd", "expected"),
    [
        pytest.param(["web1"], {}, ["web1"], id="minion"),
        pytest.param(["web1"], {"syndics": ["eu*"]}, ["web1"], id="another-syndic"),
        pytest.param(["web1"], {"syndics": ["sy*"]}, ["below", "web1"], id="named-syndic"),
        pytest.param(["web1", "syndic"], {}, ["below", "web1"], id="sent-to-syndic"),
    ],
)
def test_only_syndics_say_for_whom_else_a_job_is(
    tmp_path: Path, tables: Database, sent_to: list[str], eventsd: dict[str, Any], expected: list[str]
) -> None:
    # Given minions of a job that somebody else than the master has named, as any minion can do it with an event
    opts = master_opts(tmp_path, workers={"history": {"module": "sql", "url": tables.url}}, **eventsd)
    cache = LocalCache(opts)
    jid = cache.publish(jid_of(time.time() - HOUR), sent_to)
    cache._functions["local_cache.save_minions"](jid, ["below"], syndic_id="syndic")

    # When
    import_jobs(opts)
    second = import_jobs(opts)

    # Then
    assert tables.rows("jobs")[0]["minions"] == expected
    assert (second["added"], second["completed"], second["left_out"]) == (NONE, 0, NONE)


def test_returns_that_nobody_has_asked_for_are_told(cache: LocalCache, tables: Database) -> None:
    # Given what a minion has sent as if it were a syndic: a return of another one, to which the job did not go
    jid = cache.publish(jid_of(time.time() - HOUR), ["web1"])
    cache.answer(True, jid, "web1")
    cache.answer("I was it", jid, "victim")
    syndics = Path(cache.opts["cachedir"], "syndics")
    syndics.mkdir()
    (syndics / "evil").touch()

    # When
    told = import_jobs(cache.opts)

    # Then it is there, and counted
    assert sorted(row["minion_id"] for row in tables.rows("returns")) == ["victim", "web1"]
    assert (told["unexpected"], told["unexpected_returns"], told["retcode"]) == (1, [f"{jid}: victim"], 0)
    assert told["notes"] == ["returns may be made up: these have sent some as a syndic, and are none (syndics): evil"]


def test_returns_of_minions_below_a_syndic_are_expected(tmp_path: Path, tables: Database) -> None:
    # Given
    workers = {"history": {"module": "sql", "url": tables.url}}
    cache = LocalCache(master_opts(tmp_path, workers=workers, syndics=["sy*"]))
    jid = cache.publish(jid_of(time.time() - HOUR), ["syndic"])
    cache._functions["local_cache.save_minions"](jid, ["below"], syndic_id="syndic")
    cache.answer(True, jid, "below")
    Path(cache.opts["cachedir"], "syndics").mkdir()
    Path(cache.opts["cachedir"], "syndics", "syndic").touch()

    # When
    told = import_jobs(cache.opts)

    # Then
    assert told["added"]["returns"] == 1
    assert "unexpected" not in told
    assert "notes" not in told


def test_minions_that_would_fill_the_memory_are_not_read(cache: LocalCache, tables: Database) -> None:
    # Given some bytes that a minion has had the master keep, which become a hundred times as many in memory
    jid = cache.publish(jid_of(time.time() - HOUR), ["web1"])
    size = 4 * 2**20
    (cache.folder(jid) / ".minions.bad.p").write_bytes(b"\xdd" + size.to_bytes(4, "big") + b"\x90" * size)
    cache.answer(["_|-"], jid, "web1", "test.arg", retcode=[[]] * size, success=True)

    # When
    tracemalloc.start()
    told = import_jobs(cache.opts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Then
    assert peak < 20 * size
    assert told["not_imported"][0].endswith(".minions.bad.p: it holds too many values")
    assert (tables.rows("jobs")[0]["minions"], len(tables.rows("returns"))) == (["web1"], 1)


def test_what_cannot_be_read_is_named_and_stops_nothing(cache: LocalCache, tables: Database) -> None:
    # Given
    began = time.time() - HOUR
    jids = [cache.publish(jid_of(began + number), ["web1", "web2"]) for number in range(4)]
    for jid in jids:
        cache.answer(1, jid, "web1")
        cache.answer(2, jid, "web2")
    (cache.folder(jids[0]) / ".load.p").write_bytes(b"")
    whole = (cache.folder(jids[1]) / "web1" / "return.p").read_bytes()
    (cache.folder(jids[1]) / "web1" / "return.p").write_bytes(whole[:-1])
    (cache.folder(jids[2]) / ".minions.p").write_bytes(b"\xc1")
    (cache.folder(jids[3]) / "empty").mkdir()

    # When
    told = import_jobs(cache.opts)

    # Then
    assert (told["added"], told["retcode"]) == ({"jobs": 3, "returns": 5}, 1)
    parts = {jid: f"{cache.folder(jid).parent.name}/{cache.folder(jid).name}" for jid in jids}
    assert {line.partition(":")[0] for line in told["not_imported"]} == {
        f"{parts[jids[0]]}/.load.p",
        f"{parts[jids[0]]}/web1/return.p",
        f"{parts[jids[0]]}/web2/return.p",
        f"{parts[jids[1]]}/web1/return.p",
        f"{parts[jids[2]]}/.minions.p",
    }
    assert told["unreadable"] == 5
    assert [row["jid"] for row in tables.rows("returns")].count(jids[1]) == 1


def test_what_salt_cleans_away_meanwhile_stops_nothing(
    cache: LocalCache, tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given jobs that go once their folder is listed
    gone, stays = (cache.publish(jid_of(time.time() - HOUR + number), ["web1"]) for number in range(2))
    for jid in (gone, stays):
        cache.answer(1, jid, "web1")
    listed = os.listdir

    def list_and_clean(path: Any) -> list[str]:
        found = listed(path)
        if Path(path) == cache.folder(gone):
            shutil.rmtree(path)
        return found

    monkeypatch.setattr(os, "listdir", list_and_clean)

    # When
    told = import_jobs(cache.opts)

    # Then
    assert (told["added"], told["unreadable"], told["retcode"]) == ({"jobs": 1, "returns": 1}, 0, 0)
    assert [row["jid"] for row in tables.rows("returns")] == [stays]


def test_a_dry_run_counts_and_writes_nothing(cache: LocalCache, tables: Database) -> None:
    _with_all_shapes(cache)

    told = import_jobs(cache.opts, dry_run=True)

    assert (told["dry_run"], told["added"], tables.rows("jobs"), tables.rows("receipts")) == (
        True,
        {"jobs": 3, "returns": 5},
        [],
        [],
    )


def test_only_jobs_of_the_time_asked_for_and_of_the_rules_are_imported(cache: LocalCache, tables: Database) -> None:
    # Given
    now = time.time()
    jids = [cache.publish(jid_of(now - hours * HOUR), ["web1"]) for hours in (1, 3, 5)]
    for jid in jids:
        cache.answer(1, jid, "web1")
    ignored = cache.publish(jid_of(now - 3 * HOUR - 1), ["web1"], fun="saltutil.find_job")
    cache.answer({}, ignored, "web1", "saltutil.find_job")

    # When
    told = import_jobs(cache.opts, since="4h", until="2h")

    # Then
    assert told["left_out"] == {"jobs": 1, "returns": 1}
    assert [row["jid"] for row in tables.rows("jobs")] == [jids[1]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"source": "nonsense"}, "source: expected local_cache or a returner that can be", id="source"),
        pytest.param({"source": "eventsd"}, "source: eventsd is this history itself", id="ours"),
        pytest.param({"source": "smtp"}, "'smtp'", id="no-job-cache"),
        pytest.param(
            {"worker": "histroy"}, "worker: expected a sql worker, one of history, got 'histroy'", id="worker"
        ),
        pytest.param({"since": "whenever"}, "since: expected a time", id="since"),
        pytest.param({"dry_run": "maybe"}, "dry_run: expected True or False, got 'maybe'", id="dry-run"),
        pytest.param({}, "source: local_cache: ", id="no-folder"),
    ],
)
def test_a_wrong_argument_is_one_line(tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    opts = master_opts(tmp_path, workers={"history": {"url": f"sqlite:///{tmp_path}/history.db"}})

    told = import_jobs(opts, **arguments)

    assert told["retcode"] == 2
    assert says in told["problem"]
    assert "\n" not in told["problem"]
