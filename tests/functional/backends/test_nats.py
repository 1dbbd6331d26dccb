"""The nats worker, against a real NATS server with JetStream."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from nats.js.api import StreamConfig

from salt_eventsd.backends.nats.message import fit_subject
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.exceptions import Held, Refused, Transient
from salt_eventsd.workers.write import Worker
from tests.support.backends import hostile_batch, problem, problem_without, worker
from tests.support.brokers import READER, Nats
from tests.support.events import JID, MINION, numbered, returned
from tests.support.lanes import eventually
from tests.support.server import PASSWORD
from tests.support.stores import NODE, Buried, batch_of

_SECRET = "pa55-of-somebody"
_STREAM = "SALT"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Nats]], Nats]) -> Iterator[Nats]:
    """A NATS server."""
    with installed(Nats) as made:
        yield made


class Stream:
    """A stream for one test, that takes ``salt.>``, and workers that write into it."""

    def __init__(self, server: Nats) -> None:
        self.server = server
        self._workers: list[Any] = []
        if not server.running:
            server.start()

    def make(self, **settings: Any) -> None:
        """Make the stream."""
        self.server.ask(lambda js: js.add_stream(StreamConfig(name=_STREAM, subjects=["salt.>"], **settings)))

    def worker(self, **options: Any) -> Worker:
        """Make a worker."""
        made = worker("nats", {"url": self.server.url(), "timeout_seconds": 5, **options})
        self._workers.append(made)
        return made

    def jids(self) -> list[str]:
        """Return the jids of the events in the stream."""
        return [message["jid"] for _, message in self.server.messages(_STREAM)]

    def close(self) -> None:
        """Close the workers, and remove the stream."""
        for one in self._workers:
            one.close()
        if not self.server.running:
            self.server.start()

        async def remove(js: Any) -> None:
            for info in await js.streams_info():
                await js.delete_stream(info.config.name)

        self.server.ask(remove)


@pytest.fixture
def nothing(server: Nats) -> Iterator[Stream]:
    """No stream yet."""
    made = Stream(server)
    yield made
    made.close()


@pytest.fixture
def stream(nothing: Stream) -> Stream:
    """An empty stream."""
    nothing.make()
    return nothing


def test_an_event_arrives_whole(stream: Stream) -> None:
    # When
    stream.worker(subject="salt.{data.fun}.{minion_id}").write(batch_of([returned({"a": [1, "ü"]})]))

    # Then
    [(subject, event)] = stream.server.messages(_STREAM)
    assert subject == f"salt.test.ping.{MINION}"
    assert (event["tag"], event["jid"], event["minion_id"]) == (f"salt/job/{JID}/ret/{MINION}", JID, MINION)
    assert (event["fun"], event["phase"], event["master_id"]) == ("test.ping", "ret", NODE)
    assert event["data"]["return"] == {"a": [1, "ü"]}


def test_a_field_can_be_all_that_is_sent(stream: Stream) -> None:
    # When
    stream.worker(value="data.return").write(batch_of([returned({"a": 1})]))

    # Then
    assert stream.server.messages(_STREAM) == [("salt.events", {"a": 1})]


def test_a_thousand_events_are_kept_in_order(stream: Stream) -> None:
    # When
    stream.worker().write(batch_of(numbered(600), numbered(400, start=600)))

    # Then
    assert stream.jids() == [str(number) for number in range(1000)]


def test_a_batch_that_comes_again_is_kept_once(stream: Stream) -> None:
    # Given
    sink = stream.worker()
    sink.write(batch_of(numbered(5)))

    # When: more events come with it, as they do after a crash
    sink.write(batch_of(numbered(5), numbered(1, start=5), replay=True))

    # Then
    assert stream.jids() == ["0", "1", "2", "3", "4", "5"]


def test_hostile_values_land_as_data(stream: Stream) -> None:
    # Given
    batch = hostile_batch()

    # When
    stream.worker().write(batch)

    # Then
    assert [message["data"] for _, message in stream.server.messages(_STREAM)] == [event.data for event in batch.events]


def test_hostile_names_stay_one_subject(stream: Stream) -> None:
    # Given
    names = ["a b", "a\r\nPUB salt.x 1\r\n.", "*", ">", "..", "$SYS.x", "ü"]
    some = [returned(jid=str(number), minion_id=name) for number, name in enumerate(names)]

    # When
    stream.worker(subject="salt.{minion_id}").write(batch_of(some))

    # Then
    subjects = [subject for subject, _ in stream.server.messages(_STREAM)]
    assert subjects == [
        "salt.a_b",
        "salt.a__PUB_salt.x_1__._",
        "salt._",
        "salt._",
        "salt._._._",
        "salt.$SYS.x",
        "salt.ü",
    ]


def test_a_subject_too_long_is_refused() -> None:
    with pytest.raises(Refused, match="longer than"):
        fit_subject("salt." + "x" * 5000)


def test_a_stream_is_made_where_it_is_missing(nothing: Stream) -> None:
    # Given
    options = {"stream": _STREAM, "create_stream": True, "subject": "salt.{minion_id}", "max_bytes": "64MiB"}
    sink = nothing.worker(**options, max_age_seconds=3600, duplicate_seconds=300)

    # When: a second worker finds it there
    sink.write(batch_of(numbered(2)))
    nothing.worker(**options).write(batch_of(numbered(1, start=2)))

    # Then
    assert nothing.jids() == ["0", "1", "2"]
    config = nothing.server.ask(lambda js: js.stream_info(_STREAM)).config
    assert (config.subjects, config.max_bytes) == (["salt.>"], 64 * 2**20)
    assert (config.max_age, config.duplicate_window) == (3600, 300)


def test_no_stream_for_the_subject_holds_the_worker_until_there_is_one(nothing: Stream) -> None:
    # Given
    sink = nothing.worker()
    buried = Buried()

    # When / Then: of one event as of several
    for count in (1, 3):
        with pytest.raises(Held, match=r"no stream takes the subject salt\.events"):
            write_batch(sink, batch_of(numbered(count), buried=buried))
    assert buried.refusals == []

    # When
    nothing.make()
    write_batch(sink, batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert nothing.jids() == ["0", "1", "2"]
    assert buried.refusals == []


def test_another_stream_than_the_one_named_holds_the_worker(stream: Stream) -> None:
    # Given
    sink = stream.worker(stream="OTHER")

    # When / Then
    with pytest.raises(Held, match=r"OTHER does not take the subject salt\.events"):
        sink.write(batch_of(numbered(2)))
    with pytest.raises(Held, match="not found"):
        sink.check()
    assert stream.jids() == []


@pytest.mark.parametrize(
    ("settings", "size", "why"),
    [
        pytest.param({}, 300_000, "more than the server takes", id="for-the-server"),
        pytest.param({"max_msg_size": 10_000}, 20_000, "larger than the stream takes", id="for-the-stream"),
    ],
)
def test_an_event_too_large_is_refused_alone(nothing: Stream, settings: dict[str, int], size: int, why: str) -> None:
    # Given
    nothing.make(**settings)
    buried = Buried()
    some = [*numbered(2), returned("x" * size, jid="large"), *numbered(2, start=2)]

    # When
    write_batch(nothing.worker(), batch_of(some, buried=buried))

    # Then
    [(position, said)] = buried.refusals
    assert position == 2
    assert why in said
    assert nothing.jids() == ["0", "1", "2", "3"]


def test_an_event_without_a_field_or_a_stream_is_refused_alone(stream: Stream) -> None:
    # Given
    buried = Buried()
    some = [returned(jid=str(number), place=place) for number, place in enumerate(["salt.a", "elsewhere", "salt.b"])]
    some.append(returned(jid="3"))

    # When
    write_batch(stream.worker(subject="{data.place}"), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == [(1, "no stream takes the subject elsewhere"), (3, "the event has no data.place")]
    assert stream.jids() == ["0", "2"]


def test_a_subject_that_is_full_is_its_events_matter(nothing: Stream) -> None:
    # Given
    nothing.make(max_msgs_per_subject=1, discard="new", discard_new_per_subject=True)
    buried = Buried()
    minions = ["a", "b", "a", "c", "a"]
    some = [returned(jid=str(number), minion_id=minion) for number, minion in enumerate(minions)]

    # When
    write_batch(nothing.worker(subject="salt.{minion_id}"), batch_of(some, buried=buried))

    # Then
    assert buried.positions == [2, 4]
    assert nothing.jids() == ["0", "1", "3"]


def test_a_message_larger_than_its_whole_stream_is_refused_alone(nothing: Stream) -> None:
    # Given
    nothing.make(max_bytes=50_000, discard="new")
    buried = Buried()
    some = [returned(jid="0"), returned("x" * 60_000, jid="1"), returned(jid="2")]

    # When
    write_batch(nothing.worker(), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == [(1, "larger than the stream takes")]
    assert nothing.jids() == ["0", "2"]


def _reloads(stream: Stream) -> int:
    return stream.server.log.read_text(encoding="utf-8").count("Reloaded server configuration")


def test_what_a_server_takes_is_learned_with_each_connection(stream: Stream) -> None:
    # Given
    configuration = stream.server.folder / "nats.conf"
    before = configuration.read_text(encoding="utf-8")
    sink = stream.worker()
    buried = Buried()
    large = [returned("x" * 100_000, jid="0"), returned(jid="1")]
    write_batch(sink, batch_of(large, buried=buried))

    # When: it takes less, from now on
    try:
        configuration.write_text(before.replace("256KB", "64KB"), encoding="utf-8")
        os.kill(stream.server.pid, signal.SIGHUP)
        eventually(lambda: "Reloaded: max_payload" in stream.server.log.read_text(encoding="utf-8"))
        some = [returned("y" * 100_000, jid="2"), returned(jid="3")]
        for cuts in range(2):
            try:
                write_batch(sink, replace(batch_of(some, replay=True, buried=buried), cuts=cuts))
            except Transient:
                continue
            break
    finally:
        configuration.write_text(before, encoding="utf-8")
        os.kill(stream.server.pid, signal.SIGHUP)
        eventually(lambda: _reloads(stream) == 2)

    # Then
    assert buried.positions == [0]
    assert "more than the server takes (65536)" in buried.refusals[0][1]
    assert stream.jids() == ["0", "1", "3"]


@pytest.mark.parametrize("field", ["data.n:d", "data.n:%Y", "data.nothing"])
def test_events_that_fit_no_subject_cost_no_write(nothing: Stream, field: str) -> None:
    # Given: there is not even a stream
    buried = Buried()

    # When
    some = [returned(jid=str(n), n="text") for n in range(100)]
    write_batch(nothing.worker(subject=f"salt.{{{field}}}"), batch_of(some, buried=buried))

    # Then
    assert buried.positions == list(range(100))


def test_a_stream_that_is_full_takes_the_batch_when_it_has_room(nothing: Stream) -> None:
    # Given
    nothing.make(max_msgs=2, discard="new")
    sink = nothing.worker()
    buried = Buried()

    # When / Then
    with pytest.raises(Transient, match="maximum messages exceeded"):
        write_batch(sink, batch_of(numbered(4), buried=buried))

    # When
    nothing.server.ask(lambda js: js.purge_stream(_STREAM))
    write_batch(sink, batch_of(numbered(4)[2:], replay=True, buried=buried))

    # Then
    assert nothing.jids() == ["2", "3"]
    assert buried.refusals == []


def test_a_server_that_is_stopped_takes_the_batch_when_it_is_back(stream: Stream) -> None:
    # Given: a worker with a connection open
    sink = stream.worker()
    sink.write(batch_of(numbered(1)))
    stream.server.stop()

    # When / Then
    for act in (lambda: sink.write(batch_of(numbered(3, start=1), first=2)), sink.check):
        with pytest.raises(Transient) as caught:
            act()
        assert PASSWORD not in str(caught.value)

    # When
    stream.server.start()
    sink.write(batch_of(numbered(3, start=1), first=2, replay=True))

    # Then
    assert stream.jids() == ["0", "1", "2", "3"]


def test_the_next_server_is_taken_where_one_is_away(stream: Stream) -> None:
    # Given
    sink = stream.worker(url=["nats://127.0.0.1:1", stream.server.url()])

    # When
    sink.write(batch_of(numbered(1)))

    # Then
    assert sink.check() == "reachable"
    assert stream.jids() == ["0"]


def test_a_server_that_hangs_is_given_up_and_gets_nothing_twice(stream: Stream) -> None:
    # Given
    sink = stream.worker(timeout_seconds=0.5)
    sink.write(batch_of(numbered(1)))
    stream.server.pause()

    # When / Then
    try:
        with pytest.raises(Transient, match="no acknowledgement in time"):
            sink.write(batch_of(numbered(2, start=1), first=2))
    finally:
        stream.server.resume()

    # When
    sink.write(batch_of(numbered(2, start=1), first=2, replay=True))

    # Then
    assert stream.jids() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("salt", _SECRET, id="wrong-password"),
        pytest.param("stranger", _SECRET, id="unknown-user"),
    ],
)
def test_who_may_not_connect_is_held(stream: Stream, user: str, password: str) -> None:
    # Given
    port = stream.server.port
    in_parts = stream.worker(url=f"nats://127.0.0.1:{port}", user=user, password=password)
    in_url = stream.worker(url=f"nats://{user}:{password}@127.0.0.1:{port}")
    buried = Buried()

    # When / Then
    for sink in (in_parts, in_url):
        for act in (lambda sink=sink: write_batch(sink, batch_of(numbered(2), buried=buried)), sink.check):
            with pytest.raises(Held) as caught:
                act()
            assert _SECRET not in str(caught.value)
    assert buried.refusals == []


def test_who_may_not_publish_is_held(stream: Stream) -> None:
    # Given
    sink = stream.worker(url=f"nats://127.0.0.1:{stream.server.port}", user=READER, password=PASSWORD)
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=r"(?i)permissions violation"):
        write_batch(sink, batch_of(numbered(2), buried=buried))
    assert sink.check() == "reachable"
    assert buried.refusals == []
    assert stream.jids() == []


def test_a_server_nobody_vouches_for_gets_nothing(installed: Callable[..., Nats]) -> None:
    # Given
    with installed(partial(Nats, tls=True)) as server:
        assert server.certificate
        stream = Stream(server)
        stream.make()
        url = server.url().replace("nats://", "tls://")

        # When / Then
        with pytest.raises(Held, match="certificate verify failed"):
            stream.worker(url=url).write(batch_of(numbered(1)))
        assert stream.jids() == []

        # When
        stream.worker(url=url, ca_file=str(server.certificate.file)).write(batch_of(numbered(2)))

        # Then
        assert stream.jids() == ["0", "1"]
        stream.close()


def test_check_and_close_write_nothing(nothing: Stream) -> None:
    # Given
    sink = nothing.worker(stream=_STREAM, create_stream=True)

    # When
    said = sink.check()
    sink.close()

    # Then
    assert said == "reachable"
    assert nothing.server.ask(lambda js: js.streams_info()) == []


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        pytest.param({"url": []}, "url", "missing; expected a URL", id="no-url"),
        pytest.param({"url": f"http://a:{_SECRET}@b"}, "url", "such as nats://", id="url-of-another-kind"),
        pytest.param({"url": ["nats://b", f"a:{_SECRET}@b"]}, "url", "such as nats://", id="second-url"),
        pytest.param({"url": 4222}, "url", "expected", id="url-that-is-a-number"),
        pytest.param({"subject": "salt.{nope}"}, "subject", "'nope' is no field", id="subject"),
        pytest.param({"subject": "salt.{fun"}, "subject", "expected '}'", id="subject-not-closed"),
        pytest.param({"value": "nope"}, "value", "'nope' is no field", id="value"),
        pytest.param({"create_stream": True}, "stream", "missing; expected the name", id="stream-without-a-name"),
        pytest.param({"stream": "a.b"}, "stream", "without dots", id="stream-with-dots"),
        pytest.param({"max_bytes": "lots"}, "max_bytes", "expected a size", id="size"),
        pytest.param({"duplicate_seconds": 0}, "duplicate_seconds", "above 0", id="duplicates"),
        pytest.param({"max_age_seconds": 1}, "max_age_seconds", "duplicate_seconds or more", id="age"),
        pytest.param({"ca_file": "/nowhere"}, "ca_file", "a file that can be read", id="ca-file"),
        pytest.param({"credentials": "/nowhere"}, "credentials", "a file that can be read", id="credentials"),
        pytest.param({"timeout_seconds": "x"}, "timeout_seconds", "expected number", id="timeout"),
        pytest.param({"passwd": _SECRET}, "passwd", "unknown key", id="unknown-key"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], key: str, says: str) -> None:
    # When
    line = problem("nats", options)

    # Then
    assert line.startswith(f"eventsd: workers.sink.{key}: ")
    assert says in line
    assert _SECRET not in line


def test_a_missing_library_is_named_with_its_extra() -> None:
    # When
    line = problem_without("nats", "nats", {})

    # Then
    assert line.startswith("eventsd: workers.sink.module: nats needs a library that is missing: ")
    assert "salt-pip install 'salt-eventsd[nats]'" in line
