"""What the engine makes is its user's alone, whatever the umask is, and what was there stays as it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from salt_eventsd.config.folders import make_private
from salt_eventsd.engine.control import socket_path
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.engine.state_file import idle_report
from salt_eventsd.spool.keep import Spool


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """A umask."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_folders_and_files_are_private(tmp_path: Path) -> None:
    # Given
    folder = tmp_path / "cache" / "eventsd"
    state_file = folder / "status.json"

    # When
    spool = Spool(folder / "spool")
    reporter = Reporter(state_file, lambda: 0.01, lambda: idle_report(0.0, []))
    reporter.start()
    with answering(str(state_file), lambda request: {}):
        reporter.stop()

        # Then
        assert mode(socket_path(state_file)) == 0o600
    spool.close()
    for one in (tmp_path / "cache", *(tmp_path / "cache").rglob("*")):
        assert mode(one) & 0o077 == 0, one


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    make_private(tmp_path / "new")
    make_private(tmp_path)

    assert (mode(tmp_path), mode(tmp_path / "new")) == (0o755, 0o700)


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file")
