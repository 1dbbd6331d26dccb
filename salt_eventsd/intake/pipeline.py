"""
The pipeline: what becomes of one frame, from its tag to the event as each worker gets it.

The engine, ``eventsd.tap`` and the rule tests all ask the same object, so what an operator is shown is what the engine
does. It has no thread and no spool, and looks at a clock only to end what takes too long. A payload that never was on
the bus is packed first (:func:`salt_eventsd.event.frame.pack_frame`): the same limits and the same redaction hold for
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec

from salt_eventsd.config.structs import Config
from salt_eventsd.event.beat import BEAT_TAG
from salt_eventsd.event.codec import Texts
from salt_eventsd.event.frame import OWN_TAGS, TAG_END, Frame, read_tag
from salt_eventsd.event.parse import Event, build, for_route, function_of
from salt_eventsd.intake.familiar import Familiar
from salt_eventsd.intake.origin import EVERYTHING, PEER, Addressed, Origins, as_forged, origins_of
from salt_eventsd.intake.result import IGNORED, Result, Unusual
from salt_eventsd.intake.usual import RET, RET_PLACE, usual_returns
from salt_eventsd.intake.withheld import TooMuch, in_time, unpack, withheld
from salt_eventsd.redact import Redactor, compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.match import Candidates, Rules
from salt_eventsd.rules.rule import Route

#: An event with a smaller payload has no time limit: the limit would cost more than the event does.
_QUICK_BYTES = 16 * 2**10
#: What was found of so many tags is kept for the frame itself.
_MOST_ASKED = 64
#: The keys of a payload that tell an event from others.
_TELLING = ("jid", "id", "_stamp")
#: How the tags begin of what the engine says of itself.
_OWN = (OWN_TAGS, BEAT_TAG)


@dataclass(frozen=True)
class Pipeline:
    """
    Reads, matches, redacts and builds events, one frame at a time.

    :param rules: which workers get an event.
    :param redactor: what is masked.
    :param origins: what becomes of an event that is not what its tag says.
    """

    rules: Rules
    redactor: Redactor
    origins: Origins = EVERYTHING

    @cached_property
    def _asked(self) -> dict[str, Candidates]:
        # What was found of a tag, for the frame that comes soon: a pattern that takes long is tried, and told, once.
        return {}

    @cached_property
    def trusting(self) -> Pipeline:
        """The same for frames that the engine itself has packed: they are what their tag says."""
        return replace(self, origins=EVERYTHING)

    @cached_property
    def taking(self) -> Pipeline:
        """The same for copies of another master whose engine does not keep them."""
        return replace(self, origins=replace(self.origins, peers="take"))

    @cached_property
    def usual(self) -> Callable[[bytes, float], Result | Unusual | None]:
        """What :meth:`take` asks first for frames in which nothing was found; see :func:`.usual.usual_returns`."""
        return usual_returns(self.rules, self.redactor, self.origins)

    @cached_property
    def familiar(self) -> Familiar:
        """Recognizes most of what :attr:`usual` finds; for the intake's thread."""
        return Familiar(self.rules, self.redactor)

    def take(
        self,
        raw: bytes,
        received: float,
        addressed: Addressed | None = None,
        cleared_by: Redactor | None = None,
        known: Unusual | None = None,
    ) -> Result:
        """
        Return what becomes of a frame. One whose tag no rule matches is not decoded.

        :param raw: the frame.
        :param received: when it was read, in seconds since 1970 UTC.
        :param addressed: the jobs the master has published; a job's start is added to it.
        :param cleared_by: the redactor that has looked at the frame and found nothing, if one has.
        :param known: what :attr:`usual` knows of the frame, if it was asked and has decoded it.
        """
        is_cleared = cleared_by is self.redactor
        if known is None and is_cleared and raw[RET_PLACE] == RET:
            usual = self.usual(raw, received)
            if isinstance(usual, Result):
                return usual
            known = usual
        frame = read_tag(raw, received)
        candidates = self._asked.pop(frame.full_tag, None)
        if candidates is None:
            candidates = self.rules.candidates(frame.tag, frame.full_tag)
        if not candidates.rules:
            return IGNORED
        found = self._limited(frame, candidates, addressed, is_cleared, known)
        # What the engine says of itself makes it no work; that a minion pretends to be the engine is kept.
        return found if found.forged or not frame.full_tag.startswith(_OWN) else IGNORED

    def may_take(self, raw: bytes) -> bool:
        """
        Say whether a rule may take a frame, by its tag alone.

        :param raw: the frame.
        """
        frame = read_tag(raw[: raw.find(TAG_END) + len(TAG_END)], 0.0)
        candidates = self.rules.candidates(frame.tag, frame.full_tag)
        if len(self._asked) >= _MOST_ASKED:
            self._asked.clear()
        self._asked[frame.full_tag] = candidates
        return bool(candidates.rules)

    def show(
        self, raw: bytes, received: float, addressed: Addressed | None = None
    ) -> tuple[Event, Sequence[tuple[Route, Event]]]:
        """
        Return the event of a frame even if nobody gets it, and its destinations as :class:`Result` has them.

        :param raw: the frame.
        :param received: when it was read, in seconds since 1970 UTC.
        :param addressed: the jobs the master has published; a job's start is added to it.
        """
        found = self.take(raw, received, addressed)
        event = found.event or self._limited(read_tag(raw, received)).event
        assert event is not None
        return event, found.destinations

    def believes(self, frame: Frame) -> bool:
        """
        Say whether an event that no rule takes is what its tag says, as far as can be told.

        :param frame: its frame.
        """
        try:
            with in_time(frame):
                return not self.origins.why_forged(frame, unpack(frame)[0])
        except TooMuch:
            return False

    def _limited(
        self,
        frame: Frame,
        candidates: Candidates | None = None,
        addressed: Addressed | None = None,
        is_cleared: bool = False,
        known: Unusual | None = None,
    ) -> Result:
        try:
            if len(frame.payload) <= _QUICK_BYTES:
                # Where something was found already, it need not be looked for.
                is_cleared = is_cleared and not (known and known.is_found)
                return self._follow(frame, candidates, addressed, *unpack(frame, known), is_cleared)
            with in_time(frame):
                return self._follow(frame, candidates, addressed, *unpack(frame), is_cleared)
        except TooMuch as exc:
            frame, data = withheld(frame, str(exc))
            data = self.redactor.apply(data, "")
            found = self._follow(frame, candidates, addressed, data, function_of(data))
            return msgspec.structs.replace(found, withheld=str(exc))

    def _follow(
        self,
        frame: Frame,
        candidates: Candidates | None,
        addressed: Addressed | None,
        data: Any,
        fun: str,
        texts: Texts | None = None,
        is_cleared: bool = False,
    ) -> Result:
        """Follow an event to where it goes; without candidates it goes nowhere, and is built to be shown."""
        routes: Sequence[Route] = ()
        why = ""
        if candidates is not None:
            if self.origins.leaves_to_peer(data):
                told = {name: data[name] for name in _TELLING if name in data}
                peer = data[PEER]
                return Result(copied=build(frame, told, fun), peer=peer if isinstance(peer, str) else "")
            routes = candidates.routes(frame.tag, fun, data, frame.full_tag)
            routes, why = self.origins.judge(frame, data, routes, addressed)
            if why:
                why = self.redactor.apply(why, "")
            if not routes:
                return Result(forged=why) if why else IGNORED
        masked, clean, fun = self.redactor.clean(frame, data, fun, is_cleared)
        if clean is not data:
            data, texts = clean, None
        if not routes:
            return Result(event=build(masked, data, fun), data=data)
        first = routes[0]
        # Building the event takes it out of the payload.
        returned = data.get("return") if isinstance(data, dict) else None
        event = build(masked, data, fun, first.rule, first.into, texts)
        if why:
            full = self.redactor.tag(msgspec.structs.replace(frame, tag=frame.full_tag))
            event = as_forged(event, data, full.tag, why)
        destinations = [(first, event)]
        for one in routes[1:]:
            destinations.append((one, for_route(event, one.rule, one.into)))
        return Result(destinations, event, data, returned, why)


def pipeline_of(config: Config) -> Pipeline:
    """
    Return the pipeline of a configuration.

    :param config: found right.
    """
    redact = config.general.redact
    return Pipeline(
        rules=compile_rules(config.events),
        redactor=compile_redactor(redact.keys, redact.values, redact.by_function),
        origins=origins_of(config),
    )
