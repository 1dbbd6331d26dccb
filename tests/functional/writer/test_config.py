"""A writer's configuration: the engine's words and checks, and all that is wrong at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from salt_eventsd.exceptions import ConfigError
from salt_eventsd.writer.config import read
from salt_eventsd.writer.plan import plan, threads

_SOURCE = {"url": "nats://n1:4222"}
_WORKERS = {"history": {"url": "sqlite:////tmp/none.db"}}


def _file(folder: Path, block: Any) -> str:
    path = folder / "history.yaml"
    path.write_text(yaml.safe_dump({"eventsd": block}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        pytest.param({"workers": _WORKERS}, "source: missing; expected a mapping such as", id="no source"),
        pytest.param({"source": _SOURCE}, "workers: missing; expected a worker such as", id="no workers"),
        pytest.param({"source": {"url": "x"}, "workers": _WORKERS}, "source.url: expected a URL such as", id="url"),
        pytest.param(
            {"source": {**_SOURCE, "streem": "A"}, "workers": _WORKERS}, "source.streem: unknown key", id="source's key"
        ),
        pytest.param(
            {"source": _SOURCE, "workers": _WORKERS, "max_worker": 2},
            "max_worker: unknown key; known are defaults, events, max_workers, metrics, redact, source, state_file, "
            "state_timer, workers; did you mean 'max_workers'?",
            id="key",
        ),
        pytest.param(
            {"source": _SOURCE, "workers": _WORKERS, "spool": {}}, "spool: a writer has no such key", id="engine's key"
        ),
        pytest.param(
            {"source": _SOURCE, "workers": {"history": {"module": "central"}}},
            "workers.history.module: central sends to writers",
            id="central",
        ),
        pytest.param(
            {"source": _SOURCE, "workers": {"history": {"concurrency": 0}}},
            "workers.history.concurrency: expected a number from 1",
            id="worker",
        ),
    ],
)
def test_what_is_wrong_names_its_key(tmp_path: Path, block: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(_file(tmp_path, block))

    assert any(line.startswith(f"eventsd: {told}") for line in error.value.problems), error.value.problems


def test_rules_are_needed_only_for_tables_of_the_users_own(tmp_path: Path) -> None:
    # Given
    rule = {"tag": "salt/job/", "worker": "graphs", "table": "raid", "columns": {"a": "minion_id"}}
    block = {
        "source": _SOURCE,
        "workers": {"history": {**_WORKERS["history"], "concurrency": 3}, "graphs": _WORKERS["history"]},
    }

    # When
    without = plan(read(_file(tmp_path, block)))
    with_rule = plan(read(_file(tmp_path, {**block, "events": {"raid": rule}})))

    # Then
    assert {one.name: list(one.rules) for one in without} == {"graphs": [], "history": []}
    assert {one.name: list(one.rules) for one in with_rule} == {"graphs": ["raid"], "history": []}
    assert threads(without, 4) == {"history": 3, "graphs": 1}
    assert threads(with_rule, 4) == {"history": 2, "graphs": 1}
    assert threads(with_rule, 1) == {"history": 1, "graphs": 1}
    for one in (*without, *with_rule):
        one.writers.close()


def test_no_password_is_in_what_is_wrong(tmp_path: Path) -> None:
    source = {"url": "nats://me:hunter2secret@n1:4222", "token": "hunter3secret", "timeout": -1}

    with pytest.raises(ConfigError) as error:
        read(_file(tmp_path, {"source": source, "workers": _WORKERS}))

    assert "secret" not in str(error.value)
