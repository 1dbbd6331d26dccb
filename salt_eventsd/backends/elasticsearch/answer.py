"""What an Elasticsearch or OpenSearch server answers, and what that means for documents and batches."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from salt_eventsd.exceptions import Cut, Doubted, Doubtful, Held, Refused, Transient

Answer = TypeVar("Answer")

#: Errors of an item that an operator has to mend; he is given some tries before they count as the event's.
_OPERATORS = ("index_not_found_exception", "index_closed_exception", "security_exception", "cluster_block_exception")
#: The server would have to hold too much at once.
_TOO_MUCH = "circuit_breaking_exception"
#: A server that refuses a request of this size as too large takes nothing; in bytes.
_SMALL = 4096


class _Error(msgspec.Struct, frozen=True):
    type: str = ""
    reason: str = ""


class _Failure(msgspec.Struct, frozen=True):
    error: _Error | str = ""


class _Item(msgspec.Struct, frozen=True):
    status: int = 0
    error: _Error = _Error()


class Bulk(msgspec.Struct, frozen=True):
    """What it answers to a bulk request."""

    errors: bool
    items: list[dict[str, _Item]] = []


class _Version(msgspec.Struct, frozen=True):
    number: str = ""
    distribution: str = "elasticsearch"


class Root(msgspec.Struct, frozen=True):
    """What it says of itself."""

    version: _Version = _Version()


class TooMuch(Transient):
    """The server would have to hold too much at once."""


def refused(status: int, kind: str, reason: str, patient: bool = True) -> str:
    """
    Return why a document is refused for what is in it, "" if it is there.

    :param status: of its item in the answer.
    :param kind: of the error.
    :param reason: of the error.
    :param patient: the operator has had time to mend what he can.
    :raises WorkerError: it is not there, for another reason.
    """
    # A document that is to be created and exists was written by an earlier try.
    if 200 <= status < 300 or status == 409:
        return ""
    # After this the server repeats a value of the event.
    why = f"{kind}: {reason.partition('. Preview of field')[0]}"
    if kind == _TOO_MUCH:
        raise TooMuch(why)
    if status in (408, 429, 502, 503, 504, 507):
        raise Transient(why)
    if not patient and (status in (401, 403, 404) or kind in _OPERATORS):
        raise Doubted(why)
    return why


def judge(status: int, answer: bytes, size: int) -> None:
    """
    Raise an error unless a request as a whole went well.

    :param status: of HTTP.
    :param answer: the text.
    :param size: how much the server was sent, in bytes.
    :raises WorkerError: what its status means.
    """
    if status == 200:
        return
    text = f"HTTP {status} {_said(answer)}".rstrip()
    if status == 413:
        # Half of it may fit.
        raise (Refused if size > _SMALL else Doubtful)(f"larger than the server takes: {text}")
    if _TOO_MUCH in text:
        raise TooMuch(text)
    if status in (408, 425, 429, 502, 503, 504, 507):
        raise Transient(text)
    if status >= 500:
        raise Cut(text)
    if status in (400, 406, 422, 451):
        # One document may be to blame, or all are refused: splitting the batch shows it.
        raise Doubtful(text)
    raise Held(text)


def _said(answer: bytes) -> str:
    """Return the kind of an error and its reason; of an answer in another form, its beginning."""
    try:
        error = msgspec.json.decode(answer, type=_Failure).error
    except msgspec.MsgspecError:
        return " ".join(answer[:1000].decode("utf-8", "replace").split())[:200]
    return error if isinstance(error, str) else f"{error.type}: {error.reason}"


def decoded(answer: bytes, kind: type[Answer]) -> Answer:
    """
    Return an answer as a struct.

    :param answer: the text.
    :param kind: of the struct.
    :raises Held: this is no such server.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError:
        raise Held(f"this is no Elasticsearch or OpenSearch: {_said(answer)}") from None
