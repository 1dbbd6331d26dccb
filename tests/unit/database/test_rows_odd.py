"""Rows of odd payloads: what fits no column is clipped or left out of it, and is whole in the load."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.database.dialects import NUL_SYMBOL
from tests.support.events import JID, MINION, fired, job, raw_frame, read, return_data, returned
from tests.unit.database.test_rows import MASTER, only, tables
from tests.unit.event.test_event_odd import PAYLOADS


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        pytest.param({"tgt": ["a", "b"]}, "tgt", '["a","b"]', id="a list of minions as target"),
        pytest.param({"tgt": 3}, "tgt", "3", id="a number as target"),
        pytest.param({"tgt": None}, "tgt", None, id="no target"),
        pytest.param({"tgt_type": {"a": 1}}, "tgt_type", '{"a":1}', id="a mapping as target type"),
        pytest.param({"tgt_type": "x" * 50}, "tgt_type", "x" * 32, id="a long target type"),
        pytest.param({"user": "u" * 300}, "user", "u" * 255, id="a long user"),
        pytest.param({"user": 0}, "user", "0", id="a number as user"),
        pytest.param({"minions": {"a": 1}}, "minion_count", None, id="a mapping of minions"),
        pytest.param({"minions": []}, "minion_count", 0, id="no minions"),
        pytest.param({"arg": None}, "arg", None, id="null as arguments"),
        pytest.param({"arg": {"a": 1}}, "arg", '{"a":1}', id="a mapping as arguments"),
        pytest.param({"fun": ["test.ping", "cmd.run"]}, "fun", "test.ping,cmd.run", id="several functions"),
        pytest.param({"fun": "f" * 300}, "fun", "f" * 255, id="a long function"),
    ],
)
def test_odd_fields_of_a_job(fields: dict[str, Any], column: str, value: Any) -> None:
    event = job(**fields) if "fun" not in fields else fired(f"salt/job/{JID}/new", {"jid": JID, **fields})

    row = only(event, "jobs")

    assert row[column] == value
    assert json.loads(row["load"]) == event.data


@pytest.mark.parametrize("data", ["text", ["a", "list"], None, 3, {}], ids=str)
def test_payloads_that_are_no_mapping_are_kept(data: Any) -> None:
    new, ret = fired(f"salt/job/{JID}/new", data), fired(f"salt/job/{JID}/ret/{MINION}", data)

    assert only(new, "jobs")["jid"] == JID
    row = only(ret, "returns")
    assert (row["jid"], row["minion_id"], row["fun"], row["return"]) == (JID, MINION, "", None)
    kept = row["load"]
    assert (json.loads(kept) if kept else None) == data


def test_long_ids_are_clipped_and_whole_in_the_load() -> None:
    event = returned(jid="7" * 100, minion_id="m" * 300)

    row = only(event, "returns")

    assert (row["jid"][:47], row["minion_id"][:238]) == ("7" * 47, "m" * 238)
    assert (len(row["jid"]), len(row["minion_id"])) == (64, 255)
    assert json.loads(row["load"])["id"] == "m" * 300
    assert only(event, "minions")["minion_id"] == row["minion_id"]


def test_long_ids_that_begin_alike_do_not_become_one() -> None:
    jids = {only(job("7" * 100 + end), "jobs")["jid"] for end in ("1", "2")}
    minions = {only(returned(minion_id="m" * 300 + end), "returns")["minion_id"] for end in ("1", "2")}

    assert (len(jids), len(minions)) == (2, 2)


def test_nul_becomes_visible_where_a_database_has_no_way_to_keep_it() -> None:
    event = returned("a\0b", minion_id="m\0", fun="f\0")

    row = only(event, "returns", backend="postgresql")

    assert (row["minion_id"], row["fun"]) == (f"m{NUL_SYMBOL}", f"f{NUL_SYMBOL}")
    assert json.loads(bytes(row["return"])) == f"a{NUL_SYMBOL}b"
    assert only(event, "returns")["return"] == '"a\\u0000b"'


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        pytest.param(12.5, 12.5, id="a number"),
        pytest.param("12.5 ms", 12.5, id="as older Salt writes it"),
        pytest.param("12.5", 12.5, id="text"),
        pytest.param("long", None, id="no number"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("inf", None, id="infinite"),
        pytest.param([1], None, id="a list"),
        pytest.param(None, None, id="null"),
    ],
)
def test_durations(duration: Any, milliseconds: float | None) -> None:
    assert only(returned(duration=duration), "returns")["duration_ms"] == milliseconds


def test_the_truncated_beginning_is_valid_text_wherever_it_is_cut() -> None:
    for extra in range(4):
        row = only(returned("x" * extra + "\N{SNOWMAN}" * 60_000), "returns", largest=100_000)

        assert json.loads(row["return"])["eventsd_truncated"] is True


def test_an_events_minion_need_not_be_named() -> None:
    row = only(fired("company/x", return_data(), "returns"), "returns")
    assert row["minion_id"] == MINION

    row = only(fired("company/x", {"return": 1}, "returns"), "returns")
    assert row["minion_id"] == MASTER


INTO = st.sampled_from(["", "jobs", "returns", "states", "events", "minions"])


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
@given(
    data=PAYLOADS,
    into=INTO,
    tag=st.sampled_from(["salt/job/1/ret/m", "salt/job/1/new", "salt/run/1/ret", "salt/minion/m/start", "x"]),
)
def test_rows_can_be_made_of_anything(backend: str, data: Any, into: str, tag: str) -> None:
    payload = msgpack.packb(data, unicode_errors="surrogatepass")

    for rows in tables(read(raw_frame(tag, payload), into=into), backend, 1000).values():
        for row in rows:
            assert len(row.get("jid") or "") <= 64
            assert len(row.get("minion_id") or "") <= 255
            assert len(row.get("fun") or "") <= 255
