"""The questions to the history, on each database, against a truth that is known from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any

import pytest

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.operate import history
from tests.support.events import fired, return_data, state_result
from tests.support.history import FAILED, MASTER, MINIONS, MISSING, SUCCEEDED, Job, Story
from tests.support.stores import Database, batch_of

NOW = datetime.now(timezone.utc)


class Asked:
    """A database with a story in it, to be asked as ``salt-run`` asks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.story = Story(seed=7)
        self._written = 0

    def __call__(self, question: str, **arguments: Any) -> Any:
        defaults = {"limit": 1000} | ({"stale": "7d"} if question == "conformity" else {})
        opts = {"eventsd": {"workers": {"history": {"url": self.database.url}}}, "cachedir": "/nowhere"}
        return history.ask(opts, question, None, {**defaults, **arguments})

    def write(self) -> Story:
        """Write what the story tells, in several batches."""
        worker = self.database.worker()
        events = self.story.events
        for start in range(0, len(events), 300):
            self._written += 1
            worker.write(batch_of(events[start : start + 300], first=self._written))
        return self.story


@pytest.fixture
def ask(tables: Database) -> Iterator[Asked]:
    yield Asked(tables)
    tables.close()


@pytest.fixture(scope="module")
def _stories() -> Iterator[dict[str, Asked]]:
    """The databases with a story, by kind."""
    made: dict[str, Asked] = {}
    yield made
    for asked in made.values():
        asked.database.close()


@pytest.fixture
def told(database_kind: str, lasting: Callable[[str], Database], _stories: dict[str, Asked]) -> Asked:
    """With a story by chance, told once for all tests: whoever asks changes nothing."""
    if database_kind not in _stories:
        _stories[database_kind] = Asked(lasting(database_kind))
        _stories[database_kind].story.by_chance(150)
        _stories[database_kind].write()
    return _stories[database_kind]


def newest(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.when, job.jid), reverse=True)


def fits(fun: str, glob: str) -> bool:
    return any(fnmatchcase(one, glob) for one in (fun, *fun.split(",")))


def jids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["jid"] for row in rows]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_jobs_with_what_came_of_them(told: Asked) -> None:
    # When
    found = told("jobs")

    # Then
    known = newest(told.story.jobs)
    assert jids(found) == [job.jid for job in known]
    for row, job in zip(found, known, strict=True):
        values = list(job.answers.values())
        expected = {
            "jid": job.jid,
            "kind": job.kind,
            "fun": job.fun,
            "user": job.user,
            "test": job.test,
            "schedule": job.schedule,
            "answered": len(values),
            "succeeded": values.count(SUCCEEDED),
            "failed": values.count(FAILED),
            "missing": len(job.missing),
            "outcome": job.outcome,
        }
        assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "is_meant"),
    [
        ({"fun": "cmd.run"}, lambda job: fits(job.fun, "cmd.run")),
        ({"fun": "state.*"}, lambda job: fits(job.fun, "state.*")),
        ({"fun": "nothing.*"}, lambda job: False),
        ({"user": "alice"}, lambda job: job.user == "alice"),
        ({"user": "*lice"}, lambda job: job.user in ("alice", "Alice")),
        ({"user": "[aA]lice"}, lambda job: job.user in ("alice", "Alice")),
        ({"user": "[!aA]*"}, lambda job: job.user in ("root", "sudo_bob")),
        ({"user": "sudo?bob"}, lambda job: job.user == "sudo_bob"),
        ({"minion": "db1"}, lambda job: "db1" in {*job.answers, *(job.asked or ())}),
        (
            {"minion": "web[1-3]*"},
            lambda job: any(fnmatchcase(one, "web[1-3]*") for one in {*job.answers, *(job.asked or ())}),
        ),
        ({"minion": "under_*"}, lambda job: "under_score" in {*job.answers, *(job.asked or ())}),
        ({"target": "web*"}, lambda job: fnmatchcase(job.target, "web*")),
        ({"outcome": "failed"}, lambda job: job.outcome == FAILED),
        ({"outcome": "missing"}, lambda job: job.outcome == MISSING),
        ({"outcome": "succeeded"}, lambda job: job.outcome == SUCCEEDED),
        ({"outcome": "nobody"}, lambda job: job.outcome == "nobody"),
        ({"minion": "web?.*", "outcome": "missing"}, lambda job: job.outcome == MISSING and _is_of(job, "web?.*")),
        ({"fun": "*", "user": "alice"}, lambda job: job.user == "alice"),
        ({"fun": "*e*", "user": "*lice"}, lambda job: fits(job.fun, "*e*") and job.user in ("alice", "Alice")),
        ({"fun": "state.*", "user": "root"}, lambda job: fits(job.fun, "state.*") and job.user == "root"),
        ({"minion": "nobody*"}, lambda job: False),
        ({"kind": "schedule"}, lambda job: job.kind == "schedule"),
        ({"kind": "runner"}, lambda job: job.kind == "runner"),
    ],
    ids=lambda one: "-".join(f"{key}={value}" for key, value in one.items()) if isinstance(one, dict) else "",
)
def test_some_jobs(told: Asked, arguments: dict[str, Any], is_meant: Any) -> None:
    assert jids(told("jobs", **arguments)) == [job.jid for job in newest(told.story.jobs) if is_meant(job)]


def _is_of(job: Job, glob: str) -> bool:
    return any(fnmatchcase(one, glob) for one in {*job.answers, *(job.asked or ())})


def test_only_so_many_jobs_are_looked_through_and_the_answer_says_so(
    told: Asked, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    known = newest(told.story.jobs)
    reach = 40
    monkeypatch.setattr(type(dialect_for(database_kind).questions), "reach", reach)

    # When
    by_target = told("jobs", target="web*")
    by_minion = told("jobs", minion="db1")

    # Then
    assert jids(by_target["jobs"]) == [job.jid for job in known[: reach + 1] if fnmatchcase(job.target, "web*")]
    assert _begun(known[reach]).isoformat(timespec="microseconds") in by_target["note"]
    near = known[: reach // 4 + 1]
    meant = [job for job in known if "db1" in job.answers or (job in near and _is_of(job, "db1"))]
    assert jids(by_minion["jobs"]) == [job.jid for job in meant]
    assert _begun(near[-1]).isoformat(timespec="microseconds") in by_minion["note"]
    # Who says how far back gets all of it.
    oldest = known[-1].when.isoformat()
    assert jids(told("jobs", target="web*", since=oldest)) == [j.jid for j in known if fnmatchcase(j.target, "web*")]
    # What is found at once is all there is to tell.
    assert jids(told("jobs", user="alice", limit=1)) == [next(job.jid for job in known if job.user == "alice")]


def test_jobs_of_a_time(told: Asked) -> None:
    # Given
    known = newest(told.story.jobs)
    middle = known[len(known) // 2].when

    # When
    later = told("jobs", since=middle.isoformat())
    earlier = told("jobs", until=f"{middle:%Y-%m-%d %H:%M:%S.%f}")

    # Then
    assert jids(later) == [job.jid for job in known if _begun(job) >= middle]
    assert jids(earlier) == [job.jid for job in known if _begun(job) < middle]


def _begun(job: Job) -> datetime:
    """When the job was told of, which is a moment after it had its jid."""
    return job.when + timedelta(milliseconds=10)


@pytest.mark.parametrize("outcome", [None, "failed"])
def test_jobs_page_by_page(told: Asked, outcome: str | None) -> None:
    # When
    whole = told("jobs", outcome=outcome)
    paged: list[str] = []
    before = None
    while page := told("jobs", limit=7, before=before, outcome=outcome):
        paged += jids(page)
        before = int(page[-1]["jid"])

    # Then
    assert paged == jids(whole)


def test_each_job(told: Asked) -> None:
    for job in told.story.jobs:
        # When
        found = told("job", jid=int(job.jid))[job.jid]

        # Then
        assert {row["minion_id"]: row["outcome"] for row in found["answers"]} == {
            **job.answers,
            **dict.fromkeys(job.missing, MISSING),
        }
        assert found["missing_minions"] == job.missing
        assert found["minions"] == (sorted(job.asked) if job.asked and job.kind != "job" else job.asked or [])
        assert at(found["last_answer"]) == max(when for _, when, _ in job.returned) if job.returned else True
        failed = [(one.minion_id, one.number) for one in job.states if one.ok is False]
        assert [(row["minion_id"], row["run_num"]) for row in found["failed_states"]] == sorted(failed)


def test_returns_of_a_job(told: Asked) -> None:
    for job in told.story.jobs[:30]:
        found = told("returns", jid=int(job.jid))
        assert [(row["minion_id"], row["success"]) for row in found] == [
            (minion_id, ok) for minion_id, _, ok in reversed(job.returned)
        ]


def _returned(story: Story) -> list[tuple[str, str, datetime, bool, str]]:
    found = [(job.jid, one, when, ok, job.fun) for job in story.jobs for one, when, ok in job.returned]
    return sorted(found, key=lambda one: one[2], reverse=True)


@pytest.mark.parametrize(
    ("arguments", "is_meant"),
    [
        ({}, lambda minion, fun: True),
        ({"minion": "db1"}, lambda minion, fun: minion == "db1"),
        ({"minion": "web*"}, lambda minion, fun: minion.startswith("web")),
        ({"fun": "test.ping"}, lambda minion, fun: fits(fun, "test.ping")),
        ({"fun": "*.highstate", "minion": "DB*"}, lambda minion, fun: fits(fun, "*.highstate") and minion == "DB1"),
    ],
    ids=["all", "minion", "minions", "fun", "fun and minion"],
)
@pytest.mark.parametrize("question", ["returns", "failures"])
def test_returns_and_failures(told: Asked, question: str, arguments: dict[str, Any], is_meant: Any) -> None:
    # When
    found = told(question, limit=5000, **arguments)

    # Then
    assert [(row["jid"], row["minion_id"], row["success"]) for row in found] == [
        (jid, minion, ok)
        for jid, minion, _, ok, fun in _returned(told.story)
        if is_meant(minion, fun) and not (question == "failures" and ok)
    ]


@pytest.mark.parametrize("question", ["returns", "failures"])
def test_returns_page_by_page(told: Asked, question: str) -> None:
    # When
    whole = told(question, limit=5000)
    paged: list[int] = []
    before = None
    while page := told(question, limit=50, before=before):
        paged += [row["id"] for row in page]
        before = page[-1]["id"]

    # Then
    assert paged == [row["id"] for row in whole]


def test_failures_have_the_states_that_failed(told: Asked) -> None:
    # When
    found = told("failures", limit=5000)
    of_state = told("failures", limit=5000, state="/etc/ntp.conf")
    of_module = told("failures", limit=5000, state="file", sls="base.*")
    of_other = told("failures", limit=5000, state="pkg")

    # Then
    failed = {(one.jid, one.minion_id) for job in told.story.jobs for one in job.states if one.ok is False}
    assert {(row["jid"], row["minion_id"]) for row in found if row["states"]} == failed
    assert {(row["jid"], row["minion_id"]) for row in of_state} == failed
    assert [row["id"] for row in of_module] == [row["id"] for row in of_state]
    assert of_other == []


def test_who_is_missing(told: Asked) -> None:
    # When
    found = told("missing", since="1000d")

    # Then
    known = [(one, job.jid) for job in newest(told.story.jobs) for one in job.missing]
    assert [(row["minion_id"], row["jid"]) for row in found] == known
    some = next(job for job in told.story.jobs if job.missing)
    assert [row["minion_id"] for row in told("missing", jid=some.jid)] == some.missing


def test_what_was_changed(told: Asked) -> None:
    # When
    found = told("changes", limit=5000)

    # Then
    changed = [(one, job) for job in told.story.jobs for one in job.states if one.changed]
    assert {(row["jid"], row["minion_id"], row["run_num"], row["user"]) for row in found} == {
        (one.jid, one.minion_id, one.number, job.user) for one, job in changed
    }
    assert len(found) == len(changed)
    assert [row["stamp"] for row in found] == sorted((row["stamp"] for row in found), reverse=True)
    assert {row["name"] for row in told("changes", name="/etc/ntp.conf")} == {"/etc/ntp.conf"}
    assert told("changes", name="/etc/motd") == []
    assert {row["minion_id"] for row in told("changes", minion="DB1", state="file.managed")} <= {"DB1"}


def test_the_last_change_of_a_name_is_found_however_old_it_is(
    ask: Asked, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: names that differ where an index does not look any more, and many newer changes
    names = ["/" + "x" * 5000 + end for end in "ab"]
    old = [ask.story.states({"db1": "changed"}, names=[name]).jid for name in names]
    for number in range(9):
        ask.story.states({"db1": "changed"}, names=[f"/etc/{number}"])
    ask.write()
    monkeypatch.setattr(type(dialect_for(database_kind).questions), "reach", 4)

    # When
    found = [ask("changes", name=name) for name in names]
    twice = ask("changes", name=names[0], limit=1)
    by_glob = ask("changes", name="/x*")

    # Then
    assert [[row["jid"] for row in rows] for rows in found] == [[jid] for jid in old]
    assert [row["name"] for row in twice] == names[:1]
    assert (by_glob["changes"], "until=" in by_glob["note"]) == ([], True)
    [row] = found[0]
    assert [one["jid"] for one in ask("changes", name=row["state_id"])][-1:] == [old[0]]


def _conformity(story: Story, moment: datetime) -> dict[str, str]:
    """By the story alone."""
    seen = {one for job in story.jobs for one, when, _ in job.returned if one != MASTER and when <= moment}
    found = dict.fromkeys(seen, "never")
    for job in sorted(story.jobs, key=lambda job: job.when):
        if job.fun not in ("state.apply", "state.highstate") or job.test:
            continue
        for minion_id, when, ok in job.returned:
            if when > moment:
                continue
            states = [one for one in job.states if one.minion_id == minion_id]
            changed = any(one.changed for one in states)
            found[minion_id] = "failed" if not ok else "changed" if changed else "healthy"
            if moment - when > timedelta(days=7):
                found[minion_id] = "stale"
    return found


def test_conformity(told: Asked) -> None:
    found = told("conformity")
    assert {row["minion_id"]: row["outcome"] for row in found} == _conformity(told.story, NOW)
    assert [row["minion_id"] for row in told("conformity", minion="db1")] == ["db1"]


def test_conformity_as_of_a_time(told: Asked) -> None:
    moment = told.story.jobs[len(told.story.jobs) // 2].when
    found = told("conformity", at=moment.isoformat())
    assert {row["minion_id"]: row["outcome"] for row in found} == _conformity(told.story, moment)


def test_conformity_looks_at_runs_among_several_functions(ask: Asked) -> None:
    # Given: a run of states on each minion, and a job of several functions later, in which states ran on some
    ask.story.at(timedelta(hours=2)).states(dict.fromkeys(("healthy", "failed", "not rendered", "none"), "changed"))
    state = {"file_|-a_|-a_|-managed": state_result("a", 0, changes={})}
    broken = {"file_|-a_|-a_|-managed": state_result("a", 0, result=False, changes={})}
    values = {"healthy": state, "failed": broken, "not rendered": ["Rendering SLS 'base:a' failed"]}
    for number, (minion_id, value) in enumerate(values.items()):
        functions = ["state.apply", "cmd.run"]
        told = {"state.apply": value, "cmd.run": "x"}
        # What failed besides says nothing of the minion's states.
        failed = {"state.apply": 0, "cmd.run": 1}
        data = return_data(told, f"2{number}", minion_id, retcode=failed, success=dict.fromkeys(functions, False))
        data.update(fun=functions, fun_args=[[], []], _stamp=f"{NOW:%Y-%m-%dT%H:%M:%S.%f}")
        ask.story.events.append(fired(f"salt/job/2{number}/ret/{minion_id}", data))
    ask.write()

    # When
    found = {row["minion_id"]: row["outcome"] for row in ask("conformity", stale="forever")}

    # Then
    assert found == {"healthy": "healthy", "failed": "failed", "not rendered": "failed", "none": "changed"}
    viewed = ask.database.query("SELECT minion_id, jid, states, changed, failed FROM eventsd_v_conformity")
    rows = ask("conformity", stale="forever")
    assert set(viewed) == {
        tuple(row[name] for name in ("minion_id", "jid", "states", "changed", "failed")) for row in rows
    }


def test_conformity_looks_at_runs_by_salt_ssh(ask: Asked) -> None:
    # Given: what salt-ssh says that it has run, after a run by the master
    outcomes = {"web1": "healthy", "web2": "changed", "web3": "failed", "web4": "rendering"}
    ask.story.at(timedelta(hours=2)).states(dict.fromkeys(outcomes, "changed"))
    ask.story.at(timedelta(hours=1)).states(outcomes, fun="state.pkg")
    ask.story.at(timedelta(minutes=1)).states(dict.fromkeys(outcomes, "changed"), fun="state.pkg", test=True)
    ask.write()

    # When
    found = [ask("conformity"), ask("conformity", at=datetime.now(timezone.utc).isoformat())]
    found += [[ask("conformity", minion=name)[0] for name in outcomes]]

    # Then
    expected = {**outcomes, "web4": "failed"}
    assert [{row["minion_id"]: row["outcome"] for row in rows} for rows in found] == [expected] * 3
    assert dict(ask.database.query("SELECT minion_id, outcome FROM eventsd_v_conformity")) == expected


def test_what_an_orchestration_repeats_is_changed_once(ask: Asked) -> None:
    # Given: states that changed something, run by an orchestration, which tells of it, too, and did something itself
    run = ask.story.states({"db1": "changed"}, names=["/etc/motd"])
    orchestration = ask.story.orchestration(run)
    results = ask.story.events[-1]
    value = {
        "data": {
            MASTER: {
                "salt_|-run_|-run_|-state": state_result("run", 0, changes={"ret": {"db1": {}}}, __jid__=run.jid),
                "salt_|-call_|-cmd.run_|-function": state_result("cmd.run", 1, changes={"ret": {"db1": "x"}}),
            }
        },
        "outputter": "highstate",
        "retcode": 0,
    }
    told = {"fun": "runner.state.orchestrate", "fun_args": [], "jid": orchestration.jid, "user": "alice"}
    ask.story.events[-1] = fired(results.tag, {**told, "return": value, "success": True})
    ask.write()

    # Then
    assert sorted((row["state"], row["jid"]) for row in ask("changes")) == [
        ("file.managed", run.jid),
        ("salt.function", orchestration.jid),
    ]
    viewed = ask.database.query("SELECT state FROM eventsd_v_changes")
    assert sorted(viewed) == [("file.managed",), ("salt.function",)]


def test_the_slowest_states(told: Asked) -> None:
    # When
    found = told("slow", limit=20)

    # Then: a run of states takes as long as its states together
    took = [one.duration for job in told.story.jobs for one in job.states]
    for job in told.story.jobs:
        for minion_id in {one.minion_id for one in job.states}:
            took.append(sum(one.duration for one in job.states if one.minion_id == minion_id))
    assert [row["duration_ms"] for row in found] == pytest.approx(sorted(took, reverse=True)[:20])


def test_who_ran_what(told: Asked) -> None:
    found = told("audit", user="alice")
    assert [(row["jid"], row["kind"], row["fun"]) for row in found] == [
        (job.jid, job.kind, job.fun) for job in newest(told.story.jobs) if job.user == "alice"
    ]
    assert {row["fun"] for row in told("audit", fun="runner.*")} == {"runner.manage.up"}


def test_a_minion(told: Asked) -> None:
    # When
    found = told("minion", minion="db1", limit=5)["db1"]

    # Then
    known = [one for one in _returned(told.story) if one[1] == "db1"]
    assert [row["jid"] for row in found["last_runs"]] == [one[0] for one in known[:5]]
    assert at(found["last_seen"]) == known[0][2]
    assert at(found["first_seen"]) == known[-1][2]
    assert found["outcome"] == _conformity(told.story, NOW)["db1"]


class TestKindsOfJobs:
    """Each is told apart from the others."""

    def test_a_test_run_changes_nothing_and_says_nothing_of_conformity(self, ask: Asked) -> None:
        # Given
        ask.story.at(timedelta(hours=2)).states({"db1": "healthy"})
        job = ask.story.at(timedelta(hours=1)).states({"db1": "changed"}, test=True)
        ask.write()

        # Then
        assert ask("changes") == []
        [row] = ask("conformity")
        assert row["outcome"] == "healthy"
        assert ask("job", jid=job.jid)[job.jid]["test"] is True

    def test_a_batch_is_one_job(self, ask: Asked) -> None:
        # Given
        job = ask.story.batch([MINIONS[:3], MINIONS[3:6]], missing=[MINIONS[4]])
        ask.write()

        # Then
        [row] = ask("jobs")
        assert (row["jid"], row["minion_count"], row["answered"], row["missing"]) == (job.jid, 6, 5, 1)
        assert [one["minion_id"] for one in ask("missing", jid=job.jid)] == [MINIONS[4]]

    def test_an_orchestration_and_the_jobs_it_started(self, ask: Asked) -> None:
        # Given
        first = ask.story.at(timedelta(hours=1)).states({"db1": "changed"})
        second = ask.story.ping(["db1"])
        whole = ask.story.orchestration(first, second)
        ask.story.ping(["db1"])
        ask.write()

        # Then
        assert ask("job", jid=whole.jid)[whole.jid]["started"] == [first.jid, second.jid]
        assert ask("job", jid=whole.jid)[whole.jid]["kind"] == "runner"
        assert ask("job", jid=second.jid)[second.jid]["started_by"] == whole.jid

    def test_schedules_and_salt_call(self, ask: Asked) -> None:
        # Given
        scheduled = ask.story.scheduled("db1", "hourly")
        called = ask.story.call("db1", ok=False)
        ask.write()

        # Then
        assert [(row["jid"], row["kind"], row["schedule"], row["outcome"]) for row in ask("jobs")] == [
            (called.jid, "call", None, "failed"),
            (scheduled.jid, "schedule", "hourly", "succeeded"),
        ]
        assert [row["schedule"] for row in ask("returns", minion="db1")] == [None, "hourly"]

    def test_a_return_without_a_job(self, ask: Asked) -> None:
        # Given
        job = ask.story.unknown("db1", ok=False)
        ask.write()

        # Then
        found = ask("job", jid=job.jid)[job.jid]
        assert (found["known"], found["fun"], found["outcome"]) == (False, "test.ping", "failed")
        assert [(row["minion_id"], row["expected"]) for row in found["answers"]] == [("db1", False)]
        assert ask("jobs") == []
        assert ask.database.query("SELECT minion_id, outcome FROM eventsd_v_answers") == [("db1", "failed")]

    def test_a_minion_that_answered_twice_is_one_answer(self, ask: Asked) -> None:
        # Given
        job = ask.story.ping(["db1", "DB1"])
        ask.story.again(job, "db1", ok=False)
        ask.write()

        # Then
        [row] = ask("jobs")
        assert (row["answered"], row["failed"], row["succeeded"]) == (2, 1, 1)
        assert len(ask("returns", jid=job.jid)) == 3

    def test_names_with_odd_characters_are_told_apart(self, ask: Asked) -> None:
        # Given
        names = ["db1", "db\n2", 'db"3', "db,4", "db\\5"]
        job = ask.story.ping(names)
        ask.story.ping(names[:2])
        ask.write()

        # Then
        assert [(row["answered"], row["missing"]) for row in ask("jobs")] == [(2, 0), (5, 0)]
        assert sorted(row["minion_id"] for row in ask("job", jid=job.jid)[job.jid]["answers"]) == sorted(names)

    @pytest.mark.parametrize(
        "glob", ["[z-a]*", "[!z-a]*", "[[]*", "*[!]*", "a*[b]", "[]-]*", "[-a]*", "[^a]*", "[+--]*", "[-a-]*", "[^^]*"]
    )
    def test_odd_globs_mean_what_they_mean_to_salt(self, ask: Asked, glob: str) -> None:
        # Given
        names = ["a1", "^1", "[1", "]1", "-1", ",1", "a[!]b", "a\nb"]
        ask.story.states(dict.fromkeys(names, "changed"), names=names)
        ask.write()
        expected = sorted(name for name in names if fnmatchcase(name, glob))

        # Then
        for question in ("returns", "conformity"):
            assert sorted(row["minion_id"] for row in ask(question, minion=glob)) == expected
        assert {row["minion_id"] for row in ask("changes", minion=glob)} == set(expected)
        assert {row["name"] for row in ask("changes", name=glob)} == {*expected} & {names[-1]}
        assert len(ask("jobs", minion=glob)) == (1 if expected else 0)

    def test_a_false_state_with_retcode_0_is_failed(self, ask: Asked) -> None:
        ask.story.states({"db1": "failed"}, retcode=0)
        ask.write()
        assert [row["outcome"] for row in ask("conformity")] == ["failed"]
        assert [row["minion_id"] for row in ask("failures")] == ["db1"]

    def test_what_comes_late_tells_how_a_minion_was(self, ask: Asked) -> None:
        # Given
        ask.story.ping(["db1", "db2"])
        ask.write()
        ask.story.events.clear()
        run = ask.story.at(timedelta(days=3)).states({"db1": "changed"})

        # When
        ask.write()

        # Then
        [row] = ask("conformity", at="2d")
        assert (row["minion_id"], row["jid"], row["outcome"]) == ("db1", run.jid, "changed")
        assert ask("conformity", at="4d") == []

    def test_a_run_of_states_that_is_long_ago_is_stale(self, ask: Asked) -> None:
        ask.story.at(timedelta(days=9)).states({"db1": "healthy"})
        ask.write()
        assert [row["outcome"] for row in ask("conformity")] == ["stale"]
        assert [row["outcome"] for row in ask("conformity", stale="30d")] == ["healthy"]


class TestViews:
    """The views say what the questions say."""

    def test_answers(self, told: Asked) -> None:
        # When
        rows = told.database.query("SELECT jid, minion_id, expected, answered, outcome FROM eventsd_v_answers")

        # Then
        known = set()
        for job in told.story.jobs:
            for minion_id in {*job.answers, *job.missing}:
                outcome = job.answers.get(minion_id, MISSING)
                known.add((job.jid, minion_id, True, outcome != MISSING, outcome))
        assert {(jid, one, bool(a), bool(b), outcome) for jid, one, a, b, outcome in rows} == known
        assert len(rows) == len(known)

    def test_failures_changes_and_conformity(self, told: Asked) -> None:
        query = told.database.query
        failures = query("SELECT id FROM eventsd_v_failures ORDER BY stamp DESC, id DESC")
        assert [one for (one,) in failures] == [row["id"] for row in told("failures", limit=5000)]
        changes = query("SELECT jid, minion_id, run_num, state_id FROM eventsd_v_changes")
        assert set(changes) == {
            (row["jid"], row["minion_id"], row["run_num"], row["state_id"]) for row in told("changes", limit=5000)
        }
        conformity = query("SELECT minion_id, outcome, states, changed, failed FROM eventsd_v_conformity")
        names = ("minion_id", "outcome", "states", "changed", "failed")
        assert set(conformity) == {tuple(row[name] for name in names) for row in told("conformity")}
