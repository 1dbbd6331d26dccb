"""Parcels that nobody can read, that speak for others, or that another version or configuration has made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.interface import Sent
from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.backends.broker.parcel import fingerprint
from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import Event
from salt_eventsd.writer.config import read
from salt_eventsd.writer.told.problems import problems
from tests.support.events import numbered
from tests.support.lanes import eventually
from tests.support.stores import Database
from tests.support.writers import (
    Master,
    configured,
    desk_of,
    is_empty,
    letters,
    of_version,
    running,
    to_sql,
)

_SECONDS = 60.0


def _sent(master: Master, id_: str, body: bytes, lane: str = "history") -> Sent:
    return Sent(id_, master.worker, lane, False, master.name, body)


def test_what_is_no_parcel_is_set_aside_whole_and_holds_up_nothing(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory()
    master, other = Master(memory), Master(memory, "master-2")
    [made] = master.parcels([master.chunk(numbered(2))])
    whole = parcel.encode(made)
    [forged] = other.parcels([other.chunk(numbered(2, start=50))])

    # When
    with running(configured(tmp_path, to_sql(database.url)), memory):
        memory.publish(
            [
                _sent(master, "foreign", b"hello"),
                _sent(master, "cut", whole[: len(whole) // 2]),
                _sent(master, "forged", parcel.encode(forged)),
            ]
        )
        sent = master.send(numbered(3, start=10))
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert len(database.rows("returns")) == 3
    assert [(letter.is_parcel, letter.error.split(":")[0][:23]) for letter in letters(memory)] == [
        (True, "not a parcel, or only a"),
        (True, "not a parcel, or only a"),
        (True, "a parcel of master 'mas"),
    ]
    assert sent


def test_a_parcel_of_a_newer_version_is_left_to_newer_writers(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr("salt_eventsd.writer.carry.hand.TOO_NEW_SECONDS", 0.2)
    memory = Memory()
    master = Master(memory)
    [made] = master.parcels([master.chunk(numbered(2))])

    with running(configured(tmp_path, to_sql(database.url)), memory) as service:
        # When
        memory.publish([_sent(master, "new", of_version(parcel.VERSION + 1, made))])
        master.send(numbered(3, start=10))
        eventually(lambda: len(database.rows("returns")) == 3, _SECONDS)

        # Then
        eventually(lambda: any("of version 2" in one.text for one in problems(service.desks)), _SECONDS)
        assert desk_of(service).lanes["history"].counts.too_new >= 1
    assert not is_empty(memory)

    # When: a newer writer is started
    monkeypatch.setattr(parcel, "VERSION", parcel.VERSION + 1)
    with running(configured(tmp_path, to_sql(database.url)), memory):
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert len(database.rows("returns")) == 5
    assert letters(memory) == []


def test_a_rule_that_differs_is_said_and_written_as_it_is_here(database: Database, tmp_path: Path) -> None:
    # Given
    database.execute("CREATE TABLE raid (minion VARCHAR(80), state INTEGER)")
    memory = Memory()
    master = Master(memory)
    rule = {"tag": "salt/job/", "worker": "history", "table": "raid", "columns": {"minion": "minion_id"}}
    theirs = EventRule(**{**rule, "columns": {"minion": "minion_id", "state": "data.return"}})
    events = [_own(one) for one in numbered(2)]

    with running(configured(tmp_path, to_sql(database.url), events={"raid": rule}), memory) as service:
        # When
        master.send(events, "history:raid", raid=fingerprint(theirs))
        eventually(lambda: is_empty(memory), _SECONDS)

        # Then
        assert [one.kind for one in problems(service.desks)] == ["differs"]
    assert database.query("SELECT minion, state FROM raid") == [("web1.example.com", None)] * 2


def _own(event: Event, rule: str = "raid") -> Event:
    return msgspec.structs.replace(event, rule=rule, into=OWN)


def test_what_is_for_a_rule_that_is_not_here_waits_and_is_said(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr("salt_eventsd.writer.told.problems._UNFOUND_SECONDS", 0.5)
    memory = Memory()
    master = Master(memory)
    with running(configured(tmp_path, to_sql(database.url)), memory) as service:
        # When
        master.send([_own(one) for one in numbered(2)], "history:raid")
        master.send(numbered(3, start=10))

        # Then
        eventually(lambda: [one.kind for one in problems(service.desks)] == ["unconfigured"], _SECONDS)
        assert len(database.rows("returns")) == 3
    assert memory.depth("history").waiting == 1


def test_a_parcel_that_ends_writers_is_set_aside_whole(tmp_path: Path) -> None:
    # Given: a worker that ends its process over some events, and a parcel that has done so often
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "brittle.py").write_text(_BRITTLE, encoding="utf-8")
    out = tmp_path / "out"
    configured(tmp_path, {"history": {"module": "brittle", "path": str(out)}})
    path = tmp_path / "writer.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"eventsd_workers_dirs: {tmp_path / 'modules'}\n{text}", encoding="utf-8")
    config = read(str(path))
    memory = Memory(redelivery_seconds=0.3)
    master = Master(memory)
    master.send(numbered(3))
    master.send(numbered(1, start=666))
    for _ in range(6):
        assert len(memory.consumer("history").pull("history", 2, 5.0)) == 2

    # When
    with running(config, memory) as service:
        eventually(lambda: is_empty(memory), _SECONDS)
        counts = desk_of(service).lanes["history"].counts
        eventually(lambda: counts.parcels == 2, _SECONDS)

    # Then: what has only waited out restarts is written
    [letter] = letters(memory)
    assert letter.is_parcel
    assert "it ends the process that writes it (code 3), and was delivered" in letter.error
    assert (counts.written, counts.parcels_buried) == (3, 1)
    assert {"0", "1", "2"} == set(out.read_text(encoding="utf-8").split())


_BRITTLE = """
import os

from salt_eventsd.workers import Context


class Brittle:
    def __init__(self, path):
        self.path = path

    def write(self, batch):
        for event in batch.events:
            if event.jid == "666":
                os._exit(3)
            with open(self.path, "a") as file:
                file.write(event.jid + "\\n")


def worker(context: Context):
    return Brittle(context.known("path")["path"])
"""
