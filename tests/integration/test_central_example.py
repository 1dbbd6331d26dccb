"""The example of a broker and writers, as a user runs it: it counts for itself, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.brokers import Nats

_ROOT = Path(__file__).parents[2]
#: Handed down to all processes of the example, by which they are found.
_MARK = "EVENTSD_TEST_CENTRAL"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_example_loses_nothing_and_leaves_nothing(installed: Callable[[type[Nats]], Nats], tmp_path: Path) -> None:
    # Given that there is a server for the example to start
    installed(Nats)
    mark = uuid.uuid4().hex

    # When
    done = subprocess.run(
        [sys.executable, "examples/central/run.py", "--keep", str(tmp_path / "kept")],
        cwd=_ROOT,
        env={**os.environ, _MARK: mark},
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )

    # Then
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "nothing lost, nothing twice" in done.stdout
    assert (tmp_path / "kept" / "central" / "writer-1.yaml").exists()
    assert _left(mark) == []


def _left(mark: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
