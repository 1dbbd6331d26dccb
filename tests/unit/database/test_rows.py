"""Events become rows of the built-in tables: the usual shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.event.parse import Event
from tests.support.events import JID, MINION, RECEIVED, fired, frame, job, job_data, read, return_data, returned

MASTER = "master1"
TIME = "2026-01-02 03:04:05.678901"


def tables(event: Event, backend: str = "sqlite", largest: int | None = None) -> dict[str, list[Row]]:
    """Return an event's rows by table."""
    found: dict[str, list[Row]] = {}
    for table, row in RowBuilder(MASTER, dialect_for(backend), largest).rows(event):
        found.setdefault(table, []).append(row)
    return found


def only(event: Event, table: str, **more: Any) -> Row:
    """Return the one row an event has in a table."""
    (row,) = tables(event, **more)[table]
    return row


def digest(event: Event) -> int:
    value: int = only(event, "events" if event.into == "events" else "returns")["digest"]
    return value


def test_a_jobs_start_is_a_job() -> None:
    event = job(fun="cmd.run", arg=["uptime"], tgt="web*")

    (row,) = tables(event).pop("jobs")

    assert list(tables(event)) == ["jobs"]
    assert json.loads(row.pop("load")) == job_data(fun="cmd.run", arg=["uptime"], tgt="web*")
    assert row == {
        "apart": "",
        "jid": JID,
        "kind": "job",
        "fun": "cmd.run",
        "arg": '["uptime"]',
        "tgt": "web*",
        "tgt_type": "glob",
        "user": "root",
        "minions": f'["{MINION}"]',
        "minion_count": 1,
        "stamp": TIME,
        "master_id": MASTER,
        "syndics": None,
    }


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        pytest.param(f"salt/run/{JID}/new", "runner", id="a runner"),
        pytest.param(f"salt/wheel/{JID}/new", "wheel", id="a wheel"),
        pytest.param(f"syndic/eu/salt/job/{JID}/new", "job", id="a job through a syndic"),
    ],
)
def test_runners_and_wheels_are_jobs_too(tag: str, kind: str) -> None:
    event = fired(tag, {"jid": JID, "fun": "runner.jobs.active", "fun_args": [1], "user": "root"})

    row = only(event, "jobs")

    assert (row["kind"], row["fun"], row["arg"], row["tgt"], row["minion_count"]) == (
        kind,
        "runner.jobs.active",
        "[1]",
        None,
        None,
    )


def test_a_minions_return_is_a_return_and_a_sign_of_life() -> None:
    event = returned({"a": 1}, fun="test.kwarg", fun_args=["x"])

    found = tables(event)
    (row,) = found["returns"]

    assert list(found) == ["returns", "minions"]
    load = json.loads(row.pop("load"))
    assert load == {
        key: value for key, value in return_data(fun="test.kwarg", fun_args=["x"]).items() if key != "return"
    }
    assert row.pop("digest") == digest(event)
    assert row == {
        "jid": JID,
        "minion_id": MINION,
        "fun": "test.kwarg",
        "fun_args": '["x"]',
        "retcode": 0,
        "success": True,
        "test": False,
        "return": '{"a":1}',
        "duration_ms": None,
        "stamp": TIME,
        "received": "2026-01-02 03:04:05.928901",
        "master_id": MASTER,
        "states": None,
        "states_changed": None,
        "states_failed": None,
    }
    assert found["minions"] == [
        {
            "minion_id": MINION,
            "first_seen": TIME,
            "last_seen": TIME,
            "last_jid": JID,
            "last_fun": "test.kwarg",
            "master_id": MASTER,
        }
    ]


def test_a_runners_return_has_the_master_for_a_minion_and_is_no_ones_sign_of_life() -> None:
    event = fired(
        f"salt/run/{JID}/ret", {"jid": JID, "fun": "runner.jobs.active", "return": {}, "success": True, "user": "root"}
    )

    found = tables(event)

    assert list(found) == ["returns"]
    assert found["returns"][0]["minion_id"] == MASTER


@pytest.mark.parametrize(
    ("fields", "args"),
    [
        pytest.param({"fun_args": [1]}, "[1]", id="fun_args"),
        pytest.param({"arg": [2]}, "[2]", id="arg"),
        pytest.param({"fun_args": [1], "arg": [2]}, "[1]", id="both"),
        pytest.param({}, None, id="neither"),
    ],
)
def test_what_a_function_was_called_with(fields: dict[str, Any], args: str | None) -> None:
    event = fired(f"salt/job/{JID}/ret/{MINION}", {"return": 1, **fields})

    assert only(event, "returns")["fun_args"] == args


@pytest.mark.parametrize(
    ("into", "tag", "data", "expected"),
    [
        pytest.param("", "salt/auth", {"id": MINION}, ["events"], id="any other event"),
        pytest.param("", f"salt/minion/{MINION}/start", {"id": MINION}, ["events", "minions"], id="a minion's start"),
        pytest.param("minions", "salt/auth", {"id": MINION}, ["minions"], id="only the minion is wanted"),
        pytest.param("minions", "salt/auth", {}, ["events"], id="but there is none"),
        pytest.param("events", f"salt/job/{JID}/ret/{MINION}", return_data(), ["events"], id="a return as an event"),
        pytest.param("returns", "company/x", {"id": MINION, "return": 1}, ["returns", "minions"], id="as a return"),
        pytest.param("jobs", "company/x", {"jid": "7"}, ["jobs"], id="as a job"),
        pytest.param("jobs", "salt/job/req/new", {"jid": "req"}, ["events"], id="a job whose jid is a place holder"),
        pytest.param("jobs", "company/x", {}, ["events"], id="a job without a jid"),
        pytest.param("states", f"salt/job/{JID}/ret/{MINION}", return_data(), [], id="states, where there are none"),
    ],
)
def test_which_tables_an_event_goes_to(into: str, tag: str, data: Any, expected: list[str]) -> None:
    assert list(tables(fired(tag, data, into))) == expected


def test_an_event_is_kept_whole() -> None:
    data = {"id": MINION, "return": [1], "_stamp": "2026-01-02T03:04:05.678901", "x": {"y": None}}

    row = only(fired("company/x", data), "events")

    assert row["tag"] == "company/x"
    assert json.loads(row["data"]) == data
    assert (row["stamp"], row["received"], row["master_id"]) == (TIME, "2026-01-02 03:04:05.928901", MASTER)


COPIES = [
    pytest.param({"_stamp": "2026-01-02T03:04:06.000000"}, id="stamped by another master"),
    pytest.param({"__peer_id": "master2"}, id="forwarded within a cluster"),
]


@pytest.mark.parametrize("more", COPIES)
def test_copies_of_a_return_have_one_digest(more: dict[str, Any]) -> None:
    assert digest(returned({"a": 1}, **more)) == digest(returned({"a": 1}))


def test_a_copy_through_a_syndic_has_the_same_digest() -> None:
    through = read(frame(f"syndic/eu/salt/job/{JID}/ret/{MINION}", return_data({"a": 1})), RECEIVED + 3)

    assert digest(through) == digest(returned({"a": 1}))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(returned({"a": 2}), id="another value"),
        pytest.param(returned([["a", 1]]), id="another shape"),
        pytest.param(returned(None), id="null"),
        pytest.param(returned({"a": 1}, retcode=1), id="another return code"),
        pytest.param(returned({"a": 1}, fun="grains.items"), id="another function"),
    ],
)
def test_different_returns_of_a_job_have_different_digests(other: Event) -> None:
    assert digest(other) != digest(returned({"a": 1}))


@pytest.mark.parametrize("jid", ["req", "nocache"])
def test_returns_that_share_a_place_holder_are_told_apart_by_their_time(jid: str) -> None:
    one, other = (returned(True, jid=jid, _stamp=f"2026-01-02T03:04:0{second}.000000") for second in (5, 6))

    assert digest(one) != digest(other)
    assert digest(one) == digest(returned(True, jid=jid, _stamp="2026-01-02T03:04:05.000000"))


@pytest.mark.parametrize("more", COPIES)
def test_copies_of_an_event_have_one_digest(more: dict[str, Any]) -> None:
    data = {"level": 3, "_stamp": "2026-01-02T03:04:05.678901"}

    assert digest(fired("company/x", {**data, **more})) == digest(fired("company/x", data))


def test_different_events_have_different_digests() -> None:
    digests = {digest(fired(tag, data)) for tag in ("company/x", "company/y") for data in ({"a": 1}, {"a": 2}, [1], "")}

    assert len(digests) == 8


def test_digests_fit_a_signed_column_of_64_bits() -> None:
    digests = [digest(returned(number)) for number in range(200)]

    assert min(digests) < 0 < max(digests)
    assert all(-(2**63) <= one < 2**63 for one in digests)


def test_values_too_large_for_the_database_keep_their_beginning() -> None:
    row = only(returned("x" * 300_000), "returns", largest=200_000)

    kept = json.loads(row["return"])
    assert (kept["eventsd_truncated"], kept["bytes"]) == (True, 300_002)
    assert kept["beginning"].startswith('"xxx')
    assert len(row["return"]) < 200_000
    assert json.loads(row["load"])["fun"] == "test.ping"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
def test_rows_do_not_depend_on_the_events_before(backend: str) -> None:
    """What the returns of a job have in common is remembered; nothing of it gets into another job's."""
    first = returned(fun="state.apply", fun_args=["web", {"test": True}], retcode=0)
    others = [
        returned(jid="20260102030405678902", fun="state.apply", fun_args=["web", {"test": True}]),
        returned(fun="state.highstate", fun_args=["web", {"test": True}]),
        returned(fun="state.apply", fun_args=["web"]),
        returned(fun="state.apply", fun_args=["web", {"test": True}], retcode=2),
        returned(fun="state.apply", fun_args=["web", {"test": True}], retcode=[0, 1]),
        returned(fun="state.apply", fun_args=["web", {"test": True}], success=False),
        returned(fun="state.apply", fun_args=["x" * 20_000]),
    ]
    builder = RowBuilder(MASTER, dialect_for(backend))

    for event in [one for other in others for one in (first, other)]:
        assert builder.rows(event) == RowBuilder(MASTER, dialect_for(backend)).rows(event)
