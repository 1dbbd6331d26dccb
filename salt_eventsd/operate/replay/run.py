"""Do what a replay is to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from salt_eventsd.common.english import counted
from salt_eventsd.database.transfer.frames import TRUNCATED, Recorded
from salt_eventsd.database.transfer.history import TABLES, Piece
from salt_eventsd.database.transfer.slices import PLACES
from salt_eventsd.event.frame import read_tag
from salt_eventsd.event.parse import Event
from salt_eventsd.event.replayed import Replayed
from salt_eventsd.exceptions import EventsdError, WorkerError
from salt_eventsd.intake.origin import MARK, is_anybodys
from salt_eventsd.operate.replay.one_at_a_time import one_at_a_time
from salt_eventsd.operate.replay.sender import Sender
from salt_eventsd.operate.replay.task import Task
from salt_eventsd.redact.error_text import one_line


@dataclass
class Ran:
    """
    What came of a replay.

    :param rows: a row for each table of the history.
    :param notes: what else there is to say.
    :param refused: how many events the backend refused.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: int = 0


def run(task: Task, tell: Callable[[str], None]) -> Ran:
    """
    Replay, or count.

    :param task: what.
    :param tell: is told of progress, a line each.
    :raises EventsdError: it did not come to its end; the same again goes on from there.
    """
    told = Ran(notes=list(task.notes))
    for note in told.notes:
        tell(note)
    try:
        with nullcontext() if task.is_dry else one_at_a_time(task.lock):
            task.history.require_tables()
            if task.again and not task.is_dry:
                task.done.forget()
            for table in TABLES:
                told.rows.append(_table(task, table, tell, told))
    except WorkerError as exc:
        raise EventsdError(f"eventsd: workers.{task.name}: {one_line(exc)}") from exc
    return told


def _table(task: Task, table: str, tell: Callable[[str], None], told: Ran) -> dict[str, Any]:
    spans = [task.span] if task.again and task.is_dry else task.done.left(table, task.span)
    sender = Sender(task, table)
    rows = matched = 0
    for span in spans:
        for piece, events in _pieces(task, table, span):
            rows += piece.rows
            matched += len(events)
            if not task.is_dry:
                with task.pace.step():
                    sender.add(piece.span, events)
            tell(f"eventsd_{table}: {_when(piece.span.last)}, {counted(rows, 'row')}, {counted(matched, 'event')}")
        # What follows does not adjoin it.
        sender.flush()
    told.refused += sender.refused
    told.notes += [f"refused: {line}" for line in sender.why]
    if spans != [task.span]:
        told.notes.append(
            f"eventsd_{table}: some of this time was replayed before to {task.name}, and is left out; again=True does"
            " so once more"
        )
    return {
        "worker": task.name,
        "table": f"eventsd_{table}",
        "rows": rows,
        "events": matched,
        "written": sender.sent,
        "refused": sender.refused,
    }


def _pieces(task: Task, table: str, span: Any) -> Iterator[tuple[Piece, list[Event]]]:
    for piece in task.history.pieces(table, span):
        yield piece, [event for frame in piece.frames for event in _events(task, frame)]


def _events(task: Task, frame: Recorded) -> list[Event]:
    """Return what the rule makes of a frame; of jobs and returns it was judged before that they are what they seem."""
    is_judged = frame.table != "events"
    pipeline = task.pipeline.trusting if is_judged else task.pipeline
    found = pipeline.take(frame.raw, frame.received)
    if not is_judged and not found.forged and task.pipeline.origins.forged != "take" and _may_be_forged(frame):
        return []
    if found.forged:
        return [event for _, event in found.destinations]
    return [_as_recorded(event, frame) for _, event in found.destinations]


def _may_be_forged(frame: Recorded) -> bool:
    """Say whether an event was found forged with what was known then, or may have been; that is not in it any more."""
    if not isinstance(frame.data, dict):
        return False
    return MARK in frame.data or (TRUNCATED in frame.data and not is_anybodys(read_tag(frame.raw, frame.received)))


def _as_recorded(event: Event, frame: Recorded) -> Event:
    fields = {name: getattr(event, name) for name in Event.__struct_fields__}
    return Replayed(**fields, digest=frame.digest, table=frame.table)


def _when(place: int) -> str:
    moment = datetime.fromtimestamp(place / PLACES / 1e6, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
