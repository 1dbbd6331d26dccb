"""
Events no sane program would fire, by the thousand, through the real path: none stops a worker, each is accounted for.

``EVENTSD_HOSTILE=100000`` for the full run.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from salt_eventsd.config.load import load
from salt_eventsd.engine.service import Service
from salt_eventsd.spool.dead_letters import Filter, listed
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.salt import wait_until
from tests.support.targets import Target

FRAMES = int(os.environ.get("EVENTSD_HOSTILE", "3000"))
#: MessagePack has no word for a larger number.
_WHOLE = st.integers(-(2**63), 2**64 - 1)
_JSONISH = st.recursive(
    st.none()
    | st.booleans()
    | _WHOLE
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            "\0",
            "\\u0000",
            "a\\\0b",
            "\N{PILE OF POO}",
            "\ufffe\uffff",
            "'; DROP TABLE eventsd_returns; --",
            "%s %(jid)s :jid {jid}",
            b"\xff\xfe\xed\xa0\x80",
            b"\x00" * 300,
            2**64 - 1,
            -(2**63),
            float("nan"),
            float("-inf"),
            1e308,
            5e-324,
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | _WHOLE | st.binary(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
_FUNCTION = st.sampled_from(["test.ping", "state.apply", "", None, ["a.b", "c.d"], 7, b"\xff", {"a": 1}]) | _JSONISH
_STAMP = (
    st.sampled_from(["2026-01-02T03:04:05.678901", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "never", 0])
    | st.datetimes().map(str)
    | _JSONISH
)
_STATES = st.dictionaries(
    st.sampled_from(["file_|-a_|-a_|-managed", "_|-", "x_|-", "pkg_|-\0_|-\N{PILE OF POO}_|-installed"]),
    st.fixed_dictionaries(
        {},
        optional={
            "__run_num__": st.integers(-5, 5) | _JSONISH,
            "result": _JSONISH,
            "comment": _JSONISH,
            "changes": _JSONISH,
            "duration": _JSONISH,
            "name": _JSONISH,
            "__sls__": _JSONISH,
            "__id__": _JSONISH,
        },
    )
    | _JSONISH,
    max_size=4,
)
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "jid": _JSONISH,
        "id": _JSONISH,
        "fun": _FUNCTION,
        "fun_args": _JSONISH,
        "arg": _JSONISH,
        "return": _JSONISH | _STATES,
        "retcode": _JSONISH,
        "success": _JSONISH,
        "_stamp": _STAMP,
        "tgt": _JSONISH,
        "tgt_type": _JSONISH,
        "user": _JSONISH,
        "minions": _JSONISH,
        "data": _JSONISH,
        "password": _JSONISH,
    },
)


def _deep(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


_PAYLOADS = (
    _FIELDS.map(lambda data: msgpack.packb(data, use_bin_type=True, unicode_errors="surrogatepass"))
    | _JSONISH.map(msgpack.packb)
    | st.binary(max_size=60)
    | st.sampled_from([10, 249, 250, 251, 600, 5_000]).map(_deep)
    | st.text(max_size=20).map(lambda text: b"\x81\xa3jid\xd9\x04\xed\xa0\x80\x41" + text.encode("utf-8", "ignore"))
)
_ANY = "(?s)(?!eventsd/stats)."
_NUMBER = re.compile(r"\d{10}")
_TAGS = st.sampled_from(
    [
        "hostile/{n}/{odd}",
        "salt/job/{n}/new",
        "salt/job/{n}/ret/{odd}",
        "syndic/s/salt/job/{n}/ret/m",
        "salt/run/{n}/ret",
        "salt/wheel/{n}/new",
        "salt/job/{n}{odd}/ret/m/x",
        "salt/minion/{n}/{odd}/start",
    ]
)
_ODD = st.text(max_size=30) | st.sampled_from(["\0", "a" * 4000, "\N{PILE OF POO}", "'\"\\%", "\ud800", "/"])


@pytest.fixture
def service(target: Target, tmp_path: Path) -> Iterator[Service]:
    """An engine without its bus: frames are put into its inbox."""
    opts = {
        "__role": "master",
        "id": "hostile",
        "cachedir": str(tmp_path),
        "sock_dir": str(tmp_path),
        "extension_modules": str(tmp_path / "extmods"),
        "eventsd": {
            "workers": {"history": {"url": target.url, "batch": {"seconds": 0.1}}},
            # Each event goes to the table of its kind, and to the one in which it can be found again.
            # The engine's own counters are not counted.
            "events": {"kind": {"tag": _ANY}, "all": {"tag": _ANY, "into": "events"}},
        },
    }
    made = Service(load(opts), opts)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def frames() -> dict[int, bytes]:
    """The hostile frames, each with the number in its tag."""
    numbers = itertools.count(10**9)
    made: dict[int, bytes] = {}

    @settings(
        max_examples=FRAMES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tag=_TAGS, odd=_ODD, payload=_PAYLOADS)
    def make(tag: str, odd: str, payload: bytes) -> None:
        number = next(numbers)
        raw_tag = tag.format(n=number, odd=odd).encode("utf-8", "surrogatepass").replace(b"\n\n", b"\n")
        made[number] = raw_tag + b"\n\n" + payload

    make()
    return made


@pytest.mark.timeout(300 + FRAMES // 20)
@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_none_stops_a_worker_and_each_is_accounted_for(
    frames: dict[int, bytes], service: Service, target: Target
) -> None:
    # Given
    lane = service.lanes["history"]

    # When
    for frame in frames.values():
        service.inbox.put(frame)
    wait_until(lambda: service.intake.taking.matched + service.intake.lost == len(frames), "intake of all", FRAMES / 50)
    time.sleep(0.3)
    wait_until(lambda: not lane.backlog.events, "queue that is empty", FRAMES / 50)

    # Then
    assert len(frames) >= FRAMES * 0.9
    assert service.intake.lost == 0
    assert (lane.state, lane.retries) == ("ok", 0), lane.last_error
    assert [letter["error"] for letter in listed(service.spool.folder, Filter(), limit=10**6)] == []
    assert lane.written == 2 * len(frames)
    rows = target.history.rows("SELECT tag FROM eventsd_events")
    assert sorted(int(_NUMBER.search(row["tag"])[0]) for row in rows) == sorted(frames)
