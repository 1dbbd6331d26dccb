"""The options of a nats worker."""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from salt_eventsd.backends.broker.jetstream.access import Access
from salt_eventsd.config.checks import require
from salt_eventsd.config.structs import Size


class NatsOptions(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a nats worker. Of several servers the first that answers is taken.

    :param subject: a template.
    :param value: the field of the event that is sent; None for the whole event.
    :param stream: the stream that is to take the messages; None for any.
    :param create_stream: make that stream if it is missing, with the subjects and limits that follow.
    """

    schemes: ClassVar[str] = "nats|tls|ws|wss"

    subject: str = "salt.events"
    value: str | None = None
    stream: str | None = None
    create_stream: bool = False
    subjects: list[str] = msgspec.field(default_factory=list)
    max_bytes: Size | None = None
    max_age_seconds: float | None = None
    duplicate_seconds: float = 600.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.stream) or not self.create_stream, "stream: missing; expected the name of the stream to make")
        require(not self.stream or not re.search(r"[\s.*>/\\]", self.stream), "stream: expected a name without dots")
        require(self.duplicate_seconds > 0, "duplicate_seconds: expected a number above 0")
        age = self.max_age_seconds
        require(age is None or age >= self.duplicate_seconds, "max_age_seconds: expected duplicate_seconds or more")
