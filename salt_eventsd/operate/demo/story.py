"""What happens in the demo and what is shown of it: a few jobs, the history kept of them, the engine's status."""

from __future__ import annotations

import platform
import re
import shlex
import sqlite3
import textwrap
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import salt.version

from salt_eventsd import __version__
from salt_eventsd.operate.demo import DemoError
from salt_eventsd.operate.demo.sandbox import Sandbox, Tick
from salt_eventsd.operate.demo.terminal import Terminal

#: The state run: one state that finds all well, one that changes something, one that fails.
_STATES = """
greeting:
  file.managed:
    - name: {folder}/greeting.txt
    - contents: Hello from salt-eventsd
scratch:
  file.directory:
    - name: {folder}
licence:
  file.exists:
    - name: {folder}/licence.key
"""

_COMMANDS = (
    ["salt", "*", "test.ping"],
    ["salt", "*", "cmd.run", "uname -s"],
    ["salt", "*", "state.apply", "demo"],
    ["salt-run", "manage.up"],
)
#: Function -> what it prints if it did what it was asked to; the others print the minion's id.
_SAYS = {"state.apply": "licence"}
#: A minion that has just come up is not always let in at once where the machine is busy. Salt says so, and does not run
#: the states, and the next try is answered.
_TRIES = 3
#: So Salt tells of a minion that it asked in vain.
_UNANSWERED = "did not return"
_EXPECTED = ("test.ping", "cmd.run", "state.apply", "runner.manage.up")

#: Title -> the query that is run and shown. They use nothing that PostgreSQL and MariaDB would not understand.
_QUERIES = {
    "Jobs: what was started": """
        SELECT stamp, kind, fun, tgt, jid
          FROM eventsd_jobs
         ORDER BY stamp""",
    "Returns: what came back": """
        SELECT stamp, minion_id, fun, success, retcode, jid
          FROM eventsd_returns
         ORDER BY stamp""",
    "States: a row for each state of a state run": """
        SELECT minion_id, state, state_id, result, changed, duration_ms, comment
          FROM eventsd_states
         ORDER BY stamp, run_num""",
}
#: Questions to the history, each with the runner's verb and its arguments.
_QUESTIONS = {
    "What failed, and why": ("eventsd.failures", "since=1h"),
    "Who did not answer": ("eventsd.missing", "since=1h"),
    "What was changed, where, and by whom": ("eventsd.changes", "since=1h"),
}
#: SQLite keeps truth as 1 and 0.
_TRUTH = {"success", "result", "changed"}
_FRACTION = re.compile(r"\.\d+\Z")


def tell(sandbox: Sandbox, terminal: Terminal, page: Path | None = None) -> None:
    """
    Run the demo.

    :param sandbox: nothing runs in it yet.
    :param terminal: where to show it.
    :param page: an absolute path, where the history is left as a page; None for no page.
    :raises DemoError: something went wrong.
    """
    began = time.monotonic()
    terminal.heading(
        f"salt-eventsd {__version__} on Salt {salt.version.__version__}, Python {platform.python_version()}"
    )
    terminal.line(f"A salt-master and a salt-minion of their own will run in {sandbox.folder}.")
    terminal.line("All that the master's configuration says about the engine:")
    terminal.block("engines:\n  - eventsd")

    terminal.heading("A few jobs")
    with terminal.step("starting salt-master and salt-minion") as tick:
        sandbox.start(tick)
    (sandbox.states / "demo.sls").write_text(_STATES.format(folder=sandbox.folder), encoding="utf-8")
    for command in _COMMANDS:
        with terminal.step(shlex.join(command)) as tick:
            _run_in_full(sandbox, command, tick)
    with terminal.step("waiting until the engine has written all of it") as tick:
        _wait_for_history(sandbox, tick)

    terminal.heading("The history that was kept")
    terminal.line(f"It is in an SQLite file, {sandbox.history}; these queries read it.")
    for title, query in _QUERIES.items():
        _show(sandbox, terminal, title, textwrap.dedent(query).strip())

    for title, (verb, *arguments) in _QUESTIONS.items():
        terminal.heading(f"{title}: salt-run {verb} {' '.join(arguments)}")
        terminal.block(_run_well(sandbox, terminal, "asking", verb, *arguments))
    if page:
        terminal.heading(f"All of it as a page: salt-run eventsd.report path={page}")
        page.parent.mkdir(parents=True, exist_ok=True)
        _run_well(sandbox, terminal, "making it", "eventsd.report", f"path={page}", "since=1h")

    terminal.heading("The engine's status: salt-run eventsd.status")
    with terminal.step("asking") as tick:
        code, said = sandbox.run(["salt-run", "--no-color", "eventsd.status"], tick)
    terminal.block(said)
    if code:
        raise DemoError(f"`salt-run eventsd.status` ended with code {code}; 0 is well, 1 degraded, 2 down or wrong")
    terminal.line("Return code 0: all is well.")

    terminal.heading("The end")
    with terminal.step("stopping salt-minion and salt-master") as tick:
        sandbox.stop(tick)
    terminal.line(f"That was all, in {time.monotonic() - began:.0f} s.")


def _run_in_full(sandbox: Sandbox, command: list[str], tick: Tick) -> None:
    """Run one of the commands, again where Salt did not do what it was asked to."""
    expected = _SAYS.get(command[2] if command[0] == "salt" else command[1], "demo-minion")
    for _ in range(_TRIES):
        _, said = sandbox.run(command, tick)
        if expected in said and _UNANSWERED not in said:
            return
    raise DemoError(f"`{shlex.join(command)}` did not answer with `{expected}`, tried {_TRIES} times; it said: {said}")


def _run_well(sandbox: Sandbox, terminal: Terminal, doing: str, verb: str, *arguments: str) -> str:
    """Return what a verb of the runner prints."""
    with terminal.step(doing) as tick:
        code, said = sandbox.run(["salt-run", "--no-color", verb, *arguments], tick)
    if code:
        raise DemoError(f"`salt-run {verb}` ended with code {code}: {said}")
    return said


def _wait_for_history(sandbox: Sandbox, tick: Tick) -> None:
    def missing() -> str:
        for table in ("eventsd_jobs", "eventsd_returns"):
            found = {row[0] for row in _ask(sandbox, f"SELECT fun FROM {table}")[1]}
            if gone := [fun for fun in _EXPECTED if fun not in found]:
                return f"no {', '.join(gone)} in {table}"
        failing = _ask(sandbox, "SELECT state_id FROM eventsd_states WHERE NOT result")[1]
        return "" if failing == [("licence",)] else "the failing state is not in eventsd_states"

    try:
        sandbox.wait_for(lambda: not missing(), 20, tick, "the history was not complete")
    except DemoError as exc:
        raise DemoError(f"{exc}: {missing()}") from None


def _show(sandbox: Sandbox, terminal: Terminal, title: str, query: str) -> None:
    terminal.heading(title)
    terminal.block(query, faint=True)
    columns, rows = _ask(sandbox, query)
    failed = [
        any(name in ("success", "result") and value == 0 for name, value in zip(columns, row, strict=True))
        for row in rows
    ]
    cells = [[_cell(name, value) for name, value in zip(columns, row, strict=True)] for row in rows]
    terminal.table(columns, cells, failed)


def _ask(sandbox: Sandbox, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a query; none as long as there are no tables."""
    try:
        with closing(sqlite3.connect(f"file:{sandbox.history}?mode=ro", uri=True, timeout=5)) as connection:
            cursor = connection.execute(query)
            return [column[0] for column in cursor.description], cursor.fetchall()
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc) or "unable to open" in str(exc):
            return [], []
        raise DemoError(f"{sandbox.history}: {exc}") from exc


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in _TRUTH:
        return "yes" if value else "NO" if name != "changed" else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return _FRACTION.sub("", str(value)) if name == "stamp" else str(value)
