"""Parcels: the same parts however chunks come together, and nothing but a whole parcel is taken for one."""

from __future__ import annotations

import zlib
from itertools import groupby

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.parcel import (
    Broken,
    Parcel,
    Part,
    TooNew,
    decode,
    encode,
    fingerprint,
    parcels,
    parts,
)
from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import StoredChunk, decode_events
from salt_eventsd.event.parse import Event
from tests.support.events import numbered, returned

_LIFE = "0123456789abcdef0123456789abcdef"
_HEAD = Parcel(parcel.VERSION, "history", "history", False, "master1", 1, {"returns": "abcd"}, [])


def _stored(id_: int, events: list[Event], life: str = _LIFE) -> tuple[StoredChunk, list[Event]]:
    return StoredChunk(id_, "history", False, len(events), 0, 1.5 * id_, life, id_), events


def _sized(sizes: list[int]) -> list[Event]:
    return [returned("x" * size, jid=f"2026010203040567{number:04d}") for number, size in enumerate(sizes)]


_CHUNKS = st.lists(
    st.tuples(st.lists(st.sampled_from([0, 90_000, 300_000, 700_000]), min_size=1, max_size=6), st.booleans()),
    min_size=1,
    max_size=5,
)


@given(_CHUNKS, st.integers(0, 5))
def test_a_chunk_has_the_same_parts_whatever_comes_with_it(made: list[tuple[list[int], bool]], at: int) -> None:
    # Given
    chunks = [_stored(id_, _sized(sizes), "" if is_old else _LIFE) for id_, (sizes, is_old) in enumerate(made, 1)]

    # When
    together = list(parts(chunks))
    alone = [part for chunk in chunks for part in parts([chunk])]
    apart = [*parcels(parts(chunks[:at]), _HEAD), *parcels(parts(chunks[at:]), _HEAD)]

    # Then
    assert together == alone
    assert [part for one in apart for part in one.parts] == together
    assert [part.chunk for part in together] == sorted(part.chunk for part in together)


@given(_CHUNKS)
def test_parcels_hold_all_events_once_and_in_order(made: list[tuple[list[int], bool]]) -> None:
    # Given
    chunks = [_stored(id_, _sized(sizes), "" if is_old else _LIFE) for id_, (sizes, is_old) in enumerate(made, 1)]

    # When
    found = [decode(encode(one)) for one in parcels(parts(chunks), _HEAD)]

    # Then
    held = [part for one in found for part in one.parts]
    events = [event for part in held for event in decode_events(part.payload, 0.0).events]
    assert events == [event for _, some in chunks for event in some]
    for id_, some in groupby(held, key=lambda part: part.chunk):
        of_chunk = list(some)
        assert [part.number for part in of_chunk] == list(range(len(of_chunk)))
        assert of_chunk[0].position == 0
        assert sum(part.events for part in of_chunk) == len(chunks[id_ - 1][1])
    receipts = [(part.receipt.life, part.receipt.id) for part in held]
    assert len(set(receipts)) == len(receipts)
    assert len({one.id for one in found}) == len(found)


def test_parts_are_no_larger_than_they_may_be_and_a_large_event_is_alone() -> None:
    # When
    large = [len(part.payload) for part in parts([_stored(1, _sized([200_000, 200_000, 200_000, 900_000, 10]))])]

    # Then
    assert [size > parcel.PART_BYTES for size in large] == [False, False, True, False]


def test_a_parcel_of_small_chunks_is_no_larger_than_brokers_have_to_take() -> None:
    # Given: chunks that cannot be compressed, and more than have room
    chunks = [_stored(id_, numbered(40)) for id_ in range(1, 500)]

    # When
    found = list(parcels(parts(chunks), _HEAD))

    # Then
    plain = [len(msgspec.msgpack.encode(one)) for one in found]
    assert max(plain) <= parcel.PART_BYTES + parcel.OVERHEAD_BYTES
    assert max(len(one.parts) for one in found) <= parcel.MOST_PARTS


def test_later_parts_have_receipts_of_their_own() -> None:
    # When
    first, second = parts([_stored(7, _sized([400_000, 400_000]))])

    # Then
    assert (first.receipt.life, first.receipt.id, first.receipt.first) == (_LIFE, 7, 7)
    assert (len(second.receipt.life), second.receipt.id, second.receipt.first) == (len(_LIFE), 7, 7)
    assert second.receipt.life != _LIFE


@given(st.integers(0, 200))
def test_a_parcel_that_is_cut_off_is_none(cut: int) -> None:
    # Given
    body = encode(next(parcels(parts([_stored(1, numbered(5))]), _HEAD)))

    # When, Then
    with pytest.raises(Broken):
        decode(body[: min(cut, len(body) - 1)])


@given(st.binary(max_size=200))
def test_what_others_send_is_no_parcel(body: bytes) -> None:
    for sent in (body, zlib.compress(body), zlib.compress(msgspec.msgpack.encode([1, body]))):
        with pytest.raises((Broken, TooNew)):
            decode(sent)


def test_what_follows_a_parcel_makes_it_none() -> None:
    # Given
    body = encode(next(parcels(parts([_stored(1, numbered(5))]), _HEAD)))

    # When, Then
    with pytest.raises(Broken):
        decode(body + b"x")


def test_what_unpacks_to_too_much_is_no_parcel(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(parcel, "MOST_UNPACKED_BYTES", 1000)
    body = encode(next(parcels(parts([_stored(1, _sized([5000]))]), _HEAD)))

    # When, Then
    with pytest.raises(Broken):
        decode(body)


def test_a_parcel_of_a_newer_version_is_known_as_one() -> None:
    # Given
    body = zlib.compress(msgspec.msgpack.encode([parcel.VERSION + 1, {"of another": "shape"}]))

    # When, Then
    with pytest.raises(TooNew, match=str(parcel.VERSION + 1)):
        decode(body)


def test_a_parcel_without_parts_is_none() -> None:
    with pytest.raises(Broken):
        decode(encode(_HEAD))


def test_rules_that_differ_have_other_fingerprints() -> None:
    # When
    same = [fingerprint(EventRule(tag="a", worker="w", table="t", columns={"x": "tag", "y": "jid"})) for _ in range(2)]
    other = fingerprint(EventRule(tag="a", worker="w", table="t", columns={"x": "tag", "y": "fun"}))

    # Then
    assert same[0] == same[1] != other


def test_ids_of_parcels_tell_lanes_apart_and_chunks_that_have_got_the_same_number() -> None:
    # Given
    some = [Part(1, _LIFE, 1, 0.0, 0, 0, 1, payload) for payload in (b"", b"other")]

    # When
    ids = [
        msgspec.structs.replace(_HEAD, lane=lane, parts=[part]).id
        for lane in ("history", "history:own")
        for part in [*some, *some]
    ]

    # Then
    assert len(set(ids)) == 4


def test_what_is_nested_too_deep_is_no_parcel() -> None:
    # Given
    foreign = zlib.compress(b"\x91" * 2**20)

    # When / Then
    with pytest.raises(Broken):
        decode(foreign)
