"""
Events to a web server: a webhook, a log collector, a service of one's own.

The texts of errors are made here, of parts that are no secret: the libraries' own texts repeat whole URLs.
"""

from __future__ import annotations

import gzip
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import urllib3

from salt_eventsd.backends.ahead import Ahead
from salt_eventsd.backends.connections import renewed_after_failure
from salt_eventsd.backends.http.answer import Answer, read_answer
from salt_eventsd.backends.http.link import Link, was_connected
from salt_eventsd.backends.http.options import Auth, Body, HttpOptions, without_user
from salt_eventsd.backends.options import check_file, read_options
from salt_eventsd.backends.shape import event_id, events_id, with_id
from salt_eventsd.exceptions import Cut, Held, Transient, WorkerError
from salt_eventsd.workers.isolate import Sieve, bury
from salt_eventsd.workers.write import Batch, Context

#: An event's position in its batch, its id, and its JSON text.
Item = tuple[int, str, bytes]

_LIBRARY_LOG = logging.getLogger("urllib3.connectionpool")
_KEY = "Idempotency-Key"

_TYPES: dict[Body, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "single": "application/json",
}
#: How much of an answer is shown, in characters.
_SHOWN = 200
#: A secret shorter than this is not searched for in an answer: it would be part of other words.
_SHORTEST_SECRET = 4


class _Untold(logging.Filter):
    """Keeps a URL's path, which may be a secret, out of the library's log."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._path = urlunsplit(("", "", parts.path, parts.query, ""))

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record may be logged."""
        return len(self._path) < _SHORTEST_SECRET or self._path not in record.getMessage()


class Http:
    """
    A web server that takes events.

    :param options: where it is and how it takes them.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, options: HttpOptions, node_id: str) -> None:
        self._options = options
        self._node_id = node_id
        self._url, self._shown, auth = without_user(options)
        self._headers = {
            "User-Agent": "salt-eventsd",
            "Content-Type": _TYPES[options.body],
            **({"Content-Encoding": "gzip"} if options.gzip else {}),
            **({"Authorization": auth.header()} if auth else {}),
            # Some versions of the library take text only, and no subclass of it.
            **{name: str(value) for name, value in options.headers.items()},
        }
        self._secrets = _secrets(options, auth)
        self._ahead = Ahead()
        self._untold = _Untold(options.url)
        self._not_before, self._busy = 0.0, ""
        self._link = Link(options.timeout, self._prepare)

    def write(self, batch: Batch) -> None:
        """
        Send a batch.

        :param batch: the batch.
        :raises WorkerError: the server did not confirm all of it, and what it said instead.
        """
        ids = [event_id(event) for event in batch.events]
        items = [
            (position, id_, with_id(event, id_, self._node_id))
            for position, (id_, event) in enumerate(zip(ids, batch.events))
            if id_ not in self._ahead
        ]
        each = Sieve(self._send)
        with renewed_after_failure(self._link.renew):
            if self._options.body == "single":
                for at in range(len(items)):
                    each.put(items[at : at + 1], at)
            elif items and batch.doubts:
                # An earlier try sent each event alone, and none was taken. The engine sends a few alone again.
                self._send(items)
            elif items:
                each.put(items)
        refusals, doubts = ([(items[at][0], why) for at, why in found] for found in (each.refusals, each.doubts))
        if doubts:
            # A new connection may have another login, and other permissions.
            self._link.renew()
        bury(batch, refusals, doubts)
        self._ahead.settled(batch, ids)

    def check(self) -> str:
        """
        Return a line that says the server can be reached. The request is OPTIONS, which changes nothing.

        :raises WorkerError: it cannot be reached, or does not let us in.
        """
        answer = self._ask("OPTIONS", b"", {})
        # 501: the server does not know OPTIONS.
        if answer.status in (401, 403):
            raise Held(str(self._classified(answer, 0)))
        if answer.status >= 500 and answer.status != 501:
            raise self._classified(answer, 0)
        return f"{self._shown} answers"

    def close(self) -> None:
        """Close the connections."""
        self._link.renew()
        _LIBRARY_LOG.removeFilter(self._untold)

    def _send(self, items: Sequence[Item]) -> None:
        """Send events together."""
        if (wait := self._not_before - time.monotonic()) > 0:
            raise Transient(f"{self._busy}; it asked not to be called for {wait:.0f} s more")
        options = self._options
        lines = [line for _, _, line in items]
        ids = [id_ for _, id_, _ in items]
        if options.body == "json":
            text = b"[%s]" % b",".join(lines)
        else:
            text = lines[0] if options.body == "single" else b"\n".join([*lines, b""])
        if options.gzip:
            text = gzip.compress(text, 1, mtime=0)
        answer = self._ask("POST", text, {_KEY: events_id(ids)})
        if not answer.accepted:
            error = self._classified(answer, len(text))
            if isinstance(error, Transient):
                self._not_before, self._busy = time.monotonic() + answer.wait, str(error)
            raise error
        self._ahead.add(ids)

    def _ask(self, method: str, text: bytes, headers: Mapping[str, str]) -> Answer:
        options = self._options
        try:
            with self._link.request(
                method,
                self._url,
                data=text,
                headers={**self._headers, **headers},
                verify=(options.ca_file or True) if options.verify else False,
                # The events are meant for this server and no other.
                allow_redirects=False,
            ) as response:
                return read_answer(response)
        except (requests.RequestException, OSError, ValueError) as exc:
            raise self._fault(exc) from None

    def _prepare(self, session: requests.Session) -> None:
        # Any function keeps requests from taking a password out of ~/.netrc.
        session.auth = _as_it_is
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if not self._options.verify:
            # The library would warn, at each request, of what the operator has asked for.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        _LIBRARY_LOG.addFilter(self._untold)

    def _classified(self, answer: Answer, size: int) -> WorkerError:
        said = f"{self._shown}: {answer.status} {self._hidden(answer.text)}".rstrip()
        return answer.classify(size)(f"{said}: what url names is elsewhere now" if answer.redirects else said)

    def _fault(self, error: BaseException) -> WorkerError:
        inner = system = error
        while (behind := inner.__cause__ or inner.__context__) is not None:
            inner = behind
            system = inner if isinstance(inner, OSError) else system
        # Behind the system's own error there may be one that the library has already dealt with.
        inner = system if isinstance(system, OSError) and not isinstance(system, requests.RequestException) else inner
        # All texts but those of the system's own errors repeat the URL.
        said = (inner.strerror or str(inner)) if isinstance(inner, OSError) else type(inner).__name__
        said = f"{self._shown}: {self._hidden(said)}"
        lasting = isinstance(inner, ssl.SSLCertVerificationError) or isinstance(error, ValueError)
        if lasting:
            return Held(said)
        return Cut(said) if was_connected(error) else Transient(said)

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_SHOWN]


def _secrets(options: HttpOptions, auth: Auth | None) -> list[str]:
    """Return the texts that may not be shown, the longest first: the whole before its parts."""
    parts = urlsplit(options.url)
    found = {parts.path, unquote(parts.path), parts.query, unquote(parts.query)}
    for value in (*options.headers.values(), *([auth.header(), auth.password] if auth else [])):
        found.update((value, value.rpartition(" ")[2]))
    return sorted((secret for secret in found if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _as_it_is(request: Any) -> Any:
    return request


def make(context: Context) -> Http:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, HttpOptions)
    check_file(context, "ca_file", options.ca_file or None)
    return Http(options, context.node_id)
