"""eventsd.top, in a real terminal of 80 columns and 24 lines, and as data."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from salt_eventsd.engine.control import verbs
from salt_eventsd.engine.control.server import answering
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate import top
from tests.functional.engine.conftest import Engine
from tests.support.docs import ROOT
from tests.support.lanes import eventually

SECONDS = 60.0
SCRIPT = """
import sys
from pathlib import Path
import salt.utils.color
from salt_eventsd.operate import top
from salt_eventsd.operate.tap import until_interrupted
with until_interrupted():
    top.live(Path(sys.argv[1]), 0.2, None, salt.utils.color.get_colors(True))
"""


@pytest.fixture
def asked(engine: Engine) -> Iterator[Engine]:
    """An engine that answers, and has written some events."""
    with answering(engine.service.general.state_file, verbs.of_running(engine.service)):
        engine.put(5)
        eventually(lambda: engine.service.lanes["history"].written == 5, SECONDS)
        engine.report()
        yield engine


def state_file(engine: Engine) -> Path:
    return Path(engine.service.general.state_file)


def test_one_look_is_data(asked: Engine) -> None:
    [look] = top.looks(state_file(asked), 0.1, 1)

    data = top.as_data(look)
    assert data["running"] is True
    assert data["workers"]["history"]["written"] == 5
    assert data["rules"] == {"returns": {"per_second": 0.0, "taken": 5}}


def test_rules_are_as_busy_as_events_come(asked: Engine) -> None:
    looks = top.looks(state_file(asked), 0.5)
    next(looks)

    asked.put(100)

    rates = [one.rate for one in (next(looks).rules[0], next(looks).rules[0])]
    assert max(rates) > 20


def test_it_is_live_in_a_terminal_and_ends_at_ctrl_c(asked: Engine) -> None:
    # Given
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    script = [sys.executable, "-c", SCRIPT, str(state_file(asked))]

    # When
    with subprocess.Popen(script, stdin=its, stdout=its, stderr=subprocess.PIPE, cwd=ROOT) as process:
        os.close(its)
        text = _read_until(ours, 3)
        process.send_signal(signal.SIGINT)
        text += _rest(ours)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    os.close(ours)

    # Then
    assert text.startswith(top._BEGIN)
    assert text.endswith(top._END)
    pages = text.removeprefix(top._BEGIN).split(top._HOME)[1:]
    assert len(pages) >= 3
    for page in pages[:3]:
        shown = re.sub(r"\033\[[?0-9;]*[a-zA-Z]", "", page).splitlines()
        assert len(shown) <= 24
        assert max(map(len, shown)) <= 80
        assert any(line.split()[:2] == ["history", "ok"] for line in shown)
        assert any(line.split()[0:3:2] == ["returns", "5"] for line in shown)


def _read_until(terminal: int, pages: int) -> str:
    text, until = "", time.monotonic() + SECONDS
    while text.count(top._HOME) <= pages and time.monotonic() < until:
        text += os.read(terminal, 65_536).decode()
    return text


def _rest(terminal: int) -> str:
    text = ""
    # Reading from a terminal whose other side is closed is an error.
    with suppress(OSError):
        while more := os.read(terminal, 65_536):
            text += more.decode()
    return text


def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match="no engine has run here"):
        next(top.looks(tmp_path / "status.json", 0.1))


def test_an_engine_that_ends_meanwhile_is_told(asked: Engine) -> None:
    looks = top.looks(state_file(asked), 0.2)
    next(looks)

    asked.service.close()

    assert next(looks).told["state"] == "down"


@pytest.mark.parametrize(("seconds", "count"), [("soon", 1), (0, 1), (1, 0), (1, "x"), (float("nan"), None)])
def test_wrong_numbers_are_told(asked: Engine, seconds: object, count: object) -> None:
    with pytest.raises(EventsdError, match=r"eventsd\.top: expected seconds from 0\.1 to 3600"):
        next(top.looks(state_file(asked), seconds, count))
