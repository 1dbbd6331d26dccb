"""Where the servers are, and what the stream is to be like."""

from __future__ import annotations

import re

import msgspec

from salt_eventsd.backends.broker.jetstream.access import Access
from salt_eventsd.config.checks import require
from salt_eventsd.config.structs import Size

#: The stream that is meant where nobody says another one.
STREAM = "EVENTSD"
#: Replicas that JetStream can have.
_MOST_REPLICAS = 5


class Source(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where a stream of parcels is. Writers need no more; masters have :class:`Target`.

    :param stream: the stream's name.
    """

    stream: str = STREAM

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", self.stream) is not None
        require(fits, f"stream: expected letters, digits, - and _, got {self.stream!r}")


class Target(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where a stream of parcels is, and what it is to be like; what is None is as the stream has it.

    :param replicas: on how many servers each parcel is kept.
    :param max_bytes: how large the stream may become; then the masters keep their events.
    :param duplicate_seconds: for how long the stream knows a second copy of a parcel.
    """

    replicas: int | None = None
    max_bytes: Size | None = None
    duplicate_seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        replicas, seconds = self.replicas, self.duplicate_seconds
        fits = replicas is None or 1 <= replicas <= _MOST_REPLICAS
        require(fits, f"replicas: expected 1 to {_MOST_REPLICAS}, got {replicas}")
        require(seconds is None or seconds > 0, f"duplicate_seconds: expected a number above 0, got {seconds}")


class Naming(msgspec.Struct, frozen=True):
    """
    How errors name the options, such as ``eventsd: workers.history.stream: ...``.

    :param prefix: what stands before an option's name, such as ``workers.history.``.
    """

    prefix: str = ""

    def problem(self, key: str, what: str) -> str:
        """
        Return what an error says.

        :param key: the option.
        :param what: what is wrong with it.
        """
        return f"eventsd: {self.prefix}{key}: {what}"
