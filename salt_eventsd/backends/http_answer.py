"""What a web server's answer means for the events it was sent."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError

_REFUSED = frozenset((400, 413, 422))
#: Besides all from 500: timed out, in conflict with an earlier try that has not ended, too early, too many.
_TRANSIENT = frozenset((408, 409, 425, 429))
#: Servers that ask for more patience than this, in seconds, are tried nevertheless.
_LONGEST_WAIT = 86_400.0
#: What is read of an answer, in bytes.
_LONGEST_ANSWER = 4096


class Answer(NamedTuple):
    """
    What a server said.

    :param status: of HTTP.
    :param wait: the seconds it asks for until the next request, 0 if it does not.
    :param text: the beginning of its text, on one line.
    """

    status: int
    wait: float
    text: str

    @property
    def accepted(self) -> bool:
        """Whether it has what it was sent."""
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        """Whether it says to go elsewhere."""
        return 300 <= self.status < 400

    @property
    def meaning(self) -> type[WorkerError]:
        """What becomes of the events, if it has not."""
        if self.status in _REFUSED:
            return Refused
        return Transient if self.status >= 500 or self.status in _TRANSIENT else Held


def read_answer(response: Any) -> Answer:
    """
    Read an answer.

    :param response: of requests, whose text has not been read.
    """
    return Answer(response.status_code, _wait_of(response.headers.get("Retry-After")), _text_of(response))


def _wait_of(text: str | None) -> float:
    if not text:
        return 0.0
    try:
        seconds = float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _text_of(response: Any) -> str:
    try:
        text: bytes = response.raw.read(_LONGEST_ANSWER, decode_content=True)
        # To the end, so that the connection can be used again.
        response.raw.read(1)
    except Exception:  # what counts is the status, and that has come
        return ""
    printable = "".join(sign if sign.isprintable() else " " for sign in text.decode("utf-8", "replace"))
    return " ".join(printable.split())
