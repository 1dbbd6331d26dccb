"""One job that is told of several times is one row, the same in whatever order it is told."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.rows.merging import AnotherJob, changes, together
from salt_eventsd.event.parse import Event
from tests.support.events import JID, fired, job, job_data, returned
from tests.support.growth import assert_linear

DIALECT = dialect_for("sqlite")
BUILDER = RowBuilder("master1", DIALECT)


def row(event: Event) -> dict[str, Any]:
    return next(row for table, row in BUILDER.rows(event) if table == "jobs")


def group(number: int, *minions: str, **more: Any) -> Event:
    """What a batch publishes for one group of its minions."""
    fields = {"tgt": list(minions), "tgt_type": "list", "minions": list(minions)}
    return job(**{**fields, "_stamp": f"2026-01-02T03:04:0{number}.000000", **more})


def by_syndic(path: str, *minions: str, **more: Any) -> Event:
    """What a syndic tells of its own minions."""
    tag = "".join(f"syndic/{name}/" for name in path.split("/")) + f"salt/job/{JID}/new"
    return fired(tag, job_data(minions=list(minions), user="root@syndic", _stamp="2026-01-02T03:04:09", **more))


def told(*events: Event) -> dict[str, Any]:
    """Return the row after events that come in this order, each in a batch of its own or in one."""
    kept = row(events[0])
    for event in events[1:]:
        kept = {**kept, **changes(kept, row(event), DIALECT.json)}
    assert together(map(row, events), DIALECT.json) == ({JID: kept}, [])
    return kept


def minions(kept: dict[str, Any]) -> list[str]:
    found: list[str] = json.loads(kept["minions"])
    assert kept["minion_count"] == len(found)
    return found


def test_a_batch_is_for_all_its_groups() -> None:
    groups = [group(1, "w2"), group(2, "w1", "w3"), group(3, "w4")]

    for order in itertools.permutations([*groups, groups[1]]):
        kept = told(*order)
        assert minions(kept) == ["w1", "w2", "w3", "w4"]
        assert (json.loads(kept["tgt"]), kept["tgt_type"]) == (["w1", "w2", "w3", "w4"], "list")
        assert kept["stamp"] == "2026-01-02 03:04:01.000000"
        assert json.loads(kept["load"])["minions"] == ["w2"]
        assert kept["syndics"] is None


def test_targets_that_are_no_lists_stand_side_by_side() -> None:
    events = [group(1, "w1", tgt="w*", tgt_type="glob"), group(2, "d1", tgt="d*", tgt_type="pcre")]

    for order in itertools.permutations(events):
        kept = told(*order)
        assert (kept["tgt"], kept["tgt_type"]) == ('["d*","w*"]', "glob")


def test_the_same_again_changes_nothing() -> None:
    for event in (job(), group(1, "w2", "w1"), job(minions=None), job(tgt=None), by_syndic("eu", "w1")):
        assert changes(row(event), row(event), DIALECT.json) == {}


def test_a_syndic_is_no_minion() -> None:
    # Given: what a master of masters publishes, and what it hears from its syndics
    events = [
        job(minions=["eu", "us", "w0"], tgt="*", user="alice"),
        by_syndic("eu", "w1", "west"),
        by_syndic("eu/west", "w2"),
        by_syndic("us", "us", "w3"),
    ]

    # Then
    for order in itertools.permutations([*events, events[1]]):
        kept = told(*order)
        assert minions(kept) == ["us", "w0", "w1", "w2", "w3"]
        assert (kept["user"], kept["tgt"], kept["stamp"]) == ("alice", "*", "2026-01-02 03:04:05.678901")


def test_a_syndic_that_has_not_told_of_its_minions_is_waited_for() -> None:
    assert minions(told(job(minions=["eu", "us"]), by_syndic("eu", "w1"))) == ["us", "w1"]
    assert minions(told(by_syndic("eu", "w1", "w2"))) == ["w1", "w2"]
    assert minions(told(job(minions=["eu"]), by_syndic("eu"))) == []


def test_what_the_master_tells_takes_the_place_of_what_began_on_a_minion() -> None:
    # Given
    call = returned(tgt="m", tgt_type="glob", minion_id="m", fun="state.apply", _stamp="2026-01-02T03:04:01")
    schedule = returned(schedule="nightly", minion_id="m", fun="state.apply")
    new = job(minions=["m", "n"])

    # Then
    assert (row(call)["kind"], row(schedule)["kind"]) == ("call", "schedule")
    for begun in (call, schedule):
        assert told(begun, new) == told(new) == told(new, begun)


def test_a_schedule_that_begins_at_one_moment_on_two_minions_is_one_job() -> None:
    kept = told(*(returned(schedule="nightly", minion_id=name, jid=JID) for name in "ba"))

    assert (kept["kind"], minions(kept), kept["tgt"]) == ("schedule", ["a", "b"], '["a","b"]')


def test_a_minion_cannot_change_what_another_has_begun() -> None:
    call = returned(tgt="m", tgt_type="glob", minion_id="m", fun="state.apply")

    assert told(call, returned(tgt="x", tgt_type="glob", minion_id="x", fun="evil.run")) == told(call)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(job(fun="cmd.run"), id="function"),
        pytest.param(job(user="bob"), id="user"),
        pytest.param(fired(f"salt/run/{JID}/new", {"jid": JID, "fun": "test.ping", "user": "root"}), id="kind"),
    ],
)
def test_two_jobs_of_one_id_are_not_mixed(other: Event) -> None:
    with pytest.raises(AnotherJob, match="another job has this job id"):
        changes(row(job()), row(other), DIALECT.json)


def test_odd_lists_of_minions_are_kept() -> None:
    assert minions(told(job(minions=[1, "a", None]), job(minions=["b", 1]))) == [1, "a", "b", None]
    assert told(job(minions="all"), job(minions=["a"]))["minions"] == '"all"'
    assert minions(told(job(minions=None), job(minions=["a"]))) == ["a"]


def test_merging_costs_as_much_as_there_are_minions() -> None:
    def make(size: int) -> tuple[dict[str, Any], dict[str, Any]]:
        names = [f"minion-{number}" for number in range(size // 16)]
        return row(group(1, *names[::2])), row(group(2, *names[1::2]))

    assert_linear(lambda both: changes(*both, DIALECT.json), make, largest=2**20)
