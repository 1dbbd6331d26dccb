"""
Masks what the patterns of ``redact.values`` find in the texts of one event, within a bounded time.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from salt_eventsd.common.budget import step
from salt_eventsd.common.patterns import TIME_LIMIT_SECONDS, Pattern, PatternTimeout
from salt_eventsd.redact.text import MASK

log = logging.getLogger(__name__)

#: How long expensive patterns may search one event, and how long a pattern that was slow before may search one text.
_SECONDS_AN_EVENT = 0.4
_SECONDS_ONCE_SLOW = 0.02
#: Salt's own keys. They are not masked even if a pattern matches them: without them, a payload is useless.
FIELDS = frozenset(
    ["_stamp", "arg", "cmd", "data", "fun", "fun_args", "full_ret", "id", "jid", "kwargs", "metadata", "minions"]
).union(["out", "pretag", "retcode", "return", "schedule", "success", "tag", "tgt", "tgt_type", "user", "undecodable"])


@dataclass
class Tally:
    """
    Counts what happened when patterns ran out of time.

    :param told: the patterns of which the log says so.
    :param texts: how many texts were masked because a pattern had no time to search them.
    """

    told: set[str] = field(default_factory=set)
    texts: int = 0


def may_find(values: Sequence[Pattern], value: Any) -> bool:
    """
    Say whether patterns may find something in a value: a look that masks nothing, for most have nothing to mask.

    :param values: the patterns.
    :param value: a decoded payload, or a part of one.
    """
    inside = [value]
    while inside:
        step()
        one = inside.pop()
        if type(one) is str:
            for pattern in values:
                if (pattern.cheap_chars is not None and len(one) > pattern.cheap_chars) or pattern.search(one):
                    return True
        elif type(one) is dict:
            inside += [key for key in one if key not in FIELDS]
            inside += one.values()
        elif type(one) is list:
            inside += one
        elif one is not None and not isinstance(one, (int, float)):
            return True
    return False


class OwnPatterns:
    """
    The patterns, and the time that is left for one event.

    :param values: patterns whose matches are secret anywhere.
    :param tally: counts what happened when patterns ran out of time.
    """

    def __init__(self, values: Sequence[Pattern], tally: Tally) -> None:
        self._values = values
        self._tally = tally
        self._slow: set[str] = set()
        self._left_seconds = _SECONDS_AN_EVENT

    def masked(self, text: str) -> str:
        """
        Return a text with the matches of all patterns masked.

        :param text: the text.
        """
        for pattern in self._values:
            text = self._masked_by(pattern, text)
        return text

    def _masked_by(self, pattern: Pattern, text: str) -> str:
        if pattern.cheap_chars is None or len(text) <= pattern.cheap_chars:
            # A pattern may match the empty string, which _mask_of leaves empty.
            return pattern.sub(_mask_of, text)
        if self._left_seconds > 0:
            slow = pattern.pattern in self._slow
            timeout = min(self._left_seconds, _SECONDS_ONCE_SLOW if slow else TIME_LIMIT_SECONDS)
            began = time.monotonic()
            try:
                return pattern.sub(_mask_of, text, timeout=timeout)
            except PatternTimeout as exc:
                self._slow.add(pattern.pattern)
                if pattern.pattern not in self._tally.told:
                    self._tally.told.add(pattern.pattern)
                    log.warning("eventsd: redact.values: %s on an event; the value it was looking at is masked", exc)
            finally:
                self._left_seconds -= time.monotonic() - began
        self._tally.texts += 1
        return MASK


def _mask_of(hit: re.Match[str]) -> str:
    return MASK if hit[0] else ""
