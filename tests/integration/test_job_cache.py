"""Two real masters, one with Salt's own job cache and one with ours: the same jobs, the same answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import salt.client

from salt_eventsd.spool.doorstep import FILE
from tests.integration.conftest import StartMaster
from tests.support.job_cache import held_by
from tests.support.nodes import Master, minion_config

_FAILS = """
good:
  test.succeed_with_changes
bad:
  test.fail_without_changes
"""
#: What differs from run to run; and what the master writes into results of states after it has fired their event.
_VARYING = ("StartTime", "EndTime", "duration", "start_time", "__pid__", "pid", "_stamp", "__jid__")
_WRITTEN_IN = ("retcode", "jid", "id", "success", "return", "fun", "user")

#: A function, its arguments, and further arguments of the client.
Job = tuple[Any, Any, dict[str, Any]]
JOBS: list[Job] = [
    ("test.ping", (), {}),
    ("test.arg", ("a", 1, None, {"n": [1, 2]}), {"kwarg": {"colour": "red"}, "metadata": {"ticket": 7}}),
    ("test.false", (), {}),
    ("cmd.run_all", ("echo gone; exit 3",), {}),
    ("test.no_such_function", (), {}),
    (["test.ping", "test.arg"], [[], ["x"]], {}),
    ("state.sls", ("fails",), {}),
    ("test.echo", ("\N{SNOWMAN} 'quoted' \"twice\" \\",), {}),
    ("test.ping", (), {"tgt": ["{minion}", "nobody"], "tgt_type": "list"}),
    ("state.apply", ("fails",), {"kwarg": {"test": True}}),
]
VERBS = ("list_job", "lookup_jid", "print_job", "exit_success")
# Salt's client leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Side:
    """
    A master with a minion that has run all the jobs.

    :param master: the master.
    :param minion_id: its minion.
    """

    def __init__(self, master: Master, minion_id: str) -> None:
        self.master = master
        self.minion_id = minion_id
        self.jids: list[str] = []
        self.answers: list[Any] = []

    def run_jobs(self) -> None:
        """Run all the jobs, one after the other."""
        with salt.client.LocalClient(mopts=dict(self.master.daemon.config)) as client:
            for fun, args, more in JOBS:
                options = {"tgt": self.minion_id, "tgt_type": "glob", **more}
                if isinstance(options["tgt"], list):
                    options["tgt"] = [one.format(minion=self.minion_id) for one in options["tgt"]]
                found: dict[str, Any] = {}
                for one in client.cmd_iter(options.pop("tgt"), fun, args, timeout=30, full_return=True, **options):
                    found.update(one)
                self.jids.append(next(answer["jid"] for answer in found.values() if "jid" in answer))
                self.answers.append(self.plain({name: answer.get("ret") for name, answer in found.items()}))

    def ask(self, *args: str, **kwargs: Any) -> Any:
        """Ask the runner for jobs, and return its answer as one compares it."""
        return self.plain(self.master.run(*args, **kwargs).data)

    def plain(self, answer: Any) -> Any:
        """Return an answer without what differs between two runs, and with numbers in place of jids."""
        text = json.dumps(_without_varying(answer)).replace(self.minion_id, "twin").replace(self.master.daemon.id, "m")
        for number, jid in enumerate(self.jids):
            text = text.replace(jid, f"job {number}")
        return json.loads(text)


def _without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        gone = {*_VARYING, *(_WRITTEN_IN if "__run_num__" in value else ())}
        return {key: _without_varying(one) for key, one in value.items() if key not in gone}
    return [_without_varying(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def sides(start_master: StartMaster) -> Iterator[tuple[Side, Side]]:
    """A master with our job cache, and one with Salt's own."""
    ours = {"master_job_cache": "eventsd", "eventsd": {"workers": {"history": {"batch": {"seconds": 0.1}}}}}
    with start_master("cache-a", **ours) as first, start_master("cache-b") as second:
        sides = []
        for master in (first, second):
            minion = master.daemon.salt_minion_daemon(f"of-{master.daemon.id}", overrides=minion_config())
            file = master.daemon.state_tree.base.temp_file("fails.sls", _FAILS)
            file.__enter__()
            sides.append((Side(master, minion.id), minion, file))
        with sides[0][1].started(), sides[1][1].started():
            for side, _, _ in sides:
                side.run_jobs()
            expected = len(JOBS)
            first.history.wait_for(expected, "eventsd_returns", "minion_id = :minion", minion=sides[0][0].minion_id)
            yield sides[0][0], sides[1][0]
        for _, _, file in sides:
            file.__exit__(None, None, None)


def _listed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the jobs of the test out of a list of jobs; each look at the list is a job, too."""
    return {jid: job for jid, job in answer.items() if jid.startswith("job ")}


def test_the_client_gets_the_same_answers(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides

    # Then
    assert ours.answers == theirs.answers


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"search_metadata": {"ticket": 7}},
        {"search_target": "nobody"},
        {"start_time": "2000 Jan 1"},
    ],
)
def test_lists_of_jobs_are_the_same(sides: tuple[Side, Side], kwargs: dict[str, Any]) -> None:
    # When
    ours, theirs = [_listed(side.ask("jobs.list_jobs", **kwargs)) for side in sides]

    # Then
    assert ours == theirs
    assert ours


@pytest.mark.parametrize("number", range(len(JOBS)))
def test_each_job_is_told_in_the_same_way(sides: tuple[Side, Side], number: int) -> None:
    # When
    ours, theirs = [
        [
            side.ask(f"jobs.{verb}", side.jids[number])
            for verb in ("list_job", "lookup_jid", "print_job", "exit_success")
        ]
        for side in sides
    ]

    # Then
    for mine, salts in zip(ours, theirs, strict=True):
        assert mine == salts
    assert ours[0]["Result"]["twin"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda side: side.ask("jobs.active"),
        lambda side: side.ask("jobs.lookup_jid", side.jids[8], missing=True),
        lambda side: side.ask("jobs.last_run", target=side.minion_id),
        lambda side: side.ask("jobs.list_job", "20200101000000000000"),
        lambda side: side.ask("jobs.lookup_jid", "20200101000000000000"),
        lambda side: [one["JID"] for one in side.ask("jobs.list_jobs_filter", 30) if one["JID"].startswith("job ")],
    ],
    ids=["active", "missing", "last_run", "unknown", "unknown result", "filter"],
)
def test_other_questions_have_the_same_answers(sides: tuple[Side, Side], ask: Callable[[Side], Any]) -> None:
    ours, theirs = map(ask, sides)

    # Then
    assert ours == theirs


def test_a_runner_is_told_in_the_same_way(sides: tuple[Side, Side]) -> None:
    # Given
    for side in sides:
        side.master.run("test.arg", "x", colour="red")

    def told(side: Side) -> Any:
        """Return the runner's job, without its jid."""
        # With a job of several functions in the list, Salt itself cannot search for a function.
        listed = side.master.run("jobs.list_jobs").data
        jid = max(jid for jid, job in listed.items() if job["Function"] == "runner.test.arg")
        found = side.master.run("jobs.list_job", jid).data
        return json.loads(json.dumps(side.plain(found)).replace(jid, "the job"))

    # When
    ours, theirs = map(told, sides)

    # Then
    assert ours.pop("User") == theirs.pop("User")
    assert ours == theirs


def test_salts_own_files_are_not_written(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides

    # Then
    assert list(theirs.master.cachedir.glob("jobs/*/*/return.p")) or list(theirs.master.cachedir.glob("jobs/*/*/jid"))
    assert not [path for path in ours.master.cachedir.glob("jobs/*/*/*") if not re.search(r"\.batch\.p$", path.name)]


def test_the_masters_key_is_on_no_disk(sides: tuple[Side, Side]) -> None:
    # Given
    master = sides[0].master
    key = (master.cachedir / ".root_key").read_text(encoding="utf-8")

    # Then
    assert (master.cachedir / "eventsd" / "spool" / FILE).exists()
    assert held_by(master.cachedir / "eventsd", (key,)) == []
