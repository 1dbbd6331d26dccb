"""The central worker, against a real NATS server with JetStream; a thread of the test is the writer."""

from __future__ import annotations

import logging
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import StreamConfig

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.parcel import Part, decode, fingerprint
from salt_eventsd.config.structs import EventRule
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.event.chunk import OWN, StoredChunk, decode_events
from salt_eventsd.exceptions import Held, Transient
from tests.support.backends import problem, worker
from tests.support.brokers import READER, Nats, Streams
from tests.support.carriers import OnJetStream
from tests.support.events import numbered, returned
from tests.support.lanes import eventually
from tests.support.server import PASSWORD
from tests.support.stores import NODE, Buried, batch_of

_NAME = "sink"


class Sealed(Streams):
    """A server that wants TLS."""

    def __init__(self) -> None:
        super().__init__(tls=True)


_RULE = EventRule(tag="salt/", worker=_NAME, table="mine", columns={"a": "tag", "b": "jid"})


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Streams]], Streams]) -> Iterator[Streams]:
    """A NATS server."""
    with installed(Streams) as made:
        yield made


class Center:
    """A stream, masters that publish to it, and one writer."""

    def __init__(self, broker: OnJetStream) -> None:
        self.broker = broker
        self._closing = ExitStack()
        #: What the writer has committed: names of parts, with their events' jids; and the ids of what it pulled.
        self.committed: dict[tuple[str, int], list[str]] = {}
        self.pulled: list[str] = []
        self.parts: list[Part] = []
        self.rules: dict[str, str] = {}

    def worker(self, **options: Any) -> Any:
        """Make a master's worker."""
        given = {key: options.pop(key) for key in ("rules", "concurrency", "folder") if key in options}
        made = worker("central", self.broker.options(**options), **given)
        self._closing.callback(made.close)
        return made

    def write(self, lane: str = _NAME, *, tells: bool = True) -> int:
        """Commit what is there now, and return how many parcels that were."""
        consumer = self.broker.consumer(_NAME)
        count = 0
        while pulled := consumer.pull(lane, 1, 0.3):
            one = decode(pulled[0].body)
            self.pulled.append(pulled[0].id)
            self.rules |= one.rules
            for part in one.parts:
                self.parts.append(part)
                self.committed.setdefault(
                    (part.receipt.life, part.chunk), [event.jid for event in decode_events(part.payload, 0).events]
                )
            assert (one.master, pulled[0].master, one.worker, one.lane) == (NODE, NODE, _NAME, lane)
            if tells:
                pulled[0].done()
            else:
                # As if the confirmation was lost on its way.
                self.broker.ask(lambda js, reply=pulled[0].reply: js._nc.request(reply, b"+ACK"))
            count += 1
        return count

    def writing(self) -> ExitStack:
        """Write all the time, in a thread, until the context ends."""
        is_over = threading.Event()

        def go_on() -> None:
            while not is_over.is_set():
                try:
                    self.write()
                except Transient:
                    is_over.wait(0.1)

        thread = threading.Thread(target=go_on)
        thread.start()
        closing = ExitStack()
        closing.callback(thread.join)
        closing.callback(is_over.set)
        return closing

    @property
    def jids(self) -> list[str]:
        """The jids of all committed events."""
        return [jid for jids in self.committed.values() for jid in jids]

    def close(self) -> None:
        """Close everything."""
        self._closing.close()
        self.broker.close()


@pytest.fixture
def center(server: Streams) -> Iterator[Center]:
    made = Center(OnJetStream(server))
    yield made
    made.close()


def _jids(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def test_chunks_arrive_whole_with_their_names(center: Center) -> None:
    # When
    center.worker().write(batch_of(numbered(600), numbered(400, start=600), first=7))
    center.write()

    # Then
    assert center.jids == _jids(1000)
    assert [(part.chunk, part.number, part.position, part.events) for part in center.parts] == [
        (7, 0, 0, 600),
        (8, 0, 0, 400),
    ]


def test_what_the_spool_knows_of_a_chunk_goes_along(center: Center) -> None:
    # Given
    batch = batch_of(numbered(2), numbered(2, start=2))
    origins = {id_: StoredChunk(id_, _NAME, False, 2, 10, 5.5 + id_, "life", id_ - 1) for id_ in (1, 2)}

    # When
    center.worker().write(replace(batch, origins=origins))
    center.write()

    # Then
    assert [(part.life, part.chunk, part.first, part.oldest) for part in center.parts] == [
        ("life", 1, 0, 6.5),
        ("life", 2, 1, 7.5),
    ]


def test_a_batch_that_comes_again_with_more_is_known_by_its_parts(center: Center) -> None:
    # Given: a chunk in several parts
    large = [returned("x" * 300_000, jid=str(number)) for number in range(5)]
    center.worker().write(batch_of(large))

    # When: another worker, as after a crash, has more with it
    center.worker().write(batch_of(large, numbered(3, start=5), replay=True))
    center.write()

    # Then
    assert sorted(center.jids) == _jids(8)
    assert len({(part.chunk, part.number) for part in center.parts}) == len(center.committed)


def test_rules_with_tables_have_lanes_and_marks_of_their_own(center: Center) -> None:
    # Given
    lane = f"{_NAME}:mine"
    sink = center.worker(rules={"mine": _RULE, "unused": _RULE})
    events = [returned(jid=str(number)) for number in range(3)]
    own = [type(event)(*[getattr(event, key) for key in event.__struct_fields__[:-3]], "mine", OWN) for event in events]
    batch = batch_of(own)

    # When
    sink.write(replace(batch, origins={1: StoredChunk(1, lane, False, 3, 10, 5.5, "life", 1)}))
    before = center.write()
    center.write(lane)

    # Then
    assert before == 0
    assert center.jids == _jids(3)
    assert center.rules == {"mine": fingerprint(_RULE)}


def test_an_event_that_no_message_has_room_for_becomes_a_dead_letter_alone(center: Center) -> None:
    # Given: hardly to be compressed
    noise = random.Random(7).randbytes(1_200_000).hex()
    some = [*numbered(2), returned(noise, jid="2"), *numbered(2, start=3)]
    buried = Buried()

    # When
    write_batch(center.worker(), batch_of(numbered(1, start=9), some, buried=buried))
    center.write()

    # Then
    assert buried.positions == [3]
    assert sorted(center.jids) == ["0", "1", "3", "4", "9"]


def test_a_large_event_that_can_be_compressed_is_sent(center: Center) -> None:
    # When
    center.worker().write(batch_of([returned("x" * 3_000_000, jid="0")]))
    center.write()

    # Then
    assert center.jids == ["0"]


def test_with_confirm_database_a_batch_waits_for_its_writer(center: Center) -> None:
    # Given
    sink = center.worker(confirm="database", timeout=1)
    batch = batch_of(numbered(5))

    # When
    for _ in range(3):
        with pytest.raises(Transient, match="no writer"):
            sink.write(batch)
    with center.writing():
        sink.write(batch)

    # Then: tries did not send more
    assert center.jids == _jids(5)
    assert len(center.pulled) == 1


def test_a_lost_confirmation_has_parcels_sent_once_more(center: Center) -> None:
    # Given
    sink = center.worker(confirm="database", timeout=1)
    batch = batch_of(numbered(5))
    with pytest.raises(Transient):
        sink.write(batch)

    # When
    center.write(tells=False)
    with center.writing():
        eventually(lambda: _is_written(sink, batch))

    # Then: the same parts, under another id
    assert center.jids == _jids(5)
    assert 1 < len(center.pulled) == len(set(center.pulled))


def test_what_another_start_has_sent_and_a_writer_committed_is_confirmed(center: Center) -> None:
    # Given: the master died before it heard of it
    with pytest.raises(Transient):
        center.worker(confirm="database", timeout=1).write(batch_of(numbered(5)))
    center.write()

    # When
    with center.writing():
        eventually(lambda: _is_written(center.worker(confirm="database", timeout=1), batch_of(numbered(5))))

    # Then
    assert center.jids == _jids(5)


def test_a_lost_stream_loses_nothing_if_the_database_confirms(center: Center) -> None:
    # Given
    sink = center.worker(confirm="database", timeout=1)
    batch = batch_of(numbered(5))
    with pytest.raises(Transient):
        sink.write(batch)

    # When
    center.broker.wipe()
    with center.writing():
        eventually(lambda: _is_written(sink, batch))

    # Then
    assert center.jids == _jids(5)


def test_what_a_lost_stream_had_is_counted_and_told(center: Center, caplog: pytest.LogCaptureFixture) -> None:
    # Given: one of three is committed
    sink = center.worker()
    sink.write(batch_of(numbered(5)))
    center.write()
    sink.write(batch_of(numbered(4, start=5), first=2))
    sink.write(batch_of(numbered(3, start=9), first=3))

    # When
    center.broker.wipe()
    with caplog.at_level(logging.ERROR):
        sink.write(batch_of(numbered(1, start=12), first=4))
        sink.write(batch_of(numbered(1, start=13), first=5))

    # Then
    told = [record.getMessage() for record in caplog.records if "made anew" in record.getMessage()]
    assert len(told) == 1
    assert "up to 7 events" in told[0]
    assert f"workers.{_NAME}.stream" in told[0]
    assert sink.lost == 7


def test_what_a_lost_stream_had_is_counted_over_a_restart(center: Center, tmp_path: Path) -> None:
    # Given: of one start's parcels one is committed, which it does not hear, and two wait
    before = center.worker(folder=tmp_path)
    before.write(batch_of(numbered(5)))
    center.write(tells=False)
    before.write(batch_of(numbered(4, start=5), first=2))
    before.close()
    second = center.worker(folder=tmp_path)
    second.write(batch_of(numbered(3, start=9), first=3))
    second.close()

    # When
    center.broker.wipe()
    third = center.worker(folder=tmp_path)
    third.write(batch_of(numbered(1, start=12), first=4))
    third.close()

    # Then: it is counted once, whichever start has sent it
    assert third.lost == 7
    fourth = center.worker(folder=tmp_path)
    fourth.write(batch_of(numbered(1, start=13), first=5))
    assert fourth.lost == 0


@pytest.mark.parametrize("is_started_again", [False, True], ids=["", "and the master starts again"])
def test_an_end_that_a_stream_has_lost_is_counted_and_told(
    center: Center, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_started_again: bool
) -> None:
    # Given: a server that comes back with the disk of a moment ago, as after a power failure
    server = center.broker.server
    folder = tmp_path / "spool"
    folder.mkdir()
    sink = center.worker(folder=folder)
    sink.write(batch_of(numbered(5)))
    server.stop()
    # With their owner, as whom the server runs.
    subprocess.run(["cp", "-a", server.folder / "streams", tmp_path / "streams"], check=True)
    server.start()
    for batch in (batch_of(numbered(4, start=4 * number), first=number) for number in (2, 3)):
        eventually(partial(_is_written, sink, batch), 30)
    server.stop()
    shutil.rmtree(server.folder / "streams")
    subprocess.run(["cp", "-a", tmp_path / "streams", server.folder / "streams"], check=True)
    server.start()
    if is_started_again:
        sink.close()
        sink = center.worker(folder=folder)

    # When
    eventually(lambda: _is_written(sink, batch_of(numbered(1, start=20), first=4)), 30)
    eventually(lambda: _is_written(sink, batch_of(numbered(1, start=21), first=5)), 30)

    # Then: once, and what is still there is not counted
    assert sink.lost == 8
    assert [one for one in caplog.text.splitlines() if "has lost its end; up to 8 events" in one]
    center.write()
    assert len(center.jids) == 7


def test_a_start_that_was_killed_right_after_it_had_counted_a_loss_leaves_it_to_the_next(
    center: Center, tmp_path: Path
) -> None:
    # Given
    before = center.worker(folder=tmp_path)
    before.write(batch_of(numbered(5)))
    center.broker.wipe()
    before.write(batch_of(numbered(1, start=5), first=2))
    before.write(batch_of(numbered(1, start=6), first=3))
    assert before.lost == 5

    # When: it is not closed
    after = center.worker(folder=tmp_path)
    after.write(batch_of(numbered(1, start=7), first=4))

    # Then
    assert after.lost == 5


@pytest.mark.parametrize("how", ["torn", "a folder"])
def test_a_file_that_cannot_be_read_stops_nothing(
    center: Center, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    # Given
    path = tmp_path / f"unconfirmed-{_NAME}.db"
    if how == "torn":
        path.write_bytes(b"no database" * 100)
    else:
        path.mkdir()

    # When
    sink = center.worker(folder=tmp_path)
    sink.write(batch_of(numbered(1)))
    center.write()

    # Then
    assert center.jids == ["0"]
    assert str(path) in caplog.text


def _is_written(sink: Any, batch: Any) -> bool:
    try:
        sink.write(batch)
    except Transient:
        return False
    return True


def test_a_full_stream_keeps_events_on_the_master(center: Center) -> None:
    # Given
    sink = center.worker(max_bytes="20KiB")
    batches = [batch_of(numbered(50, start=50 * number), first=number + 1) for number in range(200)]
    written = 0

    # When
    while _is_written(sink, batches[written]):
        written += 1
    with pytest.raises(Transient, match="full"):
        sink.write(batches[written])
    center.write()
    sink.write(batches[written])
    center.write()

    # Then
    assert written > 1
    assert sorted(center.jids, key=int) == _jids(50 * (written + 1))


def test_a_server_that_comes_back_gets_the_batch(center: Center) -> None:
    # Given
    sink = center.worker(timeout=5)
    sink.write(batch_of(numbered(5)))
    center.broker.server.stop()

    # When
    with pytest.raises(Transient):
        sink.write(batch_of(numbered(5, start=5), first=2))
    center.broker.server.start()
    sink.write(batch_of(numbered(5, start=5), first=2))
    center.write()

    # Then
    assert sorted(center.jids) == _jids(10)


@pytest.mark.parametrize(
    ("made", "given", "key"),
    [
        pytest.param({"retention": "limits"}, {}, "stream", id="retention"),
        pytest.param({"max_age": 60}, {}, "stream", id="events are deleted"),
        pytest.param({"discard": "old"}, {}, "stream", id="events give way"),
        pytest.param({"storage": "memory"}, {}, "stream", id="memory"),
        pytest.param({}, {"max_bytes": "1MiB"}, "max_bytes", id="size"),
        pytest.param({}, {"replicas": 3}, "replicas", id="replicas"),
        pytest.param({}, {"duplicate_seconds": 7}, "duplicate_seconds", id="doubles"),
    ],
)
def test_a_stream_of_another_kind_holds_the_worker(
    center: Center, made: dict[str, Any], given: dict[str, Any], key: str
) -> None:
    # Given
    name = center.broker.stream
    settings = {"retention": "workqueue", "discard": "new", "subjects": [f"eventsd-{name}.>"], **made}
    center.broker.ask(lambda js: js.add_stream(StreamConfig(name=name, **settings)))
    sink = center.worker(**given)

    # When / Then
    for ask in (sink.check, lambda: sink.write(batch_of(numbered(1)))):
        with pytest.raises(Held, match=rf"^eventsd: workers\.{_NAME}\.{key}: the stream {name} has "):
            ask()


def test_what_the_servers_cannot_make_holds_the_worker(center: Center) -> None:
    for given, key in (({"replicas": 3}, "replicas"), ({"max_bytes": "50GiB"}, "max_bytes")):
        with pytest.raises(Held, match=rf"^eventsd: workers\.{_NAME}\.{key}: the stream .* cannot be made"):
            center.worker(**given).write(batch_of(numbered(1)))


def test_wrong_credentials_hold_the_worker(center: Center) -> None:
    # Given
    url = center.broker.server.url().replace(PASSWORD, "wrong")

    # When / Then
    with pytest.raises(Held, match=rf"^eventsd: workers\.{_NAME}\.user: .*uthoriz") as caught:
        center.worker(url=url).write(batch_of(numbered(1)))
    assert "wrong" not in str(caught.value)


def test_who_may_not_publish_is_held(center: Center) -> None:
    # Given
    center.worker().write(batch_of(numbered(1)))
    url = center.broker.server.url().replace("salt:", f"{READER}:")

    # When / Then
    with pytest.raises(Held, match="ermissions"):
        center.worker(url=url, timeout=5).write(batch_of(numbered(1), first=2))


def test_a_server_that_takes_too_little_holds_the_worker(installed: Callable[[type[Nats]], Nats]) -> None:
    # Given
    with installed(Nats) as small:
        sink = worker("central", {"url": small.url()})

        # When / Then
        for ask in (sink.check, lambda: sink.write(batch_of(numbered(1)))):
            with pytest.raises(Held, match="max_payload") as caught:
                ask()
            assert str(caught.value).startswith(f"eventsd: workers.{_NAME}.url: ")
        sink.close()


def test_a_check_makes_no_stream(center: Center) -> None:
    # When
    told = center.worker().check()

    # Then
    assert told == f"reachable; the stream {center.broker.stream} is made with the first batch"
    assert center.broker.server.ask(lambda js: js.account_info()).streams == 0


def test_servers_that_are_away_are_passed_by(center: Center) -> None:
    # When
    sink = center.worker(url=["nats://127.0.0.1:1", center.broker.server.url(), "nats://127.0.0.1:2"])
    sink.write(batch_of(numbered(1)))
    center.write()

    # Then
    assert center.jids == ["0"]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        pytest.param({"url": "http://x"}, "url", id="url"),
        pytest.param({"url": []}, "url", id="no url"),
        pytest.param({"stream": "a.b"}, "stream", id="stream"),
        pytest.param({"replicas": 9}, "replicas", id="replicas"),
        pytest.param({"confirm": "yes"}, "confirm", id="confirm"),
        pytest.param({"max_bytes": "much"}, "max_bytes", id="max_bytes"),
        pytest.param({"duplicate_seconds": 0}, "duplicate_seconds", id="duplicate_seconds"),
        pytest.param({"credentials": "/nowhere/x"}, "credentials", id="credentials"),
        pytest.param({"key_file": "/nowhere/x"}, "cert_file", id="key without certificate"),
        pytest.param({"colour": 1}, "colour", id="unknown"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], key: str) -> None:
    assert problem("central", options).startswith(f"eventsd: workers.{_NAME}.{key}: ")


def test_parcels_are_small_enough_for_the_usual_server() -> None:
    assert parcel.PART_BYTES + parcel.OVERHEAD_BYTES < 2**20


def test_tls_with_the_right_certificates_works_and_with_others_holds(
    installed: Callable[[type[Nats]], Nats], tmp_path: Path
) -> None:
    # Given
    with installed(Sealed) as sealed:
        assert sealed.certificate is not None
        options = {"url": sealed.url().replace("nats://", "tls://"), "timeout": 10}
        with ExitStack() as closing:
            sink, stranger = (
                worker("central", {**options, **more}) for more in ({"ca_file": str(sealed.certificate.file)}, {})
            )
            closing.callback(sink.close)
            closing.callback(stranger.close)

            # When
            sink.write(batch_of(numbered(1)))

            # Then
            with pytest.raises(Held, match=rf"^eventsd: workers\.{_NAME}\.ca_file: "):
                stranger.write(batch_of(numbered(1)))
