"""What the returns of a job have in common is made once: their rows are those that each would have by itself."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.event.parse import Event
from tests.support.events import returned

MASTER = "master-1"
STATE = {"test_|-a_|-a_|-nop": {"result": True, "changes": {"a": 1}, "duration": 1.5, "__run_num__": 0}}
#: Values that are alike, and some that differ.
FIELDS: dict[str, list[Any]] = {
    "jid": ["20260102030405678901", "20260102030405678902", "req"],
    "minion_id": ["web1", "web2"],
    "fun": [
        "test.ping",
        "state.apply",
        "runner.state.orch",
        "state.highstate",
        "x.state.y",
        ["test.ping", "state.apply"],
        "x" * 300,
    ],
    "fun_args": [[], ["a"], ["a", {"test": True}], None, {"a": 1}, ["x" * 20_000]],
    "retcode": [0, 1, 0.0, True, None, 2**40, -(2**70), [0, 2], {"a": 1}, "7", "0x10"],
    "success": [True, False, 1, 0, None, "true", [True, False]],
    "return": [True, None, "text", ["a"], {"retcode": 3}, STATE, ["Rendering failed"], {"state.apply": STATE}, "x_|-y"],
    "duration": [None, 12.5, "7 ms"],
    "schedule": ["", "daily"],
    "_stamp": ["2026-01-02T03:04:05.678901", "2026-01-02T03:04:05.000000"],
    # No field of a payload: when it was read.
    "received": [1767323046.5, 1767323046.500001],
}
EVENTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(some) for name, some in FIELDS.items()})


def event_of(fields: dict[str, Any]) -> Event:
    """A return with these fields."""
    value = fields.get("return", "nothing")
    event = returned(value, **{name: one for name, one in fields.items() if name not in ("return", "received")})
    return msgspec.structs.replace(event, received=fields.get("received", event.received))


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
@given(told=st.lists(EVENTS, min_size=2, max_size=6), narrow=st.booleans(), load=st.booleans())
def test_rows_are_those_of_the_event_alone(backend: str, told: list[dict[str, Any]], narrow: bool, load: bool) -> None:
    def made() -> RowBuilder:
        return RowBuilder(MASTER, dialect_for(backend), wide_codes=not narrow, load=load)

    builder = made()
    for fields in [one for other in told for one in (told[0], other)]:
        event = event_of(fields)
        assert builder.rows(event) == made().rows(event)


@given(fields=EVENTS)
def test_digests_are_those_of_former_releases(fields: dict[str, Any]) -> None:
    event = event_of(fields)
    builder = RowBuilder(MASTER, dialect_for("sqlite"))

    for _ in range(2):
        [row] = [row for name, row in builder.rows(event) if name == "returns"]
        time = f"{event.stamp!r} " if event.jid in ("", "req", "nocache") else ""
        whole = f"{event.fun} {row['retcode']} {time}".encode() + event.returned
        digest = hashlib.blake2b(whole, digest_size=8).digest()
        assert row["digest"] == int.from_bytes(digest, "big", signed=True)
