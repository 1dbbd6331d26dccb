"""An engine that cannot work answers until its configuration is mended, whatever is on disk meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.config

from salt_eventsd.config import load as config_load
from salt_eventsd.config.options import fresh_opts
from salt_eventsd.engine import control
from salt_eventsd.engine.idle import idle
from salt_eventsd.exceptions import ConfigError, EventsdError
from tests.support.lanes import eventually

LAUGHS = (
    "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdef", "bcdefg"))
    + "eventsd: {redact: {values: *g}}\n"
)
EVIL = [
    pytest.param("eventsd: &a\n  events: *a\n", "", id="an alias that holds itself"),
    pytest.param("eventsd: {events: &a [*a]}\n", "", id="a list that holds itself"),
    pytest.param(LAUGHS, "", id="a billion values"),
    pytest.param("eventsd: " + "[" * 3_000 + "]" * 3_000, "", id="deep"),
    pytest.param("eventsd: {max_wokers: 3}\n", "eventsd: max_wokers: unknown key", id="a wrong key"),
    pytest.param("eventsd: [\n", "eventsd.conf: not YAML: line 2", id="no YAML"),
    pytest.param("eventsd:\n\tspool: {}\n", "YAML is indented with spaces", id="a tab"),
    pytest.param("engines: [{eventsd: 3}]\n", "eventsd: engines: expected a mapping", id="options that are none"),
]


@pytest.fixture
def opts(tmp_path: Path) -> dict[str, Any]:
    """A master's options, on disk too."""
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master").write_text(
        f"cachedir: {tmp_path}/cache\npki_dir: {tmp_path}/pki\nextension_modules: {tmp_path}/x\nid: m\n",
        encoding="utf-8",
    )
    return {**salt.config.master_config(str(tmp_path / "master")), "__role": "master"}


class Idle:
    """An idle engine in a thread."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self.path = control.socket_path(config_load.state_file(opts))
        self.stop = threading.Event()
        self.came_back: list[Any] = []
        self.thread = threading.Thread(target=self._run, args=(opts,), daemon=True)
        self.thread.start()
        eventually(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(control.ask(self.path, "compare"))
        except EventsdError:
            return False

    def _run(self, opts: dict[str, Any]) -> None:
        self.came_back.append(idle(opts, None, ConfigError(["eventsd: it was wrong"]), self.stop, []))


@pytest.fixture
def engine(opts: dict[str, Any]) -> Iterator[Idle]:
    """An idle engine."""
    made = Idle(opts)
    yield made
    made.stop.set()
    made.thread.join(10)


@pytest.mark.parametrize(("text", "says"), EVIL)
def test_whatever_is_on_disk_it_goes_on_and_starts_once_that_is_mended(
    engine: Idle, tmp_path: Path, text: str, says: str
) -> None:
    # Given
    path = tmp_path / "master.d" / "eventsd.conf"
    path.write_text(text, encoding="utf-8")

    # When
    answer = control.ask(engine.path, "reload")

    # Then
    assert answer["retcode"] == 2
    assert all(problem.startswith("eventsd: ") and len(problem) < 500 for problem in answer["problems"])
    assert says in answer["problems"][0]
    assert engine.thread.is_alive()
    assert control.ask(engine.path, "compare")["idle"] == ["eventsd: it was wrong"]

    # When
    path.write_text("engines: [eventsd]\neventsd: {max_workers: 3}\n", encoding="utf-8")
    answer = control.ask(engine.path, "reload")

    # Then
    assert answer["retcode"] == 0, answer
    engine.thread.join(10)
    [(opts, given)] = engine.came_back
    assert (opts["eventsd"], given) == ({"max_workers": 3}, None)


@pytest.mark.parametrize(("text", "says"), EVIL)
def test_the_file_that_is_broken_is_named(opts: dict[str, Any], tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "master.d" / "eventsd.conf").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        config_load.load(fresh_opts(opts))

    assert says in raised.value.problems[0]
