"""A frame becomes an event: the usual shapes, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from salt_eventsd.event import parse as events
from salt_eventsd.event.frame import read_tag
from tests.support.events import (
    JID,
    MINION,
    RECEIVED,
    STAMP_SECONDS,
    fired,
    frame,
    job,
    job_data,
    raw_frame,
    read,
    return_data,
    returned,
)


def test_a_jobs_start() -> None:
    event = job(fun="cmd.run", arg=["uptime"])

    assert (event.kind, event.phase, event.into) == ("job", "new", "jobs")
    assert (event.jid, event.fun, event.minion_id) == (JID, "cmd.run", "")
    assert (event.stamp, event.received) == (STAMP_SECONDS, RECEIVED)
    assert event.data == job_data(fun="cmd.run", arg=["uptime"])


def test_a_minions_return_keeps_what_was_returned_apart() -> None:
    event = returned({"eth0": ["10.0.0.1"]}, fun="network.interfaces")

    assert (event.kind, event.phase, event.into) == ("job", "ret", "returns")
    assert (event.jid, event.minion_id, event.fun) == (JID, MINION, "network.interfaces")
    assert event.returned == b'{"eth0":["10.0.0.1"]}'
    assert b"eth0" not in event.body
    assert event.data == return_data({"eth0": ["10.0.0.1"]}, fun="network.interfaces")


@pytest.mark.parametrize(
    ("tag", "kind", "phase", "into"),
    [
        pytest.param(f"salt/run/{JID}/new", "run", "new", "jobs", id="a runner's start"),
        pytest.param(f"salt/run/{JID}/ret", "run", "ret", "returns", id="a runner's return"),
        pytest.param(f"salt/wheel/{JID}/new", "wheel", "new", "jobs", id="a wheel's start"),
        pytest.param(f"salt/wheel/{JID}/ret", "wheel", "ret", "returns", id="a wheel's return"),
        pytest.param(f"salt/run/{JID}/progress", "", "", "events", id="a runner's progress is no return"),
        pytest.param(f"salt/job/{JID}/prog/{MINION}/0", "", "", "events", id="a state's progress is no return"),
        pytest.param("salt/auth", "", "", "events", id="no job at all"),
        pytest.param("salt/job", "", "", "events", id="a tag cut short"),
    ],
)
def test_the_tag_says_what_kind_of_event_it_is(tag: str, kind: str, phase: str, into: str) -> None:
    event = fired(tag, {"fun": "runner.jobs.active", "user": "root"})

    assert (event.kind, event.phase, event.into) == (kind, phase, into)
    assert event.jid == (JID if kind else "")
    assert event.minion_id == ""


def test_a_rules_name_and_table_go_with_the_event() -> None:
    event = read(frame("company/alarm/1", {"level": 3}), rule="alarms", into="events")

    assert (event.rule, event.into) == ("alarms", "events")


@pytest.mark.parametrize(
    ("into", "expected"),
    [pytest.param("events", "events", id="as the rule says"), pytest.param("", "returns", id="by its kind")],
)
def test_a_further_destination_gets_its_own_rule_and_table(into: str, expected: str) -> None:
    # Given
    event = read(frame(f"salt/job/{JID}/ret/{MINION}", return_data()), rule="returns", into="returns")

    # When
    other = events.for_route(event, "returns.subs.raid", into)

    # Then
    assert (other.rule, other.into) == ("returns.subs.raid", expected)
    assert other.data == event.data
    assert event.rule == "returns"


@pytest.mark.parametrize(
    ("tag", "inner"),
    [
        pytest.param("syndic/eu/salt/job/1/ret/m", "salt/job/1/ret/m", id="one syndic"),
        pytest.param("syndic/eu/syndic/fr/salt/job/1/ret/m", "salt/job/1/ret/m", id="a syndic of a syndic"),
        pytest.param("syndic/eu/", "syndic/eu/", id="nothing behind the prefix"),
        pytest.param("syndic/eu", "syndic/eu", id="no prefix at all"),
        pytest.param("company/syndic/eu/x", "company/syndic/eu/x", id="only at the start"),
    ],
)
def test_a_syndics_prefix_is_taken_off_the_tag(tag: str, inner: str) -> None:
    head = read_tag(frame(tag, {}), RECEIVED)

    assert (head.tag, head.full_tag) == (inner, tag)


def test_a_return_through_a_syndic_is_like_any_other() -> None:
    direct = returned("up")
    through = read(frame(f"syndic/eu/salt/job/{JID}/ret/{MINION}", return_data("up")))

    assert through == direct


@pytest.mark.parametrize(
    ("data", "fun"),
    [
        pytest.param({"fun": "test.ping"}, "test.ping", id="one"),
        pytest.param({"data": {"fun": "test.ping"}}, "test.ping", id="nested one level down"),
        pytest.param({"fun": "outer.one", "data": {"fun": "inner.one"}}, "outer.one", id="the outer one counts"),
        pytest.param({"fun": None, "data": {"fun": "inner.one"}}, "inner.one", id="null outside"),
        pytest.param({"fun": ["test.ping", "cmd.run"]}, "test.ping,cmd.run", id="several"),
        pytest.param({"fun": []}, "", id="an empty list"),
        pytest.param({"fun": ["test.ping", None, 3]}, "test.ping,,3", id="several, some of them odd"),
        pytest.param({"fun": {"a": 1}}, "", id="a mapping"),
        pytest.param({"fun": 3}, "3", id="a number"),
        pytest.param({"fun": True}, "", id="a boolean"),
        pytest.param({"fun": b"test.ping"}, "test.ping", id="bytes"),
        pytest.param({"fun": b"\xff"}, "\\xff", id="bytes that are no UTF-8"),
        pytest.param({"data": ["fun"]}, "", id="data is a list"),
        pytest.param({}, "", id="none"),
        pytest.param(["fun"], "", id="a payload that is a list"),
        pytest.param(None, "", id="no payload"),
    ],
)
def test_the_function_is_found_in_all_its_shapes(data: Any, fun: str) -> None:
    assert events.function_of(data) == fun
    assert fired("some/tag", data).fun == fun


@pytest.mark.parametrize(
    ("fields", "jid", "minion_id"),
    [
        pytest.param({"jid": "7", "id": "db1"}, "7", "db1", id="the payload's"),
        pytest.param({}, JID, MINION, id="the tag's where the payload has none"),
        pytest.param({"jid": "", "id": ""}, JID, MINION, id="the tag's where the payload's are empty"),
        pytest.param({"jid": None, "id": None}, JID, MINION, id="the tag's where the payload's are null"),
        pytest.param({"jid": ["7"], "id": {"a": 1}}, JID, MINION, id="the tag's where the payload's are no text"),
        pytest.param({"jid": "req"}, "req", MINION, id="a place holder is kept"),
        pytest.param({"jid": 7, "id": 8}, "7", "8", id="numbers"),
        pytest.param({"jid": b"7", "id": b"\xfe"}, "7", "\\xfe", id="bytes"),
    ],
)
def test_jid_and_minion_come_from_the_payload_or_else_the_tag(fields: dict[str, Any], jid: str, minion_id: str) -> None:
    event = fired(f"salt/job/{JID}/ret/{MINION}", fields)

    assert (event.jid, event.minion_id) == (jid, minion_id)


def test_a_minion_id_may_have_slashes_and_line_feeds() -> None:
    assert fired(f"salt/job/{JID}/ret/a/b\nc", {}).minion_id == "a/b\nc"


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        pytest.param("2026-01-02T03:04:05.678901", STAMP_SECONDS, id="as Salt writes it, in UTC"),
        pytest.param("2026-01-02T04:04:05.678901+01:00", STAMP_SECONDS, id="with a zone of its own"),
        pytest.param("2026-01-02T03:04:05", 1767323045.0, id="no microseconds"),
        pytest.param("yesterday", RECEIVED, id="not a time"),
        pytest.param("", RECEIVED, id="empty"),
        pytest.param(None, RECEIVED, id="null"),
        pytest.param(1767323045, RECEIVED, id="a number"),
        pytest.param("0001-01-01T00:00:00+14:00", RECEIVED, id="before all time"),
        pytest.param("1969-12-31T23:59:59", RECEIVED, id="before 1970"),
    ],
)
def test_the_time_is_the_events_own_or_else_when_it_was_read(stamp: Any, seconds: float) -> None:
    assert fired("x", {"_stamp": stamp}).stamp == seconds


def test_salts_datetimes_become_iso_text() -> None:
    event = fired("x", {"when": datetime(2026, 1, 2, 3, 4, 5, 678901)})

    assert event.data == {"when": "2026-01-02T03:04:05.678901"}


def test_the_spools_encoding_brings_the_event_back_whole() -> None:
    # Given
    from salt_eventsd.event.chunk import decode_events, encode_events

    several = [job(), returned({"a": [1, None, "\N{SNOWMAN}"]}), fired("x", "text")]

    # When
    back = decode_events(encode_events(several), 0.0).events

    # Then
    assert back == several
    assert [one.data for one in back] == [one.data for one in several]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param({"return": 1}, b'{"return":1}', id="nothing but a return"),
        pytest.param({"a": 1, "return": [2]}, b'{"a":1,"return":[2]}', id="a return and more"),
        pytest.param({"a": 1}, b'{"a":1}', id="no return"),
        pytest.param({"return": None}, b'{"return":null}', id="null was returned"),
        pytest.param({}, b"{}", id="an empty mapping"),
        pytest.param([1], b"[1]", id="a list"),
    ],
)
def test_the_whole_payload_can_be_had_as_json(data: Any, text: bytes) -> None:
    event = fired("x", data)

    assert event.json() == text
    assert event.data == data


def test_a_frame_may_hold_line_feeds_in_its_payload() -> None:
    event = read(raw_frame("x", b"\xa4a\n\nb"))

    assert (event.tag, event.data) == ("x", "a\n\nb")
