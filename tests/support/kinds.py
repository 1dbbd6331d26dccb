"""The databases as parameters of tests."""

from __future__ import annotations

import pytest

SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRESQL = pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql"))
MARIADB = pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb"))
