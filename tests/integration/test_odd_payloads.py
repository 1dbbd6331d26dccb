"""
Whoever can fire events can fire anything; each is kept as well as it can be, and none stops the flow.
"""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from tests.support.nodes import Master


def packed(data: Any) -> bytes:
    """Return a payload as MessagePack, with text as Salt packs it."""
    packed_data: bytes = msgpack.packb(data, use_bin_type=True, unicode_errors="surrogateescape")
    return packed_data


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(packed({"id": "m", "return": True}), id="no fun"),
        pytest.param(packed({"id": "m", "fun": ["a.b", "c.d"], "return": {"a.b": 1}}), id="fun is a list"),
        pytest.param(packed({"id": 5, "jid": 7, "fun": {"x": 1}, "retcode": "none"}), id="fields of odd types"),
        pytest.param(packed(["a", "list"]), id="a list"),
        pytest.param(packed("a string"), id="a string"),
        pytest.param(packed(b"\x00\xff bytes"), id="bytes"),
        pytest.param(packed(None), id="nothing"),
        pytest.param(packed({"id": "m", "return": b"\xff\xfe"}), id="bytes within"),
        pytest.param(packed({"id": "m", "return": "caf\udce9"}), id="invalid utf-8"),
        pytest.param(packed({"id": "m", "return": "a\x00b", "fun": "x\x00y"}), id="NUL"),
        pytest.param(packed({"id": "m", "return": {1: {b"k": 2}, None: 3}}), id="keys that are no text"),
        pytest.param(b"\xc1 no MessagePack", id="undecodable"),
        pytest.param(b"", id="empty"),
        pytest.param(packed({"id": "m", "fun": "cmd.run", "return": "x" * 10_000_000}), id="10 MB"),
    ],
)
def test_an_odd_return_is_kept_and_the_flow_goes_on(
    master: Master, request: pytest.FixtureRequest, payload: bytes
) -> None:
    # Given
    engine = master.engine.pid
    name = request.node.callspec.id.replace(" ", "-")
    tag = f"salt/job/{name}/ret/odd"

    # When
    with master.bus() as bus:
        bus.fire_raw(tag.encode() + b"\n\n" + payload)
        bus.fire_returns(f"after-{name}", ["even"])

    # Then
    master.history.wait_for(1, "eventsd_returns", "jid = :jid", jid=f"after-{name}")
    jid = "7" if name == "fields-of-odd-types" else name
    assert master.history.count("eventsd_returns", "jid = :jid", jid=jid) == 1
    assert master.engine.pid == engine


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"salt/job/x/ret/no-payload", id="no end of the tag"),
        pytest.param(b"\n\n\x80", id="no tag"),
        pytest.param(b"\xff\xfe/tag\n\n\x80", id="tag that is no text"),
    ],
)
def test_an_odd_frame_does_not_stop_the_flow(master: Master, request: pytest.FixtureRequest, frame: bytes) -> None:
    # Given
    engine = master.engine.pid
    jid = f"after-frame-{request.node.callspec.id}".replace(" ", "-")

    # When
    with master.bus() as bus:
        bus.fire_raw(frame)
        bus.fire_returns(jid, ["even"])

    # Then
    master.history.wait_for(1, "eventsd_returns", "jid = :jid", jid=jid)
    assert master.engine.pid == engine
