"""Returns in Redis: the example, and what the old batch worker is converted to, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from salt_eventsd.operate.convert import convert
from tests.support.brokers import Redis
from tests.support.delivery import check, deliver
from tests.support.docs import ROOT
from tests.support.events import JID, job_data, return_data
from tests.support.server import PASSWORD, USER

OLD = r"""
worker_settings:
    Minion_Batch_Return_Worker: {host: 127.0.0.1, port: 6379, db: 0}
events:
    returns:
        tag: salt/job/[0-9]*/ret/\w+
        backend: Minion_Batch_Return_Worker
        dict_name: data
        fields: [jid, return]
        batch_mode: true
"""


@pytest.fixture
def server(installed: Callable[[type[Redis]], Redis]) -> Iterator[Redis]:
    """A Redis server."""
    with installed(Redis) as made:
        yield made


def _here(config: dict[str, Any], name: str, server: Redis) -> dict[str, Any]:
    """The configuration with this server in it."""
    config["eventsd"]["workers"][name].update(port=server.port, user=USER, password=PASSWORD)
    return config


def test_the_example_keeps_returns_by_job_and_minion(server: Redis, tmp_path: Path) -> None:
    # Given
    text = (ROOT / "examples" / "redis_batch" / "eventsd.conf").read_text(encoding="utf-8")
    config = _here(yaml.safe_load(text), "cache", server)
    fired = [(f"salt/job/{JID}/ret/web{number}", return_data(number, minion_id=f"web{number}")) for number in range(3)]
    others = [
        (f"salt/job/{JID}/new", job_data()),
        (f"salt/job/{JID}/ret/db1", return_data(minion_id="db1", fun="saltutil.find_job")),
    ]

    # When
    buried = deliver(config, [*fired, *others], tmp_path)

    # Then
    assert "cache" in check(config, tmp_path)
    assert buried["cache"].refusals == []
    client = server.client(0)
    assert sorted(client.keys()) == [f"salt:{JID}:web{number}" for number in range(3)]
    assert json.loads(client.get(f"salt:{JID}:web2")) == 2
    assert 0 < client.ttl(f"salt:{JID}:web2") <= 604800


def test_the_converted_batch_worker_keeps_a_return_by_job(server: Redis, tmp_path: Path) -> None:
    # Given
    config = _here(yaml.safe_load(convert(OLD).text), "redis", server)

    # When
    buried = deliver(config, [(f"salt/job/{JID}/ret/web1", return_data({"up": True}))], tmp_path)

    # Then
    assert buried["redis"].refusals == []
    assert json.loads(server.client(0).get(JID)) == {"up": True}
