"""A report of a history whose truth is known, on each database; and its file."""

from __future__ import annotations

import json
import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from _runners import eventsd as runner
from salt_eventsd.config.load import load
from salt_eventsd.operate.history import asking
from salt_eventsd.operate.report.collect import About, Room, collect
from salt_eventsd.operate.report.facts import Listing, Report, smaller
from salt_eventsd.operate.report.make import MOST_BYTES, page_of
from salt_eventsd.operate.status import read
from tests.support.events import job, returned
from tests.support.history import FAILED, MINIONS, Story
from tests.support.stores import Database, batch_of

LENGTH = timedelta(days=7)


def _opts(url: str, folder: Path) -> dict[str, Any]:
    return {"id": "master-1", "cachedir": str(folder), "eventsd": {"workers": {"history": {"url": url}}}}


def _facts(url: str, folder: Path, room: Room | None = None) -> Report:
    now = datetime.now(timezone.utc)
    with asking(load(_opts(url, folder)), None) as (name, reader):
        about = About("master-1", name, now - LENGTH, now)
        return collect(reader, about, read(folder / "status.json"), room or Room())


class Told:
    """A story by chance, which stands in a database, and what is reported of it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.url = database.url
        self.story = Story(seed=11)
        self.story.by_chance(150)
        self.story.states({"web1.example.com": "failed", "db1": "changed"})
        worker, events = database.worker(), self.story.events
        for start in range(0, len(events), 300):
            worker.write(batch_of(events[start : start + 300], first=start + 1))
        database.close()
        self.facts = _facts(self.url, folder)


@pytest.fixture(scope="module")
def _all_told() -> dict[str, Told]:
    """What was told, by kind of database: reports change nothing."""
    return {}


@pytest.fixture
def told(database_kind: str, lasting: Callable[[str], Database], tmp_path: Path, _all_told: dict[str, Told]) -> Told:
    if database_kind not in _all_told:
        _all_told[database_kind] = Told(lasting(database_kind), tmp_path)
    return _all_told[database_kind]


@pytest.fixture
def story(told: Told) -> Story:
    return told.story


@pytest.fixture
def facts(told: Told) -> Report:
    return told.facts


def test_the_totals_are_those_of_the_story(story: Story, facts: Report) -> None:
    # Given
    returned = [ok for job in story.jobs for _, _, ok in job.returned]
    states = [state for job in story.jobs for state in job.states]

    # Then
    assert facts.totals.jobs == sum(job.published for job in story.jobs)
    assert (facts.totals.answers, facts.totals.failed) == (len(returned), returned.count(False))
    assert facts.totals.failed_jobs == sum(job.outcome == FAILED for job in story.jobs)
    assert facts.totals.changed == sum(state.changed for state in states)
    assert (facts.before.jobs, facts.before.failure_rate) == (0, None)


def test_intervals_add_up(facts: Report) -> None:
    for name in ("jobs", "answers", "failed"):
        assert sum(getattr(one, name) for one in facts.intervals) == getattr(facts.totals, name)


def test_functions(story: Story, facts: Report) -> None:
    # Given
    answers, failed = Counter[str](), Counter[str]()
    for one in story.jobs:
        answers[one.fun] += len(one.returned)
        failed[one.fun] += sum(not ok for _, _, ok in one.returned)

    # Then
    assert {row["fun"]: row["answers"] for row in facts.functions.rows} == +answers
    assert {row["fun"]: row["failed"] for row in facts.failed_functions.rows} == +failed
    assert facts.failed_functions.of == len(+failed)
    for row in facts.failed_functions.rows:
        newest = max((at, who) for one in story.jobs if one.fun == row["fun"] for who, at, ok in one.returned if not ok)
        assert datetime.fromisoformat(row["stamp"]) == newest[0]
        assert row["minion_id"] == newest[1]


def test_states(story: Story, facts: Report) -> None:
    # Given
    states = [state for job in story.jobs for state in job.states]
    failed = Counter(state.id for state in states if state.ok is False)

    # Then
    assert {row["state_id"]: row["failed"] for row in facts.failed_states.rows} == failed
    assert all(row["comment"] == "in the right state" for row in facts.failed_states.rows)
    for row in facts.slow.rows:
        took = [state.duration for state in states if state.id == row["state_id"]]
        assert (row["longest_ms"], row["times"]) == (max(took), len(took))
        assert row["average_ms"] == pytest.approx(sum(took) / len(took))
    assert len(facts.changes.rows) == min(100, sum(state.changed for state in states))


def test_a_failed_run_of_states_says_what_failed_in_it(story: Story, facts: Report) -> None:
    newest = next(row for row in facts.failures.rows if row["fun"] == "state.apply")

    assert newest["minion_id"] == "web1.example.com"
    assert (newest["state"], newest["error"]) == ("file.managed", "in the right state")


def test_who_was_silent(story: Story, facts: Report) -> None:
    # Given
    silent = Counter(minion for job in story.jobs for minion in job.missing)

    # Then
    assert {row["minion_id"]: row["silent"] for row in facts.silence.minions.rows} == silent
    assert facts.silence.jobs == facts.silence.looked_at == sum(bool(job.missing) for job in story.jobs)


def test_who_ran_what(story: Story, facts: Report) -> None:
    ran = Counter((job.user, job.kind, job.fun) for job in story.jobs if job.published)

    assert {(row["user"], row["kind"], row["fun"]): row["times"] for row in facts.users.rows} == ran


def test_conformity(story: Story, facts: Report) -> None:
    rows = {row["minion_id"]: row["outcome"] for row in facts.conformity.cells.rows}

    assert (rows["web1.example.com"], rows["db1"]) == ("failed", "changed")
    assert facts.conformity.counts == Counter(rows.values())
    assert facts.conformity.cells.rows[0]["outcome"] == "failed"


def test_listings_have_no_more_rows_than_there_is_room_for(told: Told, tmp_path: Path) -> None:
    # When
    facts = _facts(told.url, tmp_path, Room(rows=3, groups=2, minions=1, cells=4))

    # Then
    assert (len(facts.failures.rows), facts.failures.of) == (3, facts.totals.failed)
    assert len(facts.failed_functions.rows) == 2
    assert facts.failed_functions.of > 2
    assert (len(facts.conformity.cells.rows), len(facts.conformity.minions.rows)) == (4, 1)
    page = page_of(facts).decode()
    assert f"3 of {facts.failures.of:,}" in page
    assert "4 of " in page


def test_an_empty_history(tables: Database, tmp_path: Path) -> None:
    page = page_of(_facts(tables.url, tmp_path)).decode()

    assert "No answer failed." in page
    assert "no answers" in page


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Calls the verb of a master with a small history in SQLite."""
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    made = Story()
    made.by_chance(20)
    database.worker().write(batch_of(made.events))
    database.close()
    monkeypatch.setattr(runner, "__opts__", _opts(database.url, tmp_path), raising=False)
    monkeypatch.setattr(runner, "__context__", {}, raising=False)
    return runner.report


def test_the_file_is_for_its_owner_and_group_and_nothing_else_is_left(make: Callable[..., Any], tmp_path: Path) -> None:
    # Given
    folder = tmp_path / "pages"
    folder.mkdir()
    target = folder / "report.html"
    make(path=str(target))
    target.chmod(0o666)
    umask = os.umask(0)

    # When
    try:
        told = make(path=str(target))
    finally:
        os.umask(umask)

    # Then
    assert told["retcode"] == 0
    assert told["report"] == str(target)
    assert target.stat().st_size == told["bytes"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(folder) == ["report.html"]


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(lambda path: path.write_text("root:x:0:0:root:/root:/bin/sh"), id="a file"),
        pytest.param(lambda path: path.write_text("<!DOCTYPE html>"), id="another page"),
        pytest.param(lambda path: path.symlink_to("/dev/null"), id="a device"),
        pytest.param(os.mkfifo, id="a pipe"),
    ],
)
def test_what_is_no_report_is_not_replaced(
    make: Callable[..., Any], tmp_path: Path, there: Callable[[Path], Any]
) -> None:
    # Given
    target = tmp_path / "report.html"
    there(target)
    before = target.lstat()

    # When
    told = make(path=str(target))

    # Then
    assert told == {
        "problem": f"path: {target} is there and is no report; name another file, or remove it first",
        "retcode": 2,
    }
    assert target.lstat() == before


def test_an_empty_file_may_become_a_report(make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()

    assert make(path=str(tmp_path / "report.html"))["retcode"] == 0


def test_no_line_of_the_file_begins_with_what_a_minion_sent(facts: Report) -> None:
    # Given
    row = {**facts.failures.rows[0], "error": "no\nssh-ed25519 AAAA root@evil\n"}

    # When
    page = page_of(replace(facts, failures=Listing((row,), 1))).decode()

    # Then
    assert "no&#10;ssh-ed25519 AAAA root@evil" in page
    assert not any(line.startswith("ssh-") for line in page.splitlines())


def test_an_engine_that_is_down_is_said_on_the_page(make: Callable[..., Any], tmp_path: Path) -> None:
    make(path=str(tmp_path / "report.html"))

    assert "The engine is down" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"path": "report.html"}, "path: expected a path from the root on", id="relative"),
        pytest.param({"path": "/no/such/report.html"}, "path: there is no folder /no/such; make it first", id="folder"),
        pytest.param({"path": "/tmp"}, "path: expected a file, and /tmp is a folder", id="is a folder"),
        pytest.param({"path": ""}, "path: expected a file such as", id="empty"),
        pytest.param({"path": "/proc/report.html"}, "path: /proc/report.html cannot be written: ", id="no room"),
        pytest.param(
            {"path": f"/tmp/{'x' * 300}"}, f"path: /tmp/{'x' * 300} cannot be looked at: ", id="not to be had"
        ),
        pytest.param({"path": "/tmp/x.html", "since": "soon"}, "since: expected a time", id="since"),
        pytest.param({"path": "/tmp/x.html", "since": "2999-01-01"}, "since: expected a time that is past", id="later"),
        pytest.param({"path": "/tmp/x.html", "worker": "b"}, "worker: 'b' is no sql worker", id="worker"),
    ],
)
def test_what_is_wrong_is_one_line(make: Callable[..., Any], arguments: dict[str, Any], problem: str) -> None:
    told = make(**arguments)

    assert told["retcode"] == 2
    assert told["problem"].startswith(problem)
    assert "\n" not in told["problem"]
    assert json.loads(json.dumps(told)) == told


def test_a_hostile_fleet_makes_no_large_page_and_takes_no_long_time(tables: Database, tmp_path: Path) -> None:
    """Ids of a megabyte, errors of a megabyte, and everything made of what takes most room when it is escaped."""
    # Given
    worker = tables.worker()
    stamp = f"{datetime.now(timezone.utc) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.%f}"
    for number in range(120):
        jid = f"20261126140000{number:06d}"
        many = {
            f"file_|-{number}{'&' * 1_000_000}_|-x_|-managed": {
                "result": False,
                "changes": {"diff": '"' * 1_000_000},
                "comment": "<\u202e" * 500_000,
                "name": "'" * 1_000_000,
                "__id__": f"{number}{'&' * 1_000_000}",
                "__sls__": "<" * 100_000,
                "__run_num__": 0,
                "duration": 1.0,
            }
        }
        more = {"retcode": 2, "success": False, "_stamp": stamp}
        events = [
            job(jid, f"state.apply,{'<' * 200}{number}", user="'" * 250, minions=["&" * 250], _stamp=stamp),
            returned(
                many if number < 6 else "<" * 100_000, jid, f"{'&' * 240}{number}", f"state.{'<' * 200}{number}", **more
            ),
        ]
        worker.write(batch_of(events, first=number + 1))
    tables.close()

    # When
    start = time.process_time()
    page = page_of(_facts(tables.url, tmp_path))

    # Then
    assert len(page) <= MOST_BYTES
    assert b"&lt;" in page
    assert time.process_time() - start < 20


def test_a_page_that_is_too_large_is_made_with_fewer_rows(facts: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    whole = page_of(facts)
    monkeypatch.setattr("salt_eventsd.operate.report.make.MOST_BYTES", len(whole) * 2 // 3)

    # When
    page = page_of(facts)

    # Then
    assert len(page) <= len(whole) * 2 // 3
    half = smaller(facts, 0.5)
    assert len(half.failures.rows) == len(facts.failures.rows) // 2
    assert f"of {half.failures.of:,}</span>" in page.decode()
    assert MINIONS[0] in page.decode()
