"""``load: false``: the whole of an event is not kept beside its columns, and yet each answer is the same."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.database.questions import jobcache, joblists
from salt_eventsd.database.questions.read import reading
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.operate import history
from tests.support.events import JID, MINION, fired, job, job_data, returned
from tests.support.history import Story
from tests.support.stores import Database, batch_of

QUESTIONS = ("jobs", "returns", "failures", "missing", "changes", "conformity", "slow", "audit")


def write(database: Database, story: Story, load: bool) -> None:
    database.empty()
    worker = database.worker(load=load)
    for start in range(0, len(story.events), 300):
        worker.write(batch_of(story.events[start : start + 300], first=start + 1))
    database.close()


def without_ids(value: Any) -> Any:
    """Each writing numbers rows anew."""
    if isinstance(value, dict):
        return {key: without_ids(inner) for key, inner in value.items() if key != "id"}
    return [without_ids(one) for one in value] if isinstance(value, list) else value


def answers(database: Database, story: Story) -> dict[str, Any]:
    """All that people, and Salt's own job cache, are told of a story."""
    opts = {"eventsd": {"workers": {"history": {"url": database.url}}}, "cachedir": "/nowhere"}
    told: dict[str, Any] = {}
    for question in QUESTIONS:
        more = {"stale": "7d"} if question == "conformity" else {}
        found = without_ids(history.ask(opts, question, None, {"limit": 1000, **more}))
        # What took equally long has no order.
        told[question] = sorted(found, key=repr) if question == "slow" else found
    with reading(database.engine) as reader:
        told["loads"] = {jid: shown({**load, "jid": jid}) for jid, load in joblists.loads(reader)}
        for one in story.jobs:
            load = jobcache.load_of(reader, one.jid)
            told[one.jid] = {**shown(load), "Minions": load.get("Minions"), "return": load.get("return")}
            told[f"answers to {one.jid}"] = {
                minion: answer["return"] for minion, answer in jobcache.answers_to(reader, one.jid).items()
            }
    return told


def shown(load: dict[str, Any]) -> dict[str, Any]:
    """What ``jobs.list_job`` and its like show of a load."""
    names = ("jid", "fun", "arg", "kwargs", "tgt", "tgt_type", "user", "metadata", "schedule")
    return {name: load.get(name) for name in names}


def test_each_answer_is_the_same(tables: Database) -> None:
    story = Story(seed=11)
    story.by_chance(60)
    write(tables, story, load=True)
    whole = answers(tables, story)
    assert len(whole["jobs"]) > 5
    assert len(whole["loads"]) > 20

    write(tables, story, load=False)

    assert answers(tables, story) == whole


def test_what_no_column_has_is_kept(tables: Database) -> None:
    # Given a job with metadata, one without, and returns of one and of several functions
    tables.worker(load=False).write(
        batch_of(
            [
                job(),
                job(jid="2", metadata={"ticket": 7}, kwargs={"n": 7}),
                returned(fun="test.ping"),
                fired(
                    f"salt/job/3/ret/{MINION}",
                    {
                        "cmd": "_return",
                        "id": MINION,
                        "jid": "3",
                        "fun": ["test.ping", "test.false"],
                        "fun_args": [[], []],
                        "retcode": {"test.ping": 0, "test.false": 1},
                        "success": {"test.ping": True, "test.false": False},
                        "return": {"test.ping": True, "test.false": False},
                        "out": "nested",
                        "_stamp": "2026-01-02T03:04:05.678901",
                    },
                ),
            ]
        )
    )

    loads = dict(zip(tables.column("jobs", "jid"), tables.column("jobs", "load"), strict=True))
    assert loads == {"2": {"metadata": {"ticket": 7}, "kwargs": {"n": 7}}, JID: None}
    plain, several = tables.column("returns", "load")
    assert plain is None
    assert several == {
        "fun": ["test.ping", "test.false"],
        "retcode": {"test.ping": 0, "test.false": 1},
        "success": {"test.ping": True, "test.false": False},
        "out": "nested",
    }


def test_a_job_of_which_two_tell_is_one(tables: Database) -> None:
    # Given what Salt has handed over at the publication, and then the event of the same job
    publication = job_data(cmd="publish", ret="", kwargs={"metadata": {"a": 1}})
    handed = fired(f"salt/job/{JID}/new", {name: publication[name] for name in publication if name != "minions"})
    worker = tables.worker(load=False)

    worker.write(batch_of([handed]))
    worker.write(batch_of([job()], first=2))

    [row] = tables.rows("jobs")
    assert row["load"] == {"cmd": "publish", "ret": "", "kwargs": {"metadata": {"a": 1}}}
    assert row["minions"] == [MINION]


def test_a_value_that_does_not_fit_its_column_stays_whole(tables: Database) -> None:
    long = "x" * 300

    tables.worker(load=False).write(batch_of([job(fun=long), returned(fun=long)]))

    assert [tables.column(name, "load") for name in ("jobs", "returns")] == [[{"fun": long}], [{"fun": long}]]


def test_another_word_is_refused(tables: Database) -> None:
    with pytest.raises(ConfigError, match=r"workers\.history\.load: .*bool"):
        tables.worker(load="no")
