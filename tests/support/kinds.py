"""The kinds of databases, as parameters of tests."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRESQL = pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql"))
MARIADB = pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb"))


def long(kind: ParameterSet) -> ParameterSet:
    """
    Mark a parameter: only ``make faults`` runs its tests.

    :param kind: a parameter of this module.
    """
    return pytest.param(*kind.values, id=kind.id, marks=[*kind.marks, pytest.mark.long])


def slow(kind: ParameterSet) -> ParameterSet:
    """
    Mark a parameter: ``make test`` leaves its tests out, ``.ci/run`` runs them.

    :param kind: a parameter of this module.
    """
    return pytest.param(*kind.values, id=kind.id, marks=[*kind.marks, pytest.mark.slow])
