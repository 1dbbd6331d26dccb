"""
Origin: who fired an event, Salt itself or a minion that pretends to be Salt.

An event that a minion fires reaches the bus as the load of the minion's request: with ``cmd: _minion_event``, with the
``id`` that the master has checked, and with anything at all under ``tag`` and ``data``. A return that the master has
taken has ``cmd: _return``. The master decides by ``cmd`` what it does with a request, so neither can pass for the other
(seen on 3006, 3007 and 3008).

Beacons and syndics send their events as a list. These reach the bus as they are, without the sender. Behind the prefix
``syndic/<name>/`` such an event may have any tag, so the prefix is believed only where there are syndics.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.common.remembered import Remembered
from salt_eventsd.config.structs import Config
from salt_eventsd.event.clip import named
from salt_eventsd.event.codec import encode
from salt_eventsd.event.frame import STATS_TAG, Frame
from salt_eventsd.event.parse import Event, text_of
from salt_eventsd.rules.rule import Route

#: The key in the payload of a forged event that says why it is forged.
MARK = "eventsd_forged"
#: Tags that only a master gives to its events, besides those that begin with ``salt/job/``.
_MASTERS = re.compile(
    r"(?:salt/(?:run|wheel|cloud|cluster|auth|key|presence|fileserver|queue|batch|stats|eventsd)"
    r"|cluster|eventsd|key|minion/refresh|resource/refresh)(?:/|\Z)"
)
#: Tags of events that a minion fires about itself; the group is its id.
_OWN = re.compile(
    r"salt/(?:minion|beacon|syndic)/([^/]+)(?:/|\Z)|salt/job/[^/]+/(?:prog|start)/([^/]+)(?:/|\Z)"
    r"|salt/state_result/[^/]+/([^/]+)(?:/|\Z)"
)
#: The ``cmd`` of an event that a minion has fired.
MINION_EVENT = "_minion_event"
#: The key in the payload of an event that another master of the cluster has copied to this one.
PEER = "__peer_id"
#: Modules of workers that keep numbers and not events.
_MEASURING = ("graphite", "stats")
_JOB = "salt/job/"
_NEW = "/new"
#: How much is remembered of published jobs: bytes in all, minions of one job, characters of one minion id.
_ADDRESSED_BYTES = 2 * 2**20
_MOST_ADDRESSED = 1000
_LONGEST_ADDRESSED = 256


class Addressed:
    """
    Remembers to which minions the master has sent its latest jobs.

    A syndic that the configuration does not name can be known by them: it passes on a job that was sent to it.
    """

    def __init__(self) -> None:
        self._minions: Remembered[frozenset[str]] = Remembered(_ADDRESSED_BYTES)

    def note(self, frame: Frame, data: Any) -> None:
        """
        Remember the minions of a job.

        :param frame: the frame of the job's start.
        :param data: its payload, decoded.
        """
        minions = data.get("minions") if isinstance(data, dict) else None
        if isinstance(minions, list) and len(minions) <= _MOST_ADDRESSED:
            names = frozenset(text_of(one)[:_LONGEST_ADDRESSED] for one in minions)
            self._minions.put(frame.tag, names, len(frame.tag) + sum(map(len, names)))

    def has(self, frame: Frame) -> bool:
        """
        Say whether a job's start comes from a syndic that the master has sent that job to.

        :param frame: a frame with a syndic's prefix.
        """
        return frame.full_tag.split("/", 2)[1] in (self._minions.get(frame.tag) or ())


@dataclass(frozen=True)
class Origins:
    """
    Finds forged events, which are not what their tag says, and decides what becomes of them.

    :param forged: ``divert`` puts them into the table of events, ``drop`` ignores them, ``take`` believes them.
    :param syndics: globs of the syndics whose prefix ``syndic/<name>/`` is believed; True for any, False for none.
    :param places: the workers that keep whole events; only these get what is diverted.
    :param peers: ``skip`` leaves what other masters of a cluster have copied to this one to their engines, ``take``
        treats it like any other event.
    """

    forged: str = "divert"
    syndics: bool | tuple[str, ...] = True
    places: frozenset[str] = frozenset()
    peers: str = "take"

    def leaves_to_peer(self, data: Any) -> bool:
        """
        Say whether an event is another master's, and left to the engine there.

        :param data: its payload, decoded.
        """
        return self.peers == "skip" and isinstance(data, dict) and PEER in data

    def judge(
        self, frame: Frame, data: Any, routes: Sequence[Route], addressed: Addressed | None = None
    ) -> tuple[Sequence[Route], str]:
        """
        Return where an event goes, and why it is forged; "" if it is not.

        :param frame: its frame.
        :param data: its payload, decoded.
        :param routes: where the rules send it.
        :param addressed: the jobs that the master has published.
        """
        why = self.why_forged(frame, data, addressed) if routes else ""
        if not why:
            return routes, ""
        return self.instead(routes) if self.forged == "divert" else [], why

    def instead(self, routes: Sequence[Route]) -> list[Route]:
        """
        Return where a forged event goes: into the table of events of each worker that would have got it.

        :param routes: where the rules send it.
        """
        first: dict[str, str] = {}
        for one in routes:
            first.setdefault(one.worker, one.rule)
        return [Route(worker, rule, "events", False) for worker, rule in first.items() if worker in self.places]

    def why_forged(self, frame: Frame, data: Any, addressed: Addressed | None = None) -> str:
        """
        Return why an event is not what its tag says; "" if it is, as far as can be told.

        :param frame: its frame.
        :param data: its payload, decoded.
        :param addressed: the jobs that the master has published; a job's start is added to it.
        """
        if self.forged == "take":
            return ""
        tag = frame.tag
        if isinstance(data, dict) and data.get("cmd") == MINION_EVENT and not _may_fire(tag, data.get("id")):
            return f"fired by minion {_shown(data['id'])}" if "id" in data else "fired by somebody who cannot be told"
        if frame.full_tag is not tag:
            is_syndic = self.believes_syndic(frame.full_tag.split("/", 2)[1])
            if not is_syndic and _is_salts(tag) and not (addressed and addressed.has(frame)):
                return "from where there is no syndic"
        elif addressed is not None and tag.endswith(_NEW):
            addressed.note(frame, data)
        if tag == STATS_TAG:
            return "not fired by this engine, whose own never are on the bus"
        return ""

    def believed(self, minions: Mapping[str, Collection[str]]) -> dict[str, Collection[str]]:
        """
        Return the minions of a job without those whom nobody has named who may. Any minion can have the master's job
        cache note minions of any job, in its own name and as if it were a syndic.

        :param minions: by the id of who named them, "" for the master itself.
        """
        sent_to = minions.get("", ())
        believes_all = self.forged == "take"
        return {
            name: some
            for name, some in minions.items()
            if not name or believes_all or name in sent_to or self.believes_syndic(name)
        }

    def believes_syndic(self, name: str) -> bool:
        """
        Say whether somebody is believed to be a syndic.

        :param name: the id.
        """
        if isinstance(self.syndics, bool):
            return self.syndics
        return any(fnmatch.fnmatchcase(name, glob) for glob in self.syndics)


#: Believes the tag of every event.
EVERYTHING = Origins("take")


def origins_of(config: Config) -> Origins:
    """
    Return how a configuration treats events that are not what their tag says.

    :param config: found right.
    """
    places = frozenset(name for name, worker in config.workers.items() if worker.module not in _MEASURING)
    return Origins(config.general.forged, config.general.believed_syndics, places, config.general.peers)


def as_forged(event: Event, data: Any, full_tag: str, why: str) -> Event:
    """
    Return a forged event as it is kept: it belongs to no job, has its whole tag, and says why it is forged.

    :param event: the event as it was built.
    :param data: its payload, redacted.
    :param full_tag: its tag with all prefixes, redacted.
    :param why: why it is forged, redacted.
    """
    marked = {**data, MARK: why} if isinstance(data, dict) else {"data": data, MARK: why}
    # The master has checked the id of a request; any other id is only a claim.
    sender = text_of(data.get("id")) if isinstance(data, dict) and data.get("cmd") == MINION_EVENT else ""
    return msgspec.structs.replace(
        event, tag=full_tag, jid="", minion_id=named(sender), kind="", phase="", body=encode(marked)
    )


def is_anybodys(frame: Frame) -> bool:
    """
    Say whether any minion may fire an event with the tag of a frame.

    :param frame: the frame.
    """
    return _may_fire(frame.tag, None)


def _may_fire(tag: str, sender: Any) -> bool:
    """Say whether a minion may fire an event with this tag."""
    if own := _OWN.match(tag):
        return text_of(sender) in own.groups()
    return not _is_salts(tag)


def _is_salts(tag: str) -> bool:
    return tag.startswith(_JOB) or _MASTERS.match(tag) is not None


def _shown(sender: Any) -> str:
    text = text_of(sender)
    return repr(text if len(text) <= 100 else f"{text[:100]}...")
