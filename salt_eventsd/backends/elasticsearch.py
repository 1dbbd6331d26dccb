"""
Events into Elasticsearch or OpenSearch, by their bulk API.

A batch is one request, whose answer tells of each document what became of it. A document's id is made of the event, so
the same batch sent again writes nothing twice, and a batch in which some documents found the server busy is sent again
as a whole.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
import requests
import urllib3

from salt_eventsd.backends.documents import document, fit_index
from salt_eventsd.backends.elasticsearch_options import ElasticsearchOptions
from salt_eventsd.backends.ids import event_id
from salt_eventsd.backends.options import check_file, read_options, read_template
from salt_eventsd.backends.refusals import bury, make_each
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, Transient
from salt_eventsd.fields import Facts, Template
from salt_eventsd.settle import brief
from salt_eventsd.workers import Batch, Context, Refusal

Answer = TypeVar("Answer")

_ENCODER = msgspec.json.Encoder()
#: What of the answer is wanted.
_BULK = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
#: Errors of an item that are the operator's to mend.
_OPERATORS = ("index_not_found_exception", "security_exception", "cluster_block_exception")


class _Error(msgspec.Struct, frozen=True):
    type: str = ""
    reason: str = ""


class _Failure(msgspec.Struct, frozen=True):
    error: _Error | str = ""


class _Item(msgspec.Struct, frozen=True):
    status: int = 0
    error: _Error = _Error()


class _Answer(msgspec.Struct, frozen=True):
    errors: bool
    items: list[dict[str, _Item]] = []


class _Version(msgspec.Struct, frozen=True):
    number: str = ""
    distribution: str = "elasticsearch"


class _Root(msgspec.Struct, frozen=True):
    version: _Version = _Version()


class Writer:
    """
    The worker.

    :param options: of it.
    :param index: of an event's document.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, options: ElasticsearchOptions, index: Template, node_id: str) -> None:
        self._options = options
        self._index = index
        self._node_id = node_id
        self._session = requests.Session()
        # What the environment says of proxies and passwords is for the master itself.
        self._session.trust_env = False
        self._session.verify = options.ca_file or options.verify
        if not options.verify:
            # It would warn at each request of what the operator has asked for.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._servers = options.servers
        if options.authorization:
            self._session.headers["Authorization"] = options.authorization

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one request.

        :param batch: the batch.
        :raises WorkerError: not all was written, or it is not known.
        """
        made, refusals = make_each(batch, self._lines)
        answers: list[Refusal] = []
        if made:
            body = b"".join(lines for _, lines in made)
            answer = _decoded(self._ask("POST", _BULK, body), _Answer)
            if answer.errors:
                if len(answer.items) != len(made):
                    raise Transient(f"{len(answer.items)} answers to {len(made)} documents")
                for (position, _), item in zip(made, answer.items):
                    [said] = item.values()
                    if why := refused(said.status, said.error.type, said.error.reason):
                        answers.append((position, why))
        bury(batch, refusals, answers)

    def check(self) -> str:
        """
        Return a line that says which server answers.

        :raises WorkerError: none does.
        """
        version = _decoded(self._ask("GET", "/"), _Root).version
        return f"reachable, {version.distribution} {version.number}".rstrip()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _lines(self, event: Event) -> bytes:
        """Return the two lines that stand for an event in the request."""
        index = fit_index(self._index.render(Facts(event, self._node_id)))
        action = {self._options.op: {"_index": index, "_id": event_id(event)}}
        return b"%s\n%s\n" % (_ENCODER.encode(action), document(event, self._node_id, self._options.deep))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> requests.Response:
        error: Exception = Transient("no server")
        for server in list(self._servers):
            try:
                answer = self._session.request(
                    method,
                    server + path,
                    data=body,
                    headers={"Content-Type": "application/x-ndjson"} if body else {},
                    timeout=self._options.timeout_seconds,
                    allow_redirects=False,
                )
            except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as exc:
                error = Held(brief(exc))
            except (requests.RequestException, OSError) as exc:
                error = Transient(brief(exc))
            else:
                # The next batch begins with the one that answers.
                self._servers.sort(key=lambda one: one != server)
                _judge(answer)
                return answer
        raise error


def make(context: Context) -> Writer:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, ElasticsearchOptions)
    check_file(context, "ca_file", options.ca_file)
    return Writer(options, read_template(context, "index", options.index), context.node_id)


def refused(status: int, kind: str, reason: str) -> str:
    """
    Return why a document is refused for its own sake, "" if it is there.

    :param status: of its item in the answer.
    :param kind: of the error.
    :param reason: of the error.
    :raises WorkerError: it is not there, for another reason.
    """
    # A document that is to be created and exists was written by an earlier try.
    if status < 300 or status == 409:
        return ""
    # What follows would be a value of the event.
    why = f"{kind}: {reason.partition('. Preview of field')[0]}"
    if status == 429 or status >= 500:
        raise Transient(why)
    if status in (401, 403, 404) or kind in _OPERATORS:
        raise Held(why)
    return why


def _judge(answer: requests.Response) -> None:
    """Raise unless a request as a whole went well."""
    if answer.status_code == 200:
        return
    text = f"HTTP {answer.status_code} {_said(answer)}".rstrip()
    if answer.status_code == 413:
        # Half of it may fit.
        raise Refused(f"larger than the server takes: {text}")
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise Transient(text)
    if answer.status_code == 400:
        # Something in it, or all of it: that shows when it is taken apart.
        raise ValueError(text)
    raise Held(text)


def _said(answer: requests.Response) -> str:
    """Return the kind of an error and its reason; of an answer in another form, its beginning."""
    try:
        error = msgspec.json.decode(answer.content, type=_Failure).error
    except msgspec.MsgspecError:
        return " ".join(answer.text.split())[:200]
    return error if isinstance(error, str) else f"{error.type}: {error.reason}"


def _decoded(answer: requests.Response, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError:
        raise Held(f"this is no Elasticsearch or OpenSearch: {_said(answer)}") from None
