"""Subjects, and names of consumers: any name of a worker, a rule or a master is valid in them and stays distinct."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from salt_eventsd.backends.broker.jetstream.options import STREAM

_UNFIT = re.compile(r"[^A-Za-z0-9]")
#: A longer one becomes shorter, and has a hash instead of its end: servers keep a file for each consumer.
_LONGEST_TOKEN = 60
#: The lanes of a worker's own.
_PRIO, _MAIN = "prio", "main"
#: The header that says which master has sent a parcel.
MASTER_HEADER = "Eventsd-Master"
#: Where a lane stands among the tokens of a subject.
_LANE = 2


def token(name: str) -> str:
    """
    Return a name as a token of a subject; another name has another token.

    :param name: of whatever is named.
    """
    safe = _UNFIT.sub(lambda found: f"_{ord(found.group()):x}_", name) or "_"
    if len(safe) <= _LONGEST_TOKEN:
        return safe
    return f"{safe[: _LONGEST_TOKEN - 33]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


class Way(NamedTuple):
    """
    What one consumer pulls.

    :param consumer: its durable name.
    :param subject: with a wildcard for the masters.
    :param is_ordered: whether parcels are handed out one at a time.
    """

    consumer: str
    subject: str
    is_ordered: bool

    def takes(self, subject: str) -> bool:
        """
        Say whether it pulls what was published on a subject.

        :param subject: the subject, which ends with the master's token.
        """
        return subject.rpartition(".")[0] == self.subject.rpartition(".")[0]


class Names:
    """
    The names of all that belongs to a stream.

    :param stream: its name.
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        #: The stream of dead letters.
        self.dead = f"{stream}_DEAD"
        self._prefix = "eventsd" if stream == STREAM else f"eventsd-{stream}"
        #: What the streams take.
        self.subjects = f"{self._prefix}.>"
        self.dead_subjects = f"dead-{self._prefix}.>"

    def parcels(self, worker: str, lane: str, prio: bool, master: str) -> str:
        """
        Return the subject of a parcel.

        :param worker: the name of the worker it is for.
        :param lane: its lane's name.
        :param prio: whether it goes before others.
        :param master: the id of its master.
        """
        return f"{self._prefix}.{token(worker)}.{_lane(worker, lane, prio)}.{token(master)}"

    def ways(self, worker: str, lane: str) -> list[Way]:
        """
        Return what is pulled for a lane, what goes before others first.

        :param worker: the worker's name.
        :param lane: the lane's.
        """
        is_own = lane != worker
        tokens = [_lane(worker, lane, prio=False)] if is_own else [_PRIO, _MAIN]
        return [Way(f"{token(worker)}-{one}", f"{self._prefix}.{token(worker)}.{one}.*", is_own) for one in tokens]

    def of_worker(self, worker: str) -> str:
        """
        Return the subject of all parcels for a worker.

        :param worker: its name.
        """
        return f"{self._prefix}.{token(worker)}.>"

    def is_prio(self, tokens: Sequence[str]) -> bool:
        """
        Say whether a parcel goes before others.

        :param tokens: of its subject.
        """
        return len(tokens) > _LANE and tokens[_LANE] == _PRIO

    def confirmations(self, worker: str, master: str) -> str:
        """
        Return the subject on which writers tell a master what they have committed.

        :param worker: the worker's name; "" for any.
        :param master: the master's id.
        """
        return f"done-{self._prefix}.{token(master)}.{token(worker) if worker else '*'}"

    def letter(self, worker: str, id_: str) -> str:
        """
        Return the subject of a dead letter, which no other one has.

        :param worker: the worker that could not write it.
        :param id_: what names it.
        """
        return f"dead-{self._prefix}.{token(worker)}.{hashlib.sha256(id_.encode()).hexdigest()}"

    def letters(self, worker: str) -> str:
        """
        Return the subject of all dead letters.

        :param worker: of this worker; "" for those of all.
        """
        return f"dead-{self._prefix}.{token(worker)}.*" if worker else self.dead_subjects


def _lane(worker: str, lane: str, prio: bool) -> str:
    if lane == worker:
        return _PRIO if prio else _MAIN
    # One subject whether or not they go first: their order is kept.
    return f"own-{token(lane.removeprefix(f'{worker}:'))}"
