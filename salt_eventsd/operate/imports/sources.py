"""
Which job cache is asked: Salt's own files, or a returner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salt_eventsd.engine.repair.thread import OURS, job_cache_of
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.past import local_cache, returner
from salt_eventsd.intake.past.told import Items, Wanted


@dataclass(frozen=True)
class Source:
    """
    A job cache.

    :param name: the returner's.
    :param place: where it is, for an operator.
    :param tell: tells what it has of a time, behind a place, and is given who is believed; see
        :mod:`salt_eventsd.intake.past`.
    :param syndics: names who has sent returns as a syndic and is not believed to be one, as far as is known.
    """

    name: str
    place: str
    tell: Callable[[Wanted, Origins, str], Items]
    syndics: Callable[[Origins], list[str]] = lambda _: []

    @property
    def knows_when(self) -> bool:
        """Whether it says when it has kept a return, and not only when the job began."""
        return self.name == local_cache.NAME


def source_of(opts: Mapping[str, Any], name: Any) -> Source:
    """
    Return a job cache to ask.

    :param opts: Salt's options.
    :param name: the returner's; None for the one that the master uses, or Salt's own files where that is ours.
    :raises EventsdError: it is no job cache, or our own.
    """
    chosen = name
    if name is None:
        used = job_cache_of(opts)
        chosen = local_cache.NAME if used == OURS else used
    if not isinstance(chosen, str) or not chosen:
        raise EventsdError(f"source: expected local_cache or the name of a returner, got {chosen!r}")
    if chosen == OURS:
        raise EventsdError(
            "source: eventsd is this history itself; expected local_cache, or the returner that was the master's job"
            " cache before"
        )
    if chosen == local_cache.NAME:
        root = local_cache.folder_of(opts)
        return Source(
            chosen,
            str(root),
            lambda wanted, origins, after: local_cache.tell(root, wanted, origins, after),
            lambda origins: local_cache.strange_syndics(root, origins),
        )
    return Source(chosen, chosen, lambda wanted, _, after: returner.tell(opts, chosen, wanted, after))
