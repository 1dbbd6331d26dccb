"""The mongo worker, against a server that speaks MongoDB's protocol."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from salt_eventsd.backends.mongo.faults import of_all, refused
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.exceptions import Doubted, Held, Transient
from salt_eventsd.workers.write import Worker
from tests.support.backends import hostile_batch, problem, problem_without, worker
from tests.support.events import JID, MINION, fired, numbered, returned
from tests.support.mongo import READER, MongoDB
from tests.support.server import PASSWORD, USER
from tests.support.stores import NODE, Buried, batch_of

_SECRET = "pa55-of-somebody"
_NUMBERS = itertools.count(1)
_AT = f"somebody:{_SECRET}@mongo.example.com"


@pytest.fixture(scope="module")
def server(installed: Callable[[type[MongoDB]], MongoDB]) -> Iterator[MongoDB]:
    """A server."""
    with installed(MongoDB) as made:
        yield made


class Database:
    """An empty database, and workers that write into it."""

    def __init__(self, server: MongoDB) -> None:
        if not server.running:
            server.start()
        self.server = server
        self.name = f"salt_{next(_NUMBERS)}"
        self.client = server.client()
        self.inside = self.client[self.name]
        self._workers: list[Any] = []

    def worker(self, **options: Any) -> Worker:
        """Make a worker."""
        own = {"port": self.server.port, "database": self.name, "user": USER, "password": PASSWORD}
        made = worker("mongo", {**own, "timeout_seconds": 5, **options})
        self._workers.append(made)
        return made

    def documents(self, collection: str = "events") -> list[dict[str, Any]]:
        """Return the documents of a collection."""
        return list(self.inside[collection].find())

    def jids(self, collection: str = "events") -> list[str]:
        """Return the jids of the documents of a collection."""
        return [document["jid"] for document in self.documents(collection)]

    def close(self) -> None:
        """Close the workers."""
        for one in self._workers:
            one.close()
        self.client.close()


@pytest.fixture
def database(server: MongoDB) -> Iterator[Database]:
    """An empty database."""
    made = Database(server)
    yield made
    made.close()


def test_an_event_arrives_whole(database: Database) -> None:
    # When
    database.worker(collection="{kind}_{phase}").write(batch_of([returned({"a": [1, "ü", None, 1.5]})]))

    # Then: MongoDB knows milliseconds
    [document] = database.documents("job_ret")
    assert (document["tag"], document["jid"]) == (f"salt/job/{JID}/ret/{MINION}", JID)
    assert (document["minion_id"], document["fun"], document["phase"]) == (MINION, "test.ping", "ret")
    assert document["stamp"] == datetime(2026, 1, 2, 3, 4, 5, 678_000, timezone.utc)
    assert document["master_id"] == NODE
    assert document["data"]["return"] == {"a": [1, "ü", None, 1.5]}


def test_a_thousand_events_are_written_in_order(database: Database) -> None:
    # When
    database.worker().write(batch_of(numbered(600), numbered(400, start=600)))

    # Then
    assert database.jids() == [str(number) for number in range(1000)]


def test_a_batch_that_comes_again_is_there_once(database: Database) -> None:
    # Given
    sink = database.worker()
    write_batch(sink, batch_of(numbered(5)))
    buried = Buried()

    # When: more events come with it, as they do after a crash
    write_batch(sink, batch_of(numbered(5), numbered(1, start=5), replay=True, buried=buried))

    # Then
    assert database.jids() == ["0", "1", "2", "3", "4", "5"]
    assert buried.refusals == []


def test_the_newest_of_each_is_kept_where_it_replaces_others(database: Database) -> None:
    # Given
    sink = database.worker(upsert=["minion_id", "fun"])
    first = [returned(1, "1", "a"), returned(1, "1", "b"), returned(2, "2", "a"), returned(2, "2", "b", fun="x.y")]
    buried = Buried()

    # When
    write_batch(sink, batch_of(first, buried=buried))
    write_batch(sink, batch_of([returned(3, "3", "b")], first=2, buried=buried))

    # Then
    found = {document["_id"]: (document["jid"], document["data"]["return"]) for document in database.documents()}
    assert found == {'["a","test.ping"]': ("2", 2), '["b","test.ping"]': ("3", 3), '["b","x.y"]': ("2", 2)}
    assert buried.refusals == []


def test_hostile_values_land_as_data(database: Database) -> None:
    # Given
    batch = hostile_batch()

    # When
    write_batch(database.worker(), batch)

    # Then: keys look the same and are not
    kept = json.dumps([one["data"]["return"] for one in database.documents()], ensure_ascii=False)
    sent = json.dumps([event.data["return"] for event in batch.events], ensure_ascii=False)
    for key, safe in (("a.b", "a\uff0eb"), ("$set", "\uff04set"), ("$where", "\uff04where")):
        sent = sent.replace(f'"{key}":', f'"{safe}":')
    sent = sent.replace('"\\u0000":', '"\\\\0":').replace(str(2**63), f'"{2**63}"')
    assert json.loads(kept) == json.loads(sent)


@pytest.mark.parametrize("levels", [pytest.param(levels, id=str(levels)) for levels in (80, 95, 240)])
def test_what_is_nested_deeply_is_kept(database: Database, levels: int) -> None:
    # Given
    value: Any = "inside"
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    buried = Buried()

    # When
    write_batch(database.worker(), batch_of([returned(value)], buried=buried))

    # Then: what is below as many levels as MongoDB takes, as JSON text
    assert buried.refusals == []
    kept = database.documents()[0]["data"]["return"]
    while not isinstance(kept, str):
        kept = kept[0] if isinstance(kept, list) else kept["a"]
    assert "inside" in kept
    assert (kept == "inside") == (levels < 85)


def test_hostile_names_make_names_of_collections(database: Database) -> None:
    # Given
    names = ["web1.example.com", "a$b", "system.users", "..", "x" * 400, "a..b", ".a.", "\x00", "ü"]
    some = [returned(jid=str(number), minion_id=name) for number, name in enumerate(names)]
    buried = Buried()

    # When
    write_batch(database.worker(collection="{minion_id}"), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == []
    expected = ["web1.example.com", "a_b", "_system.users", "unnamed", "x" * 120, "a.b", "a", "_", "ü"]
    assert sorted(database.inside.list_collection_names()) == sorted(expected)


def test_an_event_too_large_is_kept_in_part(database: Database) -> None:
    # Given: a list of small numbers takes much more room there than as JSON
    large = [returned("x" * 17 * 2**20, jid="text"), returned([1] * 2**21, jid="list"), returned(jid="small")]
    some = [*large, fired("company/alarm", {"jid": "body", "text": "y" * 17 * 2**20})]
    buried = Buried()

    # When
    write_batch(database.worker(timeout_seconds=30), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == []
    found = {document["jid"]: document["data"] for document in database.documents()}
    assert set(found) == {"text", "list", "small", "body"}
    for value in (found["text"]["return"], found["list"]["return"], found["body"]):
        assert value["eventsd_truncated"] is True
        assert len(value["beginning"]) == 65_536
    assert found["text"]["return"]["bytes"] == 17 * 2**20 + 2
    assert found["text"]["fun"] == "test.ping"


def test_an_event_too_large_is_refused_alone_where_that_is_wanted(database: Database) -> None:
    # Given
    buried = Buried()
    some = [*numbered(2), returned("x" * 17 * 2**20, jid="large"), *numbered(1, start=2)]

    # When
    write_batch(database.worker(too_large="bury"), batch_of(some, buried=buried))

    # Then
    [(position, why)] = buried.refusals
    assert position == 2
    assert "MongoDB takes 16777216" in why
    assert database.jids() == ["0", "1", "2"]


def test_what_the_collection_does_not_take_is_refused_alone(database: Database) -> None:
    # Given: a rule of the collection's, and a unique index
    database.inside.create_collection("events", validator={"data.n": {"$type": "number"}})
    database.inside["events"].create_index("data.n", unique=True)
    some = [returned(jid=str(at), n=n) for at, n in enumerate([1, 2, "the-value-itself", 2, 5])]
    buried = Buried()

    # When
    write_batch(database.worker(), batch_of(some, buried=buried))

    # Then
    assert [position for position, _ in buried.refusals] == [2, 3]
    assert buried.refusals[0][1] == "Document failed validation (code 121)"
    assert "duplicate key" in buried.refusals[1][1]
    assert "the-value-itself" not in str(buried.refusals)
    assert database.jids() == ["0", "1", "4"]


def test_a_collection_that_takes_no_event_holds_the_worker(database: Database) -> None:
    # Given
    database.inside.create_collection("events", validator={"owner": "somebody"})
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match="all events of a batch are refused: Document failed validation"):
        write_batch(database.worker(), batch_of(numbered(3), buried=buried))
    assert buried.refusals == []


def test_an_event_without_the_field_is_refused_alone(database: Database) -> None:
    # Given
    some = [returned(jid="0", rack="a"), returned(jid="1"), returned(jid="2", rack="b")]
    buried = Buried()

    # When
    write_batch(database.worker(upsert=["data.rack"]), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == [(1, "the event has no data.rack")]
    assert [document["_id"] for document in database.documents()] == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(91, Transient, id="shutdown"),
        pytest.param(112, Transient, id="write-conflict"),
        pytest.param(10107, Transient, id="election"),
        pytest.param(14031, Transient, id="disk-full"),
        pytest.param(13, Held, id="no-permission"),
        pytest.param(8000, Held, id="no-permission-at-atlas"),
    ],
)
def test_a_documents_error_may_be_the_servers(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="what it says"):
        refused(code, "what it says", False)


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        pytest.param(121, False, id="validation"),
        pytest.param(17280, False, id="key-too-large"),
        pytest.param(10334, False, id="too-large"),
        pytest.param(99_999, False, id="unknown"),
        pytest.param(13, True, id="no-permission"),
        pytest.param(73, True, id="no-such-name"),
    ],
)
def test_a_documents_error_may_be_its_own(code: int, waits: bool) -> None:
    if waits:
        with pytest.raises(Doubted):
            refused(code, "what it says", False)
    assert refused(code, "what it says", False, patient=True) == f"what it says (code {code})"


@pytest.mark.parametrize(
    ("code", "patient", "error"),
    [
        pytest.param(13, False, Doubted, id="no-permission"),
        pytest.param(13, True, None, id="no-permission-for-long"),
        pytest.param(166, True, None, id="a-view"),
        pytest.param(10107, True, Transient, id="election"),
        pytest.param(10107, False, Transient, id="election-at-once"),
    ],
)
def test_a_collection_that_takes_nothing_is_its_events_matter_after_a_while(
    code: int, patient: bool, error: type[Exception] | None
) -> None:
    said = OperationFailure("what it says", code, {"errmsg": "what it says"})

    if error:
        with pytest.raises(error, match="what it says"):
            of_all(said, patient)
    else:
        assert of_all(said, patient) == f"what it says (code {code})"


def test_a_server_that_takes_less_is_believed(database: Database) -> None:
    # Given
    sink = database.worker()
    sink.write(batch_of(numbered(1)))

    # When: as it would be after another server was found
    sink.worker._documents.largest = 2000
    sink.write(batch_of([returned("x" * 3000, jid="1")], first=2))
    [kept] = [one for one in database.documents() if one["jid"] == "1"]

    # Then
    assert kept["data"]["return"]["eventsd_truncated"] is True


@pytest.mark.parametrize("field", ["data.n:d", "data.n:%Y", "data.nothing"])
def test_events_that_fit_no_collection_cost_no_write(database: Database, field: str) -> None:
    # Given
    buried = Buried()

    # When
    some = [returned(jid=str(n), n="text") for n in range(100)]
    write_batch(database.worker(collection=f"salt-{{{field}}}"), batch_of(some, buried=buried))

    # Then
    assert (buried.positions, database.inside.list_collection_names()) == (list(range(100)), [])


def test_two_batches_that_replace_the_same_document_try_again() -> None:
    text = "E11000 duplicate key error collection: salt.events index: _id_ dup key: { _id: 1 }"

    assert refused(11000, text, False) == ""
    with pytest.raises(Transient):
        refused(11000, text, True)


def test_a_server_that_is_stopped_takes_the_batch_when_it_is_back(database: Database) -> None:
    # Given: a worker with a connection open
    sink = database.worker(timeout_seconds=1)
    sink.write(batch_of(numbered(1)))
    database.server.stop()

    # When / Then
    for act in (lambda: sink.write(batch_of(numbered(3, start=1), first=2)), sink.check):
        with pytest.raises(Transient) as caught:
            act()
        assert PASSWORD not in str(caught.value)

    # When
    database.server.start()
    sink.write(batch_of(numbered(3, start=1), first=2, replay=True))

    # Then
    assert database.jids() == ["0", "1", "2", "3"]


def test_a_server_that_hangs_is_given_up(database: Database) -> None:
    # Given
    sink = database.worker(timeout_seconds=0.5)
    sink.write(batch_of(numbered(1)))
    database.server.pause()

    # When / Then
    try:
        with pytest.raises(Transient, match=r"(?i)time"):
            sink.write(batch_of(numbered(2, start=1), first=2))
    finally:
        database.server.resume()

    # When
    sink.write(batch_of(numbered(2, start=1), first=2, replay=True))

    # Then
    assert database.jids() == ["0", "1", "2"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"password": _SECRET}, id="wrong-password"),
        pytest.param({"user": "stranger", "password": _SECRET}, id="unknown-user"),
    ],
)
def test_who_may_not_connect_is_held(database: Database, options: dict[str, Any]) -> None:
    # Given
    sink = database.worker(timeout_seconds=1, **options)
    buried = Buried()

    # When / Then
    for act in (lambda: write_batch(sink, batch_of(numbered(2), buried=buried)), sink.check):
        with pytest.raises(Held, match=r"(?i)authentication failed") as caught:
            act()
        assert _SECRET not in str(caught.value)
    assert buried.refusals == []


@pytest.mark.parametrize("user", [pytest.param(READER, id="reader"), pytest.param(None, id="nobody")])
@pytest.mark.parametrize("more", [pytest.param({}, id="added"), pytest.param({"upsert": ["jid"]}, id="replaced")])
def test_check_tells_who_may_not_write(database: Database, user: str | None, more: dict[str, Any]) -> None:
    database.inside.create_collection("events")
    sink = database.worker(user=user, password=PASSWORD if user else None, **more)

    with pytest.raises(Held, match=r"code 13\)"):
        sink.check()


@pytest.mark.parametrize("more", [pytest.param({}, id="added"), pytest.param({"upsert": ["jid"]}, id="replaced")])
def test_check_leaves_nothing_behind(database: Database, more: dict[str, Any]) -> None:
    sink = database.worker(**more)

    # When / Then: no collection is made, and nothing is put into one
    assert sink.check().startswith("reachable, version ")
    assert database.inside.list_collection_names() == []

    # When / Then
    database.inside.create_collection("events")
    assert sink.check().startswith("reachable, version ")
    assert database.documents() == []


@pytest.mark.parametrize("user", [pytest.param(READER, id="reader"), pytest.param(None, id="nobody")])
def test_who_may_not_write_is_held(database: Database, user: str | None) -> None:
    # Given
    sink = database.worker(user=user, password=PASSWORD if user else None)
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=r"code 13\)") as caught:
        write_batch(sink, batch_of([returned("the-value-itself")], buried=buried))
    assert "the-value-itself" not in str(caught.value)
    assert buried.refusals == []


def test_a_url_does_as_well(database: Database) -> None:
    # Given
    url = f"mongodb://{USER}:{PASSWORD}@127.0.0.1:{database.server.port}/{database.name}?authSource=admin"
    sink = worker("mongo", {"url": url, "user": "another", "password": _SECRET})

    # When
    sink.write(batch_of(numbered(2)))

    # Then
    assert sink.check().startswith("reachable, version ")
    assert database.jids() == ["0", "1"]
    sink.close()


def test_check_and_close_write_nothing(database: Database) -> None:
    # Given
    sink = database.worker()

    # When
    said = sink.check()
    sink.close()

    # Then
    assert said.startswith("reachable, version ")
    assert database.inside.list_collection_names() == []


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        pytest.param({}, "database", "missing; expected the name", id="no-database"),
        pytest.param({"database": "a.b"}, "database", "without dots", id="database"),
        pytest.param({"url": f"http://{_AT}/salt"}, "url", "such as mongodb://", id="url-of-another-kind"),
        pytest.param({"url": f"mongodb://{_AT}:x/salt"}, "url", "such as mongodb://", id="url-with-an-odd-port"),
        pytest.param({"url": f"mongodb://{_AT}/salt?w=0"}, "url", "w=0 would", id="url-that-asks-for-no-answer"),
        pytest.param({"url": f"mongodb+srv://{_AT}:x/salt"}, "url", "such as mongodb://", id="srv-url"),
        pytest.param({"url": f"mongodb://{_AT}"}, "database", "missing", id="url-without-a-database"),
        pytest.param({"database": "a", "collection": "{nope}"}, "collection", "'nope' is no field", id="collection"),
        pytest.param({"database": "a", "upsert": ["jid", "nope"]}, "upsert[1]", "'nope' is no field", id="upsert"),
        pytest.param({"database": "a", "upsert": "jid"}, "upsert", "expected list", id="upsert-that-is-no-list"),
        pytest.param({"database": "a", "too_large": "drop"}, "too_large", "invalid enum value", id="too-large"),
        pytest.param({"database": "a", "port": 70_000}, "port", "from 1 to 65535", id="port"),
        pytest.param({"database": "a", "timeout_seconds": 0}, "timeout_seconds", "above 0", id="timeout"),
        pytest.param({"database": "a", "passwd": _SECRET}, "passwd", "unknown key", id="unknown-key"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], key: str, says: str) -> None:
    # When
    line = problem("mongo", options)

    # Then
    assert line.startswith(f"eventsd: workers.sink.{key}: ")
    assert says in line
    assert _SECRET not in line


def test_a_missing_library_is_named_with_its_extra() -> None:
    # When
    line = problem_without("pymongo", "mongo", {"database": "salt"})

    # Then
    assert line.startswith("eventsd: workers.sink.module: mongo needs a library that is missing: ")
    assert "salt-pip install 'salt-eventsd[mongo]'" in line
