"""
Who fired an event: Salt itself, or a minion in its place.

What a minion fires by itself reaches the bus as the load of its request, with ``cmd: _minion_event``, the ``id`` that
the master has checked, and under ``tag`` and ``data`` whatever the minion likes; a return that the master has taken has
``cmd: _return``. The master chooses by ``cmd`` what it does with a request, so neither can be taken for the other. Run
on 3006, 3007 and 3008.

A list of events, which is how beacons and syndics send them, reaches the bus as the bare events, with nothing of the
sender. Under the prefix ``syndic/<name>/`` there may be any tag at all in it, so the prefix is believed only where
there are syndics.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.common.remembered import Remembered
from salt_eventsd.config.structs import Config
from salt_eventsd.event.clip import LONGEST_NAME, clipped
from salt_eventsd.event.codec import encode
from salt_eventsd.event.frame import STATS_TAG, Frame
from salt_eventsd.event.parse import Event, text_of
from salt_eventsd.rules.rule import Route

#: What stands in the payload of an event that is kept though it is not what its tag says: why.
MARK = "eventsd_forged"
#: Tags that only a master gives to its own events; what stands under ``salt/job`` is told apart further down.
_MASTERS = re.compile(
    r"(?:salt/(?:run|wheel|cloud|cluster|auth|key|presence|fileserver|queue|batch|stats|eventsd)"
    r"|cluster|eventsd|key|minion/refresh|resource/refresh)(?:/|\Z)"
)
#: Tags in which a minion speaks of itself, with its id.
_OWN = re.compile(
    r"salt/(?:minion|beacon|syndic)/([^/]+)(?:/|\Z)|salt/job/[^/]+/(?:prog|start)/([^/]+)(?:/|\Z)"
    r"|salt/state_result/[^/]+/([^/]+)(?:/|\Z)"
)
#: What the master calls an event that a minion fires.
MINION_EVENT = "_minion_event"
#: Modules of workers that measure and count, and have no place for an event as it is.
_MEASURING = ("graphite", "stats")
_JOB = "salt/job/"
_NEW = "/new"
#: How much is remembered of the jobs that were published: bytes in all, minions of a job, characters of a name.
_ADDRESSED_BYTES = 2 * 2**20
_MOST_ADDRESSED = 1000
_LONGEST_ADDRESSED = 256


class Addressed:
    """
    The minions of the latest jobs that the master has published. A syndic that is none by configuration is one by what
    it is told to do: it says who of its own does a job that the master has sent to it.
    """

    def __init__(self) -> None:
        self._minions: Remembered[frozenset[str]] = Remembered(_ADDRESSED_BYTES)

    def note(self, frame: Frame, data: Any) -> None:
        """
        Remember the minions of a job.

        :param frame: of a job's start.
        :param data: its payload.
        """
        minions = data.get("minions") if isinstance(data, dict) else None
        if isinstance(minions, list) and len(minions) <= _MOST_ADDRESSED:
            names = frozenset(text_of(one)[:_LONGEST_ADDRESSED] for one in minions)
            self._minions.put(frame.tag, names, len(frame.tag) + sum(map(len, names)))

    def has(self, frame: Frame) -> bool:
        """
        Say whether a job's start comes from where the master had sent that job.

        :param frame: with a syndic's prefix.
        """
        return frame.full_tag.split("/", 2)[1] in (self._minions.get(frame.tag) or ())


@dataclass(frozen=True)
class Origins:
    """
    How events are treated that are not what they look like.

    :param forged: divert, drop or take.
    :param syndics: globs of the names whose prefix ``syndic/<name>/`` is believed; True for any, False for none.
    :param places: the workers that keep events as they are; those get what is diverted.
    """

    forged: str = "divert"
    syndics: bool | tuple[str, ...] = True
    places: frozenset[str] = frozenset()

    def judged(
        self, frame: Frame, data: Any, routes: Sequence[Route], addressed: Addressed | None = None
    ) -> tuple[Sequence[Route], str]:
        """
        Return where an event goes, and why it is forged, "" if it is not.

        :param frame: with its tag read.
        :param data: its payload, decoded.
        :param routes: where it goes by its tag.
        :param addressed: the jobs that the master has published.
        """
        why = self.why_forged(frame, data, addressed) if routes else ""
        if not why:
            return routes, ""
        return self.instead(routes) if self.forged == "divert" else [], why

    def instead(self, routes: Sequence[Route]) -> list[Route]:
        """
        Return where a forged event goes: to the table of events of each worker that would have got it.

        :param routes: where it would have gone.
        """
        first: dict[str, str] = {}
        for one in routes:
            first.setdefault(one.worker, one.rule)
        return [Route(worker, rule, "events", False) for worker, rule in first.items() if worker in self.places]

    def why_forged(self, frame: Frame, data: Any, addressed: Addressed | None = None) -> str:
        """
        Say why an event is not what its tag says, "" if it is, as far as can be told.

        :param frame: with its tag read.
        :param data: its payload, decoded.
        :param addressed: the jobs that the master has published.
        """
        if self.forged == "take":
            return ""
        tag = frame.tag
        if isinstance(data, dict) and data.get("cmd") == MINION_EVENT and not _may_fire(tag, data.get("id")):
            return f"fired by minion {_shown(data.get('id'))}"
        if frame.full_tag is not tag:
            if not self._is_syndic(frame.full_tag) and _is_salts(tag) and not (addressed and addressed.has(frame)):
                return "from where there is no syndic"
        elif addressed is not None and tag.endswith(_NEW):
            addressed.note(frame, data)
        if tag == STATS_TAG:
            return "not fired by this engine, whose own never are on the bus"
        return ""

    def _is_syndic(self, full_tag: str) -> bool:
        if isinstance(self.syndics, bool):
            return self.syndics
        name = full_tag.split("/", 2)[1]
        return any(fnmatch.fnmatchcase(name, glob) for glob in self.syndics)


#: Takes every event for what its tag says.
EVERYTHING = Origins("take")


def origins_of(config: Config) -> Origins:
    """
    Return how a configuration treats events that are not what their tag says.

    :param config: found right.
    """
    places = frozenset(name for name, worker in config.workers.items() if worker.module not in _MEASURING)
    return Origins(config.general.forged, config.general.believed_syndics, places)


def as_forged(event: Event, data: Any, full_tag: str, why: str) -> Event:
    """
    Return a forged event as it is kept: it is no job's, has the whole tag, and says why.

    :param event: as it was built.
    :param data: its payload, redacted.
    :param full_tag: as it came off the bus.
    :param why: it is forged.
    """
    marked = {**data, MARK: why} if isinstance(data, dict) else {"data": data, MARK: why}
    # The id in a request is one that the master has checked; any other is a claim.
    sender = text_of(data.get("id")) if isinstance(data, dict) and data.get("cmd") == MINION_EVENT else ""
    return msgspec.structs.replace(
        event, tag=full_tag, jid="", minion_id=clipped(sender, LONGEST_NAME), kind="", phase="", body=encode(marked)
    )


def _may_fire(tag: str, sender: Any) -> bool:
    """Whether a minion may fire an event with this tag by itself."""
    if own := _OWN.match(tag):
        return text_of(sender) in own.groups()
    return not _is_salts(tag)


def _is_salts(tag: str) -> bool:
    return tag.startswith(_JOB) or _MASTERS.match(tag) is not None


def _shown(sender: Any) -> str:
    text = text_of(sender)
    return repr(text if len(text) <= 100 else f"{text[:100]}...")
