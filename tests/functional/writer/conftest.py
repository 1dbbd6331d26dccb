"""What the tests of writers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stores import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database of SQLite's with our tables, for what has nothing to do with its kind."""
    made = Database(f"sqlite:///{tmp_path / 'history.db'}")
    made.make_tables()
    yield made
    made.close()
