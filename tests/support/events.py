"""
Builds frames, payloads and events, in the forms that a real bus carries.

``*_data`` return payloads, :func:`frame` packs one as Salt does, :func:`read` parses a frame as the engine does.
"""

from __future__ import annotations

from typing import Any

import salt.payload

from salt_eventsd.event import parse as events
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import read_tag
from salt_eventsd.event.parse import Event

JID = "20260102030405678901"
MINION = "web1.example.com"
#: The default times at which events are fired and read.
STAMP = "2026-01-02T03:04:05.678901"
STAMP_SECONDS = 1767323045.678901
RECEIVED = STAMP_SECONDS + 0.25


def job_data(jid: str = JID, fun: str = "test.ping", **more: Any) -> dict[str, Any]:
    """Return the payload of ``salt/job/<jid>/new``."""
    return {
        "jid": jid,
        "tgt_type": "glob",
        "tgt": "*",
        "user": "root",
        "fun": fun,
        "arg": [],
        "minions": [MINION],
        "missing": [],
        "_stamp": STAMP,
        **more,
    }


def return_data(
    returned: Any = True, jid: str = JID, minion_id: str = MINION, fun: Any = "test.ping", **more: Any
) -> dict[str, Any]:
    """Return the payload of ``salt/job/<jid>/ret/<minion id>``."""
    return {
        "cmd": "_return",
        "id": minion_id,
        "success": True,
        "return": returned,
        "retcode": 0,
        "jid": jid,
        "fun": fun,
        "fun_args": [],
        "_stamp": STAMP,
        **more,
    }


def state_result(name: str = "/etc/motd", number: int = 0, **more: Any) -> dict[str, Any]:
    """Return one state's result, as it stands under its tag in the return of a state run."""
    return {
        "name": name,
        "changes": {},
        "result": True,
        "comment": "in the right state",
        "__sls__": "motd",
        "__run_num__": number,
        "start_time": "03:04:05.000000",
        "duration": 1.5,
        "__id__": "motd",
        **more,
    }


def frame(tag: str, data: Any) -> bytes:
    """Pack a frame with Salt's own serializer."""
    packed: bytes = salt.payload.dumps(data)
    return raw_frame(tag, packed)


def raw_frame(tag: str | bytes, payload: bytes) -> bytes:
    """Return a frame with a packed payload, or with bytes that Salt would not make."""
    return (tag.encode() if isinstance(tag, str) else tag) + b"\n\n" + payload


def read(raw: bytes, received: float = RECEIVED, rule: str = "", into: str = "") -> Event:
    """Return the event of a frame, parsed by the same steps as in the engine."""
    head = read_tag(raw, received)
    data = decode(head.payload)
    return events.build(head, data, events.function_of(data), rule, into)


def fired(tag: str, data: Any, into: str = "") -> Event:
    """Return the event that the engine makes when Salt fires ``data`` with ``tag``."""
    return read(frame(tag, data), into=into)


def job(jid: str = JID, fun: str = "test.ping", **more: Any) -> Event:
    """Return the start of a job."""
    return fired(f"salt/job/{jid}/new", job_data(jid, fun, **more))


def returned(value: Any = True, jid: str = JID, minion_id: str = MINION, fun: str = "test.ping", **more: Any) -> Event:
    """Return a minion's return of a job."""
    return fired(f"salt/job/{jid}/ret/{minion_id}", return_data(value, jid, minion_id, fun, **more))


def numbered(count: int, start: int = 0) -> list[Event]:
    """Return so many returns, each with its own jid."""
    return [returned(number, jid=str(number)) for number in range(start, start + count)]
