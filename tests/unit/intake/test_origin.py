"""What a minion fires in the place of Salt is kept as what it is, and with who sent it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.config.structs import BatchLimits, EventRule, SpoolConfig, default_events
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import decode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from tests.support.events import JID, MINION, STAMP, frame, job_data, raw_frame, return_data
from tests.support.lanes import lane_of
from tests.support.workers import Recorder

EVIL = "evil.example.com"


def minion_event(tag: str, sender: str = EVIL, **data: Any) -> dict[str, Any]:
    """What a minion's single event is on the bus of a master of 3006, 3007 and 3008."""
    return {"id": sender, "tag": tag, "data": data, "cmd": "_minion_event", "ts": 1767323045, "_stamp": STAMP}


@pytest.fixture
def staged(spool: Spool) -> Callable[..., list[Event]]:
    """Returns what an intake keeps of frames, without its thread."""

    def run(*frames: bytes, origins: Origins | None = None, **rules: Any) -> list[Event]:
        pipeline = Pipeline(
            rules=compile_rules({**default_events("history"), **rules}),
            redactor=compile_redactor(["password"], [], {}),
            origins=origins or Origins(places=frozenset(["history"])),
        )
        policy = Policy(pipeline, {"history": BatchLimits(), "graphs": BatchLimits()})
        quota = Quota(lambda: SpoolConfig(), spool, {"history": lane_of(spool, Recorder())})
        run.intake = Intake(Inbox(), spool, lambda: policy, lambda: 0.01, quota, lambda kept: None)
        for raw in frames:
            run.intake.taking.one(raw, 1.0)
        chunks = run.intake._stage.take()
        return [event for one in chunks for event in decode_events(one.payload, 0.0).events]

    return run


FORGED = [
    pytest.param(f"salt/job/{JID}/new", id="a job"),
    pytest.param(f"salt/job/{JID}/ret/{MINION}", id="another's return"),
    pytest.param(f"salt/job/{JID}/ret/{EVIL}", id="a return that Salt has not taken"),
    pytest.param(f"salt/run/{JID}/new", id="a runner"),
    pytest.param(f"salt/run/{JID}/ret", id="a runner's return"),
    pytest.param(f"salt/wheel/{JID}/ret", id="a wheel's return"),
]


@pytest.mark.parametrize("tag", FORGED)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(job_data(fun="cmd.run", id=MINION), id="a job's load"),
        pytest.param(return_data(fun="state.apply"), id="a return's load"),
        pytest.param({"data": return_data(fun="state.apply")}, id="nested once more"),
    ],
)
def test_what_a_minion_fires_in_the_place_of_salt_is_diverted(
    staged: Callable[..., list[Event]], tag: str, data: dict[str, Any]
) -> None:
    # When
    [event] = staged(frame(tag, minion_event(tag, **data)))

    # Then
    assert (event.tag, event.into, event.kind, event.phase, event.jid) == (tag, "events", "", "", "")
    assert event.minion_id == EVIL
    assert event.data["eventsd_forged"] == f"fired by minion '{EVIL}'"
    assert event.data["data"] == data


def test_a_forger_with_blanks_behind_its_name_does_not_pass_for_another_minion(
    staged: Callable[..., list[Event]],
) -> None:
    [event] = staged(frame(f"salt/job/{JID}/new", minion_event(f"salt/job/{JID}/new", sender=f"{MINION} ")))

    assert event.minion_id.rstrip(" ") != MINION
    assert event.minion_id.startswith(MINION)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param(f"salt/job/{JID}/new", job_data(), id="a job"),
        pytest.param(f"salt/run/{JID}/ret", {"jid": JID, "fun": "runner.state.orch", "return": {}}, id="a runner"),
    ],
)
def test_a_syndics_prefix_is_believed_only_where_there_are_syndics(
    staged: Callable[..., list[Event]], tag: str, data: dict[str, Any]
) -> None:
    raw = frame(f"syndic/x/{tag}", data)
    places = frozenset(["history"])

    def into(syndics: bool | tuple[str, ...]) -> list[tuple[str, str]]:
        return [(one.tag, one.into) for one in staged(raw, origins=Origins("divert", syndics, places))]

    usual = [(tag, "jobs" if tag.endswith("/new") else "returns")]
    assert into(True) == into(("x",)) == into(("eu", "*")) == usual
    assert into(False) == into(("eu",)) == [(f"syndic/x/{tag}", "events")]


def test_a_syndic_is_known_by_the_job_that_the_master_has_sent_to_it(staged: Callable[..., list[Event]]) -> None:
    # Given
    tag = f"salt/job/{JID}/new"
    jobs = [
        frame(tag, job_data(minions=["eu"])),
        frame(f"syndic/eu/{tag}", job_data(minions=["web1"])),
        frame(f"syndic/us/{tag}", job_data(minions=["web2"])),
        frame(f"syndic/eu/salt/job/2{JID[1:]}1/new", job_data(minions=["web3"])),
    ]

    # When
    found = staged(*jobs, origins=Origins("divert", False, frozenset(["history"])))

    # Then
    assert [(event.into, event.data["minions"]) for event in found] == [
        ("jobs", ["eu"]),
        ("jobs", ["web1"]),
        ("events", ["web2"]),
        ("events", ["web3"]),
    ]


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param(f"salt/job/{JID}/ret/{MINION}", return_data(), id="a return"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {"return": 1}, id="a return without an id"),
        pytest.param(f"salt/job/{JID}/new", job_data(), id="a job"),
        pytest.param(f"salt/job/{JID}/prog/{EVIL}/0", minion_event("", ret={}), id="its own progress"),
        pytest.param(f"salt/job/{JID}/start/{EVIL}", minion_event(""), id="its own start of a job"),
        pytest.param(f"salt/minion/{EVIL}/start", minion_event(""), id="its own start"),
        pytest.param(f"salt/syndic/{EVIL}/start", minion_event(""), id="a syndic's start"),
        pytest.param(f"salt/beacon/{EVIL}/load/", minion_event(""), id="its own beacon"),
        pytest.param(f"salt/beacon/{EVIL}/load/", {"id": EVIL, "1m": 1}, id="a beacon from a list"),
        pytest.param(f"salt/state_result/{JID}/{EVIL}/x", minion_event("", ret={}), id="a state's own event"),
        pytest.param("salt/engines/hook/x", minion_event(""), id="an engine's event"),
        pytest.param("company/alarm", minion_event("", fun="test.ping"), id="a tag of one's own"),
        pytest.param("syndic/x/company/alarm", {"a": 1}, id="a tag of one's own below a syndic"),
    ],
)
def test_what_is_what_its_tag_says_is_taken(staged: Callable[..., list[Event]], tag: str, data: dict[str, Any]) -> None:
    origins = Origins("divert", False, frozenset(["history"]))

    [event] = staged(frame(tag, data), origins=origins, all=EventRule(tag="(salt|company)/", worker="history"))[:1]

    assert "eventsd_forged" not in event.data


@pytest.mark.parametrize(
    "tag",
    [
        "salt/minion/web1/start",
        "salt/beacon/web1/load/",
        f"salt/job/{JID}/prog/web1/0",
        "salt/syndic/web1/start",
        "salt/auth",
        "salt/key",
        "salt/presence/change",
        "salt/cloud/x/created",
        "salt/stats/MWorker-0",
        "salt/eventsd/loss",
        "minion/refresh/web1",
        "eventsd/stats",
    ],
)
def test_nobody_speaks_for_another_or_for_the_master(staged: Callable[..., list[Event]], tag: str) -> None:
    [event] = staged(frame(tag, minion_event(tag)), all=EventRule(tag=".", worker=["history", "graphs"]))

    assert (event.into, event.minion_id) == ("events", EVIL)


@pytest.mark.parametrize(("forged", "into"), [("divert", ["events"]), ("drop", []), ("take", ["jobs"])])
def test_the_configuration_says_what_becomes_of_it(
    staged: Callable[..., list[Event]], forged: str, into: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    tag = f"salt/job/{JID}/new"
    raw = frame(tag, minion_event(tag, sender="password=hunter2", fun="cmd.run"))

    # When
    with caplog.at_level(logging.WARNING):
        found = staged(raw, raw, origins=Origins(forged, places=frozenset(["history"])))

    # Then
    assert [event.into for event in found] == into * 2
    assert staged.intake.taking.forged == (0 if forged == "take" else 2)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * (forged != "take")
    assert "hunter2" not in caplog.text + str([event.json() for event in found])


def test_an_event_that_takes_too_long_is_kept_without_its_payload(
    staged: Callable[..., list[Event]], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    count = 400_000
    value = b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count
    payload = (
        b"\x86\xa2id"
        + b"\xb0"
        + MINION.encode()
        + b"\xa3fun\xa7cmd.run\xa3jid\xb4"
        + JID.encode()
        + b"\xa7retcode\x00\xa5other\xafpassword=secret\xa6return"
        + value
    )

    # When
    [event] = staged(raw_frame(f"salt/job/{JID}/ret/{MINION}", payload))

    # Then
    assert (event.jid, event.minion_id, event.fun, event.into) == (JID, MINION, "cmd.run", "returns")
    assert set(event.data["return"]) == {"eventsd_withheld", "bytes", "sha256"}
    assert event.data["return"]["bytes"] == len(payload)
    assert "secret" not in event.json().decode()
    assert staged.intake.taking.withheld == 1
    assert "more than 200000 values" in caplog.text


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        pytest.param({}, f"fired by minion '{EVIL}'", id="none"),
        pytest.param({5: 1}, f"fired by minion '{EVIL}'", id="number"),
        pytest.param(dict.fromkeys(range(20_000)), "fired by somebody who cannot be told", id="many"),
    ],
)
def test_keys_that_are_no_text_hide_nobody(staged: Callable[..., list[Event]], odd: dict[Any, Any], why: str) -> None:
    # Given what a minion fires, so large that it is kept without its payload
    told = {**odd, **minion_event(f"salt/job/{JID}/ret/{MINION}"), "fun": "f" * 20_000}

    # When
    [event] = staged(frame(f"salt/job/{JID}/ret/{MINION}", told))

    # Then
    assert (event.into, event.data["eventsd_forged"], event.minion_id == MINION) == ("events", why, False)


def test_a_large_copy_of_another_masters_is_not_kept_either(staged: Callable[..., list[Event]]) -> None:
    raw = frame(f"salt/job/{JID}/ret/{MINION}", {**return_data(fun="f" * 20_000), "__peer_id": "m2"})

    assert staged(raw, origins=Origins(peers="skip", places=frozenset(["history"]))) == []


def test_a_function_of_many_kilobytes_is_withheld_with_its_event(staged: Callable[..., list[Event]]) -> None:
    raw = frame(f"salt/job/{JID}/ret/{MINION}", return_data("secret", fun="f" * 900_000))

    [event] = staged(raw)

    assert len(event.json()) < 2000
    assert event.data["return"]["eventsd_withheld"] == "its function has 900000 characters"


def test_a_copy_of_another_masters_answers_a_job_and_is_not_kept(staged: Callable[..., list[Event]]) -> None:
    # Given a master of a cluster whose minion answers to another master
    raw = frame(f"salt/job/{JID}/ret/{MINION}", {**return_data(), "__peer_id": "m2"})
    job = frame(f"salt/job/{JID}/new", job_data(minions=[MINION]))
    origins = Origins(peers="skip", places=frozenset(["history"]))

    # When
    found = staged(job, raw, origins=origins)

    # Then
    intake: Intake = staged.intake
    assert [event.phase for event in found] == ["new"]
    assert (intake.taking.copied, intake.taking.ignored, intake.taking.matched) == (1, 1, 1)
    assert intake.taking.unanswered.since(0.0, 10.0) == 0


def test_a_copy_that_nobody_else_keeps_is_kept_and_answers_a_job_once(staged: Callable[..., list[Event]]) -> None:
    # Given a job for two minions, and a copy of what one of them has answered another master
    raw = frame(f"salt/job/{JID}/ret/{MINION}", {**return_data(), "__peer_id": "m2"})
    job = frame(f"salt/job/{JID}/new", job_data(minions=[MINION, "other"]))
    staged(job, raw, origins=Origins(peers="skip", places=frozenset(["history"])))
    intake: Intake = staged.intake

    # When
    intake._take_left(is_last=True)

    # Then
    [event] = [one for chunk in intake._stage.take() for one in decode_events(chunk.payload, 0.0).events]
    assert (event.phase, event.minion_id, event.received) == ("ret", MINION, 1.0)
    assert intake.taking.peers.taken == 1
    assert intake.taking.unanswered.since(0.0, 10.0) == 1


def test_a_copy_that_a_minion_has_forged_is_forged_here_too(staged: Callable[..., list[Event]]) -> None:
    # Given
    raw = frame(f"salt/job/{JID}/new", {**minion_event(f"salt/job/{JID}/new"), "__peer_id": "m2"})
    staged(raw, origins=Origins(peers="skip", places=frozenset(["history"])))
    intake: Intake = staged.intake

    # When
    intake._take_left(is_last=True)

    # Then
    [event] = [one for chunk in intake._stage.take() for one in decode_events(chunk.payload, 0.0).events]
    assert (event.into, event.minion_id) == ("events", EVIL)
    assert intake.taking.forged == 1
