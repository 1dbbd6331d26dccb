"""The engine says on the bus of a real master what happens to it, and a reactor posts that to a chat."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import salt.utils.event

from tests.integration.conftest import StartMaster
from tests.support.docs import ROOT
from tests.support.nodes import Master
from tests.support.salt import wait_until

URL = "https://chat.example.com/hooks/put-yours-here"


class Chat(HTTPServer):
    """A chat that remembers what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.texts: list[str] = []


class _Hook(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.texts.append(json.loads(body)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """A chat with a webhook."""
    server = Chat()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def reacting(start_master: StartMaster, chat: Chat, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master with the reactor of the example, one worker that is away, and a rule that takes everything."""
    text = (ROOT / "examples" / "chat" / "eventsd_to_chat.sls").read_text(encoding="utf-8")
    assert text.count(URL) == 1
    reactor = tmp_path_factory.mktemp("reactor") / "eventsd_to_chat.sls"
    reactor.write_text(text.replace(URL, f"http://127.0.0.1:{chat.server_port}/hook"), encoding="utf-8")
    workers = {
        "history": {"url": "sqlite:///<cachedir>/eventsd/history.db"},
        "away": {"module": "http", "url": "http://127.0.0.1:9/nobody"},
    }
    events = {
        "all": {"tag": ".", "worker": "history", "into": "events"},
        "alarms": {"tag": "company/alarm/", "worker": "away"},
    }
    options = {"eventsd": {"workers": workers, "events": events}, "reactor": [{"salt/eventsd/*": [str(reactor)]}]}
    with start_master("reacting", **options) as master:
        yield master


@pytest.fixture
def bus(reacting: Master) -> Iterator[Any]:
    """Return the next event with such a tag; None if none comes."""
    with salt.utils.event.get_event("master", opts=dict(reacting.daemon.config), listen=True) as events:
        yield lambda tag: events.get_event(wait=30, tag=tag)


def test_a_reload_is_told_on_the_bus_and_in_the_chat(reacting: Master, bus: Any, chat: Chat) -> None:
    # When
    assert reacting.run("eventsd.reload").returncode == 0

    # Then
    told = bus("salt/eventsd/reload")
    assert (sorted(told["workers"]), sorted(told["rules"])) == (["away", "history"], ["alarms", "all"])
    text = f"eventsd on {reacting.daemon.id}: the engine goes by another configuration (salt-run eventsd.status)"
    wait_until(lambda: text in chat.texts, "message in the chat", 60)


def test_a_worker_that_fails_is_told(reacting: Master, bus: Any, chat: Chat) -> None:
    # When
    with reacting.bus() as raw:
        raw.fire("company/alarm/1", {"n": 1})

    # Then
    told = bus("salt/eventsd/worker/failing")
    assert (told["worker"], told["state"]) == ("away", "retrying")
    assert told["error"]
    wait_until(lambda: [one for one in chat.texts if "a worker cannot write" in one], "message in the chat", 60)


def test_the_engine_keeps_none_of_them(reacting: Master) -> None:
    # Given: events that were told, and one of afterwards
    with reacting.bus() as raw:
        raw.fire("company/afterwards", {"n": 1})

    # When
    reacting.history.wait_for(1, "eventsd_events", "tag = 'company/afterwards'")

    # Then
    assert reacting.history.count("eventsd_events", "tag LIKE 'salt/eventsd/%'") == 0
