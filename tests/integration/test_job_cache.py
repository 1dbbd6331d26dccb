"""Two real masters, one with Salt's own job cache and one with ours: the same jobs, the same answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import pytest

from salt_eventsd.spool.doorstep import FILE
from tests.integration.conftest import StartMaster
from tests.support.job_cache import held_by
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE, slow
from tests.support.nodes import Master
from tests.support.salt import wait_until
from tests.support.server import Server
from tests.support.twin_jobs import BATCHED, FROZEN, JOBS, PUBLISHER, STOPPED, Job, alike
from tests.support.twins import API, Twin, twin_of

Answer = TypeVar("Answer")

VERBS = ("list_job", "lookup_jid", "print_job", "exit_success")
#: Within this, Salt has kept a return that it has told of.
_KEPT_SECONDS = 5.0
_UNKNOWN = "20200101000000000000"
# Salt's client leaves sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(900),
]


class Both(NamedTuple):
    """
    The masters, after all jobs.

    :param ours: the one with our job cache.
    :param theirs: the one with Salt's own.
    :param jids: of all jobs, in order: ours, theirs.
    :param told: what the clients were told, by the name of the job: ours, theirs.
    :param away: what was answered about jobs while the database was away, likewise.
    :param seconds: how long a job took while it was away: ours, theirs.
    """

    ours: Twin
    theirs: Twin
    jids: tuple[list[str], list[str]]
    told: dict[str, tuple[Any, Any]]
    away: dict[str, tuple[Any, Any]]
    seconds: dict[str, tuple[float, float]]


@pytest.fixture(scope="module", params=[SQLITE, slow(POSTGRESQL), slow(MARIADB)])
def both(request: pytest.FixtureRequest, start_master: StartMaster) -> Iterator[Both]:
    """A master with our job cache on each kind of database, and one with Salt's own; all jobs have run on both."""
    kind: str = request.param
    server: Server | None = None if kind == "sqlite" else request.getfixturevalue(kind)
    where = {"url": server.new_database(), "timeout": 5} if server else {}
    common: dict[str, Any] = {"publisher_acl": {PUBLISHER: ["test.*"]}, **API}
    ours = {"master_job_cache": "eventsd", "eventsd": {"workers": {"history": {"batch": {"seconds": 0.1}, **where}}}}
    with (
        start_master(f"a-{kind}", **ours, **common) as first,
        start_master(f"b-{kind}", **common) as second,
        twin_of(first) as a,
        twin_of(second) as b,
    ):
        found = Both(a, b, ([], []), {}, {}, {})
        _run(found, JOBS)
        if server:
            _run_without(found, FROZEN, server.pause, server.resume)
            _run_without(found, STOPPED, server.stop, server.start)
        wait_until(lambda: _is_written(first), "end of the queue", 90.0)
        # What has come after its load is known from the doorstep until then, too.
        for twin, jids in zip((a, b), found.jids, strict=True):
            jids += twin.jids()
            twin.number(jids)
        yield found


def _at_once(both: Both, ask: Callable[[Twin], Answer]) -> tuple[Answer, Answer]:
    """Return the answers of both; each takes its time, so they are asked at once."""
    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(ask, both[:2])
    return ours, theirs


def _soon_the_same(both: Both, ask: Callable[[Twin], Answer]) -> tuple[Answer, Answer]:
    """Return the answers of both, asked again for a moment: Salt keeps a return after it has told of it."""
    until = time.monotonic() + _KEPT_SECONDS
    while True:
        ours, theirs = _at_once(both, ask)
        if ours == theirs or time.monotonic() > until:
            return ours, theirs


def _run(both: Both, jobs: list[Job]) -> None:
    for name, run in jobs:
        both.told[name] = _at_once(both, run)


def _run_without(both: Both, jobs: list[Job], fail: Callable[[], None], mend: Callable[[], None]) -> None:
    """Run jobs while the database is away, and ask about them at once."""
    fail()
    try:
        for name, run in jobs:
            began = time.monotonic()
            ours = run(both.ours)
            then = time.monotonic()
            theirs = run(both.theirs)
            both.told[name] = ours, theirs
            both.seconds[name] = then - began, time.monotonic() - then
            if "salt-call" in name:
                continue
            for twin in (both.ours, both.theirs):
                twin.number([twin.latest])
            for verb in VERBS:
                both.away[f"{name}: {verb}"] = _soon_the_same(
                    both, lambda twin, verb=verb: twin.ask(f"jobs.{verb}", twin.latest)
                )
    finally:
        mend()


def _is_written(master: Master) -> bool:
    worker = master.report()["workers"]["history"]
    return worker["state"] == "ok" and not worker["queued_events"]


def test_the_client_is_told_the_same(both: Both) -> None:
    for name, (ours, theirs) in both.told.items():
        # Then
        assert both.ours.plain(ours) == both.theirs.plain(theirs), name


def test_the_same_jobs_are_known(both: Both) -> None:
    # When
    ours, theirs = _at_once(both, lambda twin: twin.listed(twin.ask("jobs.list_jobs")))

    # Then
    assert [ours[jid]["Function"] for jid in sorted(ours)] == [theirs[jid]["Function"] for jid in sorted(theirs)]
    assert alike(ours) == alike(theirs)
    # Of the rounds of a batch, Salt's own job cache knows the last.
    [batch] = [job for job in ours.values() if job["Arguments"] == BATCHED]
    assert batch["Target"] == ["one", "two"]


def test_each_job_is_told_in_the_same_way(both: Both) -> None:
    # When
    def told(twin: Twin) -> dict[tuple[str, int], Any]:
        jids = both.jids[both.index(twin)]
        return {(verb, number): twin.ask(f"jobs.{verb}", jid) for number, jid in enumerate(jids) for verb in VERBS}

    ours, theirs = _at_once(both, told)

    # Then
    different = [(key, ours[key], theirs[key]) for key in theirs if alike(ours[key]) != alike(theirs[key])]
    assert different == []
    assert len(ours) >= 4 * len(JOBS)


def test_the_same_is_told_while_the_database_is_away(both: Both) -> None:
    if not both.away:
        pytest.skip("SQLite has no server that can be stopped")

    # When
    different = [(name, ours, theirs) for name, (ours, theirs) in both.away.items() if ours != theirs]

    # Then
    assert different == []
    assert {name: both.seconds[name] for name, (ours, theirs) in both.seconds.items() if ours > 2 * theirs + 10.0} == {}


@pytest.mark.parametrize(
    ("fun", "args", "kwargs"),
    [
        pytest.param("jobs.list_jobs", (), {"search_metadata": {"ticket": 7}}, id="by metadata"),
        pytest.param("jobs.list_jobs", (), {"search_target": "ghost"}, id="by target"),
        pytest.param("jobs.list_jobs", (), {"start_time": "2000 Jan 1"}, id="since"),
        pytest.param("jobs.list_jobs", (), {"end_time": "2000 Jan 1"}, id="until"),
        pytest.param("jobs.list_job", (_UNKNOWN,), {}, id="unknown job"),
        pytest.param("jobs.lookup_jid", (_UNKNOWN,), {}, id="unknown job's answers"),
        pytest.param("jobs.last_run", (), {"metadata": {"ticket": 7}}, id="last run by metadata"),
        pytest.param("jobs.last_run", (), {"target": "ghost"}, id="last run by target"),
    ],
)
def test_other_questions_have_the_same_answers(
    both: Both, fun: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    # When
    ours, theirs = _at_once(both, lambda twin: twin.ask(fun, *args, **kwargs))

    # Then
    if fun == "jobs.list_jobs":
        ours, theirs = both.ours.listed(ours), both.theirs.listed(theirs)
    assert alike(ours) == alike(theirs)


def test_the_newest_jobs_are_the_same(both: Both) -> None:
    # When
    ours, theirs = _at_once(both, lambda twin: twin.listed(twin.ask("jobs.list_jobs_filter", 500)))

    # Then
    assert [one["JID"] for one in ours] == [one["JID"] for one in theirs]
    assert alike(ours) == alike(theirs)


def test_who_is_missing_is_the_same(both: Both) -> None:
    # When
    def told(twin: Twin) -> list[Any]:
        return [twin.ask("jobs.lookup_jid", jid, missing=True) for jid in both.jids[both.index(twin)]]

    ours, theirs = _at_once(both, told)

    # Then
    assert ours == theirs


def test_salt_api_answers_the_same(both: Both) -> None:
    ours, theirs = _at_once(both, lambda twin: _over_http(twin, both.jids[both.index(twin)]))

    # Then
    assert [alike(listed) for listed in ours[0]] == [alike(listed) for listed in theirs[0]]
    assert ours[1] == theirs[1]
    assert [len(listed) >= len(JOBS) for listed in ours[0]] == [True, True]
    # SaltGUI makes an error of what is no object, and of a job without these.
    assert all({"Function", "Target", "Result"} <= job.keys() for job in ours[1][1:-1])
    assert ours[1][-1] == {}


def _over_http(twin: Twin, jids: list[str]) -> tuple[list[Any], list[Any]]:
    """Return salt-api's list of jobs and one of them, and what SaltGUI asks for besides."""
    with twin.api() as ask:

        def run(fun: str, **more: Any) -> Any:
            return twin.plain(ask("/", {"client": "runner", "fun": fun, **more})["return"][0])

        lists = [twin.listed(one) for one in (twin.plain(ask("/jobs"))["return"][0], run("jobs.list_jobs"))]
        each = [run("jobs.list_job", jid=jid) for jid in jids[:5]]
        return lists, [twin.plain(ask(f"/jobs/{jids[0]}")), *each, run("jobs.active")]


def test_salts_own_files_are_not_written(both: Both) -> None:
    assert list(both.theirs.master.cachedir.glob("jobs/*/*/jid"))
    ours = both.ours.master.cachedir.glob("jobs/*/*/*")
    assert not [path for path in ours if not re.search(r"\.batch\.p$", path.name)]


def test_no_key_of_the_master_is_on_disk(both: Both) -> None:
    # Given
    cachedir = both.ours.master.cachedir
    keys = tuple(path.read_text(encoding="utf-8") for path in cachedir.glob(".*_key"))

    # Then
    assert len(keys) >= 2
    assert (cachedir / "eventsd" / "spool" / FILE).exists()
    assert held_by(cachedir / "eventsd", keys) == []


def test_a_job_that_runs_is_active(both: Both) -> None:
    # Given: it runs longer than this test, so this is the last one
    jids = []
    for twin in both[:2]:
        with twin.client() as client:
            jids.append(client.cmd_async("one-*", "test.sleep", (20,)))

    # When
    active = [
        wait_until(lambda twin=twin, jid=jid: twin.run("jobs.active").get(jid), "active job", 30.0)
        for twin, jid in zip(both[:2], jids, strict=True)
    ]

    # Then
    for twin, one, jid in zip(both[:2], active, jids, strict=True):
        twin.number([*both.jids[both.index(twin)], jid])
        # The numbers of processes.
        one["Running"] = [list(minion) for minion in one["Running"]]
    assert both.ours.plain(active[0]) == both.theirs.plain(active[1])
    assert both.ours.plain(active[0])["Running"] == [["one"]]
