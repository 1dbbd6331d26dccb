"""
Places on servers without SQL.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from salt_eventsd.backends.broker.parcel import decode
from salt_eventsd.backends.central.packing import PartName, name_of
from salt_eventsd.event.chunk import decode_events
from tests.support.brokers import Nats, Redis, Streams
from tests.support.events import MINION
from tests.support.hooks import OK, Hook, Reply, Request
from tests.support.mongo import MongoDB
from tests.support.opensearch import Door, OpenSearch
from tests.support.place import BAD, Place, Served, Servers, number_of
from tests.support.server import PASSWORD, USER

_NUMBERS = itertools.count(1)
_STREAM = "SALT"


def _accept(request: Request) -> Reply:
    return OK


def _break_off(request: Request) -> Reply:
    """Answer a request over a connection that is still open after the server has closed its port."""
    raise ConnectionError


class WebServer(Place):
    """The worker http."""

    module = "http"
    secret = PASSWORD
    can_stall = can_move = True
    largest = 100_000

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self.hook = Hook()
        self.hook.__enter__()

    def options(self) -> dict[str, Any]:
        return {"url": f"{self.hook.url}/salt", "auth": {"user": USER, "password": PASSWORD}, "timeout": 5}

    def arrived(self) -> list[int]:
        return [number_of(event["tag"]) for request in self.hook.accepted for event in request.events()]

    def stop(self) -> None:
        self.hook.stop()
        self.hook.answer = _break_off

    def start(self) -> None:
        self.hook.answer = _accept
        self.hook.start()

    def refuse(self) -> None:
        def answer(request: Request) -> Reply:
            bad = request.method == "POST" and any(event["minion_id"] == BAD for event in request.events())
            return Reply(422) if bad else OK

        self.hook.answer = answer

    def mend(self) -> None:
        self.hook.answer = _accept

    @property
    def port(self) -> int:
        return self.hook.port

    def demote(self) -> None:
        self.hook.answer = lambda request: Reply(403)

    def limit(self) -> None:
        self.hook.answer = lambda request: Reply(413) if len(request.text) > self.largest else OK

    def close(self) -> None:
        self.hook.stop()


class Keys(Served):
    """The worker redis, with lists."""

    module = "redis"
    kind = Redis
    secret = PASSWORD
    can_stall = can_move = True
    #: The server allows no lower limit.
    largest = 2**20
    _key = "salt:events"

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self.client = self.server.client()
        self.client.flushdb()

    def options(self) -> dict[str, Any]:
        login = {"port": self.server.port, "user": USER, "password": PASSWORD, "timeout": 2}
        return {**login, "actions": [{"list": self._key}]}

    def arrived(self) -> list[int]:
        keys = [key for key in ("salt:events", f"salt:{MINION}", f"salt:{BAD}") if self.client.type(key) == "list"]
        elements = [one for key in keys for one in self.client.lrange(key, 0, -1)]
        return [number_of(msgspec.json.decode(one)["tag"]) for one in elements]

    def refuse(self) -> None:
        self._key = "salt:{minion_id}"
        self.client.set(f"salt:{BAD}", "no list")

    def mend(self) -> None:
        self.client.delete(f"salt:{BAD}")

    def demote(self) -> None:
        self.client.replicaof("127.0.0.1", "1")

    def limit(self) -> None:
        self.client.config_set("proto-max-bulk-len", self.largest)

    def close(self) -> None:
        self.client.config_set("proto-max-bulk-len", 512 * 2**20)
        self.client.close()


class Stream(Served):
    """The worker nats."""

    module = "nats"
    kind = Nats
    once = True
    secret = PASSWORD
    can_stall = can_move = True
    #: The server always has this limit.
    largest = 256 * 1024
    _subject = "salt.events"

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self._take("salt.>")

    def options(self) -> dict[str, Any]:
        return {"url": self.server.url(), "subject": self._subject, "timeout": 5}

    def arrived(self) -> list[int]:
        return [number_of(event["tag"]) for _, event in self.server.messages(_STREAM)]

    def refuse(self) -> None:
        self._subject = "salt.{minion_id}"
        self._take(f"salt.{MINION}")

    def mend(self) -> None:
        self.server.ask(lambda js: js.update_stream(StreamConfig(name=_STREAM, subjects=["salt.>"])))

    def demote(self) -> None:
        self._take("elsewhere")

    def limit(self) -> None:
        pass

    def close(self) -> None:
        self.server.ask(lambda js: js.delete_stream(_STREAM))

    def _take(self, subject: str) -> None:
        async def make(js: Any) -> None:
            for info in await js.streams_info():
                await js.delete_stream(info.config.name)
            await js.add_stream(StreamConfig(name=_STREAM, subjects=[subject]))

        self.server.ask(make)


class Center(Served):
    """The worker central; what a stream has twice is written once."""

    module = "central"
    kind = Streams
    once = True
    # A parcel says nothing of the events in it.
    can_refuse = False
    secret = PASSWORD
    can_stall = can_move = True
    _stream = "EVENTSD"

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self._remove()

    def options(self) -> dict[str, Any]:
        return {"url": self.server.url(), "timeout": 5}

    def arrived(self) -> list[int]:
        parts: dict[PartName, list[int]] = {}
        for body in self.server.ask(self._bodies):
            for part in decode(body).parts:
                events = decode_events(part.payload, 0.0).events
                parts.setdefault(name_of(part), [number_of(event.tag) for event in events])
        return [number for numbers in parts.values() for number in numbers]

    async def _bodies(self, js: Any) -> list[bytes]:
        try:
            state = (await js.stream_info(self._stream)).state
        except NotFoundError:
            return []
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        return [(await js.get_msg(self._stream, number)).data for number in numbers]

    def demote(self) -> None:
        self._remove()
        settings = StreamConfig(name=self._stream, subjects=["eventsd.>"])
        self.server.ask(lambda js: js.add_stream(settings))

    def close(self) -> None:
        self._remove()

    def _remove(self) -> None:
        async def remove(js: Any) -> None:
            for info in await js.streams_info():
                await js.delete_stream(info.config.name)

        self.server.ask(remove)


class Documents(Served):
    """The worker elasticsearch. The door makes it unreachable: a stopped server would lose its data."""

    module = "elasticsearch"
    kind = OpenSearch
    once = True
    secret = PASSWORD
    can_stall = can_move = True
    largest = 100_000
    # osmem-server takes ten seconds for a megabyte.
    large = 50_000
    _index = "salt-events"

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        for one in self.server.ask("GET", "/_cat/indices?format=json"):
            self.server.ask("DELETE", f"/{one['index']}")
        self._door = Door(self.server.port)
        self._door.__enter__()

    def options(self) -> dict[str, Any]:
        login = {"url": self._door.url, "user": USER, "password": PASSWORD}
        return {**login, "index": self._index, "timeout": 30}

    def arrived(self) -> list[int]:
        hits = self.server.documents() if self.server.ask("GET", "/_cat/indices?format=json") else []
        return sorted(number_of(hit["_source"]["tag"]) for hit in hits)

    def stop(self) -> None:
        self._door.server_port, self._there = 1, self._door.server_port

    def start(self) -> None:
        self._door.server_port = self._there

    def refuse(self) -> None:
        self._index = "salt-{minion_id}"
        self.server.ask("PUT", f"/salt-{BAD}", {"mappings": {"properties": {"tag": {"type": "long"}}}})

    def mend(self) -> None:
        self.server.ask("DELETE", f"/salt-{BAD}")

    @property
    def port(self) -> int:
        return self._door.port

    def demote(self) -> None:
        error = {"type": "security_exception", "reason": "it is read-only"}
        self._door.answers = [(403, msgspec.json.encode({"error": error}).decode())] * 100

    def limit(self) -> None:
        self._door.largest = self.largest

    def close(self) -> None:
        self._door.__exit__(None, None, None)


class Collection(Served):
    """The worker mongo."""

    module = "mongo"
    kind = MongoDB
    once = True
    secret = PASSWORD
    can_stall = can_move = True
    largest = 16 * 2**20

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self._client = self.server.client()
        self._name = f"contract_{next(_NUMBERS)}"

    def options(self) -> dict[str, Any]:
        login = {"port": self.server.port, "user": USER, "password": PASSWORD}
        return {**login, "database": self._name, "timeout": 2, "too_large": "bury"}

    def arrived(self) -> list[int]:
        return [number_of(one["tag"]) for one in self._client[self._name]["events"].find()]

    def refuse(self) -> None:
        self._client[self._name].create_collection("events", validator={"minion_id": {"$ne": BAD}})

    def mend(self) -> None:
        self._client[self._name].command("collMod", "events", validator={})

    def name_like(self, other: Place) -> None:
        self._name = other.options()["database"]

    def demote(self) -> None:
        self._client[self._name].command("collMod", "events", validator={"none": {"$exists": True}})

    def limit(self) -> None:
        pass

    def close(self) -> None:
        self._client.close()
