"""The job cache, as Salt's loader finds it: what Salt tells is kept, and what it asks is answered, on each database."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError
from salt.utils.jid import format_jid_instance

from salt_eventsd.event.frame import pack_frame
from salt_eventsd.intake.drain import frames_of_load, frames_of_return
from salt_eventsd.intake.origin import EVERYTHING
from salt_eventsd.operate.job_cache.places import places_of
from salt_eventsd.operate.purge import forget
from tests.support.events import fired, job_data, read, return_data, returned, state_result
from tests.support.job_cache import SECRETS, JobCache, held_by, master_opts, publication, stamp_of
from tests.support.stores import Database, batch_of

_JID = "20260102030407000000"
#: What tells jobs of a list apart.
_SHAPES: list[dict[str, Any]] = [
    {"metadata": {"ticket": 7}},
    {"kwargs": {"metadata": {"ticket": 8}}},
    {"arg": [{"__kwarg__": True, "metadata": {"ticket": 9}}]},
    {"fun": ["test.ping", "test.arg"], "arg": [[], ["a"]]},
    {"tgt": ["web1", "web2"], "tgt_type": "list"},
    {"user": "sudo_ann", "arg": ["long" * 1000]},
]
AWAY = {"url": "postgresql://nobody:nothing@127.0.0.1:1/nothing", "connect_seconds": 1}


@pytest.fixture
def database(made: Database) -> Database:
    """A database with our tables, which a test may change."""
    return made


@pytest.fixture
def cache(tmp_path: Path, database: Database) -> JobCache:
    """A job cache whose database is there."""
    return _cache_of(tmp_path, database)


def _cache_of(home: Path, database: Database) -> JobCache:
    return JobCache(master_opts(home, workers={"history": {"module": "sql", "url": database.url}}))


@pytest.fixture
def alone(tmp_path: Path) -> JobCache:
    """A job cache whose database is away."""
    return JobCache(master_opts(tmp_path, workers={"history": {"module": "sql", **AWAY}}))


def _written(cache: JobCache, database: Database, is_swept: bool = True) -> None:
    """Have all that is on the doorstep written as the engine does it, and swept."""
    doorstep = places_of(cache.opts).doorstep
    loads, returns = doorstep.changed(100), doorstep.waiting(100, time.time() + 1)
    frames = [frame for one in loads for frame in frames_of_load(one, EVERYTHING)]
    frames += [frame for one in returns for frame in frames_of_return(one)]
    events = [read(frame) for frame in frames]
    for number, event in enumerate(events):
        into = "jobs" if event.phase == "new" else "returns"
        database.worker().write(batch_of([read(frames[number], into=into)], first=time.monotonic_ns() + number))
    doorstep.taken(loads, returns[-1].id if returns else 0)
    if is_swept:
        doorstep.sweep(time.time() + 1, doorstep.last_taken())


def test_a_load_is_answered_at_once_in_another_process_without_a_database(alone: JobCache) -> None:
    # Given
    jid = alone.publish(["web2", "web1"])

    # When
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=lambda: answers.put(alone.get_load(jid)))
    began = time.monotonic()
    process.start()
    load = answers.get(timeout=30)
    took = time.monotonic() - began
    process.join(30)

    # Then
    assert load["Minions"] == ["web1", "web2"]
    assert (load["tgt"], load["fun"], load["kwargs"]["metadata"]) == ("web*", "test.arg", {"ticket": 7})
    assert took < 2


def test_no_secret_of_a_login_reaches_a_disk(cache: JobCache, database: Database, tmp_path: Path) -> None:
    # When
    told = publication("20260102030405678901")
    before = dict(told)
    cache.prep_jid(passed_jid=told["jid"])
    cache.save_load(told["jid"], told, ["web1"])
    cache.store(return_data({"password": SECRETS[1]}, jid=told["jid"], id="web1", token=SECRETS[2]))

    # Then
    assert told == before
    assert held_by(tmp_path) == []
    _written(cache, database)
    assert held_by(tmp_path) == []
    rows = str(database.rows("jobs")) + str(database.rows("returns"))
    assert [secret for secret in SECRETS if secret in rows] == []


def test_a_job_and_its_answers_are_the_same_before_and_after_they_are_written(
    cache: JobCache, database: Database
) -> None:
    # Given
    jid = cache.publish(["web1", "web2"])
    cache.store(return_data({"a": [1, None]}, jid=jid, id="web1", out="nested"))
    cache.store(return_data(None, jid=jid, id="web2", retcode=2, success=False))
    load, answers = cache.get_load(jid), cache.get_jid(jid)

    # When
    _written(cache, database)

    # Then
    assert places_of(cache.opts).doorstep.load(jid) is None
    assert answers == {
        "web1": {"return": {"a": [1, None]}, "retcode": 0, "success": True, "out": "nested"},
        "web2": {"return": None, "retcode": 2, "success": False},
    }
    assert cache.get_jid(jid) == answers
    assert cache.get_load(jid) == load
    assert load["Minions"] == ["web1", "web2"]
    listed = {
        "Function": "test.arg",
        "Arguments": load["arg"],
        "Target": "web*",
        "Target-type": "glob",
        "User": "ann",
        "Metadata": {"ticket": 7},
    }
    assert {name: cache.get_jids()[jid][name] for name in listed} == listed
    assert [(one["JID"], one["User"]) for one in cache.get_jids_filter(5)] == [(jid, "ann")]
    assert cache.get_minions() == ["web1", "web2"]
    assert cache.get_fun("test.ping")["web1"]["return"] == {"a": [1, None]}


def test_a_list_shows_each_job_as_salt_shows_it(cache: JobCache, database: Database) -> None:
    # Given: jobs that look the same and that do not, of several days, also with ids of which Salt can make no time
    shapes: list[tuple[str, dict[str, Any]]] = [
        (f"2026{day}030405{number:06}", {"arg": ["a", {"n": 1}]}) for day in ("0102", "1231") for number in range(3)
    ]
    shapes += [(f"2026010203040600000{number}", more) for number, more in enumerate(_SHAPES)]
    shapes += [(jid, {}) for jid in ("20260102030405678901_4711", "20261302030405678901", "x" * 20, "mine")]
    starts = [fired(f"salt/job/{jid}/new", {**job_data(jid), **more}) for jid, more in shapes]
    database.worker().write(batch_of([*starts, fired(f"salt/run/{_JID}/new", job_data(_JID, "runner.test.arg"))]))

    # When
    listed, newest = cache.get_jids(), cache.get_jids_filter(100)

    # Then
    assert len(listed) == len(shapes) + 1
    for jid, told in listed.items():
        try:
            whole = format_jid_instance(jid, cache.get_load(jid))
        except (LookupError, ValueError):
            whole = format_jid_instance("", cache.get_load(jid))
        assert told == whole
    assert newest == [{**listed[jid], "JID": jid} for jid in sorted(listed)]
    listed["20260102030405000000"]["Arguments"].append("changed")
    assert listed["20260102030405000001"]["Arguments"] == ["a", {"n": 1}]


def test_what_nobody_knows_is_empty(tmp_path: Path, fresh: Database) -> None:
    cache = _cache_of(tmp_path, fresh)
    assert (cache.get_load("1"), cache.get_jid("1"), cache.get_jids(), cache.get_jids_filter(3)) == ({}, {}, {}, [])
    fresh.make_tables()
    assert (cache.get_load("1"), cache.get_jid("1"), cache.get_jids(), cache.get_jids_filter(3)) == ({}, {}, {}, [])
    assert (cache.get_fun("test.ping"), cache.get_minions(), cache.get_endtime("1")) == ({}, [], False)


def test_a_return_without_its_job_tells_what_is_known(cache: JobCache, database: Database) -> None:
    # Given
    database.worker().write(batch_of([returned(5, jid="20260102030405678901", minion_id="lost", into="returns")]))

    # Then
    load = cache.get_load("20260102030405678901")
    assert (load["fun"], load["tgt"], load["Minions"]) == ("test.ping", ["lost"], ["lost"])


def test_with_the_database_away_what_is_not_known_here_is_no_empty_answer(alone: JobCache) -> None:
    # Given
    jid = alone.publish(["web1"])
    alone.store(return_data(1, jid=jid, id="web1"))

    # Then
    assert alone.get_jid(jid) == {"web1": {"return": 1, "retcode": 0, "success": True}}
    for ask in (alone.get_load, alone.get_jid):
        with pytest.raises(CommandExecutionError, match="database of worker history does not answer"):
            ask("20200101000000000000")
    with pytest.raises(CommandExecutionError, match="does not answer"):
        alone.get_jids()


@pytest.mark.parametrize(
    "options",
    [
        {"workers": {"history": {"module": "sql", "url": "oracle://x"}}},
        {"workers": {"history": {"module": "sql", "url": "postgresql+nodriver://x/y"}}},
        {"workers": "wrong"},
        {"spool": {"dir": "/proc/nowhere"}},
        {"redact": {"keys": [1, {}]}},
        {"job_cache": {"worker": "unknown"}},
    ],
)
def test_telling_never_raises(tmp_path: Path, options: dict[str, Any]) -> None:
    # Given
    cache = JobCache(master_opts(tmp_path, **options))

    # When
    jid = cache.publish(["web1"])
    cache.save_minions(jid, ["web2"], syndic_id=None)
    cache.save_minions(jid, ["web3"], syndic_id="syndic1")
    cache.store(return_data(1, jid=jid, id="web1"))
    cache.save_load(jid, {"odd": object(), "jid": jid})
    cache.returner({"jid": jid})
    cache.update_endtime(jid, "2026, Jan 01 00:00:00.000000")
    cache.event_return([{"tag": "a", "data": {}}])
    cache.clean_old_jobs()

    # Then
    assert len(jid) == 20


def test_the_load_of_a_publication_stays_whatever_comes_before_or_after(cache: JobCache) -> None:
    # Given
    jid = "20260102030405678901"

    # When
    cache.store(return_data(1, jid=jid, id="web1"))
    assert cache.get_load(jid)["return"] == 1
    cache.publish(["web1"], jid=jid)
    cache.store(return_data(2, jid=jid, id="web2"))

    # Then
    load = cache.get_load(jid)
    assert (load["cmd"], load["user"], load["Minions"]) == ("publish", "ann", ["web1"])


def test_rounds_of_a_batch_and_syndics_add_minions(cache: JobCache, database: Database) -> None:
    # Given
    jid = cache.publish(["web1"], tgt=["web1"], tgt_type="list")
    cache.publish(["web2"], jid=jid, tgt=["web2"], tgt_type="list")
    cache.save_minions(jid, ["below1"], syndic_id="syndic1")
    before = cache.get_load(jid)

    # When
    _written(cache, database)

    # Then
    assert (before["Minions"], before["tgt"]) == (["below1", "web1", "web2"], ["web1", "web2"])
    after = cache.get_load(jid)
    assert (after["Minions"], after["tgt"]) == (before["Minions"], before["tgt"])
    assert database.column("jobs", "jid") == [jid]


def test_minions_may_come_before_the_load(cache: JobCache) -> None:
    # When
    cache.save_minions("20260102030405678901", ["web9"], syndic_id=None)
    assert cache.get_load("20260102030405678901") == {}
    cache.publish(["web1"], jid="20260102030405678901")

    # Then
    assert cache.get_load("20260102030405678901")["Minions"] == ["web1", "web9"]


def test_bus_and_returner_make_one_row_though_the_master_has_changed_the_return(
    cache: JobCache, database: Database
) -> None:
    # Given
    jid = cache.publish(["web1"], fun="state.sls")
    fired = return_data(
        {"file_|-a_|-a_|-managed": state_result(result=False), "file_|-b_|-b_|-managed": state_result(number=1)},
        jid=jid,
        id="web1",
        fun="state.sls",
        retcode=2,
        success=False,
    )
    on_bus = read(pack_frame(f"salt/job/{jid}/ret/web1", fired), into="returns")
    start = job_data(jid, "state.sls", user="ann", _stamp=stamp_of(time.time() + 1))
    told = read(pack_frame(f"salt/job/{jid}/new", start), into="jobs")
    database.worker().write(batch_of([told, on_bus]))
    plain = database.rows("returns")[0]["return"]

    # When
    for one in fired["return"].values():
        one["retcode"] = 2
    failed = fired["return"]["file_|-a_|-a_|-managed"]
    failed.update(jid=jid, id="web1", success=False, fun="state.sls", _stamp=stamp_of(), user="root")
    failed["return"] = "Error: file.managed"
    cache.store(fired)
    _written(cache, database)

    # Then
    assert [row["return"] for row in database.rows("returns")] == [plain]
    assert cache.get_jid(jid)["web1"]["return"] == plain
    assert database.rows("jobs")[0]["load"]["kwargs"]["metadata"] == {"ticket": 7}
    assert len(database.rows("states")) == 2


def test_a_runner_is_a_job_with_its_whole_return(cache: JobCache, database: Database) -> None:
    # Given
    jid = str(cache.prep_jid(nocache=False))
    inner = {
        "fun": "runner.manage.up",
        "jid": jid,
        "user": "ann",
        "fun_args": ["x"],
        "_stamp": stamp_of(),
        "return": {"a": 1},
        "success": True,
    }
    on_bus = read(pack_frame(f"salt/run/{jid}/ret", inner), into="returns")
    database.worker().write(batch_of([on_bus]))
    load = {"id": "master-1", "tgt": "master-1", "jid": jid, "return": inner, "fun": inner["fun"], "user": "ann"}

    # When
    cache.save_load(jid, load)
    cache.returner(load)
    before = cache.get_jid(jid), cache.get_load(jid)
    _written(cache, database)

    # Then
    assert before == ({"master-1": {"return": inner}}, load)
    assert (cache.get_jid(jid), cache.get_load(jid)) == before
    assert len(database.rows("returns")) == 1
    assert cache.get_jids()[jid]["User"] == "ann"


def _run_by_ssh(cache: JobCache, host: str, answered: Any) -> tuple[str, dict[str, Any]]:
    """Do what salt-ssh does with its job cache, and return the job id and what it would fire if there were a master."""
    jid = str(cache.prep_jid(passed_jid=None))
    cache.save_load(jid, {"jid": jid, "tgt_type": "glob", "tgt": "w*", "user": "root", "fun": "state.apply", "arg": []})
    cache.returner({"jid": jid, "id": host, "return": answered, "fun": "state.apply"})
    return jid, {"fun_args": [], "success": False, **answered, "id": host, "jid": jid}


@pytest.mark.parametrize("is_fired", [True, False], ids=["beside its event", "without a master"])
def test_a_host_of_salt_ssh_is_a_minion_that_has_answered(cache: JobCache, database: Database, is_fired: bool) -> None:
    # Given
    states = {"file_|-a_|-a_|-managed": state_result(result=False)}
    answered = {"id": "web1", "jid": "1", "fun": "state.pkg", "out": "highstate", "return": states, "retcode": 2}

    # When
    jid, event = _run_by_ssh(cache, "web1", answered)
    if is_fired:
        on_bus = read(pack_frame(f"salt/job/{jid}/ret/web1", {**event, "_stamp": stamp_of()}), into="returns")
        database.worker().write(batch_of([on_bus]))
    before = cache.get_jid(jid), cache.get_load(jid)["Minions"]
    _written(cache, database)

    # Then
    assert before == (
        {"web1": {"return": states, "retcode": 2, "success": False, "out": "highstate"}},
        ["web1"],
    )
    assert (cache.get_jid(jid), cache.get_load(jid)["Minions"]) == before
    [row] = database.rows("returns")
    assert (row["fun"], row["retcode"], row["success"]) == ("state.pkg", 2, False)
    assert [state["result"] for state in database.rows("states")] == [False]
    assert database.rows("jobs")[0]["minion_count"] == 1


def test_a_question_of_ours_is_a_runners_whose_answer_is_masked_and_its_master_no_minion(
    cache: JobCache, database: Database
) -> None:
    # Given: Salt hands over the time of a runner's start with its return
    jid = str(cache.prep_jid(nocache=False))
    inner = {"fun": "runner.eventsd.changes", "jid": jid, "user": "ann", "fun_args": [], "_stamp": stamp_of()}
    inner.update({"return": {"return": "a page"}, "success": True})
    load = {"id": "master-1", "tgt": "master-1", "jid": jid, "return": inner, "fun": inner["fun"], "user": "ann"}

    # When
    cache.save_load(jid, load)
    cache.returner(load)
    waiting = places_of(cache.opts).doorstep.waiting(10, time.time() + 1)
    before = cache.get_jid(jid)
    _written(cache, database)

    # Then: it is known by its jid that the bus has brought it
    assert [(one.minion, one.stamp) for one in waiting] == [("", None)]
    assert before == {"master-1": {"return": {**inner, "return": "***"}}}
    assert [(row["fun"], row["return"]) for row in database.rows("returns")] == [("runner.eventsd.changes", "***")]
    assert [row["kind"] for row in database.rows("jobs")] == ["runner"]
    assert database.rows("minions") == []


def test_several_functions_are_kept(cache: JobCache, database: Database) -> None:
    # Given
    functions = ["test.ping", "test.arg"]
    jid = cache.publish(["web1"], fun=functions, arg=[[], ["a"]])
    cache.store(
        return_data(
            {"test.ping": True, "test.arg": "a\0b"},
            jid=jid,
            id="web1",
            fun=functions,
            fun_args=[[], ["a"]],
            retcode=dict.fromkeys(functions, 0),
            success=dict.fromkeys(functions, True),
        )
    )

    # When
    _written(cache, database)

    # Then
    assert cache.get_load(jid)["fun"] == functions
    assert cache.get_jids()[jid]["Function"] == functions
    answer = cache.get_jid(jid)["web1"]
    assert (answer["return"]["test.ping"], answer["retcode"]) == (True, dict.fromkeys(functions, 0))
    assert answer["return"]["test.arg"] in ("a\0b", "a\N{SYMBOL FOR NULL}b")


def test_the_first_answer_of_a_minion_counts(cache: JobCache, database: Database) -> None:
    # Given
    jid = cache.publish(["web1"])
    for value in ("first", "second"):
        cache.store(return_data(value, jid=jid, id="web1"))
    before = cache.get_jid(jid)

    # When
    _written(cache, database)

    # Then
    assert before["web1"]["return"] == "first"
    assert cache.get_jid(jid) == before


def test_returns_of_a_nocache_job_are_not_kept_by_any_process(alone: JobCache) -> None:
    # Given
    jid = alone.publish(["web1"], nocache=True)
    other = JobCache(alone.opts)

    # When
    other.store(return_data(1, jid=jid, id="web1"))

    # Then
    assert other.get_load(jid)["jid"] == jid
    assert other.get_jid(jid) == {}


def test_job_ids_are_given_once(alone: JobCache, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    given = iter(["20260102030405678901"] * 3 + ["20260102030405678902"])
    monkeypatch.setattr("salt.utils.jid.gen_jid", lambda _opts: next(given))

    # Then
    assert [alone.prep_jid(), alone.prep_jid()] == ["20260102030405678901", "20260102030405678902"]


def test_the_end_of_a_job(cache: JobCache, database: Database) -> None:
    # Given
    cache.opts["job_cache_store_endtime"] = True
    cache = JobCache(cache.opts)
    jid = cache.publish(["web1"])
    cache.store(return_data(1, jid=jid, id="web1"))
    cache.update_endtime(jid, "2026, Jan 31 12:00:00.000000")

    # Then
    assert cache.get_endtime(jid) == "2026, Jan 31 12:00:00.000000"
    assert cache.get_jids()[jid]["EndTime"] == "2026, Jan 31 12:00:00.000000"
    _written(cache, database)
    assert time.strptime(cache.get_endtime(jid), "%Y, %b %d %H:%M:%S.%f")
    assert cache.get_jids()[jid]["EndTime"] == cache.get_endtime(jid)


def test_a_minion_whose_id_ends_in_a_blank_has_one_name(cache: JobCache, database: Database) -> None:
    # Given
    jid = cache.publish(["web1 ", "web2"])
    for one in ("web1 ", "web2"):
        cache.store(return_data(1, jid=jid, id=one))

    # When
    fresh = cache.get_load(jid)["Minions"], sorted(cache.get_jid(jid))
    _written(cache, database)

    # Then
    assert fresh == (cache.get_load(jid)["Minions"], sorted(cache.get_jid(jid)))
    assert fresh[0] == fresh[1]


def test_large_numbers_are_answered_as_they_came(cache: JobCache, database: Database) -> None:
    # Given
    told = [1e300, -1.5e30, 1e20, -9.3e18, 2**64 - 1, -(2**63), 12345678901234567890, 0.1, "12345678901234567890123", 7]
    jid = cache.publish(["web1"], arg=told)
    cache.store(return_data(told, jid=jid, id="web1"))

    # When
    _written(cache, database)

    # Then
    for answer in (
        cache.get_load(jid)["arg"],
        cache.get_jids()[jid]["Arguments"],
        cache.get_jids_filter(1)[0]["Arguments"],
        cache.get_jid(jid)["web1"]["return"],
    ):
        assert answer == told
        assert list(map(type, answer)) == list(map(type, told))


def test_a_minion_without_an_engine_writes_the_same_row_itself(tmp_path: Path, database: Database) -> None:
    # Given
    opts = master_opts(tmp_path, workers={"history": {"module": "sql", "url": database.url}})
    cache = JobCache({**opts, "__role": "minion", "id": "web1"})
    told = return_data({"token": SECRETS[2]}, id="web1")
    database.worker().write(batch_of([read(pack_frame(f"salt/job/{told['jid']}/ret/web1", told), into="returns")]))
    database.execute("DELETE FROM eventsd_returns")
    del told["_stamp"]

    # When
    cache.save_load(told["jid"], told)
    for _ in range(2):
        cache.returner(told)

    # Then
    assert [row["minion_id"] for row in database.rows("returns")] == ["web1"]
    assert SECRETS[2] not in str(database.rows("returns"))
    assert not places_of(cache.opts).doorstep.path.exists()


def _write_many(cache: JobCache, count: int, done: Any = None) -> None:
    for _ in range(count):
        jid = cache.publish(["web1"])
        cache.store(return_data(jid, jid=jid, id="web1"))
        if done is not None:
            with done.get_lock():
                done.value += 1


def _write_until_killed(cache: JobCache, done: Any) -> None:
    while True:
        _write_many(cache, 1)
        done.value += 1


def test_processes_and_threads_write_at_once(alone: JobCache) -> None:
    # Given
    context = multiprocessing.get_context("fork")
    alone.publish(["web1"])
    done = context.Value("i", 0)

    # When
    processes = [context.Process(target=_write_many, args=(alone, 40, done)) for _ in range(3)]
    threads = [threading.Thread(target=_write_many, args=(alone, 40, done)) for _ in range(3)]
    for one in [*processes, *threads]:
        one.start()
    for one in [*processes, *threads]:
        one.join(120)

    # Then
    doorstep = places_of(alone.opts).doorstep
    assert done.value == 240
    assert (len(doorstep.loads()), len(doorstep.waiting(1000, time.time() + 1))) == (241, 240)


def test_what_a_killed_process_has_kept_stays(alone: JobCache) -> None:
    # Given
    context = multiprocessing.get_context("fork")
    # A lock that the killed process holds would never be given back: it alone writes the number, so it needs none.
    done = context.RawValue("i", 0)
    process = context.Process(target=_write_until_killed, args=(alone, done))
    process.start()
    while done.value < 20:
        time.sleep(0.01)

    # When
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)

    # Then
    assert len(places_of(alone.opts).doorstep.waiting(200_000, time.time() + 1)) >= done.value
    alone.publish(["web1"])


def test_a_file_that_was_replaced_or_broken_is_begun_anew(alone: JobCache) -> None:
    # Given
    alone.publish(["web1"])
    doorstep = places_of(alone.opts).doorstep
    os.unlink(doorstep.path)

    # Then
    jid = alone.publish(["web1"])
    assert alone.get_load(jid)["jid"] == jid
    assert oct(doorstep.path.stat().st_mode)[-3:] == "600"

    # When
    doorstep.close()
    doorstep.path.write_bytes(b"no database at all" * 500)
    alone.publish(["web1"])

    # Then
    jid = alone.publish(["web1"])
    assert alone.get_load(jid)["jid"] == jid


def test_with_a_frozen_database_nothing_waits_but_questions(frozen: JobCache) -> None:
    # When
    began = time.monotonic()
    jid = frozen.publish(["web1"])
    frozen.store(return_data(1, jid=jid, id="web1"))
    assert frozen.get_load(jid)["jid"] == jid
    took = time.monotonic() - began

    # Then
    assert took < 1
    began = time.monotonic()
    with pytest.raises(CommandExecutionError, match="does not answer"):
        frozen.get_load("20200101000000000000")
    assert time.monotonic() - began < 15


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[JobCache]:
    """A job cache whose database takes connections and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        port = server.getsockname()[1]
        yield JobCache(
            master_opts(tmp_path, workers={"history": {"module": "sql", "url": f"postgresql://a:b@127.0.0.1:{port}/c"}})
        )


def test_a_minion_that_is_forgotten_is_not_answered_from_the_doorstep(cache: JobCache, database: Database) -> None:
    # Given a job of two minions that is written, and still on the doorstep
    jid = cache.publish(["web1", "web2"])
    for minion in ("web1", "web2"):
        cache.returner({**return_data(id=minion), "jid": jid})
    _written(cache, database, is_swept=False)
    assert sorted(cache.get_jid(jid)) == ["web1", "web2"]

    # When
    told = forget(cache.opts, "web1")

    # Then
    assert told["retcode"] == 0
    assert list(cache.get_jid(jid)) == ["web2"]
    assert cache.get_load(jid)["Minions"] == ["web2"]
