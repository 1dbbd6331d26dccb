"""What the documentation of a backend shows is complete, right, and has the defaults it says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import salt.config
import yaml

from salt_eventsd.backends.file.options import FileOptions
from salt_eventsd.backends.graphite.options import DEFAULT_METRICS, GraphiteOptions
from salt_eventsd.backends.http.options import HttpOptions
from salt_eventsd.backends.stats.graphs import StatsOptions
from salt_eventsd.config import load as config_load
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Context
from tests.support.docs import ROOT, blocks

_OPTS = {**salt.config.DEFAULT_MASTER_OPTS, "id": "master-1", "extension_modules": ""}
_MODULES = [
    pytest.param("file", FileOptions, {"path", "rotate"}, id="file"),
    pytest.param("graphite", GraphiteOptions, {"host", "port", "metrics"}, id="graphite"),
    pytest.param("http", HttpOptions, {"url", "headers", "auth"}, id="http"),
    pytest.param("stats", StatsOptions, {"host", "port"}, id="stats"),
]


def _docstrings(module: str) -> list[dict[str, Any]]:
    """The workers that a module's docstring shows."""
    found = [yaml.safe_load(text) for _, text in blocks(ROOT / "_eventsd_workers" / f"{module}.py", "yaml")]
    return [worker for one in found for worker in one["eventsd"]["workers"].values()]


def _section(module: str) -> dict[str, Any]:
    """The configuration that a section of docs/backends.rst shows."""
    for _, text in blocks(ROOT / "docs" / "backends.rst", "yaml"):
        found: dict[str, Any] = yaml.safe_load(text)
        if any(worker.get("module") == module for worker in found["eventsd"]["workers"].values()):
            return found
    raise AssertionError(f"docs/backends.rst shows no {module}")


@pytest.mark.parametrize(("module", "struct", "examples"), _MODULES)
def test_a_docstring_shows_each_option_with_its_default(
    module: str, struct: type[msgspec.Struct], examples: set[str]
) -> None:
    # Given
    shown = {key: value for worker in _docstrings(module) for key, value in worker.items()}

    # Then
    for field in msgspec.structs.fields(struct):
        assert field.encode_name in shown, f"{module}: no {field.encode_name}"
        if field.encode_name not in examples:
            assert shown[field.encode_name] == field.default, field.encode_name


def test_the_metrics_shown_are_the_defaults() -> None:
    assert _docstrings("graphite")[0]["metrics"] == DEFAULT_METRICS


@pytest.mark.parametrize(("module", "struct", "examples"), _MODULES)
def test_what_is_shown_can_be_used(module: str, struct: type[msgspec.Struct], examples: set[str]) -> None:
    # Given
    for worker in _docstrings(module):
        options = {key: value for key, value in worker.items() if key != "module"}

        # When / Then
        assert make(load_modules(_OPTS), module, Context("sink", options, "master-1", 1, _OPTS))


@pytest.mark.parametrize(("module", "struct", "examples"), _MODULES)
def test_the_reference_shows_a_whole_configuration(
    module: str, struct: type[msgspec.Struct], examples: set[str]
) -> None:
    # Given
    config = config_load.load({**_OPTS, **_section(module)}, {})

    # When / Then
    for name, worker in config.workers.items():
        context = Context(name, worker.options, "master-1", 1, _OPTS, worker.defaults)
        assert make(load_modules(_OPTS), worker.module, context)
