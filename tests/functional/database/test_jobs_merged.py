"""A job that is told of several times is one row on each database, also where several tell of it at one moment."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from salt_eventsd.database.engines import SqlOptions, make_reader
from salt_eventsd.database.questions import job as job_question
from salt_eventsd.database.questions import jobcache, joblists, jobs, missing
from salt_eventsd.database.questions.read import reading
from salt_eventsd.exceptions import Transient
from tests.support.events import JID, fired, job, job_data, returned
from tests.support.stores import Buried, Database, batch_of
from tests.unit.database.test_merging import by_syndic, group


def write(database: Database, *events: Any, spool: str = "spool-1", first: int = 1) -> None:
    buried = Buried()
    database.worker().write(batch_of(list(events), spool=spool, first=first, buried=buried))
    assert buried.refusals == []


def test_groups_of_a_batch(tables: Database) -> None:
    # Given: in one batch, and in others, and over again
    groups = [group(2, "w1"), group(1, "w2", "w3"), group(3, "w4")]
    for number, some in enumerate([groups[:2], groups[1:], groups, [job("other")]]):
        write(tables, *some, first=number + 1)

    # Then
    kept = tables.rows("jobs")[0]
    assert (kept["minions"], kept["minion_count"]) == (["w1", "w2", "w3", "w4"], 4)
    assert (kept["tgt"], kept["tgt_type"]) == ('["w1","w2","w3","w4"]', "list")
    assert kept["stamp"].second == 1
    assert (kept["load"]["minions"], kept["arg"], kept["syndics"]) == (["w2", "w3"], [], None)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_master_of_masters(tables: Database, order: tuple[int, ...]) -> None:
    # Given
    events = [
        job(minions=["eu", "w0"], tgt="*", user="alice", arg=[{"é": "\0"}]),
        by_syndic("eu", "w1", "west"),
        by_syndic("eu/west", "w2"),
    ]

    # When
    for number, place in enumerate(order):
        write(tables, events[place], first=number + 1)

    # Then
    [kept] = tables.rows("jobs")
    assert (kept["minions"], kept["minion_count"], kept["user"]) == (["w0", "w1", "w2"], 3, "alice")
    assert kept["load"]["user"] == "alice"
    assert kept["syndics"] == {"": ["eu", "w0"], "eu": ["w1", "west"], "eu/west": ["w2"]}


def test_salts_job_cache_tells_each_master_what_came_to_it(tables: Database) -> None:
    # Given
    write(
        tables,
        job(minions=["eu", "w0"], tgt="*"),
        by_syndic("eu", "w1", "west"),
        by_syndic("eu/west", "w2"),
        *(returned(jid=JID, minion_id=name) for name in ("w0", "w1", "w2")),
    )

    # Then: as by the job cache of files, in which a syndic is a minion of the master above
    seen = {"top": ["eu", "w0", "w1", "w2", "west"], "eu_master": ["w1", "w2", "west"], "west": ["w2"]}
    answered = {"top": ["w0", "w1", "w2"], "eu_master": ["w1", "w2"], "west": ["w2"]}
    with reading(make_reader(SqlOptions(url=tables.url))) as reader:
        assert {one: jobcache.load_of(reader, JID, one)["Minions"] for one in seen} == seen
        assert {one: sorted(jobcache.answers_to(reader, JID, one)) for one in seen} == answered


def test_many_that_tell_of_the_same_jobs_at_one_moment(tables: Database) -> None:
    # Given: two masters, two batches in flight each
    jids = [f"2026010203040500{number:04}" for number in range(20)]
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def tell(number: int) -> None:
        worker = tables.worker()
        events = [
            group(number, f"w{number}", f"w{number + 1}", jid=jid) for jid in (jids if number % 2 else reversed(jids))
        ]
        events = [fired(f"salt/job/{event.jid}/new", event.data) for event in events]
        start.wait(30)
        for at in range(0, len(events), 5):
            batch = batch_of(events[at : at + 5], spool=f"spool-{number}", first=at + 1)
            for _ in range(50):
                try:
                    worker.write(batch)
                    break
                except Transient:
                    # A deadlock or a busy file: the engine tries again.
                    continue
                except BaseException as exc:
                    errors.append(exc)
                    return

    # When
    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # Then
    assert errors == []
    found = tables.rows("jobs")
    assert [row["jid"] for row in found] == jids
    for row in found:
        assert (row["minions"], row["minion_count"]) == (["w0", "w1", "w2", "w3", "w4"], 5)
        assert row["stamp"].second == 0


def test_another_job_of_the_same_id_is_kept_as_an_event(tables: Database) -> None:
    # When: in one batch, and later
    write(tables, job(), job(fun="cmd.run"), job("1"))
    write(tables, job(user="bob"), first=2)

    # Then
    assert [(row["jid"], row["fun"], row["user"]) for row in tables.rows("jobs")] == [
        ("1", "test.ping", "root"),
        (JID, "test.ping", "root"),
    ]
    kept = [(row["tag"], row["data"]["fun"], row["data"]["user"]) for row in tables.rows("events")]
    assert sorted(kept) == [(f"salt/job/{JID}/new", "cmd.run", "root"), (f"salt/job/{JID}/new", "test.ping", "bob")]


def test_two_masters_give_one_id_to_two_jobs(tables: Database) -> None:
    # Given: two masters whose batches are told in turn, the start of a job more than once; the same minions answer
    def of(master: str, fun: str, spool: str, *minions: str, **more: Any) -> None:
        start = job(fun=fun, minions=list(minions), **more)
        answers = [returned(minion_id=name, fun=fun, success=fun == "test.ping") for name in minions[:1]]
        for first in (1, 3):
            tables.worker_of(master).write(batch_of([start], answers, spool=spool, first=first))

    # When
    of("east", "test.ping", "spool-1", "e1", "both")
    of("west", "cmd.run", "spool-2", "w1", "both", user="bob", _stamp="2026-01-02T03:04:09")
    of("north", "cmd.run", "spool-3", "n1", user="bob", arg=["other"])

    # Then: each has a row of its own, and everything else stays as it is
    kept = [
        (row["apart"], row["master_id"], row["fun"], row["user"], sorted(row["minions"])) for row in tables.rows("jobs")
    ]
    assert kept == [
        ("", "east", "test.ping", "root", ["both", "e1"]),
        ("north", "north", "cmd.run", "bob", ["n1"]),
        ("west", "west", "cmd.run", "bob", ["both", "w1"]),
    ]
    assert tables.rows("events") == []
    with reading(make_reader(SqlOptions(url=tables.url))) as reader:
        told = jobs.find(reader, jobs.Which(), 1)
        assert told[0]["master_id"] == "west"
        assert sorted((row["master_id"], row["outcome"], row["failed"], row["missing"]) for row in told) == [
            ("east", "missing", 0, 1),
            ("north", "failed", 1, 0),
            ("west", "failed", 1, 1),
        ]
        assert jobs.find(reader, jobs.Which(), 1, JID) == []
        assert [row["master_id"] for row in jobs.find(reader, jobs.Which(user="bob"), 50)] == ["west", "north"]
        whole = job_question.one(reader, JID)
        assert whole is not None
        assert [row["minion_id"] for row in whole["answers"]] == ["both", "e1"]
        assert [one["missing_minions"] for one in (whole, *whole["same_jid"])] == [["both"], [], ["both"]]
        silent = {(row["minion_id"], row["fun"]) for row in missing.find(reader, JID, None, 9)}
        assert silent == {("both", "test.ping"), ("both", "cmd.run")}
        # Salt's job cache tells each master of its own job, and others of the first.
        loads = {name: jobcache.load_of(reader, JID, name) for name in ("west", "east", "else")}
        assert {name: load["fun"] for name, load in loads.items()} == {
            "west": "cmd.run",
            "east": "test.ping",
            "else": "test.ping",
        }
        assert list(jobcache.answers_to(reader, JID, "west")) == ["w1"]
        assert dict(joblists.loads(reader, "west"))[JID]["fun"] == "cmd.run"
        assert [load["fun"] for _, load in joblists.newest_loads(reader, 9, master_id="else")] == ["test.ping"]
    assert len(tables.query("SELECT DISTINCT minion_id FROM eventsd_v_answers")) == 4


def test_who_answered_one_of_two_jobs_of_one_id_is_missing_in_the_other(tables: Database) -> None:
    # When
    for master, fun, user in (("east", "test.ping", "root"), ("west", "cmd.run", "bob")):
        start = job(fun=fun, minions=["both"], user=user)
        tables.worker_of(master).write(batch_of([start], spool=f"spool-{master}"))
    answer = returned(minion_id="both", fun="test.ping", success=True)
    tables.worker_of("east").write(batch_of([answer], spool="spool-east", first=2))

    # Then
    with reading(make_reader(SqlOptions(url=tables.url))) as reader:
        for jid in (JID, None):
            silent = [(row["minion_id"], row["fun"]) for row in missing.find(reader, jid, None, 9)]
            assert silent == [("both", "cmd.run")]
        for outcome, master in (("missing", "west"), ("succeeded", "east")):
            told = jobs.find(reader, jobs.Which(outcome=outcome), 9)
            assert [row["master_id"] for row in told] == [master]


def test_a_job_that_a_syndic_passes_on_is_one_job_whoever_publishes_it_below(tables: Database) -> None:
    # Given: the syndic of the master below has its id
    above = job(minions=["below"], user="alice", tgt="*")
    below = job(minions=["w1"], user="root", tgt="*", _stamp="2026-01-02T03:04:09")

    # When
    tables.worker_of("below_master").write(batch_of([below], spool="spool-1"))
    tables.worker_of("top").write(batch_of([above], spool="spool-2"))

    # Then
    [kept] = tables.rows("jobs")
    assert (kept["user"], kept["minions"], kept["master_id"]) == ("alice", ["below", "w1"], "top")


def test_jobs_that_began_on_a_minion(tables: Database) -> None:
    # Given: as a master hands them on
    begun = {"tgt": "m", "tgt_type": "glob", "arg": ["motd"], "fun_args": ["motd"], "minion_id": "m"}
    ordinary = returned(jid="3", minion_id="m", fun="state.apply", user="root")

    # When
    write(
        tables,
        returned(jid="1", fun="state.apply", **begun),
        returned(jid="2", fun="state.apply", schedule="nightly", minion_id="m"),
        ordinary,
        returned(jid="req", fun="state.apply", **begun),
    )

    # Then: what began elsewhere has a row when its master tells of it
    found = [(row["jid"], row["kind"], row["minions"], row["minion_count"]) for row in tables.rows("jobs")]
    assert found == [("1", "call", ["m"], 1), ("2", "schedule", ["m"], 1)]
    first, second = tables.rows("jobs")
    assert (first["fun"], first["arg"], first["tgt"], first["tgt_type"]) == ("state.apply", ["motd"], "m", "glob")
    assert (second["load"]["schedule"], second["user"]) == ("nightly", None)

    # When: it had only been late
    write(tables, fired("salt/job/1/new", job_data("1", minions=["m", "n"], user="alice")), first=2)

    # Then
    [late, _] = tables.rows("jobs")
    assert (late["kind"], late["fun"], late["user"], late["minions"]) == ("job", "test.ping", "alice", ["m", "n"])
