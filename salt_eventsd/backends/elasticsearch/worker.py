"""
Events into Elasticsearch or OpenSearch, by their bulk API.

A batch is one request. The answer tells what became of each document. A document's id is made of the event, so a batch
that is sent again writes nothing twice; if the server was too busy for some documents, the whole batch is sent again.
If the server has not enough memory for a request, it is sent in parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import requests
import urllib3

from salt_eventsd.backends.connections import renewed_after_failure
from salt_eventsd.backends.elasticsearch.answer import Bulk, Root, TooMuch, decoded, judge, refused
from salt_eventsd.backends.elasticsearch.options import ElasticsearchOptions
from salt_eventsd.backends.http.link import Link, was_connected
from salt_eventsd.backends.options import check_file, read_options, read_template
from salt_eventsd.backends.shape import document, event_id, fit_index
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import Template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Held, Transient
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import bury, has_waited, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

_ENCODER = msgspec.json.Encoder()
#: The request, and the parts of the answer that we want.
_BULK = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"


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
        self._servers = options.servers
        self._link = Link(options.timeout, self._prepare)

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one request.

        :param batch: the batch.
        :raises WorkerError: not all was written, or it is not known.
        """
        made, refusals = make_each(batch, self._lines)
        answers: list[Refusal] = []
        with renewed_after_failure(self._link.renew):
            if made:
                self._send(made, answers, has_waited(batch))
            bury(batch, refusals, answers)

    def check(self) -> str:
        """
        Return a line that says which server answers.

        :raises WorkerError: none does.
        """
        version = decoded(self._ask("GET", "/"), Root).version
        return f"reachable, {version.distribution} {version.number}".rstrip()

    def close(self) -> None:
        """Close the connections."""
        self._link.renew()

    def _send(self, made: Sequence[tuple[int, bytes]], answers: list[Refusal], patient: bool) -> None:
        """
        Send documents, and note which are refused for what is in them.

        :param patient: the operator has had time to mend what he can.
        """
        try:
            answer = decoded(self._ask("POST", _BULK, b"".join(lines for _, lines in made)), Bulk)
        except TooMuch:
            if len(made) == 1:
                raise
            half = len(made) // 2
            self._send(made[:half], answers, patient)
            self._send(made[half:], answers, patient)
            return
        if not answer.errors:
            return
        if len(answer.items) != len(made):
            raise Transient(f"the server answered for {len(answer.items)} of {len(made)} documents")
        for (position, _), item in zip(made, answer.items):
            [said] = item.values()
            if why := refused(said.status, said.error.type, said.error.reason, patient):
                answers.append((position, why))

    def _prepare(self, session: requests.Session) -> None:
        # The environment's proxies and passwords are for the master itself.
        session.trust_env = False
        session.verify = self._options.ca_file or self._options.verify
        if not self._options.verify:
            # The library would warn, at each request, of what the operator has asked for.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if self._options.authorization:
            session.headers["Authorization"] = self._options.authorization

    def _lines(self, event: Event) -> bytes:
        """Return the two lines that stand for an event in the request."""
        index = fit_index(self._index.render(Facts(event, self._node_id)))
        action = {self._options.op: {"_index": index, "_id": event_id(event)}}
        return b"%s\n%s\n" % (_ENCODER.encode(action), document(event, self._node_id, self._options.deep))

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Ask the first server that answers, and return its answer."""
        error: Exception = Transient("no server")
        servers = list(self._servers)
        for server in servers:
            try:
                with self._link.request(
                    method,
                    server + path,
                    # A server that hangs leaves time for the others.
                    self._options.timeout / len(servers),
                    data=body,
                    headers={"Content-Type": "application/x-ndjson"} if body else {},
                    allow_redirects=False,
                ) as answer:
                    status: int = answer.status_code
                    text: bytes = answer.content
            except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as exc:
                error = Held(one_line(exc))
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as exc:
                error = Cut(one_line(exc)) if was_connected(exc) else Transient(one_line(exc))
            else:
                # The next batch begins with the server that answers.
                self._servers = sorted(self._servers, key=lambda one: one != server)
                judge(status, text, len(body))
                return text
            # ... or with the server after this one.
            self._servers = [*self._servers[1:], self._servers[0]]
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
