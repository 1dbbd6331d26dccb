"""What Redis's errors mean, and how they are told without the event's values."""

from __future__ import annotations

import re

from redis import exceptions as errors

from salt_eventsd.exceptions import Cut, Doubtful, Held, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line

#: Refusals that go away by themselves; the client knows some of them by name.
_PASSING = (errors.BusyLoadingError, errors.ReadOnlyError, errors.OutOfMemoryError)
_PASSING_WORDS = re.compile(r"\b(?:BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|LOADING)\b")
#: Refusals that have nothing to do with what is written.
_HELD = (errors.AuthenticationError, errors.AuthorizationError, errors.AskError)
_HELD_WORDS = re.compile(r"\b(?:NOAUTH|WRONGPASS|MOVED|ASK|CROSSSLOT|DENIED|unknown command)\b")
#: Ends a command in an error's text.
_COMMAND = " of pipeline caused error: "


def classify(error: Exception, sent: bool = False) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    :param sent: there was a connection, and the batch was on its way.
    """
    text = shown(error)
    if isinstance(error, _HELD):
        return Held(text)
    if isinstance(error, _PASSING):
        return Transient(text)
    if isinstance(error, errors.ResponseError):
        if _PASSING_WORDS.search(text):
            return Transient(text)
        # The server ran no command of the transaction: one of them is to blame, or it takes none of this kind.
        return Doubtful(text) if sent and not _HELD_WORDS.search(text) else Held(text)
    away = (errors.ConnectionError, errors.TimeoutError, OSError)
    return Cut(text) if sent and isinstance(error, away) else Transient(text)


def shown(error: Exception) -> str:
    """
    Return an error's text without the command it is about, which has the event's values in it.

    :param error: of the client.
    """
    text = str(error)
    if _COMMAND in text:
        # The last one is the client's own: a value may hold the same words.
        text = text.rpartition(_COMMAND)[2]
    return one_line(Transient(f"{type(error).__name__}: {text}"))
