"""Run the demo from a command line."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from salt_eventsd.operate.demo import DemoError
from salt_eventsd.operate.demo.sandbox import Sandbox
from salt_eventsd.operate.demo.story import tell
from salt_eventsd.operate.demo.terminal import Terminal

#: Exit codes: something went wrong; ended by the user (as shells have it: 128 + the signal).
_FAILED = 1
_SIGNALLED = 128


class _Ended(Exception):
    """The user wants the demo to end."""


class _Signals:
    """Notes a signal. The demo acts on it later, when it knows of each process that it has started and has to end."""

    def __init__(self) -> None:
        self.received = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: Any) -> None:
        self.received = number

    def check(self) -> None:
        """Raise if there was a signal."""
        if self.received:
            raise _Ended


def main(arguments: list[str] | None = None) -> int:
    """
    Run the demo.

    :param arguments: of the command line.
    :returns: the exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m salt_eventsd.operate.demo",
        description="Run a salt-master and a salt-minion of their own, and show the job history the engine keeps.",
    )
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="leave configuration, logs and history in DIR, new or empty"
    )
    parser.add_argument("--page", metavar="FILE", type=Path, help="leave the history as a page in FILE")
    given = parser.parse_args(arguments)
    keep: Path | None = given.keep
    page: Path | None = given.page or (keep / "report.html" if keep else None)
    signals = _Signals()
    terminal = Terminal()
    try:
        with Sandbox(keep, signals.check) as sandbox:
            try:
                tell(sandbox, terminal, page.absolute() if page else None)
            except DemoError as exc:
                _explain(exc, sandbox)
                return _FAILED
        terminal.line(_left(keep))
    except DemoError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return _FAILED
    except _Ended:
        print(f"demo: ended by {signal.Signals(signals.received).name}; nothing is left running", file=sys.stderr)
        return _SIGNALLED + signals.received
    return 0


def _explain(error: DemoError, sandbox: Sandbox) -> None:
    sys.stdout.flush()
    print(f"\ndemo: {error}", file=sys.stderr)
    for name in ("master", "minion"):
        if tail := sandbox.log_tail(name):
            print(f"\nThe end of the {name}'s log:\n{tail}", file=sys.stderr)


def _left(keep: Path | None) -> str:
    if keep is None:
        return "Nothing is left running, and the folder is gone; --keep DIR would leave it."
    return f"Nothing is left running. The history is in {keep}/cache/master/eventsd/history.db, the logs are in {keep}."


if __name__ == "__main__":
    sys.exit(main())
