"""How a runner and an engine speak to each other."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.engine.control.server import Control, answering
from salt_eventsd.exceptions import EventsdError
from tests.support.lanes import eventually


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if request["verb"] == "fail":
        raise RuntimeError("no way")
    return {"got": request}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A socket whose path is longer than a socket's may be."""
    return socket_path(tmp_path / ("deep" * 30) / "status.json")


@pytest.fixture
def control(path: Path) -> Iterator[Control]:
    """An engine that answers."""
    running = Control(path, answer)
    running.start()
    yield running
    running.stop()


def test_a_request_is_answered(control: Control, path: Path) -> None:
    for number in range(3):
        assert ask(path, "look", at=number) == {"got": {"verb": "look", "at": number}}


def test_only_its_own_user_may_ask(control: Control, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_request_that_fails_is_told_and_the_next_is_answered(control: Control, path: Path) -> None:
    assert ask(path, "fail") == {"problems": ["eventsd: RuntimeError: no way"], "retcode": 2}
    assert ask(path, "look") == {"got": {"verb": "look"}}


@pytest.mark.parametrize("said", [b"nonsense\n", b"[1]\n", b"{}", b"\n", b"\xff\n"], ids=str)
def test_nonsense_does_no_harm(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path, said: bytes
) -> None:
    # Given
    monkeypatch.chdir(path.parent)

    # When
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(path.name)
        raw.sendall(said)

    # Then
    assert ask(path, "look") == {"got": {"verb": "look"}}


def test_a_socket_in_use_is_not_taken_away(control: Control, path: Path) -> None:
    with pytest.raises(OSError, match="another engine listens there"):
        Control(path, answer)

    assert ask(path, "look") == {"got": {"verb": "look"}}


def test_one_that_a_dead_engine_left_is(control: Control, path: Path) -> None:
    # Given
    control.stop()
    path.touch()

    # When
    second = Control(path, answer)
    second.start()

    # Then
    assert ask(path, "look") == {"got": {"verb": "look"}}
    second.stop()


def test_no_engine_is_told(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match=r"no engine answers at .*is it running"):
        ask(socket_path(tmp_path / "status.json"), "look")


def test_the_end_waits_for_no_request_in_hand(tmp_path: Path) -> None:
    # Given
    begun, go = threading.Event(), threading.Event()

    def handle(_request: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        go.wait(30)
        return {}

    state_file = tmp_path / "status.json"
    with answering(str(state_file), handle) as control:
        assert control
        asking = threading.Thread(target=ask, args=(socket_path(state_file), "x"), daemon=True)
        asking.start()
        assert begun.wait(10)
        before = control.turns
        eventually(lambda: control.turns > before)

        # When
        began = time.monotonic()
    seconds = time.monotonic() - began

    # Then
    assert seconds < 1
    go.set()
    asking.join(10)
