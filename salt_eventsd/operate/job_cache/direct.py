"""
Direct: a return that a minion keeps by itself (``--return eventsd``, ``ext_job_cache``), where no engine runs that
would take it from a doorstep. Salt calls this after the return was sent to the master, so it may wait.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from salt_eventsd.config.load import load
from salt_eventsd.database.questions.read import asked_worker
from salt_eventsd.engine.plan import make_plan
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.exceptions import ConfigError, SpoolError
from salt_eventsd.workers.load import close
from salt_eventsd.workers.write import Batch, Refusal


def write(opts: Mapping[str, Any], tag: str, payload: bytes) -> None:
    """
    Write a return into the database, by the rules of the minion's configuration.

    :param opts: the minion's options.
    :param tag: of the return.
    :param payload: MessagePack.
    :raises EventsdError: it cannot be written, and why.
    """
    config = load(opts)
    name = asked_worker(config)
    plan = make_plan(config, opts)
    planned = plan.workers[name]
    if planned.worker is None:
        raise ConfigError([planned.problem])
    found = plan.policy.pipeline.trusting.take(tag.encode("utf-8", "surrogatepass") + TAG_END + payload, time.time())
    events = [event for to, event in found.destinations if to.worker == name and to.lane == name]
    try:
        if events:
            worker = planned.worker.hold()
            worker.write(Batch(uuid.uuid4().hex, ((1, len(events)),), events, 1, False, _refused))
    finally:
        close(planned.worker)


def _refused(refusals: Sequence[Refusal], _chunks: Collection[int] | None) -> None:
    for _, why in refusals:
        raise SpoolError(str(why))
