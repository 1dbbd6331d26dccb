"""Prometheus reads a running engine, over HTTP, whatever else happens to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

import pytest
import salt.config
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from pytestshellutils.utils import ports

from salt_eventsd.engine import reload
from salt_eventsd.engine.metrics import http as http_server
from salt_eventsd.event.frame import pack_frame
from tests.functional.engine.conftest import Engine
from tests.support.events import frame, job_data, return_data, state_result
from tests.support.lanes import eventually

SECONDS = 30.0
#: What the engine tells of itself.
ENGINE = {
    "events_received_total",
    "events_matched_total",
    "events_lost_total",
    "bus_gaps_total",
    "spool_bytes",
    "spool_oldest_seconds",
    "queue_events",
    "written_total",
    "buried_total",
    "dropped_total",
    "retries_total",
    "worker_up",
    "write_seconds_bucket",
    "write_seconds_count",
    "write_seconds_sum",
    "degraded",
    "build_info",
    "reported_timestamp_seconds",
}
#: The labels of salt-exporter's metrics.
EXPORTER = {
    "salt_new_job_total": {"function", "state"},
    "salt_expected_responses_total": {"function", "state"},
    "salt_function_responses_total": {"function", "state", "success"},
    "salt_scheduled_job_return_total": {"function", "state", "success"},
    "salt_responses_total": {"minion", "success"},
    "salt_function_status": {"minion", "function", "state"},
    "salt_job_duration_seconds": {"function", "state"},
    "salt_health_last_heartbeat": {"minion"},
    "salt_responses_last_received_response": {"minion"},
    "salt_health_minions_total": set(),
}


def scrape(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def samples(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return all samples, by name and labels."""
    status, text = scrape(port)
    assert status == 200
    return {(one.name, frozenset(one.labels.items())): one.value for family in plain(text) for one in family.samples}


def value(port: int, name: str, **labels: str) -> float | None:
    return samples(port).get((name, frozenset(labels.items())))


class WithKeys(Engine):
    """An engine of a master that has accepted the key of a minion."""

    def opts(self, *workers: str, **eventsd: Any) -> dict[str, Any]:
        """Return all options of a master."""
        return {
            **salt.config.DEFAULT_MASTER_OPTS,
            "pki_dir": str(self._home / "pki"),
            **super().opts(*workers, **eventsd),
        }


@pytest.fixture
def port() -> int:
    return int(ports.get_unused_localhost_port())


@pytest.fixture
def engine(tmp_path: Path, port: int) -> Iterator[Engine]:
    """An engine that tells Prometheus."""
    minions = tmp_path / "pki" / "minions"
    minions.mkdir(parents=True)
    (minions / "m").write_text("key")
    made = WithKeys(tmp_path, metrics={"port": port})
    made.service.start()
    eventually(lambda: made.service.reporter.latest and made.service.metrics.port, SECONDS)
    yield made
    made.service.close()


def put_one_of_each(engine: Engine) -> None:
    """Put all that there are metrics of."""
    states = {"file_|-a_|-/a_|-managed": state_result(duration=250.0)}
    put = engine.service.inbox.put
    put(frame("salt/job/1/new", job_data("1", minions=["m", "n"])))
    put(frame("salt/job/1/ret/m", return_data(jid="1", minion_id="m")))
    put(frame("salt/job/2/ret/m", return_data(states, jid="2", minion_id="m", fun="state.apply")))
    put(frame("salt/job/3/ret/m", return_data(jid="3", minion_id="m", schedule="hourly")))
    put(frame("salt/beacon/m/status/2026", {"id": "m"}))


def test_everything_is_told_under_the_names_that_users_know(engine: Engine, port: int) -> None:
    # When
    put_one_of_each(engine)
    eventually(lambda: value(port, "salt_eventsd_written_total", worker="history") == 4.0, SECONDS)
    eventually(lambda: value(port, "salt_health_minions_total") == 1, SECONDS)

    # Then
    found: dict[str, set[str]] = {}
    for name, labels in samples(port):
        found.setdefault(name, set()).update(key for key, _ in labels)
    assert {f"salt_eventsd_{name}" for name in ENGINE} <= set(found)
    assert {name: labels for name, labels in found.items() if name in EXPORTER} == EXPORTER
    assert value(port, "salt_expected_responses_total", function="test.ping", state="") == 2
    assert value(port, "salt_function_status", minion="m", function="state.apply", state="highstate") == 1
    assert value(port, "salt_job_duration_seconds", function="state.apply", state="highstate") == 0.25
    assert value(port, "salt_responses_total", minion="m", success="true") == 3
    assert value(port, "salt_eventsd_worker_up", worker="history") == 1
    assert value(port, "salt_eventsd_write_seconds_count", worker="history") >= 1


def test_both_of_prometheus_forms_are_right(engine: Engine, port: int) -> None:
    put_one_of_each(engine)
    eventually(lambda: value(port, "salt_new_job_total", function="test.ping", state=""), SECONDS)

    # When
    status, text = scrape(port, Accept="application/openmetrics-text;version=1.0.0")

    # Then
    assert (status, text.splitlines()[-1]) == (200, "# EOF")
    families = list(openmetrics(text))
    assert len(families) > len(EXPORTER)
    assert all(family.documentation.endswith(".") for family in families if family.name.startswith("salt_"))


def test_names_that_a_minion_made_up_do_no_harm(engine: Engine, port: int) -> None:
    # Given
    for number, fun in enumerate(('a"} 1\nevil 2', "x" * 10**6, "\\", "ä\ud800")):
        engine.service.inbox.put(
            pack_frame(f"salt/job/{number}/ret/m", return_data(jid=str(number), minion_id="m", fun=fun))
        )

    # When
    eventually(lambda: value(port, "salt_responses_total", minion="m", success="true") == 4, SECONDS)

    # Then
    names = {dict(labels)["function"] for name, labels in samples(port) if name == "salt_function_responses_total"}
    assert 'a"} 1\nevil 2' in names
    assert max(map(len, names)) <= 128
    assert not any(name.startswith("evil") for name, _ in samples(port))


def test_it_is_read_during_a_burst_and_counts_what_happened(engine: Engine, port: int) -> None:
    # Given
    count, read = 3000, 0
    thread = threading.Thread(target=engine.put, args=(count,))

    # When
    thread.start()
    while thread.is_alive() or not read:
        began = time.monotonic()
        samples(port)
        assert time.monotonic() - began < 10
        read += 1
    thread.join()

    # Then
    eventually(lambda: value(port, "salt_eventsd_written_total", worker="history") == count, SECONDS)
    assert value(port, "salt_eventsd_events_matched_total") == count
    assert value(port, "salt_function_responses_total", function="test.ping", state="", success="true") == count


def test_reading_waits_for_no_disk(engine: Engine, port: int) -> None:
    # Given: the spool's lock is held, as by somebody whose disk stalls
    with engine.service.spool.file._mutex:
        # When
        began = time.monotonic()
        found = samples(port)

    # Then
    assert time.monotonic() - began < 5
    assert found[("salt_eventsd_worker_up", frozenset({("worker", "history")}))] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/", 404, id="root"),
        pytest.param("GET", "/metrics/../etc/passwd", 404, id="path"),
        pytest.param("POST", "/metrics", 405, id="post"),
    ],
)
def test_there_is_nothing_else(engine: Engine, port: int, method: str, path: str, status: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path)
        assert connection.getresponse().status == status


def test_who_connects_and_says_nothing_keeps_nobody_out_for_long(
    engine: Engine, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given: more silent connections than are served at once
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        # When, then
        eventually(lambda: _answers(port), SECONDS)
        assert sum("process_request" in one.name for one in threading.enumerate()) <= 8
    finally:
        for one in silent:
            one.close()
    assert capfd.readouterr().err == ""


def test_who_sends_a_request_without_end_keeps_nobody_out_for_long(
    engine: Engine, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: as many connections as are served at once, each of which says a little again and again
    monkeypatch.setattr(http_server, "_LONGEST_SECONDS", 1.0)
    over = threading.Event()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]

    def trickle() -> None:
        open_ones = list(clients)
        while open_ones and not over.wait(0.2):
            for one in open_ones[:]:
                try:
                    one.sendall(b"x")
                except OSError:
                    open_ones.remove(one)

    talking = threading.Thread(target=trickle)
    talking.start()
    try:
        # When, then
        eventually(lambda: _answers(port), 15.0)
    finally:
        over.set()
        talking.join()
        for one in clients:
            one.close()


def test_a_moment_without_threads_costs_no_place(engine: Engine, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    tried = []

    def none_left(*_: Any) -> None:
        tried.append(1)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(ThreadingMixIn, "process_request", none_left)
        while len(tried) < 10:
            assert not _answers(port)

    # When, then
    assert _answers(port)


def _answers(port: int) -> bool:
    try:
        return scrape(port)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class TestReload:
    """The address of metrics, and whether there are any, can be changed while the engine runs."""

    @pytest.fixture
    def reloaded(self, engine: Engine, tmp_path: Path) -> Any:
        """Takes the new ``metrics``, reloads, and returns the notes."""
        path = tmp_path / "master"

        def do(metrics: dict[str, Any] | None) -> list[str]:
            opts = Engine.opts(engine, metrics=metrics)
            del opts["__role"]
            path.write_text(json.dumps({**opts, "engines": ["eventsd"]}), encoding="utf-8")
            engine.service.opts = {**engine.service.opts, "conf_file": str(path), "engines": ["eventsd"]}
            notes: list[str] = reload.reload(engine.service)["notes"]
            return notes

        return do

    def test_they_move_to_another_port(self, reloaded: Any, port: int) -> None:
        other = int(ports.get_unused_localhost_port())

        assert reloaded({"port": other}) == []

        assert _answers(other)
        assert not _answers(port)

    def test_they_are_turned_off_and_on(self, reloaded: Any, port: int) -> None:
        assert reloaded(None) == []
        assert not _answers(port)

        assert reloaded({"port": port}) == []
        assert _answers(port)

    def test_a_port_that_is_taken_is_told_and_tried_again(
        self, engine: Engine, reloaded: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        # Given
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            other = taken.getsockname()[1]

            # When
            [note] = reloaded({"port": other})

            # Then
            assert note == f"metrics: cannot listen at 127.0.0.1, port {other}: Address already in use"
            assert engine.report()["metrics"] == note
            assert caplog.text.count("cannot listen") == 1

        # When: it is free again
        eventually(lambda: _answers(other), SECONDS)

        # Then
        assert engine.report()["metrics"] == ""
        engine.put()
        eventually(lambda: engine.service.lanes["history"].written == 1, SECONDS)


def test_without_metrics_nothing_listens_and_nothing_is_counted(tmp_path: Path) -> None:
    made = Engine(tmp_path)
    made.service.start()
    try:
        made.put(2)
        eventually(lambda: made.service.lanes["history"].written == 2, SECONDS)
        assert made.service.metrics.port is None
        assert dict(made.service.intake.taking.counting.counts.responses.items()) == {}
    finally:
        made.service.close()
    assert not made.service.metrics.is_alive()
