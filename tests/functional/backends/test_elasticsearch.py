"""The elasticsearch worker, against a server that speaks OpenSearch's protocol, through a door that checks who asks."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.exceptions import Held, Transient
from salt_eventsd.workers.write import Worker
from tests.support.backends import hostile_batch, problem, problem_without, worker
from tests.support.certificates import make_certificate
from tests.support.events import JID, MINION, fired, numbered, returned
from tests.support.opensearch import API_KEY, Door, OpenSearch
from tests.support.server import PASSWORD, USER
from tests.support.stores import NODE, Buried, batch_of

_SECRET = "pa55-of-somebody"
_INDEX = "salt-2026.01.02"


@pytest.fixture(scope="module")
def server(installed: Callable[[type[OpenSearch]], OpenSearch]) -> Iterator[OpenSearch]:
    """A server."""
    with installed(OpenSearch) as made:
        yield made


@pytest.fixture
def indices(server: OpenSearch) -> OpenSearch:
    """The server, without any index."""
    if not server.running:
        server.start()
    for one in server.ask("GET", "/_cat/indices?format=json"):
        server.ask("DELETE", f"/{one['index']}")
    return server


@pytest.fixture
def door(indices: OpenSearch) -> Iterator[Door]:
    """The door before it."""
    with Door(indices.port) as made:
        yield made


def _worker(door: Door, **options: Any) -> Worker:
    return worker("elasticsearch", {"url": door.url, "user": USER, "password": PASSWORD, **options})


def test_an_event_arrives_whole(indices: OpenSearch, door: Door) -> None:
    # When
    _worker(door).write(batch_of([returned({"a": [1, "ü"]}, fun_args=["x"], note="a note")]))

    # Then
    [hit] = indices.documents()
    document = hit["_source"]
    assert hit["_index"] == _INDEX
    assert (document["tag"], document["jid"], document["minion_id"]) == (f"salt/job/{JID}/ret/{MINION}", JID, MINION)
    assert (document["fun"], document["phase"], document["master_id"]) == ("test.ping", "ret", NODE)
    assert document["@timestamp"] == document["stamp"] == "2026-01-02T03:04:05.678901Z"
    data = document["data"]
    assert (data["success"], data["retcode"], data["note"]) == (True, 0, "a note")
    assert (data["return"], data["fun_args"]) == ('{"a":[1,"ü"]}', '["x"]')


def test_a_payload_can_keep_its_structure(indices: OpenSearch, door: Door) -> None:
    # When
    _worker(door, deep=True).write(batch_of([returned({"a": [1, 2], "b.c": "ü"})]))

    # Then
    [hit] = indices.documents()
    assert hit["_source"]["data"]["return"] == {"a": [1, 2], "b.c": "ü"}


def test_a_thousand_events_are_written_at_once(indices: OpenSearch, door: Door) -> None:
    # When
    _worker(door).write(batch_of(numbered(600), numbered(400, start=600)))

    # Then
    assert indices.jids() == [str(number) for number in range(1000)]
    assert [(method, path.split("?")[0], count) for method, path, count in door.requests] == [("POST", "/_bulk", 1000)]


@pytest.mark.parametrize("op", [pytest.param(op, id=op) for op in ("create", "index")])
def test_a_batch_that_comes_again_is_there_once(indices: OpenSearch, door: Door, op: str) -> None:
    # Given
    sink = _worker(door, op=op)
    write_batch(sink, batch_of(numbered(5)))
    buried = Buried()

    # When: more events come with it, as they do after a crash
    write_batch(sink, batch_of(numbered(5), numbered(1, start=5), replay=True, buried=buried))

    # Then
    assert indices.jids() == ["0", "1", "2", "3", "4", "5"]
    assert buried.refusals == []


def test_returns_of_any_type_go_into_one_index(indices: OpenSearch, door: Door) -> None:
    # Given
    values = [True, "2026-01-02", "text", 7, 1.5, None, [], {}, [1, {"a": 2}], {"a": {"b": 1}}, {"a": "b"}]
    buried = Buried()

    # When
    write_batch(_worker(door), batch_of([returned(one, str(at)) for at, one in enumerate(values)], buried=buried))

    # Then
    assert buried.refusals == []
    assert [json.loads(hit["_source"]["data"]["return"]) for hit in indices.documents()] == values


def test_hostile_values_land_as_data(indices: OpenSearch, door: Door) -> None:
    # Given
    batch = hostile_batch()

    # When
    write_batch(_worker(door), batch)

    # Then
    kept = [json.loads(hit["_source"]["data"]["return"]) for hit in indices.documents()]
    assert kept == [event.data["return"] for event in batch.events]


def test_hostile_names_make_names_of_indices(indices: OpenSearch, door: Door) -> None:
    # Given
    names = ["Web1", "a b", "../_all", "*", "x" * 400, "..", "-_+", "a,b", 'q"u#o?t|e']
    some = [returned(jid=str(number), minion_id=name) for number, name in enumerate(names)]
    buried = Buried()

    # When
    write_batch(_worker(door, index="{minion_id}"), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == []
    found = [hit["_index"] for hit in indices.documents("*")]
    assert found == ["web1", "a_b", "all", "unnamed", "x" * 255, "unnamed", "unnamed", "a_b", "q_u_o_t_e"]


def test_a_payload_that_is_no_mapping_is_kept(indices: OpenSearch, door: Door) -> None:
    # When
    _worker(door).write(batch_of([fired("company/alarm", ["a", 1])]))

    # Then
    [hit] = indices.documents()
    assert hit["_source"]["data"] == {"value": '["a",1]'}


def test_what_does_not_fit_the_mapping_is_refused_alone(indices: OpenSearch, door: Door) -> None:
    # Given
    indices.ask("PUT", f"/{_INDEX}", {"mappings": {"properties": {"data": {"properties": {"n": {"type": "long"}}}}}})
    some = [returned(jid=str(at), n=n) for at, n in enumerate([1, 2, "the-value-itself", 4, "five"])]
    buried = Buried()

    # When
    write_batch(_worker(door), batch_of(some, buried=buried))

    # Then: in one request
    assert buried.positions == [2, 4]
    assert "failed to parse field [data.n] of type [long]" in buried.refusals[0][1]
    assert "the-value-itself" not in buried.refusals[0][1]
    assert indices.jids() == ["0", "1", "3"]
    assert len(door.requests) == 1


def test_what_fits_no_event_holds_the_worker(indices: OpenSearch, door: Door) -> None:
    # Given
    indices.ask("PUT", f"/{_INDEX}", {"mappings": {"properties": {"data": {"type": "long"}}}})
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match="all events of a batch are refused"):
        write_batch(_worker(door), batch_of(numbered(5), buried=buried))
    assert buried.refusals == []


def test_documents_that_found_the_server_busy_are_sent_again(indices: OpenSearch, door: Door) -> None:
    # Given: and one that is not acceptable besides
    indices.ask("PUT", f"/{_INDEX}", {"mappings": {"properties": {"data": {"properties": {"n": {"type": "long"}}}}}})
    some = [returned(jid=str(at), n=n) for at, n in enumerate([1, "bad", 3, 4])]
    sink = _worker(door)
    buried = Buried()
    door.items = {2: (429, "es_rejected_execution_exception"), 3: (503, "unavailable_shards_exception")}

    # When / Then
    with pytest.raises(Transient, match="es_rejected_execution_exception"):
        write_batch(sink, batch_of(some, buried=buried))
    assert indices.jids() == ["0"]
    assert buried.refusals == []

    # When
    write_batch(sink, batch_of(some, replay=True, buried=buried))

    # Then
    assert indices.jids() == ["0", "2", "3"]
    assert buried.positions == [1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(404, "index_not_found_exception", id="no-index"),
        pytest.param(403, "security_exception", id="no-permission"),
        pytest.param(403, "cluster_block_exception", id="read-only"),
    ],
)
def test_an_answer_that_asks_for_the_operator_holds_the_worker(door: Door, status: int, kind: str) -> None:
    # Given
    door.items = {0: (status, kind), 1: (status, kind)}
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=kind):
        write_batch(_worker(door), batch_of(numbered(2), buried=buried))
    assert buried.refusals == []


@pytest.mark.parametrize("status", [pytest.param(status, id=str(status)) for status in (429, 500, 502, 503, 504)])
def test_a_server_that_has_no_time_gets_the_batch_again(indices: OpenSearch, door: Door, status: int) -> None:
    # Given
    door.answers = [(status, '{"error": "busy"}')]
    sink = _worker(door)

    # When / Then
    with pytest.raises(Transient, match=f"HTTP {status} busy"):
        sink.write(batch_of(numbered(2)))

    # When
    sink.write(batch_of(numbered(2), replay=True))

    # Then
    assert indices.jids() == ["0", "1"]


def test_what_a_server_has_no_memory_for_at_once_is_sent_in_parts(indices: OpenSearch, door: Door) -> None:
    # Given
    error = {"type": "circuit_breaking_exception", "reason": "[parent] Data too large"}
    door.answers = [(429, json.dumps({"error": error, "status": 429}))] * 2

    # When
    write_batch(_worker(door), batch_of(numbered(8)))

    # Then
    assert indices.jids() == [str(number) for number in range(8)]
    assert sorted(count for _, _, count in door.requests) == [2, 2, 4]

    # When: even for one document
    door.answers = [(429, json.dumps({"error": error, "status": 429}))] * 4

    # Then
    with pytest.raises(Transient, match="Data too large"):
        write_batch(_worker(door), batch_of(numbered(8)))


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        pytest.param(400, "mapper_parsing_exception", 1, id="mapping"),
        pytest.param(400, "illegal_argument_exception", 1, id="argument"),
        pytest.param(500, "null_pointer_exception", 1, id="a bug of the server's"),
        pytest.param(418, "nobody_knows_exception", 1, id="unknown"),
        pytest.param(403, "cluster_block_exception", 6, id="read-only"),
        pytest.param(400, "index_closed_exception", 6, id="closed"),
        pytest.param(404, "index_not_found_exception", 6, id="no index"),
    ],
)
def test_an_answer_about_one_document_is_its_events(
    indices: OpenSearch, door: Door, status: int, kind: str, tries: int
) -> None:
    # Given: what an operator could mend is waited for, for a while
    sink = _worker(door)
    buried = Buried()

    # When
    for doubts in range(tries):
        door.items = {2: (status, kind)}
        batch = replace(batch_of(numbered(5), replay=True, buried=buried), doubts=doubts)
        if doubts < tries - 1:
            with pytest.raises(Held, match=kind):
                write_batch(sink, batch)
        else:
            write_batch(sink, batch)

    # Then
    assert buried.positions == [2]
    assert indices.jids() == ["0", "1", "3", "4"]


@pytest.mark.parametrize("field", ["data.n:d", "data.n:%Y", "data.nothing"])
def test_events_that_fit_no_index_cost_no_write(door: Door, field: str) -> None:
    # Given
    buried = Buried()

    # When
    some = [returned(jid=str(n), n="text") for n in range(100)]
    write_batch(_worker(door, index=f"salt-{{{field}}}"), batch_of(some, buried=buried))

    # Then
    assert (buried.positions, door.requests) == (list(range(100)), [])


def test_one_server_that_hangs_leaves_time_for_the_other(indices: OpenSearch, door: Door) -> None:
    # Given
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = [f"http://127.0.0.1:{silent.getsockname()[1]}", door.url]
        sink = worker("elasticsearch", {"url": url, "user": USER, "password": PASSWORD, "timeout": 1})
        start = time.monotonic()

        # When
        sink.write(batch_of(numbered(2)))
        sink.write(batch_of(numbered(2, start=2)))

    # Then
    assert time.monotonic() - start < 1.5
    assert indices.jids() == ["0", "1", "2", "3"]


def test_a_request_too_large_is_sent_in_parts(indices: OpenSearch, door: Door) -> None:
    # Given
    door.largest = 30_000
    some = [*numbered(20), returned("x" * 40_000, jid="large"), *numbered(20, start=20)]
    buried = Buried()

    # When
    write_batch(_worker(door), batch_of(some, buried=buried))

    # Then
    [(position, why)] = buried.refusals
    assert position == 20
    assert "HTTP 413" in why
    assert indices.jids() == [str(number) for number in range(40)]


def test_a_request_that_is_not_understood_holds_the_worker(door: Door) -> None:
    # Given
    door.answers = [(400, '{"error": {"type": "illegal_argument_exception", "reason": "what?"}}')] * 7
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=r"illegal_argument_exception: what\?"):
        write_batch(_worker(door), batch_of(numbered(4), buried=buried))
    assert buried.refusals == []


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        pytest.param(200, "<html>Welcome</html>", "no Elasticsearch or OpenSearch: <html>", id="something-else"),
        pytest.param(301, "", "HTTP 301", id="moved"),
        pytest.param(404, "not here", "HTTP 404 not here", id="not-there"),
    ],
)
def test_a_server_of_another_kind_holds_the_worker(door: Door, status: int, body: str, says: str) -> None:
    # Given
    door.answers = [(status, body), (status, body)]
    sink = _worker(door)

    # When / Then
    for act in (lambda: sink.write(batch_of(numbered(2))), sink.check):
        with pytest.raises(Held, match=says):
            act()


def test_a_server_that_is_stopped_takes_the_batch_when_it_is_back(indices: OpenSearch) -> None:
    # Given: a worker with a connection open, and no door before the server
    sink = worker("elasticsearch", {"url": f"http://{USER}:{_SECRET}@127.0.0.1:{indices.port}"})
    sink.write(batch_of(numbered(1)))
    indices.stop()

    # When / Then
    for act in (lambda: sink.write(batch_of(numbered(3), first=2)), sink.check):
        with pytest.raises(Transient) as caught:
            act()
        assert _SECRET not in str(caught.value)

    # When
    indices.start()
    sink.write(batch_of(numbered(3), first=2, replay=True))

    # Then
    assert indices.jids() == ["0", "1", "2"]


def test_the_next_server_is_taken_where_one_is_away(indices: OpenSearch, door: Door) -> None:
    # Given
    sink = _worker(door, url=["http://127.0.0.1:1", door.url])

    # When
    sink.write(batch_of(numbered(1)))

    # Then
    assert sink.check() == "reachable, opensearch 3.8.0"
    assert indices.jids() == ["0"]


def test_a_server_that_hangs_is_given_up(indices: OpenSearch) -> None:
    # Given
    sink = worker("elasticsearch", {"url": f"http://127.0.0.1:{indices.port}", "timeout_seconds": 0.3})
    indices.pause()

    # When / Then
    try:
        with pytest.raises(Transient, match=r"(?i)time"):
            sink.write(batch_of(numbered(1)))
    finally:
        indices.resume()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"user": "", "api_key": API_KEY}, id="api-key-in-two-parts"),
        pytest.param({"user": "", "api_key": base64.b64encode(API_KEY.encode()).decode()}, id="api-key-encoded"),
        pytest.param({"user": "", "password": "", "url": f"http://{USER}:{PASSWORD}@127.0.0.1"}, id="in-the-url"),
    ],
)
def test_who_asks_can_be_said_in_several_ways(indices: OpenSearch, door: Door, options: dict[str, str]) -> None:
    # Given
    if "url" in options:
        options = {**options, "url": f"{options['url']}:{door.port}/"}

    # When
    _worker(door, **options).write(batch_of(numbered(1)))

    # Then
    assert indices.jids() == ["0"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"password": _SECRET}, id="wrong-password"),
        pytest.param({"user": "", "api_key": _SECRET}, id="wrong-key"),
        pytest.param({"user": "", "password": ""}, id="nobody"),
    ],
)
def test_who_may_not_write_is_held(door: Door, options: dict[str, Any]) -> None:
    # Given
    sink = _worker(door, **options)
    buried = Buried()

    # When / Then
    for act in (lambda: write_batch(sink, batch_of(numbered(2), buried=buried)), sink.check):
        with pytest.raises(Held, match="HTTP 401 security_exception") as caught:
            act()
        assert _SECRET not in str(caught.value)
    assert buried.refusals == []


def test_a_server_nobody_vouches_for_gets_nothing(indices: OpenSearch, tmp_path: Path) -> None:
    # Given
    certificate = make_certificate(tmp_path)
    with Door(indices.port, certificate) as door:
        # When / Then
        with pytest.raises(Held, match="certificate verify failed"):
            _worker(door).write(batch_of(numbered(1)))
        assert door.requests == []

        # When
        _worker(door, ca_file=str(certificate.file)).write(batch_of(numbered(1)))
        _worker(door, verify=False).write(batch_of(numbered(2)))

    # Then
    assert indices.jids() == ["0", "1"]


def test_check_and_close_write_nothing(indices: OpenSearch, door: Door) -> None:
    # Given
    sink = _worker(door)

    # When
    said = sink.check()
    sink.close()

    # Then
    assert said.startswith("reachable, ")
    assert indices.ask("GET", "/_cat/indices?format=json") == []


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        pytest.param({"url": []}, "url", "missing; expected a URL", id="no-url"),
        pytest.param({"url": f"es://a:{_SECRET}@b"}, "url", "such as https://", id="url-of-another-kind"),
        pytest.param({"url": f"http://a:{_SECRET}@b?x=1"}, "url", "such as https://", id="url-with-a-query"),
        pytest.param({"url": ["http://a", 7]}, "url", "expected text, got number", id="url-that-is-a-number"),
        pytest.param({"index": "salt-{nope}"}, "index", "'nope' is no field", id="index"),
        pytest.param({"op": "upsert"}, "op", "invalid enum value 'upsert'", id="op"),
        pytest.param({"api_key": _SECRET, "user": "a"}, "api_key", "not both", id="key-and-user"),
        pytest.param({"ca_file": "/nowhere"}, "ca_file", "a file that can be read", id="ca-file"),
        pytest.param({"timeout_seconds": 0}, "timeout_seconds", "above 0", id="timeout"),
        pytest.param({"deep": "yes"}, "deep", "expected bool", id="deep"),
        pytest.param({"passwd": _SECRET}, "passwd", "unknown key", id="unknown-key"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], key: str, says: str) -> None:
    # When
    line = problem("elasticsearch", options)

    # Then
    assert line.startswith(f"eventsd: workers.sink.{key}: ")
    assert says in line
    assert _SECRET not in line


def test_a_missing_library_is_named_with_its_extra() -> None:
    # When
    line = problem_without("requests", "elasticsearch", {})

    # Then
    assert line.startswith("eventsd: workers.sink.module: elasticsearch needs a library that is missing: ")
    assert "salt-pip install 'salt-eventsd[elasticsearch]'" in line
