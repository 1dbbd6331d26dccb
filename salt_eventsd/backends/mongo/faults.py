"""What MongoDB's errors mean, of a document and of a batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import errors

from salt_eventsd.exceptions import Cut, Doubted, Held, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line

_DUPLICATE = 11000
#: Codes of the server for what goes away by itself: elections, shutdowns, time limits, conflicts, a full disk.
_PASSING = {
    *(6, 7, 24, 50, 63, 64, 89, 91, 112, 133, 150, 189, 234, 262, 317, 358, 384, 402),
    *(9001, 10107, 11600, 11602, 13388, 13435, 13436, 14031),
}
#: ... and for what an operator has to mend: permissions, names, places. He has some tries before they count as the
#: document's.
_OPERATORS = {8, 11, 13, 18, 20, 26, 31, 33, 48, 59, 73, 166, 8000}
#: A document is larger than the server takes.
TOO_LARGE = 10334
#: What is said of a server that does not let us in.
_NO_ENTRY = re.compile("authentication failed|bad auth|not authorized|certificate verify failed", re.IGNORECASE)
_NOT_SENT = (errors.ServerSelectionTimeoutError, errors.NotPrimaryError)
_REST = re.compile(r"(, full error: |, Timeout: |, Topology Description: ).*", re.DOTALL)


def refused(code: int, text: str, replaces: bool, patient: bool = False) -> str:
    """
    Return why a document is refused for what is in it, "" if it is there.

    :param code: of its error.
    :param text: of its error.
    :param replaces: it was to replace one of the same id, if there is one.
    :param patient: the operator has had time to mend what he can.
    :raises WorkerError: it is not there, for another reason.
    """
    if code == _DUPLICATE and "index: _id_ " in text:
        if replaces:
            raise Transient("another batch is writing the same document")
        # An earlier try has written it.
        return ""
    # After this the server repeats a value of the event.
    why = f"{text.partition(' dup key:')[0]} (code {code})"
    if code in _PASSING:
        raise Transient(why)
    if code in _OPERATORS and not patient:
        raise Doubted(why)
    return why


def of_all(error: errors.OperationFailure, patient: bool) -> str:
    """
    Return why a collection refuses all documents.

    :param error: of the client.
    :param patient: the operator has had time to mend what he can.
    :raises WorkerError: the collection is not the reason.
    """
    found = classify(error)
    if isinstance(found, Transient) or not patient:
        raise found if isinstance(found, Transient) else Doubted(str(found))
    return str(found)


def classify(error: Exception, sent: bool = False) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    :param sent: the batch was on its way.
    """
    # After these words the client repeats the server's whole answer, and all it knows of the cluster.
    text = _REST.sub("", one_line(error))
    if isinstance(error, errors.OperationFailure):
        details = error.details or {}
        text = f"{details.get('errmsg') or type(error).__name__} (code {error.code})"
        passing = error.code in _PASSING or error.has_error_label("RetryableWriteError")
        return Transient(text) if passing else Held(text)
    if isinstance(error, errors.ConfigurationError) or _NO_ENTRY.search(text):
        return Held(text)
    # Nothing was sent if no server could be chosen; and a server that has ceased to be primary took nothing.
    away = isinstance(error, errors.AutoReconnect) and not isinstance(error, _NOT_SENT)
    return Cut(text) if sent and away else Transient(text)


def write_errors(details: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """
    Return the errors of single documents.

    :param details: of a bulk write.
    :raises Transient: fewer servers have it than should.
    """
    if concern := details.get("writeConcernErrors"):
        raise Transient(str(concern[0].get("errmsg", "not written by as many servers as wanted")))
    found: Sequence[Mapping[str, Any]] = details.get("writeErrors", [])
    return found
