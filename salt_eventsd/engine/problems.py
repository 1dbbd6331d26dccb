"""
Find in its report what is wrong with a running engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from salt_eventsd.common.english import counted
from salt_eventsd.engine.report import BUILT_IN, LaneReport, Report, SpoolReport, WorkerReport
from salt_eventsd.engine.watch import STANDS_SECONDS

#: How long a loss or a gap makes an engine degraded.
REMEMBERED_SECONDS = 86_400.0
#: A queue is told to grow if it has not become shorter for so long, and its oldest event is so much overdue.
_GROWS_SECONDS = 8.0


@dataclass(frozen=True)
class Problem:
    """
    Something that is wrong.

    :param kind: what is wrong, in one word for programs.
    :param text: the same in a line for people.
    :param subject: the worker, rule, thread or file it is about, "" if it is about none of them.
    :param details: numbers and times, for programs that have a text of their own.
    """

    kind: str
    text: str
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def problems(found: Report) -> list[Problem]:
    """
    Return what is wrong, the worst first.

    :param found: the report of a running engine.
    """
    return [
        *_threads(found),
        *_bus(found),
        *_dispatch(found),
        *_spool(found.spool),
        *(problem for name, worker in found.workers.items() for problem in _worker(name, worker)),
        *([Problem("metrics", found.metrics)] if found.metrics else []),
        *_losses(found),
    ]


def _threads(found: Report) -> Iterator[Problem]:
    for name, still in found.threads.items():
        what = "the process that reads the event bus" if name == "reader" else f"thread {name}"
        if still is None:
            yield Problem("ended", f"{what} has ended", name)
        elif still > STANDS_SECONDS:
            yield Problem("stalled", f"{what} has stood still for {still:.0f} s", name, {"seconds": still})


def _bus(found: Report) -> Iterator[Problem]:
    if not found.bus.connected:
        yield Problem("disconnected", "the event bus is not connected")
    now = time.time()
    for name, peer in found.bus.peers.items():
        if peer.engine == "down" and now - peer.heard < REMEMBERED_SECONDS:
            text = (
                f"the engine of master {name} is down, and was heard last {now - peer.heard:.0f} s ago; this one keeps"
                f" what {name} copies to it"
            )
            yield Problem("peer", text, name, {"seconds": now - peer.heard})
    unseen = [
        (gap.missing or 0, gap.until - gap.since, gap.repaired or 0)
        for gap in found.bus.gaps
        if gap.until is not None and not gap.seen and now - gap.until < REMEMBERED_SECONDS
    ]
    if unseen:
        missing = sum(events for events, _, _ in unseen)
        repaired = sum(events for _, _, events in unseen)
        had = f", {counted(repaired)} more came from Salt's job cache" if repaired else ""
        times = "a gap" if len(unseen) == 1 else f"{len(unseen)} gaps"
        seconds = sum(max(0.0, length) for _, length, _ in unseen)
        yield Problem(
            "gap",
            f"{times} in what was read of the event bus, {seconds:.0f} s in all: about {counted(missing)} may be"
            f" missing{had} (salt-run eventsd.status seen=True when you have looked)",
            details={"gaps": len(unseen), "seconds": seconds, "missing": missing, "repaired": repaired},
        )


def _dispatch(found: Report) -> Iterator[Problem]:
    if error := found.dispatch.error:
        yield Problem("dispatch", f"batches cannot be given out: {error}")


def _spool(spool: SpoolReport) -> Iterator[Problem]:
    if spool.error:
        yield Problem("spool", spool.error)
    if events := spool.count("unkept_events"):
        yield Problem("unkept", f"{counted(events, verb='waits')} in memory for the spool", details={"events": events})
    if spool.full:
        yield Problem("full", "the spool is full; events are dropped")
    for path in spool.set_aside:
        yield Problem("set_aside", f"the spool was broken and set aside: {path}", path)
    if deleted := spool.count("set_aside_deleted"):
        text = f"{counted(deleted, 'older spool', 'was')} deleted that had been set aside"
        yield Problem("set_aside_deleted", text, details={"spools": deleted})
    for name, events in spool.orphaned.items():
        worker, _, rule = name.partition(":")
        gone = (
            f"rule {rule} of worker {worker}, which is no longer under events"
            if rule
            else f"worker {worker}, which is no longer under workers"
        )
        text = f"{counted(events, verb='waits')} for {gone}; see eventsd.drop_orphaned"
        yield Problem("orphaned", text, name, {"events": events})
    for name, letters in spool.orphaned_letters.items():
        buried = counted(letters, "refused event", "is")
        text = f"{buried} buried of worker {name}, which is no longer under workers; see eventsd.dead"
        yield Problem("buried", text, name, {"events": letters})


def _worker(name: str, worker: WorkerReport) -> Iterator[Problem]:
    parts: dict[str, LaneReport] = {_part(name, rule): one for rule, one in worker.lanes.items()} or {name: worker}
    for part, one in parts.items():
        if one["paused_seconds"]:
            # Of all its parts.
            continue
        if one.state != "ok":
            text = f"worker {part} is {one.state}: {one.last_error}"
            yield Problem(one.state, text, name, {"error": one.last_error})
        elif _grows(one):
            text = (
                f"the queue of worker {part} has only grown for {one['growing_seconds']:.0f} s: {one['queued_events']}"
                f" events, the oldest {one['oldest_age']:.0f} s old"
            )
            yield Problem("growing", text, name, {"seconds": one["growing_seconds"], "events": one["queued_events"]})
    if seconds := worker["paused_seconds"]:
        text = f"worker {name} is paused by an operator; its events wait in the spool"
        yield Problem("paused", text, name, {"seconds": seconds})
    if seconds := worker["hanging_seconds"]:
        text = f"worker {name} has been writing one batch for {seconds} s"
        yield Problem("hanging", text, name, {"seconds": seconds})
    if letters := worker.count("dead_letters"):
        text = f"worker {name}: {counted(letters, 'refused event', 'is')} buried; see eventsd.dead"
        yield Problem("buried", text, name, {"events": letters})
    if renamed := worker.count("renamed"):
        text = (
            f"worker {name}: the database had receipts of other events under the names of {counted(renamed)}, written"
            " all the same; was this machine put back in time?"
        )
        yield Problem("renamed", text, name, {"events": renamed})
    if elsewhere := worker.count("elsewhere"):
        text = (
            f"worker {name}: {counted(elsewhere)} had been written by another engine: it runs on a copy of this spool"
        )
        yield Problem("elsewhere", text, name, {"events": elsewhere})


def _part(worker: str, rule: str) -> str:
    """Name a lane: that of a rule with its own table or statement, or that of all other rules."""
    return f"{worker} (all other rules)" if rule == BUILT_IN else f"{worker}, rule {rule}"


def _grows(lane: LaneReport) -> bool:
    is_late = lane["oldest_age"] > lane.batch_seconds + _GROWS_SECONDS
    return is_late and lane["growing_seconds"] > _GROWS_SECONDS


def _lost(kind: str, name: str, events: int) -> str:
    """Return a line for a key of :func:`lost_events`; "" for a key of another version."""
    were = counted(events, verb="was")
    return {
        "bus": f"{were} lost before {'it' if events == 1 else 'they'} could be spooled",
        "dropped": f"worker {name}: {were} dropped because the spool was full",
        "broken": f"worker {name}: {were} in a spool that broke",
        "behind": f"worker {name}: up to {were} in a broker that has lost them before a writer had confirmed them",
        "gone": f"{were} dropped or lost that waited for workers and rules no longer configured",
        "letters": f"worker {name}: {counted(events, 'refused event')} gave way to newer ones (spool.max_bytes)",
    }.get(kind, "")


def lost_events(found: Report) -> dict[str, int]:
    """
    Return how many events an engine has lost since its start, by what they were lost to, with the worker's name.

    :param found: its report.
    """
    counts = {
        "bus": found.bus.count("lost"),
        "gone": found.spool.count("orphaned_gone"),
    }
    for name, worker in found.workers.items():
        counts[f"dropped {name}"] = worker.count("dropped")
        counts[f"broken {name}"] = worker.count("lost")
        counts[f"behind {name}"] = worker.count("lost_behind")
        counts[f"letters {name}"] = worker.count("letters_dropped")
    return {what: count for what, count in counts.items() if count}


def _losses(found: Report) -> Iterator[Problem]:
    for what, loss in found.losses.items():
        kind, _, name = what.partition(" ")
        text = _lost(kind, name, loss.events)
        if text and time.time() - loss.at < REMEMBERED_SECONDS:
            yield Problem("lost", text, name, {"events": loss.events, "at": loss.at, "what": kind})
