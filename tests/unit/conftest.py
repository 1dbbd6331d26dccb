"""What the unit tests share: a spool of their own, and how hard Hypothesis looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from salt_eventsd.spool import Spool

hypothesis.settings.register_profile("unit", deadline=None, max_examples=150, database=None)
hypothesis.settings.load_profile("unit")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool")
    yield opened
    opened.close()
