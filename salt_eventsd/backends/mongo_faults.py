"""What MongoDB's errors mean, of a document and of a batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import errors

from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.settle import brief

_DUPLICATE = 11000
#: Codes of the server for what goes away by itself: elections, shutdowns, time limits, conflicts, a full disk.
_PASSING = {
    *(6, 7, 24, 50, 63, 64, 89, 91, 112, 133, 150, 189, 234, 262, 317, 358, 384, 402),
    *(9001, 10107, 11600, 11602, 13388, 13435, 13436, 14031),
}
#: ... and for what an operator has to mend: who may do it, where it is.
_OPERATORS = {8, 11, 13, 18, 20, 26, 31, 33, 48, 59, 73, 166, 8000}
#: A server that cannot be had, because it does not let us in.
_NO_ENTRY = re.compile("authentication failed|bad auth|not authorized|certificate verify failed", re.IGNORECASE)
_REST = re.compile(r"(, full error: |, Timeout: |, Topology Description: ).*", re.DOTALL)


def refused(code: int, text: str, replaces: bool) -> str:
    """
    Return why a document is refused for its own sake, "" if it is there.

    :param code: of its error.
    :param text: of its error.
    :param replaces: it was to replace one of the same id, if there is one.
    :raises WorkerError: it is not there, for another reason.
    """
    if code == _DUPLICATE and "index: _id_ " in text:
        if replaces:
            raise Transient("another batch is writing the same document")
        # An earlier try has written it.
        return ""
    # What follows would be a value of the event.
    why = f"{text.partition(' dup key:')[0]} (code {code})"
    if code in _PASSING:
        raise Transient(why)
    if code in _OPERATORS:
        raise Held(why)
    return why


def meaning(error: Exception) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    """
    # Behind these follow what the server said in full, and all that is known of the cluster.
    text = _REST.sub("", brief(error))
    if isinstance(error, errors.OperationFailure):
        details = error.details or {}
        text = f"{details.get('errmsg') or type(error).__name__} (code {error.code})"
        passing = error.code in _PASSING or error.has_error_label("RetryableWriteError")
        return Transient(text) if passing else Held(text)
    if isinstance(error, errors.ConfigurationError) or _NO_ENTRY.search(text):
        return Held(text)
    return Transient(text)


def write_errors(details: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """
    Return the errors of single documents.

    :param details: of a bulk write.
    :raises Transient: it has not gone to as many servers as it should.
    """
    if concern := details.get("writeConcernErrors"):
        raise Transient(str(concern[0].get("errmsg", "not written by as many servers as wanted")))
    found: Sequence[Mapping[str, Any]] = details.get("writeErrors", [])
    return found
