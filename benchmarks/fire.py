"""
Builds numbered events before they are fired, and puts them onto the bus: into the socket that all of Salt's own
processes use.

An event's number is in its jid and minion id (for an alarm, in its payload), so a row identifies its event.
"""

from __future__ import annotations

import socket
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import salt.payload
import salt.transport.frame
import salt.utils.msgpack
import salt.version

MINIONS = 500
_JID_HEAD = "20260102030405"
#: Since this release, times of events say that they are in UTC, and returns when they were sent.
_IS_3008 = salt.version.__saltstack_version__.major >= 3008
_MINION_HEAD = "minion-"
#: How many bytes are sent at once. All events in them count as fired when the sending begins.
_CHUNK_BYTES = 16_384

#: The functions of the benchmark and their returns; each job runs the next one.
_FUNCTIONS: Sequence[tuple[str, list[Any], Any]] = (
    ("test.ping", [], True),
    ("cmd.run", ["uptime"], " 10:42:07 up 41 days,  3:12,  2 users,  load average: 0.18, 0.22, 0.19"),
    ("pkg.version", ["openssl"], "3.0.15-1~deb12u1"),
    ("status.loadavg", [], {"1-min": 0.18, "5-min": 0.22, "15-min": 0.19}),
)


@dataclass
class Fired:
    """
    The times at which events were fired.

    :param at: when each event was sent to the bus, in the order of firing; ``time.monotonic``.
    :param seconds: from the first event to the last.
    """

    at: array[float] = field(default_factory=lambda: array("d"))
    seconds: float = 0.0


def returns(count: int) -> list[bytes]:
    """Build small job returns, 500 minions a job."""
    return [_return(number, *_FUNCTIONS[number // MINIONS % len(_FUNCTIONS)]) for number in range(count)]


def highstates(count: int, size: int) -> list[bytes]:
    """
    Build returns of state runs.

    :param size: of each, in bytes, roughly.
    """
    one = len(salt.payload.dumps(_state(0, 0)))
    return [
        _return(number, "state.highstate", [], dict(_state(number, at) for at in range(size // one)))
        for number in range(count)
    ]


def usual_highstates(count: int, states: int, tells: str = "") -> list[bytes]:
    """
    Build returns of state runs of which one state in twenty has changed something, half a KB a state.

    :param states: how many states each has.
    :param tells: stands in the comment of one of them, too.
    """

    def result(number: int, at: int) -> tuple[str, dict[str, Any]]:
        tag, changed = _state(number, at)
        if at % 20 == 0:
            return tag, changed
        path = changed["name"]
        said = f"File {path} is in the correct state: owner root, group root, mode 0644, and all that its source has"
        said += f"; {tells}" if tells and at == states // 2 + 1 else ""
        return tag, {**changed, "changes": {}, "comment": said, "__saltfunc__": "file.managed", "__state_ran__": True}

    return [
        _return(number, "state.highstate", [], dict(result(number, at) for at in range(states)))
        for number in range(count)
    ]


def alarms(count: int) -> list[bytes]:
    """Build small events with a tag of the user's own."""
    return [frame("company/alarm/disk", {"number": number, "host": "web1", "full": 97}) for number in range(count)]


def identity(number: int) -> tuple[str, str]:
    """Return the jid and minion id of the return with a given number."""
    return f"{_JID_HEAD}{number // MINIONS:06d}", f"{_MINION_HEAD}{number % MINIONS:04d}.example.com"


def number_of(jid: str, minion_id: str) -> int:
    """
    Return a return's number.

    :param jid: as it was stored.
    :param minion_id: likewise.
    """
    return int(jid.removeprefix(_JID_HEAD)) * MINIONS + int(minion_id[len(_MINION_HEAD) :].partition(".")[0])


def frame(tag: str, data: dict[str, Any]) -> bytes:
    """Return an event as the bus carries it."""
    now = datetime.now(timezone.utc)
    end: dict[str, Any] = {"_stamp": (now if _IS_3008 else now.replace(tzinfo=None)).isoformat()}
    if _IS_3008 and data.get("cmd") == "_return":
        end["ts"] = int(now.timestamp())
    body = tag.encode() + b"\n\n" + salt.payload.dumps({**data, **end}, use_bin_type=True)
    framed: bytes = salt.transport.frame.frame_msg_ipc(body, raw_body=True)
    return framed


def unframed(frame: bytes) -> bytes:
    """Return an event as readers of the bus get it."""
    # Salt 3006 frames events with MessagePack alone; later versions put a length before it.
    packed = frame[4:] if frame[:1] == b"\0" else frame
    body: bytes = salt.utils.msgpack.loads(packed, raw=False)["body"]
    return body


class Gun:
    """
    A connection to the socket of a bus that takes events.

    :param pull_socket: ``<sock_dir>/master_event_pull.ipc``.
    """

    def __init__(self, pull_socket: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(pull_socket))

    def burst(self, frames: Sequence[bytes]) -> Fired:
        """Fire as fast as the bus takes events: only a full socket slows this down."""
        fired = Fired()
        chunks = list(_chunks(frames))
        began = time.monotonic()
        for events, chunk in chunks:
            fired.at.extend([time.monotonic()] * events)
            self._socket.sendall(chunk)
        fired.seconds = time.monotonic() - began
        return fired

    def steady(self, frames: Sequence[bytes], rate: float) -> Fired:
        """
        Fire so many events a second, one at a time.

        :param rate: how many.
        """
        fired = Fired()
        began = time.monotonic()
        for position, one in enumerate(frames):
            if (pause := began + position / rate - time.monotonic()) > 0:
                time.sleep(pause)
            fired.at.append(time.monotonic())
            self._socket.sendall(one)
        fired.seconds = time.monotonic() - began
        return fired

    def close(self) -> None:
        """Disconnect. The bus still delivers the events that were fired."""
        self._socket.close()


def _chunks(frames: Sequence[bytes]) -> list[tuple[int, bytes]]:
    chunks: list[tuple[int, bytes]] = []
    part: list[bytes] = []
    size = 0
    for one in frames:
        part.append(one)
        size += len(one)
        if size >= _CHUNK_BYTES:
            chunks.append((len(part), b"".join(part)))
            part, size = [], 0
    return [*chunks, (len(part), b"".join(part))]


def _return(number: int, fun: str, args: list[Any], returned: Any) -> bytes:
    jid, minion_id = identity(number)
    data = {"cmd": "_return", "id": minion_id, "success": True, "return": returned, "retcode": 0, "jid": jid}
    return frame(f"salt/job/{jid}/ret/{minion_id}", {**data, "fun": fun, "fun_args": args})


def _duration(place: int) -> float:
    """Return how long a state took: mostly up to 30 ms, two of a thousand more than a second; of a place, always so."""
    # A multiplier and a prime by which neighbours are far apart, so that an index gets them in no order.
    chance = (place * 48_271 + 11) % 1_000_003 / 1_000_003
    return round(1000 + 1e6 * chance if chance < 0.002 else 0.2 + 30 * chance**3, 3)


def _state(number: int, position: int) -> tuple[str, dict[str, Any]]:
    path = f"/etc/app.d/{number:04d}-{position:03d}.conf"
    result = {
        "name": path,
        "changes": {"diff": f"--- \n+++ \n@@ -1,3 +1,3 @@\n [app]\n-workers = {position}\n+workers = {number}\n"},
        "result": True,
        "comment": f"File {path} updated; the service that reads it restarts at the end of the run",
        "__sls__": "app.config",
        "__run_num__": position,
        "start_time": "10:42:07.123456",
        "duration": _duration(number * 61 + position),
        "__id__": f"app_config_{position}",
    }
    return f"file_|-app_config_{position}_|-{path}_|-managed", result
