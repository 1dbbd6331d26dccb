"""
What docs/writing_a_worker.rst and docs/backends.rst promise of workers, of each module in turn: the suite that users
can run as well, and what it leaves out of how workers are made.

What they do with events is in test_contract_writes.py; what only one of them can do, in that backend's tests.
"""

from __future__ import annotations

import ast
import importlib
import traceback
from pathlib import Path

import pytest
import yaml

from salt_eventsd.exceptions import ConfigError
from salt_eventsd.workers.conformance import CHECKS, Check, NotTried
from tests.support import backends
from tests.support.delivery import plan_of
from tests.support.docs import ROOT, blocks
from tests.support.places import PLACES, Site, each

_MODULES = sorted(path.stem for path in (ROOT / "_eventsd_workers").glob("*.py") if path.stem != "__init__")


def test_each_module_is_tested() -> None:
    assert sorted({kind.module for kind in PLACES.values()}) == _MODULES


@pytest.mark.parametrize("module", _MODULES)
def test_a_module_is_there_under_its_own_name(module: str) -> None:
    # When
    found = importlib.import_module(f"salt_eventsd.eventsd_workers.{module}")

    # Then
    assert getattr(found, "__virtual__", lambda: module)() == module
    assert callable(found.worker)


@pytest.mark.parametrize("module", _MODULES)
def test_the_configurations_in_a_docstring_work(module: str, tmp_path: Path) -> None:
    # Given: what the one of legacy loads
    source = ast.parse((ROOT / "_eventsd_workers" / f"{module}.py").read_text(encoding="utf-8"))
    (tmp_path / "Inventory_Worker.py").write_text("class Inventory_Worker:\n    setup = send = shutdown = print\n")
    doc = tmp_path / "doc.rst"
    doc.write_text((ast.get_docstring(source) or "").replace("/etc/salt/eventsd_workers", str(tmp_path)) + "\n")
    shown = [yaml.safe_load(text) for _, text in blocks(doc, "yaml")]

    # When
    plans = [plan_of(config, tmp_path) for config in shown]

    # Then
    assert [planned.settings.module for plan in plans for planned in plan.workers.values()] == [module] * len(shown)
    assert shown


@each()
@pytest.mark.parametrize("check", [check for check in CHECKS if "away" not in check.text], ids=str)
def test_the_contract_holds(place: Site, check: Check) -> None:
    # Given
    worker = place.worker().worker
    lacks = {"check": not hasattr(worker, "check"), "closing": not hasattr(worker, "close")}
    lacks |= {"password": not place.place.secret, "all kinds": not place.place.takes_all_kinds, "swallowed": True}

    # When
    reason = ""
    try:
        check(place.subject())
    except NotTried as exc:
        reason = str(exc)

    # Then
    assert not reason or any(lacks[word] for word in lacks if word in check.text), reason


@each()
def test_an_unknown_option_is_named(place: Site) -> None:
    # When
    line = backends.problem(place.place.module, {**place.place.options(), "colour": "red"})

    # Then
    assert line.startswith("eventsd: workers.sink.colour: unknown key; ")


@each()
def test_defaults_that_it_knows_are_taken(place: Site) -> None:
    # Given
    options = place.place.options()
    own = {key: value for key, value in options.items() if key in place.place.own}
    shared = {key: value for key, value in options.items() if key not in own}

    # When
    worker = place.worker(own, defaults={**shared, "colour": "red"})
    worker.write(place.batch([0, 1]))

    # Then
    place.has([0, 1])


@each(lambda kind: kind.secret)
def test_a_secret_is_told_nowhere(place: Site, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    caplog.set_level("DEBUG")
    options, secret = place.place.options(), place.place.secret
    assert secret in str(options)
    worker = place.worker()
    said = [repr(worker.worker), str(worker.worker), worker.check()]

    # When: each option is wrong in its turn
    for key in [*options, "colour"]:
        for wrong in ({"wrong": secret}, [[secret]]):
            try:
                place.worker({**options, key: wrong})
            except ConfigError as exc:
                said += traceback.format_exception(exc)

    # Then
    assert secret not in "\n".join([*said, caplog.text])
