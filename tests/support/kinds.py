"""The databases as parameters of tests."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRESQL = pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql"))
MARIADB = pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb"))


def long(kind: ParameterSet) -> ParameterSet:
    """
    Return a parameter whose tests only ``make faults`` runs.

    :param kind: one of these.
    """
    return pytest.param(*kind.values, id=kind.id, marks=[*kind.marks, pytest.mark.long])
