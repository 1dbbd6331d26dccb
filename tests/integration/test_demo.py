"""The demo, as a user runs it: what it shows, how it ends, and that nothing is left of it however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.salt import wait_until

_ROOT = Path(__file__).parents[2]
#: What the demo promises.
_MOST_SECONDS = 120
#: Handed down to all processes of one demo, by which they are found.
_MARK = "EVENTSD_TEST_DEMO"


@dataclass
class Demo:
    """A demo with a folder for temporary files that nobody else uses."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    output: str = ""
    code: int | None = None
    seconds: float = 0.0

    def start(self, *arguments: str, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
        """Start it with its output in a file."""
        with open(self.folder.with_suffix(".out"), "w", encoding="utf-8") as out:
            return subprocess.Popen(
                [python, "-m", "salt_eventsd.operate.demo", *arguments],
                cwd=_ROOT,
                env={**os.environ, "TMPDIR": str(self.folder), _MARK: self.mark, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def shown(self) -> str:
        """What it has printed up to now."""
        return self.folder.with_suffix(".out").read_text(encoding="utf-8")

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait for its end."""
        began = time.monotonic()
        try:
            self.code = process.wait(_MOST_SECONDS)
        finally:
            process.kill()
            self.seconds = time.monotonic() - began
            self.output = self.shown()

    def processes(self) -> list[psutil.Process]:
        """All processes that came of it and are still there."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == self.mark:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path: a Unix socket's may have 107 bytes, and pytest's temporary folders are deep."""
    made = Path(tempfile.mkdtemp(prefix="demo-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def demo(folder: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    """A demo not started yet; what is left of it is ended after the test."""
    own = folder / uuid.uuid4().hex[:6]
    own.mkdir()
    made = Demo(own)
    yield made
    for process in made.processes():
        process.kill()


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[Demo]:
    """A demo that has run to its end."""
    own = folder / "told"
    own.mkdir()
    made = Demo(own)
    made.finish(made.start("--page", str(own.with_name("pages") / "demo.html")))
    yield made
    for process in made.processes():
        process.kill()


@pytest.mark.smoke
def test_it_ends_well_and_in_time(told: Demo) -> None:
    assert told.code == 0, told.output
    assert told.seconds < _MOST_SECONDS


@pytest.mark.smoke
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(r"\S+ \S+ +job +test\.ping +\* +\d{20}", id="job"),
        pytest.param(r"\S+ \S+ +runner +runner\.manage\.up +- +\d{20}", id="runner"),
        pytest.param(r"\S+ \S+ +demo-minion +cmd\.run +yes +0 +\d{20}", id="return"),
        pytest.param(r"\S+ \S+ +demo-minion +state\.apply +NO +2 +\d{20}", id="failed return"),
        pytest.param(
            r"demo-minion +file\.managed +greeting +yes +yes +[\d.]+ +\S.*", id="state that changed something"
        ),
        pytest.param(r"demo-minion +file\.exists +licence +NO +no +[\d.]+ +Specified path.*", id="state that failed"),
        pytest.param(r".*demo-minion +state\.apply +2 +file\.exists.*", id="failure"),
        pytest.param(r"nothing found", id="none is missing"),
        pytest.param(r".*\d{20} +demo-minion +\S+ +file\.managed +.*", id="change"),
        pytest.param(r"FROM eventsd_states", id="query"),
        pytest.param(r"eventsd is well, running since .+", id="status"),
        pytest.param(r"Return code 0: all is well\.", id="status-code"),
    ],
)
def test_it_shows_what_was_kept(told: Demo, line: str) -> None:
    assert re.search(rf"^ *{line}$", told.output, re.MULTILINE), told.output


def test_it_leaves_a_page(told: Demo) -> None:
    page = (told.folder.with_name("pages") / "demo.html").read_text(encoding="utf-8")

    assert "eventsd.report path=" in told.output
    assert "demo-minion" in page
    assert "licence.key does not exist" in page


def test_it_is_short(told: Demo) -> None:
    lines = told.output.splitlines()

    assert len(lines) < 100
    assert max(map(len, lines)) <= 110


def test_it_has_no_colours_where_there_is_no_terminal(told: Demo) -> None:
    assert "\033" not in told.output


@pytest.mark.smoke
def test_nothing_is_left_of_it(told: Demo) -> None:
    assert told.processes() == []
    assert list(told.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGINT, "test.ping ...", id="ctrl-C while a command runs"),
        pytest.param(signal.SIGTERM, "starting salt-master and salt-minion ...", id="SIGTERM while the daemons start"),
    ],
)
def test_nothing_is_left_of_it_after_a_signal(demo: Demo, number: signal.Signals, moment: str) -> None:
    # Given
    process = demo.start()
    wait_until(lambda: moment in demo.shown() and len(demo.processes()) > 2, moment, _MOST_SECONDS)

    # When
    process.send_signal(number)
    demo.finish(process)

    # Then
    assert demo.code == 128 + number
    assert f"demo: ended by {number.name}" in demo.output
    assert demo.processes() == []
    assert list(demo.folder.iterdir()) == []


def test_keep_leaves_the_history_and_no_process(demo: Demo, tmp_path: Path) -> None:
    # Given
    kept = tmp_path / "kept"

    # When
    demo.finish(demo.start("--keep", str(kept)))

    # Then
    assert demo.code == 0, demo.output
    assert (kept / "cache" / "master" / "eventsd" / "history.db").is_file()
    assert demo.processes() == []
    assert list(demo.folder.iterdir()) == []


def test_keep_takes_no_folder_that_has_something_in_it(demo: Demo, tmp_path: Path) -> None:
    # Given
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")

    # When
    demo.finish(demo.start("--keep", str(tmp_path)))

    # Then
    assert demo.code == 1
    assert f"demo: --keep {tmp_path}: not an empty folder" in demo.output
    assert [one.name for one in tmp_path.iterdir()] == ["letters.txt"]


def test_a_master_that_does_not_start_is_told(demo: Demo, tmp_path: Path) -> None:
    # Given: a Python beside which stand a master that fails after it has logged why, and a minion that runs
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    for name, does in (
        ("master", 'echo "the port is taken" > "$2/../master.log"; echo "bind: in use" >&2; exit 3'),
        ("minion", "exec sleep 600"),
    ):
        script = tmp_path / f"salt-{name}"
        script.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        script.chmod(0o755)

    # When
    demo.finish(demo.start(python=str(python), PYTHONPATH=os.pathsep.join([str(_ROOT), *sys.path])))

    # Then
    assert demo.code == 1
    assert "demo: salt-master ended with code 3: bind: in use" in demo.output
    assert "The end of the master's log:\nthe port is taken" in demo.output
    assert demo.processes() == []
    assert list(demo.folder.iterdir()) == []
