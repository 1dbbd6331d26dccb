"""Whatever comes off the bus becomes an event that can be kept: nothing raises, and what is kept is valid JSON."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import msgspec
import pytest
import salt.payload
import salt.utils.dicttrim
from hypothesis import example, given
from hypothesis import strategies as st

from salt_eventsd.event.chunk import decode_events, encode_events
from salt_eventsd.event.codec import encode
from salt_eventsd.event.parse import Event
from tests.support.events import JID, MINION, RECEIVED, frame, raw_frame, read, return_data


def assert_keepable(event: Event) -> None:
    """The event is valid JSON for msgspec, the spool brings it back whole, and a database takes its texts."""
    whole = msgspec.json.decode(event.json())
    assert event.data == whole
    msgspec.json.decode(event.body)
    assert decode_events(encode_events([event]), 0.0).events == [event]
    for text in (event.tag, event.jid, event.minion_id, event.fun):
        text.encode()
    assert math.isfinite(event.stamp)


def packed(value: Any) -> bytes:
    result: bytes = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")
    return result


def lists(levels: int) -> bytes:
    return b"\x91" * levels + b"\x01"


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        pytest.param(packed(["a", 1]), ["a", 1], id="a list where a mapping is usual"),
        pytest.param(packed("text"), "text", id="text where a mapping is usual"),
        pytest.param(packed(None), None, id="nil where a mapping is usual"),
        pytest.param(packed({"a": b"abc"}), {"a": "abc"}, id="bytes as a value"),
        pytest.param(packed({b"a": 1}), {"a": 1}, id="bytes as a key"),
        pytest.param(packed({"a": b"\xffb"}), {"a": "\\xffb"}, id="bytes that are no UTF-8"),
        pytest.param(b"\x81\xa1a\xa2\xffb", {"a": "\\xffb"}, id="text that is no UTF-8"),
        pytest.param(b"\x81\xa2\xffa\x01", {"\\xffa": 1}, id="a key that is no UTF-8"),
        pytest.param(packed({"a": "\ud800"}), {"a": "\\xed\\xa0\\x80"}, id="a lone surrogate"),
        pytest.param(packed({"a\0b": "\0"}), {"a\0b": "\0"}, id="NUL"),
        pytest.param(packed({1: 2, None: 3, 1.5: 4}), {"1": 2, "null": 3, "1.5": 4}, id="keys that are no text"),
        pytest.param(b"\x81\x91\x01\x02", {"[1]": 2}, id="a list as a key"),
        pytest.param(packed([math.nan, math.inf, -math.inf]), [None, None, None], id="not a number, infinity"),
        pytest.param(packed([2**64 - 1, -(2**63)]), [2**64 - 1, -(2**63)], id="the largest integers"),
        pytest.param(
            packed(msgpack.ExtType(78, b"20260102T03:04:05.678901")), "2026-01-02T03:04:05.678901", id="Salt's datetime"
        ),
        pytest.param(packed(msgpack.ExtType(78, b"soon")), "soon", id="Salt's datetime, broken"),
        pytest.param(packed({"a": msgpack.ExtType(5, b"\xffx")}), {"a": "\\xffx"}, id="an extension nobody knows"),
        pytest.param(packed(msgpack.Timestamp(0)), "1970-01-01T00:00:00+00:00", id="MessagePack's own timestamp"),
        pytest.param(b"", {"undecodable": ""}, id="no payload"),
        pytest.param(b"\xc1", {"undecodable": "\\xc1"}, id="a byte MessagePack never uses"),
        pytest.param(b"\x93\x01", {"undecodable": "\\x93\x01"}, id="a list cut short"),
        pytest.param(b"\x01\x02", {"undecodable": "\x01\x02"}, id="more than one"),
        pytest.param(b'{"a": 1}', {"undecodable": '{"a": 1}'}, id="JSON"),
        pytest.param(b"\xdd\xff\xff\xff\xff", {"undecodable": "\\xdd\\xff\\xff\\xff\\xff"}, id="a huge list, promised"),
        pytest.param(b"\xc6\xff\xff\xff\xff", {"undecodable": "\\xc6\\xff\\xff\\xff\\xff"}, id="huge bytes, promised"),
    ],
)
def test_an_odd_payload_is_kept_as_well_as_it_can_be(payload: bytes, data: Any) -> None:
    event = read(raw_frame(f"salt/job/{JID}/ret/{MINION}", payload))

    assert event.data == data
    assert (event.jid, event.minion_id) == (JID, MINION)
    assert_keepable(event)


@pytest.mark.parametrize("levels", [250, 300, 5000, 200_000])
def test_a_deep_return_is_kept(levels: int) -> None:
    event = read(raw_frame("salt/job/1/ret/m", b"\x82\xa3fun\xa4deep\xa6return" + lists(levels)))

    assert_keepable(event)
    assert event.data["return"] if levels < 1000 else event.data["undecodable"]


def test_a_return_as_deep_as_databases_take_stays_a_structure() -> None:
    event = read(raw_frame("salt/job/1/ret/m", b"\x81\xa6return" + lists(250)))

    assert event.returned == b"[" * 250 + b"1" + b"]" * 250


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="only the separator"),
        pytest.param(b"salt/job/1/new", id="no separator"),
        pytest.param(b"\n\n\x80", id="no tag"),
        pytest.param(b"\xff\xfe\n\n\x80", id="a tag that is no UTF-8"),
        pytest.param(b"a\0b\n\n\x80", id="a tag with NUL"),
        pytest.param(b"syndic/" * 100 + b"x\n\n\x80", id="a hundred syndics"),
        pytest.param(b"t" * 4096 + b"\n\n\x80", id="a tag of 4 KB"),
        pytest.param(b"salt/job/" + b"9" * 4096 + b"/ret/" + b"m" * 4096 + b"\n\n\x80", id="ids of 4 KB"),
    ],
)
def test_an_odd_frame_is_kept(raw: bytes) -> None:
    event = read(raw)

    assert_keepable(event)
    assert event.tag in raw.decode("utf-8", "backslashreplace")


def test_a_return_of_10_mb_is_kept_whole() -> None:
    value = "0123456789abcdef" * (10 * 2**20 // 16)

    event = read(raw_frame("salt/job/1/ret/m", packed({"fun": "cp.get", "return": value})))

    assert event.returned == b'"' + value.encode() + b'"'
    assert_keepable(event)


@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param("9999-12-31T23:59:59-12:00", id="the year 10000 in UTC"),
        pytest.param("9999-12-31T23:59:59.999999", id="rounded up to the year 10000"),
    ],
)
def test_a_time_no_database_has_is_replaced_by_when_it_was_read(stamp: str) -> None:
    assert read(raw_frame("x", packed({"_stamp": stamp}))).stamp == RECEIVED


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(max_size=40)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40))
    | st.builds(msgpack.Timestamp, st.integers(-(2**63), 2**63 - 1), st.integers(0, 999_999_999))
)
KEYS = SCALARS | st.sampled_from(["fun", "jid", "id", "return", "_stamp", "data", b"return", "undecodable"])
PAYLOADS = st.recursive(
    SCALARS | st.datetimes().map(lambda moment: moment.isoformat()),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=6)
        | st.dictionaries(st.tuples(SCALARS), inner, max_size=2)
    ),
    max_leaves=25,
)
TAGS = st.sampled_from(["salt/job/1/ret/m", "salt/job/1/new", "salt/run/1/ret", "syndic/a/salt/auth", "x"])


@given(tag=TAGS, data=PAYLOADS)
@example(tag="x", data={("a",): {b"return": b"\xff"}})
def test_anything_that_can_be_packed_is_kept(tag: str, data: Any) -> None:
    assert_keepable(read(raw_frame(tag, packed(data))))


@given(raw=st.binary(max_size=300))
@example(raw=b"x\n\n\x81\xa6return\xd7\xff" + b"\xff" * 8)
def test_any_bytes_are_kept(raw: bytes) -> None:
    assert_keepable(read(raw))


@given(payload=st.binary(max_size=300))
def test_any_payload_is_kept(payload: bytes) -> None:
    assert_keepable(read(raw_frame("salt/job/1/ret/m", payload)))


#: What JSON can say without loss.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(data=JSON)
def test_what_json_can_say_is_kept_without_loss(data: Any) -> None:
    assert read(raw_frame("salt/job/1/ret/m", packed(data))).data == data


#: Python values beyond what MessagePack brings, which ``encode`` may yet be handed.
OBJECTS = st.recursive(
    SCALARS | st.integers() | st.complex_numbers() | st.dates() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(SCALARS, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers() | st.binary(max_size=5), max_size=3)
    ),
    max_leaves=15,
)


@given(data=OBJECTS)
def test_encode_takes_any_object(data: Any) -> None:
    msgspec.json.decode(encode(data))


@pytest.mark.parametrize(
    ("data", "flagged"),
    [
        pytest.param({"return": "x" * 5000}, True, id="a return"),
        pytest.param({"return": {"a": {"b": "x" * 5000}, "c": 1}}, True, id="within a return"),
        pytest.param({"data": {"x": "y" * 5000}}, True, id="within an event's data"),
        pytest.param({"return": "x" * 50}, False, id="small enough"),
        pytest.param({"return": ["VALUE_TRIMMED"], "a": "not VALUE_TRIMMED"}, False, id="only the words"),
    ],
)
def test_an_event_that_salt_has_trimmed_is_flagged(data: dict[str, Any], flagged: bool) -> None:
    # Given
    tag = f"salt/job/{JID}/ret/{MINION}"
    whole = {**return_data(), **data}

    # When: as Salt's bus does it
    trimmed = salt.utils.dicttrim.trim_dict(salt.payload.dumps(whole), 4000, is_msgpacked=True, use_bin_type=True)
    event = read(tag.encode() + b"\n\n" + trimmed)

    # Then
    assert event.data.get("eventsd_trimmed", False) is flagged
    assert event.data["jid"] == JID


@pytest.mark.parametrize("name", ["web1 ", "web1  ", " web1 ", " ", "w" * 5000 + " "])
def test_an_id_does_not_end_in_blanks_and_is_that_of_nobody_else(name: str) -> None:
    found = [read(frame(f"salt/job/{JID}/ret/x", return_data(jid=one, minion_id=one))) for one in (name, name + " ")]

    for one in found:
        assert_keepable(one)
        assert one.jid == one.minion_id
        assert not one.jid.endswith(" ")
        assert one.jid.startswith(name.rstrip(" ")[:4000])
        assert one.jid != name.rstrip(" ")
        assert len(one.jid) <= 4096
    assert found[0].jid != found[1].jid
    assert found[0].data["id"] == name
    for other in ({"jid": name, "minion_id": "x"}, {"jid": JID, "minion_id": name}):
        one = read(frame(f"salt/job/{JID}/ret/x", return_data(**other)))
        assert found[0].jid in (one.jid, one.minion_id)
