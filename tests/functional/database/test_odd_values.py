"""Values a database may choke on: each is kept as it is, or as well as the database can, and none is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.events import JID, MINION, STAMP, fired, frame, job, read, returned, state_result
from tests.support.stores import Buried, Database, batch_of

_EMOJI = "\N{PILE OF POO}\N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}"
_NUL_SHOWN = "\N{SYMBOL FOR NULL}"
_QUOTES = """'; DROP TABLE eventsd_jobs; -- " ` \\ \\' %s %(x)s :name {0} $1 ?"""


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(_EMOJI, id="four-byte-characters"),
        pytest.param(_QUOTES, id="quotes"),
        pytest.param("\\u0000 and \\\\u0000", id="escaped-backslash-u0000"),
        pytest.param("\r\n\t\x01\x7f\u2028", id="control-characters"),
        pytest.param("e\u0301 \u00e9", id="not-normalised"),
        pytest.param("trailing  ", id="trailing-blanks"),
        pytest.param("", id="empty"),
        pytest.param("null", id="text-null"),
        pytest.param({"a.b": {"$c": {"": 1}}}, id="odd-keys"),
        pytest.param({_QUOTES: _EMOJI}, id="odd-characters-in-a-key"),
        pytest.param(2**63 - 1, id="largest-integer"),
        pytest.param(2**64 - 1, id="largest-unsigned"),
        pytest.param(1e22, id="large-float"),
        pytest.param(5e-324, id="smallest-float"),
        pytest.param([[[[[[[[[[1]]]]]]]]]], id="nested"),
        pytest.param(False, id="false"),
        pytest.param(0, id="zero"),
        pytest.param([], id="empty-list"),
    ],
)
def test_a_value_comes_back_as_it_was(tables: Database, value: Any) -> None:
    # Given
    buried = Buried()

    # When
    tables.worker().write(batch_of([returned(value)], buried=buried))

    # Then
    assert buried.positions == []
    assert tables.column("returns", "return") == [value]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_EMOJI, id="four-byte-characters"),
        pytest.param(_QUOTES, id="quotes"),
        pytest.param("a\\u0000b", id="backslash-u0000"),
    ],
)
def test_text_of_every_column_comes_back_as_it_was(tables: Database, text: str) -> None:
    # Given
    run = {f"cmd_|-{text}_|-{text}_|-run": state_result(text, comment=text, __id__=text, __sls__=text)}
    events = [
        job(fun=text, tgt=text, user=text),
        returned(run, minion_id=text, fun=text),
        fired(f"company/{text}", {"text": text}),
    ]

    # When
    tables.worker().write(batch_of(events))

    # Then
    [started], [row], [state] = tables.rows("jobs"), tables.rows("returns"), tables.rows("states")
    [event], [minion] = tables.rows("events"), tables.rows("minions")
    assert (started["fun"], started["tgt"], started["user"]) == (text, text, text)
    assert (row["minion_id"], row["fun"], row["return"]) == (text, text, run)
    assert [state[key] for key in ("minion_id", "sls", "state_id", "name", "comment")] == [text] * 5
    assert (event["tag"], event["data"]) == (f"company/{text}", {"text": text})
    assert (minion["minion_id"], minion["last_fun"]) == (text, text)


def test_nul_is_kept_or_shown(tables: Database) -> None:
    # Given
    shown = _NUL_SHOWN if tables.kind == "postgresql" else "\0"
    run = {"cmd_|-a_|-a_|-run": state_result("a\0b", comment="a\0b")}
    events = [
        returned({"a\0b": "c\0d", "plain": "\\u0000"}, minion_id="a\0b", fun="a\0b"),
        returned(run, jid="2"),
        fired("company/a\0b", {"text": "a\0b"}),
        job(fun="a\0b", tgt="a\0b", user="a\0b"),
    ]
    buried = Buried()

    # When
    tables.worker().write(batch_of(events, buried=buried))

    # Then
    text = f"a{shown}b"
    assert buried.positions == []
    [first] = [row for row in tables.rows("returns") if row["jid"] == JID]
    assert (first["minion_id"], first["fun"]) == (text, text)
    assert first["return"] == {text: f"c{shown}d", "plain": "\\u0000"}
    [state], [event], [started] = tables.rows("states"), tables.rows("events"), tables.rows("jobs")
    assert (state["name"], state["comment"]) == (text, text)
    assert (event["tag"], event["data"]) == (f"company/{text}", {"text": text})
    assert (started["fun"], started["tgt"], started["user"]) == (text, text, text)


def test_a_tag_of_4_kb(tables: Database) -> None:
    # Given: two that differ only at their end, which an index over a prefix would take for one
    tags = ["company/" + "x" * 4096 + end for end in "ab"]

    # When
    tables.worker().write(batch_of([fired(tag, {"_stamp": STAMP}) for tag in tags]))

    # Then
    assert sorted(tables.column("events", "tag")) == tags


def test_ids_are_told_apart_by_case_and_accent(tables: Database) -> None:
    # Given
    ids = ["web1", "WEB1", "wéb1", "web\N{FULLWIDTH DIGIT ONE}"]

    # When
    tables.worker().write(batch_of([returned(minion_id=one) for one in ids]))

    # Then
    assert sorted(tables.column("returns", "minion_id")) == sorted(ids)
    assert sorted(tables.column("minions", "minion_id")) == sorted(ids)


@pytest.mark.parametrize("character", [pytest.param("x", id="ascii"), pytest.param("\U0001f4a9", id="four-bytes")])
def test_very_long_ids_are_clipped_and_whole_in_the_load(tables: Database, character: str) -> None:
    # Given
    long = character * 1000
    run = {f"cmd_|-{long}_|-{long}_|-run": state_result(long, __id__=long, __sls__=long)}

    # When
    events = [job(jid=long, fun=long, user=long, tgt_type=long), returned(run, long, long, long)]
    tables.worker().write(batch_of(events))

    # Then
    [row], [started], [state] = tables.rows("returns"), tables.rows("jobs"), tables.rows("states")
    assert (row["jid"][:47], row["minion_id"][:238], row["fun"]) == (character * 47, character * 238, character * 255)
    assert (len(row["jid"]), len(row["minion_id"])) == (64, 255)
    assert (row["load"]["jid"], row["load"]["id"]) == (long, long)
    assert (started["jid"], started["tgt_type"], started["load"]["user"]) == (row["jid"], character * 32, long)
    assert (state["jid"], state["minion_id"]) == (row["jid"], row["minion_id"])
    assert (state["name"], state["sls"]) == (long, long)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {}, id="return-without-anything"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", ["a", "list"], id="return-that-is-a-list"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", "text", id="return-that-is-text"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", None, id="return-that-is-nothing"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {"fun": ["a", "b"], "return": b"\xff\x00"}, id="bytes"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {"retcode": 2**80, "return": 2**80}, id="too-large-a-number"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {"retcode": float("nan"), "return": float("inf")}, id="nan"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {"success": "perhaps", "fun_args": 7}, id="odd-types"),
        pytest.param(f"salt/job/{JID}/ret/{MINION}", {1: {2: 3}, None: 1, "return": {(1, 2): 3}}, id="odd-keys"),
        pytest.param("salt/job/req/ret/web1", {"jid": "req", "id": "web1", "return": 1}, id="jid-req"),
        pytest.param("salt/job/nocache/new", {"jid": "nocache", "fun": "test.ping"}, id="jid-nocache"),
        pytest.param(f"salt/job/{JID}/new", {"minions": {"a": 1}, "tgt": b"\xff", "arg": "x"}, id="odd-job"),
        pytest.param("", {}, id="no-tag"),
        pytest.param("company/deep", {"deep": eval("[" * 90 + "]" * 90)}, id="deep"),
        pytest.param("company/old", {"_stamp": "0001-01-01T00:00:00"}, id="from-the-year-1"),
        pytest.param("company/late", {"_stamp": "9999-12-31T23:59:59.999999"}, id="from-the-year-9999"),
        pytest.param("company/never", {"_stamp": ["never"]}, id="odd-stamp"),
    ],
)
def test_an_odd_event_is_one_row_and_nothing_is_buried(tables: Database, tag: str, data: Any) -> None:
    # Given
    buried = Buried()
    packed = frame(tag, data)

    # When
    tables.worker().write(batch_of([read(packed)], buried=buried))

    # Then
    assert buried.refusals == []
    assert sum(len(tables.rows(table)) for table in ("jobs", "returns", "events")) == 1


def test_invalid_utf_8_and_lone_surrogates(tables: Database) -> None:
    # Given
    raw = b"company/\xff\n\n" + b"\x82\xa1a\xa2\xff\xfe\xa1b\xa3\xed\xa0\x80"
    buried = Buried()

    # When
    tables.worker().write(batch_of([read(raw)], buried=buried))

    # Then
    [row] = tables.rows("events")
    assert buried.positions == []
    assert (row["tag"], row["data"]["a"]) == ("company/\\xff", "\\xff\\xfe")


def test_a_return_of_10_mb(tables: Database) -> None:
    # Given: text that doubles when a driver escapes it, between two small ones
    large = "it's \\ " * (10 * 2**20 // 7)
    events = [returned("before", jid="1"), returned(large, jid="2"), returned("after", jid="3")]
    buried = Buried()

    # When
    tables.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == []
    kept = {row["jid"]: row["return"] for row in tables.rows("returns")}
    assert (kept["1"], kept["3"]) == ("before", "after")
    assert kept["2"] == large


def test_a_return_of_60_mb_is_kept_whole_or_marked(tables: Database) -> None:
    # Given: more than MariaDB takes in a packet of 64 MiB, for escaped it may be twice as long
    large = "x" * (60 * 2**20)
    events = [returned("before", jid="1"), returned(large, jid="2"), returned("after", jid="3")]
    buried = Buried()

    # When
    tables.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == []
    kept = {row["jid"]: row["return"] for row in tables.rows("returns")}
    assert (kept["1"], kept["3"]) == ("before", "after")
    if tables.kind == "mysql":
        assert (kept["2"]["eventsd_truncated"], kept["2"]["bytes"]) == (True, len(large) + 2)
        assert kept["2"]["beginning"].startswith('"xxx')
    else:
        assert kept["2"] == large


def test_a_minion_whose_id_ends_in_a_blank_does_not_pass_for_the_one_without(database: Database) -> None:
    # Given: a column that leaves blanks at the end out of account would take them for one
    names = ("web1", "web1 ", "web1  ")
    states = {"cmd_|-a_|-a_|-run": state_result("a", 0)}

    # When
    for first, name in enumerate(reversed(names), 1):
        database.worker().write(batch_of([returned(states, minion_id=name, fun="state.apply")], first=first))

    # Then
    for table in ("returns", "states", "minions"):
        assert len(set(database.column(table, "minion_id"))) == 3
    for name in ("web1", "web1 "):
        found = database.query(f"SELECT minion_id FROM eventsd_returns WHERE minion_id = '{name}'")
        assert found in ([("web1",)], [])
