"""
What ``salt-eventsd-writer dead``, ``requeue`` and ``discard`` do with the dead letters of all writers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from salt_eventsd.backends.broker.interface import Letter, Letters
from salt_eventsd.backends.broker.requeue import requeue
from salt_eventsd.common import moments
from salt_eventsd.event.chunk import decode_event
from salt_eventsd.writer.carry.source import Broker

#: How much of a letter's payload is listed, in bytes.
_SHOWN_BYTES = 4096


@dataclass(frozen=True)
class Filter:
    """
    Which dead letters are meant; what is empty leaves none out.

    :param ids: only these.
    :param worker: only this worker's.
    :param contains: only those whose error or tag contains this text.
    """

    ids: Sequence[int] = ()
    worker: str = ""
    contains: str = ""

    def found(self, letters: Letters) -> Iterator[Letter]:
        """
        Yield the letters that are meant, oldest first.

        :param letters: has all.
        """
        for letter in letters.letters(self.worker):
            is_one = not self.ids or letter.id in self.ids
            if is_one and (self.contains in letter.error or self.contains in letter.tag):
                yield letter


def dead(broker: Broker, which: Filter, limit: int) -> dict[str, Any]:
    """
    Return dead letters.

    :param broker: has them.
    :param which: which of them.
    :param limit: no more than so many.
    :raises WorkerError: they cannot be read.
    """
    found = islice(which.found(broker.dead_letters()), max(0, limit))
    return {"letters": [shown(letter) for letter in found], "retcode": 0}


def put_back(broker: Broker, which: Filter) -> dict[str, Any]:
    """
    Have dead letters written again.

    :param broker: has them.
    :param which: which of them.
    :raises WorkerError: one cannot be put back; those before it are.
    """
    letters = broker.dead_letters()
    # Only letters that are there now: one that is put back may be buried again before the loop ends.
    newest = max((letter.id for letter in which.found(letters)), default=0)
    publisher = broker.publisher()
    publisher.prepare()
    count = requeue(letters, publisher, takewhile(lambda one: one.id <= newest, which.found(letters)))
    return {"requeued": count, "retcode": 0}


def delete(broker: Broker, which: Filter) -> dict[str, Any]:
    """
    Delete dead letters for good.

    :param broker: has them.
    :param which: which of them.
    :raises WorkerError: one cannot be deleted; those before it are.
    """
    letters = broker.dead_letters()
    ids = [letter.id for letter in which.found(letters)]
    return {"discarded": sum(letters.discard(id_) for id_ in ids), "retcode": 0}


def shown(letter: Letter) -> dict[str, Any]:
    """
    Return what is listed of a dead letter.

    :param letter: the letter.
    """
    told: dict[str, Any] = {
        "id": letter.id,
        "worker": letter.worker,
        "master": letter.master,
        "rule": letter.rule,
        "tag": letter.tag,
        "error": letter.error,
        "buried": moments.told(letter.buried),
    }
    if letter.is_parcel:
        return {**told, "parcel": f"{len(letter.body)} bytes, set aside whole"}
    event = decode_event(letter.body, letter.buried)
    size = len(event.body) + len(event.returned)
    if size <= _SHOWN_BYTES:
        return {**told, "data": event.data}
    return {**told, "data": f"{event.json()[:_SHOWN_BYTES].decode('utf-8', 'ignore')}... ({size} bytes in all)"}
