"""What a web server answers, and what that means for the events it was sent."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from salt_eventsd.exceptions import Cut, Doubtful, Held, Refused, Transient, WorkerError

#: The server is busy or not ready: timed out, locked, too early, too many; no gateway, no room.
_TRANSIENT = frozenset((408, 423, 425, 429, 502, 503, 504, 507, 509, 529))
#: The address, the method, the form or the login is refused, which are the same for all events.
_HELD = frozenset((401, 402, 404, 405, 407, 410, 411, 414, 415, 426, 431, 501, 505, 511))
#: As good as no answer: a conflict with an earlier try that has not ended, or the wrong server. It may pass, or come of
#: the events.
_CUT = frozenset((409, 421))
_TOO_LARGE = 413
#: A server that refuses a request of this size as too large takes nothing; in bytes.
_SMALL = 4096
#: We wait no longer than this, in seconds, whatever a server asks for.
_LONGEST_WAIT = 86_400.0
#: How much is read of an answer, in bytes.
_LONGEST_ANSWER = 4096


class Answer(NamedTuple):
    """
    A server's answer.

    :param status: of HTTP.
    :param wait: how many seconds it wants us to wait until the next request; 0 if it does not say.
    :param text: the beginning of its text, on one line.
    """

    status: int
    wait: float
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the server has what it was sent."""
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        """Whether the server sends us elsewhere."""
        return 300 <= self.status < 400

    def classify(self, size: int) -> type[WorkerError]:
        """
        Return which error is to be raised, if the server has not accepted the events.

        :param size: how much it was sent, in bytes.
        """
        status = self.status
        if status == _TOO_LARGE:
            return Refused if size > _SMALL else Doubtful
        if status in _TRANSIENT:
            return Transient
        if status in _HELD or status < 400:
            return Held
        return Cut if status in _CUT or status >= 500 else Doubtful


def read_answer(response: Any) -> Answer:
    """
    Read an answer.

    :param response: of the library; its text has not been read.
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
        # The connection can be used again only if the answer is read to its end.
        response.raw.read(1)
    except Exception:  # the status is what counts, and it has come
        return ""
    printable = "".join(sign if sign.isprintable() else " " for sign in text.decode("utf-8", "replace"))
    return " ".join(printable.split())
