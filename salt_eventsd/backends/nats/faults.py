"""What a stream's answers mean for a message."""

from __future__ import annotations

from contextlib import suppress

from nats.js.errors import NotFoundError

from salt_eventsd.backends.broker.jetstream.link import NOBODY, Answer, Link
from salt_eventsd.exceptions import Held, Transient

#: JetStream's codes for a message that is too large for the stream ...
_TOO_LARGE = 10054
#: ... for one whose subject another stream takes ...
_OTHER_STREAM = 10060
#: ... for a limit of the stream, or of one subject in it ...
_STORE_FAILED = 10077
#: ... and for what passes: no leader, no resources, too many requests.
_PASSING = (10008, 10009, 10023, 10026, 10028, 10047, 10118, 10167, _STORE_FAILED)


async def is_too_large(link: Link, answer: Answer, subject: str, size: int) -> bool:
    """
    Say whether a stream refuses a message for its size.

    :param link: to the server.
    :param answer: of the stream.
    :param subject: of the message.
    :param size: of the message's payload, in bytes.
    """
    if answer.code != _STORE_FAILED:
        return answer.code == _TOO_LARGE
    # It may be larger than all that the stream may hold.
    try:
        config = (await link.streams.stream_info(await link.streams.find_stream_name_by_subject(subject))).config
    except NotFoundError:
        return False
    return bool(config.max_bytes and 0 < config.max_bytes < size)


async def refusal(link: Link, answer: Answer, subject: str, stream: str | None, is_constant: bool) -> str:
    """
    Return why a stream refuses a message for its own sake.

    :param link: to the server.
    :param answer: of the stream.
    :param subject: of the message.
    :param stream: the one that is to take it, None for any.
    :param is_constant: all events have this subject.
    :raises WorkerError: the message is refused for another reason.
    """
    if answer.code == NOBODY:
        with suppress(NotFoundError):
            await link.streams.find_stream_name_by_subject(subject)
            raise Transient(f"the stream for {subject} does not answer")
        why = f"no stream takes the subject {subject}"
    elif answer.code == _OTHER_STREAM:
        why = f"the stream {stream} does not take the subject {subject}"
    else:
        why = f"the stream for {subject} says: {answer.description}"
        if answer.code in _PASSING and "per subject" not in answer.description:
            raise Transient(why)
    if answer.code in (NOBODY, _OTHER_STREAM) and is_constant:
        # No other event would be taken either.
        raise Held(why)
    return why
