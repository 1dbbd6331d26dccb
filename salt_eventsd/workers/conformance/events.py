"""
The events that the suite has workers write. Each has its number in its tag, by which it can be found again.

They are made of frames such as the bus carries, by the steps the engine takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salt_eventsd.event import parse
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import pack_frame, read_tag
from salt_eventsd.event.parse import Event

#: When the events are fired, and when they are read, in seconds since 1970 UTC.
_STAMP = "2026-01-02T03:04:05.678901"
_RECEIVED = 1767323045.928901
_MINION = "web1.example.com"

#: Values that some place might take for something else than data.
HOSTILE = (
    "'); DROP TABLE salt; --",
    '`backticks` and "quotes"',
    "%s %d %(name)s :name {0} {minion_id} $1",
    "line\r\nfeed\tand\x00nul",
    "*3\r\n$3\r\nSET\r\n",
    '{"index":{"_id":"1"}}\n{}\n',
    {"a.b": {"$set": 1, "": 2, "$where": "sleep(1)"}, "_id": "mine", "\x00": "nul"},
    [2**63, 2**64, -(2**70), 1e308, 0.1, None, True],
    "\u202e right to left \U0001f600",
    "ü" * 10_000,
)

#: Values that are empty, deep, or of a type that a worker might not expect.
ODD: tuple[Any, ...] = (
    *("", " ", 0, False, None, [], {}, [[]], {"": {"": ""}}),
    b"\xff\xfe no UTF-8",
    b"\xed\xa0\x80 half of a surrogate pair",
    [[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]],
    {"k" * 300: "a long key", "ключ": "значение", "return": "a key of ours", "_stamp": "another one"},
)


def event(number: int, value: Any = True, minion_id: str = _MINION) -> Event:
    """
    Return a minion's return of a job.

    :param number: its number; also its jid.
    :param value: what the function returned.
    :param minion_id: the minion.
    """
    return read(f"salt/job/{number}/ret/{minion_id}", {**_returned(number, value), "id": minion_id})


def kinds(first: int) -> Iterator[Event]:
    """
    Yield an event of each kind that a bus carries.

    :param first: the number of the first one.
    """
    made: list[tuple[str, Any]] = [
        ("salt/job/{n}/new", {"fun": "state.apply", "arg": ["web"], "tgt": "*", "minions": [_MINION], "user": "root"}),
        ("salt/job/{n}/ret/" + _MINION, {"id": _MINION, "fun": "state.apply", "return": _states(), "retcode": 2}),
        ("salt/job/{n}/prog/" + _MINION + "/0", {"id": _MINION, "data": {"ret": {"result": True}, "len": 1}}),
        ("salt/run/{n}/new", {"fun": "runner.jobs.list_jobs", "fun_args": [], "user": "root"}),
        ("salt/run/{n}/ret", {"fun": "runner.jobs.list_jobs", "return": {"outputter": "nested"}, "success": True}),
        ("salt/wheel/{n}/ret", {"fun": "wheel.key.list_all", "return": {"minions": [_MINION]}, "success": False}),
        # Several functions in one job.
        ("salt/job/{n}/ret/" + _MINION, {"id": _MINION, "fun": ["test.ping", "grains.get"], "return": [True, {}]}),
        # What is no job has neither jid nor function, and what a master fires by itself no minion.
        ("salt/auth/{n}/x", {"act": "pend", "id": "new.example.com", "result": True}),
        ("company/alarm/{n}", {"disk": "/", "percent": 97.5}),
        ("minion/refresh/{n}", {}),
        ("company/list/{n}", ["no", "mapping"]),
        ("company/text/{n}", "no mapping either"),
    ]
    for number, (tag, payload) in enumerate(made, first):
        if isinstance(payload, dict):
            jid = {"jid": str(number)} if tag.split("/")[1] in ("job", "run", "wheel") else {}
            payload = {**payload, **jid, "_stamp": _STAMP}
        yield read(tag.format(n=number), payload)


def read(tag: str, payload: Any, into: str = "") -> Event:
    """
    Return the event that a frame becomes.

    :param tag: the tag.
    :param payload: the payload.
    :param into: the built-in table; the kind of event decides if it is not given.
    """
    frame = read_tag(pack_frame(tag, payload), _RECEIVED)
    data = decode(frame.payload)
    return parse.build(frame, data, parse.function_of(data), "conformance", into)


def number_of(tag: str) -> int:
    """
    Return the number of an event of the suite; -1 for an event that is not the suite's.

    :param tag: the event's.
    """
    parts = tag.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else -1


def _returned(number: int, value: Any) -> dict[str, Any]:
    return {
        "cmd": "_return",
        "success": True,
        "return": value,
        "retcode": 0,
        "jid": str(number),
        "fun": "test.ping",
        "fun_args": [],
        "_stamp": _STAMP,
    }


def _states() -> dict[str, Any]:
    state = {"name": "/etc/motd", "result": False, "comment": "no such file", "changes": {}, "__run_num__": 0}
    return {"file_|-motd_|-/etc/motd_|-managed": {**state, "__sls__": "motd", "__id__": "motd", "duration": 1.5}}
