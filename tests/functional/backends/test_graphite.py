"""The graphite worker against a real carbon-cache, and against peers that break off."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from salt_eventsd.backends.graphite.carbon import Carbon, Point, Protocol
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Transient
from tests.support import backends
from tests.support.carbon import CarbonCache
from tests.support.events import fired, job, returned
from tests.support.stores import batch_of, settled

_PROTOCOLS = [pytest.param("plaintext", id="plaintext"), pytest.param("pickle", id="pickle")]


@pytest.fixture
def now() -> int:
    """The middle of a minute of late: what is older than the store's memory would not be kept."""
    now = int(time.time())
    return now - now % 60 - 30


def _stamp(second: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(second))) + f".{second % 1:.6f}"[-7:]


def _returns(count: int, second: float, fun: str = "test.ping", **more: Any) -> list[Event]:
    return [returned(number, jid=f"{fun}{number}", fun=fun, _stamp=_stamp(second), **more) for number in range(count)]


def _to(carbon: CarbonCache, protocol: str = "plaintext", **options: Any) -> Any:
    port = carbon.pickle_port if protocol == "pickle" else carbon.port
    return backends.worker(
        "graphite", {"host": "127.0.0.1", "port": port, "protocol": protocol, "timeout_seconds": 5, **options}
    )


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_events_are_counted(carbon: CarbonCache, now: int, protocol: str) -> None:
    # Given
    worker = _to(carbon, protocol, prefix=f"minutes.{protocol}", metrics={"{fun}.count": 1, "{fun}.twice": 2})

    # When
    settled(worker, _returns(600, now), _returns(400, now + 3, "state.apply"))

    # Then
    start = now - now % 60
    assert carbon.points(f"minutes.{protocol}.test_ping.count", start) == {start: 600.0}
    assert carbon.points(f"minutes.{protocol}.state_apply.count", start) == {start: 400.0}
    assert carbon.points(f"minutes.{protocol}.state_apply.twice", start) == {start: 800.0}


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_numbers_of_events_are_kept_with_their_times(carbon: CarbonCache, now: int, protocol: str) -> None:
    # Given
    worker = _to(carbon, protocol, metrics={f"gauge.{protocol}." + "{minion_id}.seconds": "data.return.seconds"})
    events = [
        returned({"seconds": 0.1}, _stamp=_stamp(now)),
        returned({"seconds": 12345678901.25}, _stamp=_stamp(now + 1)),
        returned({"seconds": -7}, _stamp=_stamp(now + 2)),
        returned({"seconds": True}, _stamp=_stamp(now + 3)),
    ]

    # When
    settled(worker, events)

    # Then
    expected = {now: 0.1, now + 1: 12345678901.25, now + 2: -7.0, now + 3: 1.0}
    assert carbon.points(f"gauge.{protocol}.web1_example_com.seconds", now) == expected


def test_a_counter_goes_on_from_batch_to_batch(carbon: CarbonCache, now: int) -> None:
    # Given
    worker = _to(carbon, metrics={"minutes.on.{fun}": 1})
    start = now - now % 60

    # When: three batches in one minute
    for part in range(3):
        settled(worker, _returns(10, now + part))

    # Then
    assert _wait_for(lambda: carbon.points("minutes.on.test_ping", start) == {start: 30.0})


def test_a_try_that_failed_counts_nothing(carbon: CarbonCache, now: int) -> None:
    # Given
    worker = _to(carbon, metrics={"minutes.again.{fun}": 1})
    start = now - now % 60
    batch = batch_of(_returns(10, now))
    worker.write(batch)
    carbon.stop()

    # When
    try:
        for _ in range(2):
            with pytest.raises(Transient, match=f"127.0.0.1:{carbon.port}: Connection refused"):
                worker.write(batch_of(_returns(5, now)))
        with pytest.raises(Transient):
            worker.check()
    finally:
        carbon.start()
    worker.write(batch_of(_returns(5, now)))

    # Then
    assert _wait_for(lambda: carbon.points("minutes.again.test_ping", start) == {start: 15.0})
    assert worker.check() == f"127.0.0.1:{carbon.port} takes connections"


def test_the_interval_is_that_of_the_counters(carbon: CarbonCache, now: int) -> None:
    # Given
    worker = _to(carbon, interval=10, metrics={"tens.{fun}": 1})
    ten = now - now % 10

    # When
    settled(worker, [event for second in range(ten, ten + 20) for event in _returns(2, second)])

    # Then
    assert _wait_for(lambda: carbon.points("tens.test_ping", ten) == {ten: 20.0, ten + 10: 20.0})


def test_without_metrics_rules_and_return_codes_are_counted(carbon: CarbonCache, now: int) -> None:
    # Given
    worker = _to(carbon, prefix="minutes.default.{master_id}")
    start = now - now % 60

    # When
    settled(worker, _returns(3, now), _returns(2, now, retcode=11), [job(_stamp=_stamp(now))])

    # Then
    below = "minutes.default.master-1.salt"
    assert carbon.points(f"{below}.returns.test_ping.retcode_0", start) == {start: 3.0}
    assert carbon.points(f"{below}.returns.test_ping.retcode_11", start) == {start: 2.0}


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_what_an_event_lacks_is_left_out_and_harms_no_other(carbon: CarbonCache, now: int, protocol: str) -> None:
    # Given
    odd = [None, "12", "", [], {}, 10**400, {"n": None}, {"n": "7"}, {"n": [1]}, {"n": 10**400}, {"m": 1}]
    metrics = {f"odd.{protocol}." + "{minion_id}.n": "data.return.n", f"minutes.odd.{protocol}": 1}
    worker = _to(carbon, protocol, metrics=metrics)
    events = [returned(value, jid=str(at), _stamp=_stamp(now)) for at, value in enumerate(odd)]

    # When
    buried = settled(worker, [*events, returned({"n": 5}, _stamp=_stamp(now)), fired("company/alarm", "text")])

    # Then
    assert buried.refusals == []
    assert carbon.points(f"odd.{protocol}.web1_example_com.n", now) == {now: 5.0}


@pytest.mark.parametrize(
    ("minion_id", "part"),
    [
        pytest.param("web1.example.com", "web1_example_com", id="dots"),
        pytest.param("a b\nc\t1 2\r\nx 1 2", "a_b_c_1_2__x_1_2", id="lines-of-its-own"),
        pytest.param("../../../../tmp/x", "____________tmp_x", id="out-of-the-store"),
        pytest.param("a;tag=b~", "a_tag_b_", id="tags"),
        pytest.param("büro*", "b_ro_", id="not-ascii"),
        pytest.param("x\0y", "x_y", id="nul"),
        pytest.param("'); DROP TABLE x; -- {0} %s :name `", "____DROP_TABLE_x__--__0___s__name__", id="quotes"),
        pytest.param("x" * 5000, "x" * 200, id="long"),
    ],
)
def test_a_hostile_name_is_one_part_of_a_path(carbon: CarbonCache, now: int, minion_id: str, part: str) -> None:
    # Given
    worker = _to(carbon, metrics={"minutes.hostile.{minion_id}": 1})
    start = now - now % 60
    before = carbon.metrics()

    # When
    settled(worker, [returned(minion_id=minion_id, _stamp=_stamp(now))])

    # Then
    assert carbon.points(f"minutes.hostile.{part}", start) == {start: 1.0}
    assert carbon.metrics() - before <= {f"minutes.hostile.{part}"}


def test_many_metrics_arrive_whole(carbon: CarbonCache, now: int) -> None:
    # Given: more than one message of the pickle protocol takes
    worker = _to(carbon, "pickle", metrics={"minutes.many.{minion_id}": 1})
    events = [returned(minion_id=f"web{number}", _stamp=_stamp(now)) for number in range(1200)]

    # When
    settled(worker, events)

    # Then
    expected = {f"minutes.many.web{number}" for number in range(1200)}
    assert _wait_for(lambda: expected <= carbon.metrics(), 20)


@contextmanager
def _peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on the port yielded, and do something with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _resets_in_the_middle(connection: socket.socket) -> None:
    connection.recv(100)
    _reset(connection)


def _closes_at_once(connection: socket.socket) -> None:
    """As carbon does with more connections than it may have."""


def _closes_in_the_middle(connection: socket.socket) -> None:
    connection.recv(100)


def _never_closes(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass
    time.sleep(1)


def _never_reads(connection: socket.socket) -> None:
    time.sleep(1)


@pytest.mark.parametrize("protocol", _PROTOCOLS)
@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(_resets_in_the_middle, id="reset"),
        pytest.param(_closes_in_the_middle, id="closed"),
        pytest.param(_never_closes, id="no-answer"),
        pytest.param(_never_reads, id="not-read"),
        pytest.param(_closes_at_once, id="closed-at-once"),
    ],
)
@pytest.mark.parametrize("count", [pytest.param(300, id="fits-a-buffer"), pytest.param(60_000, id="does-not")])
def test_a_peer_that_breaks_off_has_the_batch_sent_again(
    serve: Callable[[socket.socket], None], protocol: Protocol, count: int
) -> None:
    # Given
    points = [Point(f"salt.web{number}.{'x' * 200}", 1.0, 1767323045) for number in range(count)]

    # When / Then
    with _peer(serve) as port, pytest.raises(Transient, match=f"^127.0.0.1:{port}: "):
        Carbon("127.0.0.1", port, protocol, 0.5).send(points)


def test_a_host_that_is_not_known_may_be_so_later() -> None:
    # Given
    worker = backends.worker("graphite", {"host": "no-such-host.invalid"})

    # When / Then
    for act in (worker.check, lambda: worker.write(batch_of([returned()]))):
        with pytest.raises(Transient, match=r"^no-such-host\.invalid:2003: "):
            act()


def test_a_batch_without_a_metric_needs_no_carbon() -> None:
    worker = backends.worker(
        "graphite", {"host": "no-such-host.invalid", "metrics": {"salt.{minion_id}": "data.nothing"}}
    )

    worker.write(batch_of([returned()]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({}, "host: missing; expected the name or address", id="nothing"),
        pytest.param({"host": "x", "hots": "y"}, "hots: unknown key", id="unknown-key"),
        pytest.param({"host": "x", "port": 0}, "port: expected a number from 1 to 65535, got 0", id="port"),
        pytest.param({"host": "x", "port": "2003"}, "port: expected number", id="port-in-words"),
        pytest.param({"host": "x", "protocol": "udp"}, "protocol: invalid", id="protocol"),
        pytest.param({"host": "x", "timeout_seconds": 0}, "timeout_seconds: expected a number above 0", id="timeout"),
        pytest.param({"host": "x", "interval": 0}, "interval: expected seconds from 1", id="interval"),
        pytest.param({"host": "x", "metrics": ["salt.x"]}, "metrics: expected mapping", id="metrics-as-a-list"),
        pytest.param({"host": "x", "metrics": {"salt.{nothing}": 1}}, "metrics.salt.{nothing}: 'nothing'", id="field"),
        pytest.param({"host": "x", "metrics": {"salt.{fun": 1}}, "metrics.salt.{fun: ", id="brace"),
        pytest.param({"host": "x", "metrics": {"salt x": 1}}, "metrics.salt x: 'salt x' is no path", id="blank"),
        pytest.param({"host": "x", "metrics": {"salt.x": "retcode"}}, "metrics.salt.x: 'retcode' is no", id="value"),
        pytest.param({"host": "x", "metrics": {"salt.x": "'7'"}}, "metrics.salt.x: expected a field", id="text"),
        pytest.param({"host": "x", "metrics": {"salt.x": True}}, "metrics.salt.x: expected a field", id="true"),
        pytest.param({"host": "x", "metrics": {"salt.x": None}}, "metrics.salt.x: expected a field", id="null"),
        pytest.param({"host": "x", "metrics": {"x": "data.a | json"}}, "metrics.x: 'data.a | json' is text", id="json"),
        pytest.param({"host": "x", "prefix": "a b"}, "prefix: 'a b.salt.events.{rule}' is no path", id="prefix"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_key(options: dict[str, Any], says: str) -> None:
    assert backends.problem("graphite", options).startswith(f"eventsd: workers.sink.{says}")


def test_the_port_of_all_databases_is_not_carbons() -> None:
    # Given
    defaults = {"host": "db.example.com", "port": 5432, "user": "salt", "timeout_seconds": 3.0}

    # When
    worker = backends.worker("graphite", {"host": "carbon.invalid"}, defaults=defaults)

    # Then
    with pytest.raises(Transient, match=r"^carbon\.invalid:2003: "):
        worker.check()


def test_a_count_may_be_written_as_a_mapping(carbon: CarbonCache, now: int) -> None:
    # Given
    worker = _to(carbon, metrics={"minutes.mapping": {"count": True}})
    start = now - now % 60

    # When
    settled(worker, _returns(3, now))

    # Then
    assert carbon.points("minutes.mapping", start) == {start: 3.0}


def _wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    patience = time.monotonic() + seconds
    while time.monotonic() < patience:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
