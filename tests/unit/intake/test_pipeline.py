"""One pipeline for the engine, the tap and rule tests: what becomes of a frame, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from salt_eventsd.config.load import load
from salt_eventsd.event.frame import pack_frame
from salt_eventsd.intake.origin import Addressed
from salt_eventsd.intake.pipeline import IGNORED, Pipeline, pipeline_of
from salt_eventsd.operate import ruletest
from salt_eventsd.operate.tap import Explainer
from tests.support.events import JID, MINION, job_data, raw_frame, return_data

EVENTS = {
    "jobs": {"tag": r"salt/job/\d+/new", "worker": "history", "into": "jobs"},
    "returns": {
        "tag": r"salt/job/\d+/ret/",
        "worker": "history",
        "into": "returns",
        "ignore": ["test.ping"],
        "subs": {"raid": {"fun": "raid", "table": "raid_state", "columns": {"server": "data.id"}}},
    },
}
RETURN = f"salt/job/{JID}/ret/{MINION}"
NEW = f"salt/job/{JID}/new"
SECRET = "hunter2"


def options(**general: Any) -> dict[str, Any]:
    workers = {"history": {"module": "sql", "url": "sqlite:///x"}}
    return {"eventsd": {"workers": workers, "events": EVENTS, **general}}


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of(load(options()))


def minion_event(tag: str) -> dict[str, Any]:
    return {"id": "evil", "tag": tag, "data": job_data(fun="cmd.run"), "cmd": "_minion_event"}


def test_each_destination_has_the_event_as_it_is_kept_there(pipeline: Pipeline) -> None:
    # When
    found = pipeline.take(pack_frame(RETURN, return_data({"password": SECRET}, fun="raid.status")), 5.0)

    # Then
    [(route, event), (own_route, own)] = found.destinations
    assert (route.rule, event.rule, event.into) == ("returns", "returns", "returns")
    assert (own_route.rule, own.rule, own.into) == ("returns.subs.raid", "returns.subs.raid", "own")
    assert found.event is event
    assert (event.received, event.fun, event.data["return"]) == (5.0, "raid.status", {"password": "***"})
    assert own.data == event.data
    assert (found.forged, found.withheld) == ("", "")


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param("company/door", {"password": SECRET}, id="no rule has its tag"),
        pytest.param(RETURN, return_data({"password": SECRET}), id="its function is ignored"),
    ],
)
def test_what_nobody_takes_is_built_only_to_be_shown(pipeline: Pipeline, tag: str, data: Mapping[str, Any]) -> None:
    raw = pack_frame(tag, data)

    assert pipeline.take(raw, 5.0) is IGNORED
    event, destinations = pipeline.show(raw, 5.0)
    assert (event.tag, list(destinations)) == (tag, [])
    assert SECRET not in event.json().decode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"\xc1", id="no MessagePack"),
        pytest.param(b"\x82\xa2id\xa4web1", id="cut off"),
    ],
)
def test_what_cannot_be_decoded_is_kept_as_text(pipeline: Pipeline, payload: bytes) -> None:
    found = pipeline.take(raw_frame(RETURN, payload), 5.0)

    assert found.event is not None
    assert (found.event.into, found.event.jid, list(found.event.data)) == ("returns", JID, ["undecodable"])


def test_what_takes_too_long_is_kept_and_shown_without_its_payload(pipeline: Pipeline) -> None:
    count = 400_000
    many = b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count
    raw = raw_frame(RETURN, b"\x82\xa3fun\xa7cmd.run\xa6return" + many)

    found = pipeline.take(raw, 5.0)
    shown, _ = pipeline.show(raw.replace(RETURN.encode(), b"company/door"), 5.0)

    assert found.event is not None
    assert found.withheld == "it holds more than 200000 values"
    assert found.event.data["return"]["eventsd_withheld"] == shown.data["eventsd_withheld"] == found.withheld
    assert (found.event.fun, shown.fun) == ("cmd.run", "cmd.run")


@pytest.mark.parametrize(("forged", "into"), [("divert", ["events"]), ("drop", []), ("take", ["jobs"])])
def test_tap_and_rule_tests_tell_what_becomes_of_a_forged_event(forged: str, into: list[str]) -> None:
    # Given
    config = load(options(forged=forged))
    data = minion_event(NEW)
    raw = pack_frame(NEW, data)
    test = ruletest._Test(ruletest._Fired(NEW, data), [])

    # When
    kept = pipeline_of(config).take(raw, 5.0)
    shown = Explainer(config).explain(raw, 5.0)
    told = ruletest.run(config, [test])

    # Then
    assert [event.into for _, event in kept.destinations] == into
    assert [one["into"] for one in shown["taken"]] == into
    assert told["failed"] == ({"test 1": ["not expected: worker history, by rule jobs"]} if into else {})
    if forged == "divert":
        assert kept.event is not None
        assert kept.forged == "fired by minion 'evil'"
        assert shown["data"] == kept.event.data
        assert shown["data"]["eventsd_forged"] == kept.forged


def test_the_tap_knows_a_syndic_by_the_jobs_it_has_seen() -> None:
    # Given
    explainer = Explainer(load(options(syndics=False)))
    raw = pack_frame(f"syndic/eu/{NEW}", job_data())

    # When / Then
    assert [one["into"] for one in explainer.explain(raw, 5.0)["taken"]] == ["events"]
    explainer.explain(pack_frame(NEW, job_data(minions=["eu"])), 5.0)
    assert [one["into"] for one in explainer.explain(raw, 5.0)["taken"]] == ["jobs"]


def test_what_the_engine_has_packed_itself_is_what_its_tag_says(pipeline: Pipeline) -> None:
    raw = pack_frame(NEW, minion_event(NEW))

    assert pipeline.take(raw, 5.0).forged
    assert not pipeline.trusting.take(raw, 5.0).forged


def test_the_jobs_of_the_master_are_remembered_by_whoever_asks() -> None:
    pipeline = pipeline_of(load(options(syndics=False)))
    addressed = Addressed()
    raw = pack_frame(f"syndic/eu/{NEW}", job_data())

    assert pipeline.take(raw, 5.0, addressed).forged == "from where there is no syndic"
    pipeline.take(pack_frame(NEW, job_data(minions=["eu"])), 5.0, addressed)
    assert not pipeline.take(raw, 5.0, addressed).forged
    assert pipeline.take(raw, 5.0, Addressed()).forged


@pytest.mark.parametrize(
    ("cluster", "peers", "is_left"),
    [
        pytest.param("c1", None, True, id="a cluster"),
        pytest.param("c1", "take", False, id="a cluster with one engine"),
        pytest.param(None, None, False, id="no cluster, where a minion pretends"),
    ],
)
def test_what_another_master_of_the_cluster_has_copied_is_left_to_its_engine(
    cluster: str | None, peers: str | None, is_left: bool
) -> None:
    # Given
    general = {"peers": peers} if peers else {}
    pipeline = pipeline_of(load({**options(**general), "cluster_id": cluster}))
    raw = pack_frame(RETURN, return_data({"password": SECRET}, fun="state.apply", __peer_id="m2"))

    # When
    found = pipeline.take(raw, 5.0)

    # Then
    assert bool(found.destinations) is not is_left
    if is_left:
        assert found.copied is not None
        assert (found.copied.jid, found.copied.minion_id, found.copied.phase) == (JID, MINION, "ret")
        assert SECRET.encode() not in found.copied.json()
        assert found.peer == "m2"
        assert pipeline.taking.take(raw, 5.0).destinations
        assert pipeline.trusting.take(raw, 5.0).destinations


@pytest.mark.parametrize("tag", ["eventsd/alive", "salt/eventsd/loss"])
def test_what_the_engine_says_of_itself_is_for_no_rule(tag: str) -> None:
    # Given a rule that takes everything
    everything = {"all": {"tag": ".", "worker": "history", "into": "events"}}
    pipeline = pipeline_of(load(options(events=everything)))

    # Then what a minion says in the engine's name is kept
    assert pipeline.take(pack_frame(tag, {"kept": 7}), 5.0) is IGNORED
    assert pipeline.take(pack_frame(tag, minion_event(tag)), 5.0).destinations
