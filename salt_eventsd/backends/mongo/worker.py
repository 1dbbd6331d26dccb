"""
Events into MongoDB, a document each.

A document's id is made of the event, so a batch that comes again finds its documents there. The server says of each
document whether it has taken it, and only the others are buried.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pymongo
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import errors

from salt_eventsd.backends.connections import renewed_after_failure
from salt_eventsd.backends.mongo.documents import LARGEST, Documents, fit_collection
from salt_eventsd.backends.mongo.faults import TOO_LARGE, classify, of_all, refused, write_errors
from salt_eventsd.backends.mongo.options import MongoOptions, read_url
from salt_eventsd.backends.options import read_field, read_options, read_template
from salt_eventsd.backends.shape import event_id, sample_of
from salt_eventsd.config.language.fields import MISSING, Facts, Field, as_text
from salt_eventsd.config.language.template import Template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import bury, has_waited, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

#: Position in the batch, id, document.
Entry = tuple[int, str, RawBSONDocument]


class Writer:
    """
    The worker.

    :param arguments: of the client.
    :param database: the name of the database.
    :param collection: of an event's document.
    :param upsert: the fields of which a document's id is made; none for the whole event.
    :param documents: makes documents.
    :param node_id: the master's (or minion's) id.
    :param seconds: how long a batch may take.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        database: str,
        collection: Template,
        upsert: Sequence[Field],
        documents: Documents,
        node_id: str,
        seconds: float,
    ) -> None:
        self._seconds = seconds
        self._arguments = dict(arguments)
        self._database = database
        self._collection = collection
        self._upsert = upsert
        self._documents = documents
        self._node_id = node_id
        self._mutex = threading.Lock()
        self._made: Any = None

    def write(self, batch: Batch) -> None:
        """
        Write a batch, in one request for each collection.

        :param batch: the batch.
        :raises WorkerError: not all was written, or it is not known.
        """
        # The next try finds out anew who is the primary, and what it takes.
        with renewed_after_failure(self.close), pymongo.timeout(self._seconds):
            self._write(batch)

    def _write(self, batch: Batch) -> None:
        client = self._client()
        made, refusals = make_each(batch, self._document)
        by_collection: dict[str, list[Entry]] = {}
        for position, (name, id_, document) in made:
            by_collection.setdefault(name, []).append((position, id_, document))
        answers: list[Refusal] = []
        patient = has_waited(batch)
        for name, some in by_collection.items():
            for position, code, why in self._insert(client, name, some, patient):
                (refusals if code == TOO_LARGE else answers).append((position, why))
        bury(batch, refusals, answers)

    def check(self) -> str:
        """
        Return a line that says which server answers, and that it would take documents.

        :raises WorkerError: it does not.
        """
        try:
            with pymongo.timeout(self._seconds):
                client = self._client()
                client[self._database].command("ping")
                self._try_out(client[self._database])
                return f"reachable, version {client.server_info().get('version', 'unknown')}"
        except (errors.PyMongoError, OSError) as exc:
            raise classify(exc) from exc

    def _try_out(self, database: Any) -> None:
        """
        Try a write that changes nothing: a replacement of what is not there, or a document with a forbidden id. Try
        nothing in a collection that is not there: the server might make it.
        """
        name = fit_collection(sample_of(self._collection))
        with suppress(errors.OperationFailure):
            if name not in database.list_collection_names(filter={"name": name}):
                return
        collection = database[name]
        if self._upsert:
            collection.replace_one({"_id": f"eventsd-check-{secrets.token_hex(8)}"}, {"eventsd": "check"})
            return
        with suppress(errors.WriteError):
            collection.insert_one({"_id": ["eventsd-check"]})
            # A server that took it all the same is not to keep it.
            collection.delete_one({"_id": ["eventsd-check"]})

    def close(self) -> None:
        """Close the connections."""
        with self._mutex:
            client, self._made = self._made, None
        if client is not None:
            client.close()

    def _client(self) -> Any:
        # Making a client may ask a name server already.
        with self._mutex:
            if self._made is None:
                client = pymongo.MongoClient(**self._arguments)
                try:
                    # It may be another server than the last time.
                    said = client[self._database].command("hello")
                except (errors.PyMongoError, OSError) as exc:
                    client.close()
                    raise classify(exc) from exc
                self._documents.largest = int(said.get("maxBsonObjectSize") or LARGEST)
                self._made = client
            return self._made

    def _document(self, event: Event) -> tuple[str, str, RawBSONDocument]:
        """Return an event's collection, id and document."""
        facts = Facts(event, self._node_id)
        name = fit_collection(self._collection.render(facts))
        id_ = self._id(event, facts)
        return name, id_, self._documents.make(event, id_)

    def _id(self, event: Event, facts: Facts) -> str:
        if not self._upsert:
            return event_id(event)
        values = [one.of(facts) for one in self._upsert]
        for one, value in zip(self._upsert, values):
            if value is MISSING:
                raise Refused(f"the event has no {one.text}")
        texts = [as_text(value) for value in values]
        return texts[0] if len(texts) == 1 else msgspec.json.encode(texts).decode()

    def _insert(self, client: Any, name: str, some: list[Entry], patient: bool) -> list[tuple[int, int, str]]:
        """Write into one collection, and return what is refused for what is in it, with the server's code."""
        try:
            collection = client[self._database][name]
            if self._upsert:
                # Only the newest of each id: the server may write them in any order.
                some = list({id_: (position, id_, document) for position, id_, document in some}.values())
                collection.bulk_write(
                    [pymongo.ReplaceOne({"_id": id_}, document, upsert=True) for _, id_, document in some],
                    ordered=False,
                )
            else:
                collection.insert_many([document for _, _, document in some], ordered=False)
        except errors.BulkWriteError as exc:
            return [
                (some[error["index"]][0], error["code"], why)
                for error in write_errors(exc.details)
                if (why := refused(error["code"], str(error.get("errmsg", "")), bool(self._upsert), patient))
            ]
        except errors.OperationFailure as exc:
            why = of_all(exc, patient)
            return [(position, exc.code or 0, why) for position, _, _ in some]
        except BSONError as exc:
            raise Refused(one_line(exc)) from exc
        except (errors.PyMongoError, OSError) as exc:
            raise classify(exc, sent=True) from exc
        return []


def make(context: Context) -> Writer:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, MongoOptions)
    parsed = read_url(context, options.url)
    database = parsed.get("database") or options.database
    if not database:
        raise context.problem("database", "missing; expected the name of a database, here or in the url")
    upsert = [read_field(context, f"upsert[{number}]", text) for number, text in enumerate(options.upsert)]
    milliseconds = int(options.timeout * 1000)
    given = {
        "host": str(options.url or options.host),
        "port": None if options.url else options.port,
        "username": None if parsed.get("username") else options.user,
        "password": None if parsed.get("username") or options.password is None else str(options.password),
        "authSource": options.auth_database,
        "tls": options.tls or None,
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "socketTimeoutMS": milliseconds,
        "appname": "salt-eventsd",
        "tz_aware": True,
        "connect": False,
    }
    return Writer(
        {key: value for key, value in given.items() if value is not None},
        database,
        read_template(context, "collection", options.collection),
        upsert,
        Documents(context.node_id, options.too_large == "truncate"),
        context.node_id,
        options.timeout,
    )
