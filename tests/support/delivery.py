"""
Delivers events to workers at once, without an engine: matches, redacts and writes them as an engine does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import salt.config
import sqlalchemy as sa

from salt_eventsd.config import load as config_load
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.engine.plan import Plan, make_plan
from salt_eventsd.event.parse import Event
from tests.support.events import RECEIVED, frame
from tests.support.stores import Buried, batch_of

#: A tag and a payload.
Fired = tuple[str, dict[str, Any]]


def deliver(config: Mapping[str, Any], fired: Iterable[Fired], folder: Path) -> dict[str, Buried]:
    """
    Have each worker of a configuration write one batch of the events that its rules take.

    :param config: the master's configuration.
    :param fired: the events.
    :param folder: a folder for files.
    :returns: what each worker buried.
    """
    plan = plan_of(config, folder)
    batches: dict[str, list[Event]] = defaultdict(list)
    for tag, payload in fired:
        for route, event in plan.policy.pipeline.take(frame(tag, payload), RECEIVED).destinations:
            batches[route.worker].append(event)
    buried = {}
    for name, planned in plan.workers.items():
        assert planned.worker
        buried[name] = Buried()
        write_batch(planned.worker, batch_of(batches[name], buried=buried[name]))
        planned.worker.close()
    return buried


def plan_of(config: Mapping[str, Any], folder: Path) -> Plan:
    """
    Return the plan of a configuration, which must be right.

    :param config: the master's configuration.
    :param folder: a folder for files.
    """
    opts = {
        **salt.config.DEFAULT_MASTER_OPTS,
        "id": "master-1",
        "cachedir": str(folder),
        "extension_modules": "",
        **config,
    }
    plan = make_plan(config_load.load(opts), opts)
    assert plan.problems == []
    return plan


def check(config: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """
    Return what the workers of a configuration say about their backends.

    :param config: the master's configuration.
    :param folder: a folder for files.
    """
    said = {}
    for name, planned in plan_of(config, folder).workers.items():
        assert planned.worker
        said[name] = planned.worker.check()
        planned.worker.close()
    return said


def login(url: str) -> dict[str, Any]:
    """
    Return the parts of a database's URL as a worker's options.

    :param url: the URL, for SQLAlchemy.
    """
    parts = sa.make_url(url)
    return {
        "host": parts.host,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "database": parts.database,
    }


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """
    Return the rows of a query.

    :param url: the URL of the database.
    :param query: SQL, passed to the driver as it is.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query).mappings()]
