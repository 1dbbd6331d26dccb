"""The stats worker: the engine's own counters in each database, and in Graphite."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.engine.own_events import stats
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Held, Transient
from tests.support import backends
from tests.support.carbon import CarbonCache
from tests.support.events import STAMP, fired, read, returned
from tests.support.servers import PASSWORD, USER, Server
from tests.support.stores import NODE, Buried, Database, batch_of, settled

_LANE = {"state": "ok", "written": 9, "failed": 0, "oldest_age": 0.5, "last_error": "", "dropped": 0}
_REPORT = {
    "version": "1",
    "bus": {"connected": True, "received": 12, "events_per_second": 1.5, "gaps": [{"from": 1.0, "why": "x"}]},
    "spool": {"dir": "/x", "events": 0, "bytes": 2**60, "orphaned": {}},
    "workers": {"history": _LANE, "old.graphs": {"written": 3}},
}
_NAMES = {
    "bus.connected": 1.0,
    "bus.received": 12.0,
    "bus.events_per_second": 1.5,
    "spool.events": 0.0,
    "spool.bytes": float(2**60),
    "workers.history.written": 9.0,
    "workers.history.failed": 0.0,
    "workers.history.oldest_age": 0.5,
    "workers.history.dropped": 0.0,
    "workers.old.graphs.written": 3.0,
}


def _counters() -> Event:
    """The event an engine makes of its report."""
    return read(stats.stats_frame(_REPORT))


def _numbered(count: int, **more: Any) -> list[Event]:
    return [
        fired("eventsd/stats", {"n": number, "_stamp": f"2026-01-02T03:04:05.{number:06d}", **more})
        for number in range(count)
    ]


def _rows(database: Database) -> dict[str, float]:
    return {row["name"]: row["value"] for row in database.rows("stats")}


class TestTable:
    """On each database."""

    def test_the_counters_of_an_engine_become_rows(self, database: Database) -> None:
        # Given
        worker = backends.worker("stats", {"url": database.url})
        assert worker.check() == "reachable, tables not made yet"

        # When
        settled(worker, [_counters()])

        # Then
        rows = _rows(database)
        assert (rows.pop("process.rss_bytes") > 0, rows.pop("process.cpu_seconds") > 0) == (True, True)
        assert rows == _NAMES
        assert worker.check().startswith("reachable, tables of version ")
        [(master, stamp)] = {(row["master_id"], row["stamp"]) for row in database.rows("stats")}
        assert master == NODE
        assert abs(stamp - datetime.now(timezone.utc)).total_seconds() < 60
        worker.close()

    def test_rows_stay_as_long_as_is_wanted(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given rows of long ago, more than are deleted in one go, one of another master, and a worker that keeps a day
        keeping = backends.worker("stats", {"url": database.url, "keep": "forever"})
        monkeypatch.setattr("salt_eventsd.backends.stats.table._TIDY_SECONDS", 0.0)
        monkeypatch.setattr("salt_eventsd.backends.stats.table._MOMENTS_AT_ONCE", 7)
        settled(keeping, _numbered(20))
        keeping.close()
        old = len(database.rows("stats"))
        with database.engine.begin() as connection:
            stats_table = sa.table("eventsd_stats", *map(sa.column, ("master_id", "stamp", "name", "value")))
            stamp = sa.select(sa.func.min(stats_table.c.stamp))
            other = sa.select(sa.literal("other"), stamp.scalar_subquery(), sa.literal("n"), sa.literal(1.0))
            connection.execute(sa.insert(stats_table).from_select(["master_id", "stamp", "name", "value"], other))
        worker = backends.worker("stats", {"url": database.url, "keep": "1d"})

        # When something is written now
        settled(worker, [_counters()])
        worker.close()

        # Then what is older is gone, but for what is another master's
        found = database.rows("stats")
        assert old == 20
        assert {row["name"] for row in found if row["master_id"] == NODE} > set(_NAMES)
        assert [row["name"] for row in found if row["master_id"] == NODE].count("n") == 0
        assert [row["name"] for row in found if row["master_id"] == "other"] == ["n"]

    def test_a_batch_arrives_whole_and_only_once(self, database: Database) -> None:
        # Given
        worker = backends.worker("stats", {"url": database.url})

        # When: the engine dies before it can forget what it wrote
        settled(worker, _numbered(600), _numbered(1000)[600:])
        settled(worker, _numbered(1000))

        # Then
        rows = database.rows("stats")
        assert [row["value"] for row in rows] == [float(number) for number in range(1000)]
        assert rows[7]["stamp"] == datetime(2026, 1, 2, 3, 4, 5, 7, timezone.utc)
        worker.close()

    def test_other_events_have_numbers_too(self, tables: Database) -> None:
        # Given
        events = [
            fired("company/load", {"id": "web1", "data": {"load": {"1-min": 0.5, "n": [1, 2]}}, "_stamp": STAMP}),
            fired("company/nothing", {"text": "12", "list": [1], "none": None, "empty": {}}),
            fired("company/text", "text"),
            fired("company/list", [1, 2]),
        ]

        # When
        worker = backends.worker("stats", {"url": tables.url})
        buried = settled(worker, events)

        # Then
        assert _rows(tables) == {"data.load.1-min": 0.5}
        assert buried.refusals == []
        worker.close()

    def test_odd_numbers_and_hostile_names_harm_nothing(self, tables: Database) -> None:
        # Given
        odd = {
            "'); DROP TABLE eventsd_stats; --": 1,
            '`"%s %(a)s :name {0} \\': 2,
            "ü\u202e\U0001f600": 3,
            "nul\0": 4,
            "x" * 5000: 5,
            "": 6,
            "large": 1e308,
            "small": 5e-324,
            "minus": -1e-310,
            "huge": 10**400,
            "whole": 2**63,
            "nan": float("nan"),
            "inf": float("inf"),
        }

        # When
        worker = backends.worker("stats", {"url": tables.url})
        buried = settled(worker, [fired("eventsd/stats", {"odd": odd, "_stamp": STAMP})], [_counters()])

        # Then
        rows = _rows(tables)
        assert buried.refusals == []
        assert rows["odd.'); DROP TABLE eventsd_stats; --"] == 1
        assert rows['odd.`"%s %(a)s :name {0} \\'] == 2
        assert rows["odd.ü\u202e\U0001f600"] == 3
        assert rows[f"odd.{'x' * 251}"] == 5
        assert rows["odd.large"] == 1e308
        assert (rows["odd.small"], rows["odd.minus"], rows["odd.whole"]) == (0.0, 0.0, float(2**63))
        assert rows["bus.received"] == 12
        assert not {"odd.huge", "odd.nan", "odd.inf"} & set(rows)
        worker.close()

    def test_a_row_the_database_refuses_is_its_events_alone(self, database: Database) -> None:
        # Given
        database.make_tables()
        database.refuse("stats", "value = 7")
        worker = backends.worker("stats", {"url": database.url})

        # When
        buried = settled(worker, _numbered(20))

        # Then
        assert buried.positions == [7]
        assert "poison" in buried.refusals[0][1]
        assert database.column("stats", "value") == [float(n) for n in range(20) if n != 7]
        worker.close()

    def test_a_table_that_is_gone_holds_the_worker(self, database: Database) -> None:
        # Given
        worker = backends.worker("stats", {"url": database.url})
        settled(worker, _numbered(1))
        database.execute("DROP TABLE eventsd_stats")
        buried = Buried()

        # When / Then
        with pytest.raises(Held):
            worker.write(batch_of(_numbered(3), buried=buried))
        assert buried.refusals == []
        worker.close()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql")),
        pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb")),
    ],
)
class TestServer:
    """Servers that are away, or let nobody in."""

    def test_one_that_is_away_is_waited_for(self, kind: str, request: pytest.FixtureRequest) -> None:
        # Given
        server: Server = request.getfixturevalue(kind)
        database = Database(server.new_database())
        worker = backends.worker("stats", {"url": database.url})
        settled(worker, _numbered(2))
        server.stop()

        # When
        try:
            for act in (worker.check, lambda: worker.write(batch_of(_numbered(4)))):
                with pytest.raises(Transient) as caught:
                    act()
                assert PASSWORD not in str(caught.value)
        finally:
            server.start()
        settled(worker, _numbered(4))

        # Then
        assert database.column("stats", "value") == [0.0, 1.0, 2.0, 3.0]
        worker.close()

    def test_a_wrong_password_holds_the_worker(self, kind: str, request: pytest.FixtureRequest) -> None:
        # Given
        server: Server = request.getfixturevalue(kind)
        name = sa.make_url(server.new_database()).database
        worker = backends.worker("stats", {"url": server.url(name or "", USER, "wr0ng-one")})
        buried = Buried()

        # When / Then
        for act in (worker.check, lambda: worker.write(batch_of(_numbered(2), buried=buried))):
            with pytest.raises((Held, Transient)) as caught:
                act()
            assert "wr0ng-one" not in str(caught.value)
        assert buried.refusals == []
        worker.close()

    def test_it_may_be_named_in_parts_that_all_workers_share(self, kind: str, request: pytest.FixtureRequest) -> None:
        # Given
        server: Server = request.getfixturevalue(kind)
        database = Database(server.new_database())
        parts = {"driver": kind, "host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
        worker = backends.worker("stats", {"database": sa.make_url(database.url).database}, defaults=parts)

        # When
        settled(worker, _numbered(1))

        # Then
        assert _rows(database) == {"n": 0.0}
        worker.close()


class TestGraphs:
    """In Graphite."""

    @pytest.mark.parametrize(
        "protocol", [pytest.param("plaintext", id="plaintext"), pytest.param("pickle", id="pickle")]
    )
    def test_the_counters_of_an_engine_become_metrics(self, carbon: CarbonCache, protocol: str) -> None:
        # Given
        port = carbon.pickle_port if protocol == "pickle" else carbon.port
        options = {"host": "127.0.0.1", "port": port, "protocol": protocol, "prefix": f"{protocol}.{{master_id}}"}
        worker = backends.worker("stats", options, defaults={"url": "postgresql://db/salt", "port": 5432})
        since = int(time.time())

        # When
        settled(worker, [_counters()])

        # Then
        for name, value in {**_NAMES, "workers.old_graphs.written": 3.0}.items():
            if name != "workers.old.graphs.written":
                found = carbon.points(f"{protocol}.master-1.{name}", since)
                assert list(found.values()) == [value], name
        assert worker.check() == f"127.0.0.1:{port} takes connections"

    def test_the_prefix_is_the_masters_own(self, carbon: CarbonCache) -> None:
        # Given
        since = int(time.time())

        # When
        settled(backends.worker("stats", {"host": "127.0.0.1", "port": carbon.port}), [_counters()])

        # Then
        assert list(carbon.points("eventsd.master-1.bus.received", since).values()) == [12.0]

    def test_odd_names_are_parts_of_a_path(self, carbon: CarbonCache) -> None:
        # Given
        since = int(time.time())
        odd = {"a b\nc 1 2": 1, "../..": 2, "": {"x": 3}, "huge": 10**400, "nan": float("nan")}
        worker = backends.worker("stats", {"host": "127.0.0.1", "port": carbon.port, "prefix": ""})

        # When
        settled(
            worker,
            [
                fired("company/odd", {"odd": odd, "_stamp": datetime.now(timezone.utc).isoformat()}),
                _counters(),
                returned(),
            ],
        )

        # Then
        stored = {name: carbon.points(f"odd.{name}", since) for name in ("a_b_c_1_2", "_____", "_.x")}
        assert [list(points.values()) for points in stored.values()] == [[1.0], [2.0], [3.0]]
        assert list(carbon.points("bus.received", since).values()) == [12.0]
        assert not {"odd.huge", "odd.nan"} & carbon.metrics()

    def test_a_carbon_that_is_away_is_waited_for(self) -> None:
        # Given
        worker = backends.worker("stats", {"host": "no-such-host.invalid"})

        # When / Then
        for act in (worker.check, lambda: worker.write(batch_of([_counters()]))):
            with pytest.raises(Transient, match=r"^no-such-host\.invalid:2003: "):
                act()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({}, "url: missing; expected a SQLAlchemy URL, or host for Graphite", id="nothing"),
        pytest.param({"url": "nosuch://x:s3cret@h/d"}, "url: no SQLAlchemy dialect", id="dialect"),
        pytest.param({"url": "sqlite://", "connect_seconds": "x"}, "connect_seconds: expected", id="odd-seconds"),
        pytest.param({"url": "sqlite://", "prefix": "x"}, "prefix: is for Graphite", id="prefix-of-a-table"),
        pytest.param({"host": "x", "database": "y"}, "database: is for a database", id="database-of-graphite"),
        pytest.param({"host": "x", "port": 0}, "port: expected a number from 1", id="port"),
        pytest.param({"host": "x", "protocol": "udp"}, "protocol: invalid", id="protocol"),
        pytest.param({"host": "x", "prefix": "{colour}"}, "prefix: 'colour", id="prefix"),
        pytest.param({"host": "x", "colour": 1}, "colour: unknown key; known are url, keep", id="unknown"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_key(options: dict[str, Any], says: str) -> None:
    # When
    problem = backends.problem("stats", options)

    # Then
    assert problem.startswith(f"eventsd: workers.sink.{says}")
    assert "s3cret" not in problem
