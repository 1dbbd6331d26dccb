"""The state eventsd.writer, without a service manager: what it renders, what it writes, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.functional.formula.test_render import Machine, failed
from tests.support.docs import ROOT

SECRET = "hunter2-in-pillar"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A minion without a master."""
    return Machine(tmp_path)


def writers(folder: Path, **more: Any) -> dict[str, Any]:
    """Return a pillar with one writer, which keeps its events in SQLite."""
    history = {
        "source": {"url": ["nats://127.0.0.1:1"], "token": SECRET, "timeout": 1},
        "workers": {"history": {"url": f"sqlite:///{folder / 'history.db'}", **more}},
        "state_file": str(folder / "status.json"),
    }
    lookup = {"writer": {"folder": str(folder / "etc")}, "service": {"manage": False}}
    return {"eventsd_writers": {"history": history}, "eventsd": {"lookup": lookup}}


def test_the_state_makes_a_configuration_and_a_service_of_each_writer(machine: Machine, tmp_path: Path) -> None:
    # Given
    pillar = writers(tmp_path)
    pillar["eventsd"]["lookup"]["service"] = {"manage": True}

    # When
    states = machine.call(pillar, "state.show_sls", "eventsd.writer")

    # Then
    assert {
        "eventsd-package-install-cmd-run",
        "eventsd-writer-config-file-managed-history",
        "eventsd-writer-service-file-managed",
        "eventsd-writer-service-running-history",
    } <= set(states)
    assert SECRET not in machine.text


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # Given
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze is installed")
    template = (ROOT / "eventsd" / "files" / "salt-eventsd-writer@.service.jinja").read_text(encoding="utf-8")
    unit = tmp_path / "salt-eventsd-writer@.service"
    unit.write_text(
        jinja2.Template(template).render(user="root", python=sys.executable, folder="/etc/salt-eventsd"),
        encoding="utf-8",
    )

    # When
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)

    # Then: it also tells of units of this machine's own
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "eventsd" in line] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(["history"], "eventsd_writers: expected a mapping of names", id="list"),
        pytest.param({"a b": {}}, "eventsd_writers: expected names of letters", id="name"),
        pytest.param({"history": "x"}, "eventsd_writers.history: expected a mapping", id="text"),
    ],
)
def test_a_wrong_pillar_is_a_failed_state_that_names_the_key(machine: Machine, given: Any, told: str) -> None:
    returned = machine.call({"eventsd_writers": given}, "state.apply", "eventsd.writer", "test=True")

    assert told in failed(returned)


def test_a_configuration_is_checked_before_it_is_used_and_shown_nowhere(machine: Machine, tmp_path: Path) -> None:
    # Given: the template, and the command that checks what it makes, as the state has them
    template = (ROOT / "eventsd" / "files" / "writer.yaml.jinja").read_text(encoding="utf-8")
    (tmp_path / "roots" / "writer.yaml.jinja").write_text(template, encoding="utf-8")
    place = tmp_path / "history.yaml"
    state = {
        "made": {
            "file.managed": [
                {"name": str(place)},
                {"source": "salt://writer.yaml.jinja"},
                {"template": "jinja"},
                {"context": {"name": "history"}},
                {"show_changes": False},
                {"check_cmd": f"{sys.executable} {ROOT / 'eventsd' / 'files' / 'writer.py'}"},
            ]
        }
    }
    (tmp_path / "roots" / "made.sls").write_text("#!yaml\n" + yaml.safe_dump(state), encoding="utf-8")

    # When: what is away is not wrong
    returned = machine.call(writers(tmp_path), "state.apply", "made")

    # Then
    assert failed(returned) == ""
    assert yaml.safe_load(place.read_text(encoding="utf-8"))["eventsd"]["source"]["token"] == SECRET
    assert SECRET not in machine.text
    kept = place.read_bytes()

    # When
    returned = machine.call(writers(tmp_path, concurency=2), "state.apply", "made")

    # Then
    assert "eventsd: workers.history.concurency: unknown key" in failed(returned)
    assert place.read_bytes() == kept
    assert SECRET not in machine.text
