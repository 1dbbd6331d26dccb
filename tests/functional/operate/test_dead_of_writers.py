"""Dead letters that writers have buried, as a master with a central worker lists them and puts them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from _runners import eventsd as runner
from salt_eventsd.backends.broker.interface import Letter
from salt_eventsd.backends.broker.parcel import decode
from salt_eventsd.event.chunk import decode_events, encode_event
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from tests.support.brokers import Streams
from tests.support.carriers import WORKER, OnJetStream
from tests.support.events import numbered
from tests.support.lanes import chunk


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Streams]], Streams]) -> Iterator[Streams]:
    """A NATS server."""
    with installed(Streams) as made:
        yield made


@pytest.fixture
def broker(server: Streams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnJetStream]:
    """A broker with two letters of writers and a parcel; the spool has a letter, too."""
    made = OnJetStream(server)
    made.publisher().prepare()
    letters = made.letters()
    for number, event in enumerate(numbered(2)):
        event = msgspec.structs.replace(event, rule="returns", into="returns")
        error = f"value {number} is too long"
        letter = Letter(0, WORKER, WORKER, "m1", error, 1.5e9 + number, event.tag, "returns", encode_event(event))
        letters.bury(str(number), letter)
    letters.bury("2", Letter(0, WORKER, WORKER, "m2", "no parcel", 1.5e9, "", "", b"garbage", is_parcel=True))
    folder = tmp_path / "spool"
    spool = Spool(folder, 2**30)
    spool.begin()
    (kept,) = spool.put([chunk(numbered(1, start=9))])
    spool.burials.note(WORKER, [kept.id], [Burial(kept.id, 0, numbered(1, start=9)[0], "bad")])
    spool.settle([kept.id])
    spool.close()
    options = {**made.options(), "module": "central"}
    config = {"workers": {WORKER: options, "other": {**options, "stream": "none"}}, "spool": {"dir": str(folder)}}
    opts: dict[str, Any] = {"cachedir": str(tmp_path), "fun": "", "id": "m1", "eventsd": config}
    opts["eventsd"]["events"] = {"returns": {"tag": "salt/job/", "worker": WORKER}}
    opts["eventsd"]["events"]["others"] = {"tag": "salt/job/", "worker": "other"}
    monkeypatch.setattr(runner, "__opts__", opts, raising=False)
    monkeypatch.setattr(runner, "__context__", {}, raising=False)
    yield made
    made.close()


def test_letters_of_both_kinds_are_listed(broker: OnJetStream) -> None:
    # When
    found = runner.dead()
    mine = found["letters"]

    # Then
    assert found["retcode"] == 0
    assert [one["error"] for one in mine] == ["bad", "value 0 is too long", "value 1 is too long", "no parcel"]
    assert [one["id"] for one in mine[1:]] == ["history:1", "history:2", "history:3"]
    assert [one["master"] for one in mine[1:]] == ["m1", "m1", "m2"]
    assert mine[1]["table"] == "returns"
    assert mine[1]["data"]["jid"] == "0"
    assert [one["id"] for one in runner.dead(after="history:1", limit=1)["letters"]] == ["history:2"]
    assert [one["error"] for one in runner.dead(limit=2)["letters"]] == ["bad", "value 0 is too long"]
    assert [one["error"] for one in runner.dead(contains="1 is")["letters"]] == ["value 1 is too long"]
    assert runner.dead(worker="other")["letters"] == []


def test_letters_of_both_kinds_are_grouped(broker: OnJetStream) -> None:
    # When
    found = runner.dead(by="error")

    # Then
    assert found["letters"] == 4
    assert [(one["error"], one["letters"], one["latest_id"]) for one in found["groups"][1:]] == [
        ("value ... is too long", 2, "history:2"),
        ("no parcel", 1, "history:3"),
    ]


def test_what_is_put_back_is_published_and_leaves_the_letters(broker: OnJetStream) -> None:
    # When
    done = runner.requeue("history:2", "history:77", "nobody:1")
    consumer = broker.consumer()
    consumer.prepare([])
    (pulled,) = consumer.pull(WORKER, 5, 5)

    # Then
    assert done == {"requeued": 1, "unknown": ["history:77", "nobody:1"], "retcode": 1}
    (part,) = decode(pulled.body).parts
    assert [event.jid for event in decode_events(part.payload, 0.0).events] == ["1"]
    assert pulled.master == "m1"
    assert [one.id for one in broker.letters().letters()] == [1, 3]


def test_all_of_both_kinds_can_be_deleted(broker: OnJetStream) -> None:
    # When
    some = runner.discard(worker=WORKER, contains="parcel")
    all_ = runner.discard(everything=True)

    # Then
    assert (some, all_) == ({"discarded": 1, "retcode": 0}, {"discarded": 3, "retcode": 0})
    assert runner.dead()["letters"] == []


def test_a_broker_that_is_away_is_told(broker: OnJetStream) -> None:
    # Given
    broker.server.stop()

    # When
    found, done = runner.dead(), runner.requeue(everything=True)

    # Then: those of the spool are there all the same
    assert [one["error"] for one in found["letters"]] == ["bad"]
    assert (found["retcode"], done["retcode"], done["requeued"]) == (1, 1, 1)
    assert len(found["problems"]) == len(done["problems"]) == 2
    assert found["problems"][0].startswith("eventsd: workers.history: ")


def test_what_is_no_id_is_told(broker: OnJetStream) -> None:
    assert runner.requeue("history:x")["retcode"] == 2
