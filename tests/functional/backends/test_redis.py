"""The redis worker, against a real Redis server."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.exceptions import ResponseError

from salt_eventsd.backends.redis.faults import shown
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Held, Transient
from salt_eventsd.spool.dead_letters import Filter, listed, requeue
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Worker
from tests.support.backends import hostile_batch, problem, problem_without, worker
from tests.support.brokers import Redis
from tests.support.events import JID, MINION, numbered, returned
from tests.support.lanes import chunk, eventually, keep, lane_of
from tests.support.server import PASSWORD, USER
from tests.support.stores import NODE, Buried, batch_of

_SECRET = "pa55-of-somebody"
_DATABASES = itertools.cycle(range(1, 15))
_USERS = itertools.count(1)
_LIST = [{"list": "salt:events"}]


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Redis]], Redis]) -> Iterator[Redis]:
    """A Redis server."""
    with installed(Redis) as made:
        yield made


class Keys:
    """An empty database of the server's, and workers that write into it."""

    def __init__(self, server: Redis) -> None:
        self.db = next(_DATABASES)
        if not server.running:
            server.start()
        self.server = server
        self.client = server.client(self.db)
        self.client.flushdb()

    def worker(self, actions: list[dict[str, Any]], **options: Any) -> Worker:
        """Make a worker."""
        own = {"port": self.server.port, "db": self.db, "user": USER, "password": PASSWORD, "actions": actions}
        return worker("redis", {**own, **options})

    def jids(self, key: str = "salt:events") -> list[str]:
        """Return the jids of the events in a list."""
        return [json.loads(one)["jid"] for one in self.client.lrange(key, 0, -1)]


@pytest.fixture
def keys(server: Redis) -> Iterator[Keys]:
    """An empty database."""
    made = Keys(server)
    yield made
    made.client.close()


def test_every_action_writes_what_it_says(keys: Keys) -> None:
    # Given
    subscriber = keys.client.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(f"salt/{MINION}")
    subscriber.get_message(timeout=5)
    actions = [
        {"set": "salt:{jid}:{minion_id}", "value": "data.return", "expire": 600},
        {"list": "salt:{data.fun}"},
        {"stream": "salt:stream", "maxlen": 1000},
        {"publish": "salt/{minion_id}", "value": "data.return | json"},
    ]

    # When
    keys.worker(actions).write(batch_of([returned({"a": [1, "ü"]})]))

    # Then
    assert json.loads(keys.client.get(f"salt:{JID}:{MINION}") or "") == {"a": [1, "ü"]}
    assert 590 <= keys.client.ttl(f"salt:{JID}:{MINION}") <= 600
    [element] = keys.client.lrange("salt:test.ping", 0, -1)
    event = json.loads(element)
    assert (event["tag"], event["jid"], event["minion_id"]) == (f"salt/job/{JID}/ret/{MINION}", JID, MINION)
    assert (event["fun"], event["phase"], event["master_id"]) == ("test.ping", "ret", NODE)
    assert event["data"]["return"] == {"a": [1, "ü"]}
    [(_, entry)] = keys.client.xrange("salt:stream")
    assert json.loads(entry["event"]) == event
    message = subscriber.get_message(timeout=5)
    assert message
    assert json.loads(message["data"]) == {"a": [1, "ü"]}


def test_the_old_way_a_job_id_leads_to_its_return(keys: Keys) -> None:
    # Given
    sink = keys.worker([{"set": "{jid}", "value": "data.return"}])

    # When: a text is written as it is
    sink.write(batch_of([returned("pong")]))

    # Then
    assert keys.client.get(JID) == "pong"


def test_a_thousand_events_are_written_in_order(keys: Keys) -> None:
    # When
    keys.worker(_LIST).write(batch_of(numbered(600), numbered(400, start=600)))

    # Then
    assert keys.jids() == [str(number) for number in range(1000)]


def test_a_list_and_a_stream_keep_the_newest(keys: Keys) -> None:
    # Given
    sink = keys.worker([{"list": "salt:events", "maxlen": 10}, {"stream": "salt:stream", "maxlen": 100}])

    # When
    sink.write(batch_of(numbered(1000)))
    sink.write(batch_of(numbered(1, start=1000), first=2))

    # Then: how many more than that a stream keeps is up to the server
    assert keys.jids() == [str(number) for number in range(991, 1001)]
    assert 100 <= keys.client.xlen("salt:stream") <= 400
    [(_, newest)] = keys.client.xrevrange("salt:stream", count=1)
    assert json.loads(newest["event"])["jid"] == "1000"


def test_hostile_values_land_as_data(keys: Keys) -> None:
    # Given
    batch = hostile_batch()

    # When
    keys.worker([*_LIST, {"set": "salt:{data.return | json}"}]).write(batch)

    # Then
    kept = [json.loads(one)["data"] for one in keys.client.lrange("salt:events", 0, -1)]
    assert kept == [event.data for event in batch.events]
    assert keys.client.dbsize() == 1 + len(batch.events)


def test_a_key_of_another_type_refuses_its_events_alone(keys: Keys) -> None:
    # Given
    keys.client.set("salt:3", "a text, no list")
    buried = Buried()
    sink = keys.worker([{"list": "salt:{jid}"}, {"list": "salt:all"}])

    # When
    write_batch(sink, batch_of(numbered(6), buried=buried))

    # Then: nothing else is written twice, or not at all
    [(position, why)] = buried.refusals
    assert position == 3
    assert "wrong kind of value" in why
    assert keys.jids("salt:all") == ["0", "1", "2", "3", "4", "5"]
    assert all(keys.client.llen(f"salt:{number}") == 1 for number in (0, 1, 2, 4, 5))
    assert keys.client.get("salt:3") == "a text, no list"


def test_an_event_without_the_field_is_refused_alone(keys: Keys) -> None:
    # Given
    buried = Buried()
    events = [*numbered(2), returned(jid="bare"), *numbered(2, start=2)]
    sink = keys.worker([{"list": "salt:{data.return}", "value": "data.pid"}])
    some = [returned(True, jid=event.jid, **({} if event.jid == "bare" else {"pid": 7})) for event in events]

    # When
    write_batch(sink, batch_of(some, buried=buried))

    # Then
    assert buried.refusals == [(2, "the event has no data.pid")]
    assert keys.client.lrange("salt:true", 0, -1) == ["7", "7", "7", "7"]


def test_a_key_that_fits_no_event_holds_the_worker(keys: Keys) -> None:
    # Given
    keys.client.set("salt:events", "a text, no list")
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match="all events"):
        write_batch(keys.worker(_LIST), batch_of(numbered(5), buried=buried))
    assert buried.refusals == []


def test_a_key_without_permission_is_its_events_matter(keys: Keys) -> None:
    # Given: who may write the keys of one minion alone; the server then refuses the whole transaction
    keys.client.acl_setuser("clerk", enabled=True, passwords=[f"+{_SECRET}"], keys=["salt:good"], commands=["+@all"])
    sink = keys.worker([{"list": "salt:{minion_id}"}], user="clerk", password=_SECRET)
    buried = Buried()
    some = [returned(jid=str(n), minion_id="bad" if n in (0, 3) else "good") for n in range(8)]

    # When
    write_batch(sink, batch_of(some, buried=buried))

    # Then
    assert buried.positions == [0, 3]
    assert "NOPERM" in buried.refusals[0][1] or "permission" in buried.refusals[0][1]
    assert keys.jids("salt:good") == ["1", "2", "4", "5", "6", "7"]


def test_what_one_action_has_done_is_not_done_again_for_the_sake_of_another(keys: Keys) -> None:
    # Given: of two actions, one finds a key of another type, for every event
    keys.client.set("salt:events", "a text, no list")
    sink = keys.worker([{"list": "salt:all"}, *_LIST, {"stream": "salt:stream"}])
    buried = Buried()

    # When
    for _ in range(3):
        with pytest.raises(Held, match="wrong kind of value"):
            write_batch(sink, batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert (buried.refusals, keys.jids("salt:all"), keys.client.xlen("salt:stream")) == ([], ["0", "1", "2"], 3)

    # When
    keys.client.delete("salt:events")
    write_batch(sink, batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert [keys.jids(key) for key in ("salt:all", "salt:events")] == [["0", "1", "2"]] * 2
    assert (buried.refusals, keys.client.xlen("salt:stream")) == ([], 3)

    # When: events like them, later
    write_batch(sink, batch_of(numbered(3), first=5, buried=buried))

    # Then
    assert keys.jids("salt:all") == ["0", "1", "2"] * 2


@pytest.mark.parametrize("value", ["secret", "s" * 10_000, " of pipeline caused error: secret"])
def test_an_error_is_told_without_the_command_it_is_about(value: str) -> None:
    # Given: as clients before 5.1 say it
    error = ResponseError(f"Command # 1 (RPUSH salt:events {value}) of pipeline caused error: NOPERM not you")

    # When / Then
    assert shown(error) == "ResponseError: NOPERM not you"


def test_a_server_without_memory_is_waited_for(keys: Keys) -> None:
    # Given
    sink = keys.worker(_LIST)
    buried = Buried()
    keys.client.config_set("maxmemory", 1)

    # When / Then
    try:
        for count in (1, 5):
            with pytest.raises(Transient, match="maxmemory"):
                write_batch(sink, batch_of(numbered(count), buried=buried))
    finally:
        keys.client.config_set("maxmemory", 0)
    write_batch(sink, batch_of(numbered(5), buried=buried))
    assert (buried.refusals, keys.jids()) == ([], ["0", "1", "2", "3", "4"])


@pytest.mark.parametrize(
    ("template", "one", "other"),
    [
        pytest.param("{jid}:{minion_id}", ("1:web1", "b"), ("1", "web1:b"), id="what parts two fields"),
        pytest.param("{minion_id}:{fun}", ("a", "b:c"), ("a:b", "c"), id="a minion first"),
        pytest.param("{fun}", ("x" * 1_000_000,), ("x" * 1_000_001,), id="very long"),
        pytest.param("{fun}", ("a\r\nDEL x",), ("a__DEL x",), id="line feeds"),
    ],
)
def test_no_event_gets_the_key_of_another(keys: Keys, template: str, one: Any, other: Any) -> None:
    # Given
    fields = re.findall(r"\w+", template)
    some = [msgspec.structs.replace(returned(), **dict(zip(fields, values))) for values in (one, other)]

    # When
    write_batch(keys.worker([{"set": template}]), batch_of(some))

    # Then
    found = keys.client.keys()
    assert len(found) == 2
    assert all(key.isprintable() and len(key) < 600 for key in found)


@pytest.mark.parametrize("field", ["data.n:d", "data.n:%Y", "data.nothing"])
def test_events_that_fit_no_key_cost_no_write(keys: Keys, field: str) -> None:
    # Given
    sink = keys.worker([{"list": f"salt:{{{field}}}"}])
    buried = Buried()
    before = keys.client.info("stats")["total_commands_processed"]

    # When
    write_batch(sink, batch_of([returned(jid=str(n), n="text") for n in range(100)], buried=buried))

    # Then: but for making a connection
    assert buried.positions == list(range(100))
    assert keys.client.info("stats")["total_commands_processed"] - before < 10


def test_a_server_that_is_stopped_takes_the_batch_when_it_is_back(keys: Keys) -> None:
    # Given: a worker with a connection open
    sink = keys.worker(_LIST)
    sink.write(batch_of(numbered(1)))
    keys.server.stop()

    # When / Then
    for act in (lambda: sink.write(batch_of(numbered(3, start=1), first=2)), sink.check):
        with pytest.raises(Transient) as caught:
            act()
        assert PASSWORD not in str(caught.value)

    # When
    keys.server.start()
    sink.write(batch_of(numbered(3, start=1), first=2, replay=True))

    # Then
    assert keys.jids() == ["0", "1", "2", "3"]


def test_a_server_that_was_restarted_meanwhile_takes_the_next_batch(keys: Keys) -> None:
    # Given
    sink = keys.worker(_LIST)
    sink.write(batch_of(numbered(1)))

    # When: its connection is dead, and nobody has told it
    keys.server.restart()
    sink.write(batch_of(numbered(1, start=1), first=2))

    # Then
    assert keys.jids() == ["0", "1"]


def test_a_server_that_hangs_is_given_up(keys: Keys) -> None:
    # Given
    sink = keys.worker(_LIST, timeout_seconds=0.3)
    sink.write(batch_of(numbered(1)))
    keys.server.pause()

    # When / Then
    try:
        with pytest.raises(Transient, match=r"(?i)time"):
            sink.write(batch_of(numbered(1), first=2))
    finally:
        keys.server.resume()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"password": _SECRET}, id="wrong-password"),
        pytest.param({"user": "stranger", "password": _SECRET}, id="unknown-user"),
        pytest.param({"user": None, "password": None}, id="no-password"),
        pytest.param({"db": 99}, id="no-such-database"),
    ],
)
def test_who_may_not_connect_is_held(keys: Keys, options: dict[str, Any]) -> None:
    # Given
    sink = keys.worker(_LIST, **options)
    buried = Buried()

    # When / Then
    for act in (lambda: write_batch(sink, batch_of(numbered(2), buried=buried)), sink.check):
        with pytest.raises(Held) as caught:
            act()
        assert _SECRET not in str(caught.value)
    assert buried.refusals == []


def test_who_may_not_write_is_held_until_he_may(keys: Keys) -> None:
    # Given
    keys.client.acl_setuser("reader", enabled=True, passwords=[f"+{_SECRET}"], keys=["*"], commands=["+@read", "+ping"])
    sink = keys.worker(_LIST, user="reader", password=_SECRET, db=0)
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match="no permissions"):
        write_batch(sink, batch_of([returned("the-value-itself")], buried=buried))
    assert buried.refusals == []

    # When
    keys.client.acl_setuser("reader", enabled=True, keys=["*"], commands=["+@all"], passwords=[f"+{_SECRET}"])
    write_batch(sink, batch_of(numbered(2), replay=True, buried=buried))

    # Then
    with keys.server.client(0) as client:
        assert client.llen("salt:events") == 2


def test_a_server_without_memory_takes_the_batch_when_it_has_some(keys: Keys) -> None:
    # Given
    sink = keys.worker(_LIST)
    keys.client.config_set("maxmemory", "1")

    # When / Then
    with pytest.raises(Transient, match="memory") as caught:
        sink.write(batch_of([returned("the-value-itself")]))
    assert "the-value-itself" not in str(caught.value)

    # When
    keys.client.config_set("maxmemory", "0")
    sink.write(batch_of(numbered(1), replay=True))

    # Then
    assert keys.jids() == ["0"]


def test_a_url_does_as_well(keys: Keys) -> None:
    # Given
    url = f"redis://{USER}:{PASSWORD}@127.0.0.1:{keys.server.port}/{keys.db}"
    sink = worker("redis", {"url": url, "actions": _LIST})

    # When
    sink.write(batch_of(numbered(2)))

    # Then
    assert sink.check() == "reachable"
    assert keys.jids() == ["0", "1"]


def test_dead_letters_are_the_events_that_were_refused_and_come_back(keys: Keys, tmp_path: Path) -> None:
    # Given: the engine's own queue before the worker, two chunks in it, and a server that is away
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, keys.worker([{"list": "salt:{jid}"}], timeout_seconds=1), "sink")
    keep(lane, spool, chunk(numbered(3), "sink"), chunk(numbered(3, start=3), "sink"))
    keys.client.set("salt:4", "a text, no list")
    keys.server.stop()

    # When / Then
    _run(lane)
    assert (lane.state, lane.backlog.events) == ("retrying", 6)

    # When
    keys.server.start()
    _run(lane)

    # Then
    assert (lane.state, lane.written, lane.buried, lane.backlog.events) == ("ok", 5, 1, 0)
    [letter] = listed(spool.folder, Filter(), 10)
    assert letter["data"]["jid"] == "4"
    assert "wrong kind of value" in letter["error"]

    # When: it is mended
    keys.client.delete("salt:4")
    assert requeue(spool.folder, Filter()) == 1
    for back in spool.requeued().values():
        lane.backlog.add(back)
    _run(lane)

    # Then
    assert [keys.jids(f"salt:{number}") for number in range(6)] == [[str(number)] for number in range(6)]
    spool.close()


def _run(lane: Lane) -> None:
    """Have a lane write what it holds, once it tries again."""
    found: list[StoredChunk] = []
    eventually(lambda: found.extend(lane.claim(time.time())[0]) or found)
    lane.run(found)
    lane.flights.ended(found[0])


@pytest.mark.parametrize(
    ("rights", "action", "says"),
    [
        pytest.param("~* &* +ping", {"list": "salt:events"}, "no permissions", id="no commands"),
        pytest.param("~other:* &* +@all", {"set": "salt:{jid}"}, "no permissions|can't access", id="other keys"),
        pytest.param(
            "~* resetchannels +@all", {"publish": "salt/{minion_id}"}, "no permissions|channel", id="no channels"
        ),
        pytest.param("~* &* +@read +@connection +multi", {"stream": "salt:x"}, "no permissions", id="only reading"),
        pytest.param("~salt:*:x &* +@all", {"set": "salt:{jid}:x"}, "", id="what it needs"),
    ],
)
def test_check_tells_what_a_user_may_not_do(keys: Keys, rights: str, action: dict[str, Any], says: str) -> None:
    # Given
    user = f"checked-{next(_USERS)}"
    keys.client.execute_command("ACL", "SETUSER", user, "on", ">secret", *rights.split())
    sink = keys.worker([action], user=user, password="secret")

    # When / Then
    if says:
        with pytest.raises(Held, match=f"(?i){says}"):
            sink.check()
    else:
        assert sink.check() == "reachable"
    assert keys.client.dbsize() == 0


def test_check_and_close_write_nothing(keys: Keys) -> None:
    # Given
    sink = keys.worker(_LIST)

    # When
    said = sink.check()
    sink.close()

    # Then
    assert said == "reachable"
    assert keys.client.dbsize() == 0


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        pytest.param({}, "actions", "missing; expected a list", id="nothing"),
        pytest.param({"actions": "set"}, "actions", "expected list", id="actions-no-list"),
        pytest.param({"actions": [{}]}, "actions[0]", "expected one of set, list", id="action-without-a-verb"),
        pytest.param({"actions": [{"set": "a", "list": "b"}]}, "actions[0]", "expected one of", id="two-verbs"),
        pytest.param({"actions": [{"sett": "a"}]}, "actions[0].sett", "unknown key", id="unknown-verb"),
        pytest.param({"actions": [*_LIST, {"set": "{nope}"}]}, "actions[1].set", "'nope' is no field", id="template"),
        pytest.param({"actions": [{"set": "a", "value": "nope"}]}, "actions[0].value", "'nope'", id="value"),
        pytest.param({"actions": [{"set": "a", "expire": 0}]}, "actions[0].expire", "above 0, got 0", id="expire"),
        pytest.param({"actions": [{"list": "a", "expire": 5}]}, "actions[0].expire", "only keys", id="list-expires"),
        pytest.param({"actions": [{"set": "a", "maxlen": 5}]}, "actions[0].maxlen", "only a list", id="set-maxlen"),
        pytest.param({"actions": _LIST, "port": 0}, "port", "from 1 to 65535, got 0", id="port"),
        pytest.param({"actions": _LIST, "port": "many"}, "port", "expected number", id="port-in-words"),
        pytest.param({"actions": _LIST, "timeout_seconds": 0}, "timeout_seconds", "above 0", id="timeout"),
        pytest.param({"actions": _LIST, "password": 12_345}, "password", "expected text, got number", id="password"),
        pytest.param({"actions": _LIST, "passwd": _SECRET}, "passwd", "unknown key", id="unknown-key"),
        pytest.param({"actions": _LIST, "url": f"http://a:{_SECRET}@b"}, "url", "redis://", id="url-of-another-kind"),
        pytest.param({"actions": _LIST, "url": f"redis://a:{_SECRET}@b:x"}, "url", "redis://", id="url-with-odd-port"),
        pytest.param({"actions": _LIST, "url": f"redis://:{_SECRET}@b?nope=1"}, "url", "redis://", id="url-with-query"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], key: str, says: str) -> None:
    # When
    line = problem("redis", options)

    # Then
    assert line.startswith(f"eventsd: workers.sink.{key}: ")
    assert says in line
    assert _SECRET not in line


def test_a_missing_library_is_named_with_its_extra() -> None:
    # When
    line = problem_without("redis", "redis", {"actions": _LIST})

    # Then
    assert line.startswith("eventsd: workers.sink.module: redis needs a library that is missing: ")
    assert "salt-pip install 'salt-eventsd[redis]'" in line
