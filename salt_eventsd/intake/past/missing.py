"""
Find out which of what a job cache tells the history lacks. The history is asked before anything is decoded or redacted,
since it mostly has all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from salt_eventsd.database.questions.known import Known, known, lacking
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.past.told import Item, Place, Told, Unread
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result
from salt_eventsd.rules.rule import Route

#: A portion has no more pieces and bytes than this, but for one; and it comes after so many jobs, if nothing is in it.
_MOST_PIECES, _MOST_BYTES, _MOST_PLACES = 500, 8 * 2**20, 2000
#: The tables whose rows tell whether the history has something.
_JUDGED = ("jobs", "returns")

#: Asks the history; the answer is None if it has no tables yet.
Ask = Callable[[Callable[[Reader], Any]], Any]


@dataclass
class Portion:
    """
    Pieces that are looked at together.

    :ivar told: the pieces.
    :ivar unread: what could not be read.
    :ivar place: where it ends; "" if it does so in the middle of the first job.
    :ivar places: how many jobs end in it.
    """

    told: list[Told] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    place: str = ""
    places: int = 0


class Lacked(NamedTuple):
    """
    A piece that the history lacks.

    :param destinations: where the rules send it, and the event as it is kept there.
    :param completes: the history has the job, but not all of its minions.
    """

    told: Told
    destinations: Sequence[tuple[Route, Event]]
    completes: bool = False


class Looked(NamedTuple):
    """
    What has become of a portion's pieces.

    :param lacked: what the history lacks.
    :param known: what it has.
    :param unwanted: what no rule takes.
    :param elsewhere: what rules take, but not into its jobs and returns, so that it does not say whether it has come.
    """

    lacked: list[Lacked]
    known: list[Told]
    unwanted: list[Told]
    elsewhere: list[Lacked]


def portions(items: Iterable[Item]) -> Iterator[Portion]:
    """
    Put pieces together.

    :param items: as a job cache tells them.
    """
    made, size, place = Portion(), 0, ""
    for item in items:
        if isinstance(item, Place):
            place = made.place = item.key
            made.places += 1
        elif isinstance(item, Unread):
            made.unread.append(item)
        else:
            made.told.append(item)
            size += len(item.frame)
        if len(made.told) >= _MOST_PIECES or size >= _MOST_BYTES or made.places >= _MOST_PLACES:
            yield made
            made, size = Portion(place=place), 0
    yield made


def look(portion: Portion, pipeline: Pipeline, worker: str, node_id: str, ask: Ask) -> Looked:
    """
    Return what the history lacks of a portion.

    :param portion: the pieces.
    :param pipeline: what becomes of a frame by the rules.
    :param worker: whose database is the history.
    :param node_id: of the master, under which the history has what runners return.
    :param ask: asks the history.
    """
    found = Looked([], [], [], [])
    if not portion.told:
        return found
    pairs = [(one.jid, one.minion or node_id) for one in portion.told if not one.is_start]
    jids = [one.jid for one in portion.told if one.is_start]
    has_all: Known = ask(lambda reader: known(reader, jids, pairs, node_id)) or Known()
    taken, lacks = _of_others(portion.told, has_all, pipeline, worker, node_id, ask)
    again: set[tuple[str, str]] = set()
    for number, one in enumerate(portion.told):
        pair = (one.jid, one.minion or node_id)
        completes = False
        if number in lacks:
            completes = lacks[number] == "minions"
            has = not lacks[number]
        elif one.is_start:
            count = has_all.jobs.get(one.jid, -1)
            completes = count != -1 and one.minions is not None and one.minions > (count or 0)
            has = count != -1 and not completes
        else:
            has = pair in has_all.returns or pair in again
            again.add(pair)
        if has:
            found.known.append(one)
            continue
        result = taken.get(number) or pipeline.trusting.take(one.frame, time.time())
        if any(is_judged(worker, to, event) for to, event in result.destinations):
            found.lacked.append(Lacked(one, result.destinations, completes))
        elif result.destinations:
            found.elsewhere.append(Lacked(one, result.destinations))
        else:
            found.unwanted.append(one)
    return found


def _of_others(
    told: Sequence[Told], has: Known, pipeline: Pipeline, worker: str, node_id: str, ask: Ask
) -> tuple[dict[int, Result], dict[int, str]]:
    """
    Look at starts of jobs with whose ids the history has jobs of other masters: return what became of them by the
    rules, and what the history lacks of them, by their numbers. Two masters may give one id to two jobs.
    """
    taken = {
        number: pipeline.trusting.take(one.frame, time.time())
        for number, one in enumerate(told)
        if one.is_start and one.jid in has.of_others
    }
    starts = {
        number: event
        for number, result in taken.items()
        for to, event in result.destinations
        if is_judged(worker, to, event) and event.into == "jobs"
    }
    lacks = ask(lambda reader: lacking(reader, list(starts.values()), node_id)) if starts else []
    return taken, dict(zip(starts, lacks or [], strict=False))


def is_judged(worker: str, to: Route, event: Event) -> bool:
    """
    Say whether an event becomes a row that tells that the history has it.

    :param worker: whose database is the history.
    :param to: where the event goes.
    :param event: the event as it is kept there.
    """
    return to.worker == worker == to.lane and event.into in _JUDGED
