"""Signals come to all processes of the engine's group, and only the engine acts on them."""

from __future__ import annotations

import subprocess
import sys

from salt_eventsd.bus import nursery

SCRIPT = """
import signal
from salt_eventsd.engine import signals

before = {one: signal.getsignal(one) for one in signal.Signals}
signals.install(print, print)
print(*[one.name for one in before if signal.getsignal(one) != before[one]])
"""


def test_what_the_engine_acts_on_ends_no_reader() -> None:
    # When
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)

    # Then
    handled = set(done.stdout.split())
    assert {"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"} <= handled
    assert handled <= set(nursery._IGNORED)
