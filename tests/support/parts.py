"""The parts of a healthy engine, without its threads: a report is made from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.link import Link
from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.config.structs import SpoolConfig
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.report import Report
from salt_eventsd.engine.state_file import IdleReport, to_data
from salt_eventsd.engine.watch import Watch
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.operate.status import read
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from tests.support.childless import Childless
from tests.support.lanes import lane_of
from tests.support.workers import Recorder


def tell(link: Link, **changes: Any) -> None:
    """Change the reader's state as the test wants it."""
    page = link._nursery.page
    state = msgspec.structs.replace(link.state, **{"beat": time.monotonic(), **changes})
    page.write(msgspec.msgpack.encode(state))


def parts_of(spool: Spool) -> Parts:
    """
    Return the parts of an engine with a worker ``history``.

    :param spool: its spool.
    """
    lanes = {"history": lane_of(spool, Recorder())}
    quota = Quota(lambda: SpoolConfig(), spool, lanes)
    inbox = Inbox()
    link = Link(cast("Nursery", Childless()), inbox)
    tell(link, connected=True, since=time.time())
    policy = Policy(Pipeline(compile_rules({}), compile_redactor((), (), {})), {})
    return Parts(
        started=time.time(),
        link=link,
        ledger=Ledger(),
        watch=Watch({}),
        inbox=inbox,
        intake=Intake(inbox, spool, lambda: policy, lambda: 0.1, quota=quota, kept=lambda kept: None),
        lanes=lanes,
        spool=spool,
        quota=quota,
        dispatcher=Dispatcher(spool, lanes, lambda: 1),
    )


#: Takes a report (by default the engine's) and changes to it; returns the status.
Told = Callable[..., dict[str, Any]]


def told_of(parts: Parts, folder: Path) -> Told:
    """
    Return a function that writes an engine's report, changed as a test wants it, and reads it as the runner does.

    :param parts: the parts of the engine.
    :param folder: the folder of its state file.
    """

    def told(
        report_of: Report | IdleReport | None = None,
        *,
        spool: Path | None = None,
        problems: tuple[str, ...] = (),
        **more: Any,
    ) -> dict[str, Any]:
        path = folder / "status.json"
        found = {**to_data(report_of or report(parts)), "timer": 5.0, "ended": False, **more}
        if spool:
            found["spool"] = {**found["spool"], "dir": str(spool)}
        path.write_bytes(msgspec.json.encode(found))
        return read(path, problems)

    return told
