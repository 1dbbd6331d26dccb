"""What a library would load, and is of no use here, is left out."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from salt_eventsd.common.imports import without


def test_a_module_looks_as_if_it_were_not_there_and_is_there_afterwards() -> None:
    name = "xml.sax.expatreader"
    sys.modules.pop(name, None)

    with without(name), pytest.raises(ImportError):
        importlib.import_module(name)

    assert importlib.import_module(name).__name__ == name


def test_a_module_that_is_loaded_stays() -> None:
    with without("json"):
        assert importlib.import_module("json") is sys.modules["json"]

    assert sys.modules["json"]


def test_an_error_inside_is_passed_on_and_nothing_stays_hidden() -> None:
    with pytest.raises(KeyError), without("no.such.module"):
        raise KeyError

    assert "no.such.module" not in sys.modules


def test_tables_are_made_without_pygments() -> None:
    code = """
import sys
import sqlalchemy
from salt_eventsd.database import migrate
with sqlalchemy.create_engine("sqlite://").connect() as connection, connection.begin():
    migrate.upgrade(connection)
    assert migrate.version(connection)
print([name for name in sys.modules if name.startswith("pygments")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["[]"]
