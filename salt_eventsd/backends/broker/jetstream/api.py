"""Requests to JetStream, and what its answers mean."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from salt_eventsd.backends.broker.jetstream.link import Link
from salt_eventsd.exceptions import Held, Transient

_PREFIX = "$JS.API"
#: JetStream's codes for what is not there: a stream, a consumer, a message (by number, and by subject).
_NO_STREAM, _NO_CONSUMER, _NO_MESSAGES = 10059, 10014, (10037, 10043, 10057)
#: What passes: no leader, no resources, too many requests, not yet.
_PASSING = (10008, 10009, 10023, 10026, 10028, 10118, 10167)


#: While a cluster elects a leader, requests get no answer at all; soon afterwards they do.
ANSWER_SECONDS = 5.0


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error | None = None


class StreamConfig(msgspec.Struct, frozen=True):
    """What a stream is like; see JetStream's documentation. Times are in nanoseconds."""

    name: str = ""
    subjects: list[str] = []
    retention: str = "limits"
    storage: str = "file"
    discard: str = "old"
    num_replicas: int = 1
    max_bytes: int = -1
    max_age: int = 0
    duplicate_window: int = 0


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds: how much, and the number of the first message; of the next one, if it is empty."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0


class Stream(msgspec.Struct, frozen=True):
    """
    A stream that is there.

    :param created: when it was made; another one of its name has another time.
    """

    config: StreamConfig
    created: str
    state: StreamState = StreamState()


class Floor(msgspec.Struct, frozen=True):
    """Up to where a consumer is through with a stream."""

    stream_seq: int = 0


class ConsumerConfig(msgspec.Struct, frozen=True):
    """What a consumer is like; see JetStream's documentation. Times are in nanoseconds."""

    filter_subject: str = ""
    ack_wait: int = 0
    max_ack_pending: int = 0


class Consumer(msgspec.Struct, frozen=True):
    """A consumer that is there."""

    config: ConsumerConfig
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0
    ack_floor: Floor = Floor()


class Done(msgspec.Struct, frozen=True):
    """What was asked for is done."""

    success: bool = False


class Message(msgspec.Struct, frozen=True):
    """A message in a stream."""

    subject: str
    seq: int
    time: str
    data: bytes = b""


class _Found(msgspec.Struct, frozen=True):
    message: Message


class Account(msgspec.Struct, frozen=True):
    """What is known of the account."""

    streams: int = 0


Answer = TypeVar("Answer")


class Missing(Transient):
    """The stream or the consumer is not there (any more)."""


class Denied(Held):
    """
    JetStream refuses a request.

    :param code: its number of the error.
    :param message: what it says.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"JetStream says: {message}")


async def ask(link: Link, subject: str, body: Any, kind: type[Answer], seconds: float) -> Answer:
    """
    Ask JetStream.

    :param link: to a server.
    :param subject: of the request, without what all have in common.
    :param body: of the request; None for none.
    :param kind: what is answered.
    :param seconds: how long the answer may take.
    :raises Missing: there is no such stream or consumer.
    :raises Denied: it refuses that.
    :raises Transient: it cannot just now.
    """
    sent = b"" if body is None else msgspec.json.encode(body)
    said = (await link.request(f"{_PREFIX}.{subject}", sent, min(seconds, ANSWER_SECONDS))).data
    error = msgspec.json.decode(said, type=_Refusal).error
    if error is None:
        return msgspec.json.decode(said, type=kind)
    if error.err_code in (_NO_STREAM, _NO_CONSUMER):
        raise Missing(error.description)
    if error.err_code in _PASSING:
        raise Transient(f"JetStream says: {error.description}")
    raise Denied(error.err_code, error.description)


async def message(link: Link, stream: str, wanted: dict[str, Any], seconds: float) -> Message | None:
    """
    Return a message of a stream, None if it is not there.

    :param link: to a server.
    :param stream: the stream's name.
    :param wanted: ``seq``, and perhaps ``next_by_subj``.
    :param seconds: how long the answer may take.
    """
    try:
        return (await ask(link, f"STREAM.MSG.GET.{stream}", wanted, _Found, seconds)).message
    except Denied as exc:
        if exc.code in _NO_MESSAGES:
            return None
        raise


async def delete(link: Link, stream: str, sequence: int, seconds: float) -> bool:
    """
    Delete a message of a stream, and say whether it was there.

    :param link: to a server.
    :param stream: the stream's name.
    :param sequence: the message's number.
    :param seconds: how long the answer may take.
    """
    try:
        await ask(link, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence}, dict, seconds)
    except Denied as exc:
        if exc.code in _NO_MESSAGES:
            return False
        raise
    return True
