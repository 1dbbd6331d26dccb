"""What the unit tests share: a spool of their own, and how hard Hypothesis looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import salt._logging

from salt_eventsd.spool.keep import Spool
from tests.support.memory import prefer_memory

#: HYPOTHESIS_PROFILE=thorough looks ten times as hard, for whoever changes what it looks at.
for name, examples in (("default", 30), ("thorough", 300)):
    hypothesis.settings.register_profile(name, deadline=None, max_examples=examples, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "default")


def pytest_configure() -> None:
    """Wait for no disk."""
    prefer_memory()


@pytest.fixture(scope="session", autouse=True)
def _no_log_kept_for_the_end() -> None:
    """Salt keeps log lines until its logging is set up, and would print them when the tests have ended."""
    salt._logging.shutdown_temp_handler()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool")
    yield opened
    opened.close()
