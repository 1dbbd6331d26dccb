"""Tables of partitions: made new, or of tables with rows; they answer as others do, and old partitions go at once."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Occupied
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.partitions import make, old, ranges
from salt_eventsd.database.retention.forget import Forget
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.operate.purge import purge
from salt_eventsd.operate.schema import schema as verb
from tests.functional.database.test_load import answers
from tests.support.aged import Answer, answer_event, jid_of, job_events, stamp
from tests.support.events import fired, returned
from tests.support.history import Story
from tests.support.stores import Database, batch_of

TODAY = datetime.now(timezone.utc).date()
NAMES = ("eventsd_returns", "eventsd_states", "eventsd_events")


@pytest.fixture
def fresh(served: Database) -> Database:
    """An empty database of a server that has partitions."""
    return served


def opts_of(database: Database, **more: Any) -> dict[str, Any]:
    workers = {"history": {"module": "sql", "url": database.url, **more}}
    return {"id": "master-1", "cachedir": "/nowhere", "eventsd": {"workers": workers}}


def partition(database: Database, **arguments: Any) -> dict[str, Any]:
    return verb(opts_of(database), "partition", arguments, print)


def parts(database: Database) -> dict[str, list[ranges.Range]]:
    with database.engine.connect() as connection:
        return {table.name: found for table, found in make.found(connection, dialect_of(connection)).items()}


def _by_values(row: dict[str, Any]) -> list[str]:
    return sorted(map(repr, row.items()))


def write(database: Database, events: list[Any], first: int = 1, **options: Any) -> None:
    worker = database.worker(**options)
    for start in range(0, len(events), 300):
        worker.write(batch_of(events[start : start + 300], first=first + start))
    database.close()


@pytest.mark.parametrize("every", ["month", "day"])
def test_new_tables_have_partitions_from_now_on(fresh: Database, every: str) -> None:
    write(fresh, [returned()], partitions=every)

    told = parts(fresh)
    assert set(told) == set(NAMES)
    for found in told.values():
        before, *some, rest = found
        begin = ranges.start(every, TODAY)
        assert (before.lower, before.upper, some[0].lower) == (None, begin, begin)
        assert (rest.lower, rest.upper) == (None, None)
        assert [one.upper for one in some[:-1]] == [one.lower for one in some[1:]]
        assert len(some) == ranges.AHEAD[every] + 1
    # And another start changes nothing
    write(fresh, [returned(jid="2")], first=9, partitions=every)
    assert parts(fresh) == told
    assert len(fresh.rows("returns")) == 2


def test_tables_with_rows_answer_the_same_afterwards(fresh: Database) -> None:
    # Given a story, and odd job ids
    story = Story(seed=5)
    story.by_chance(60)
    odd = [returned(jid="req"), returned(jid="zzz"), returned(jid="1"), fired("my/event", {"_stamp": stamp(0)})]
    write(fresh, [*story.events, *odd])
    whole = answers(fresh, story)
    rows = {name: fresh.rows(name.removeprefix("eventsd_")) for name in NAMES}

    # When they are turned
    told = partition(fresh, by="month")

    # Then
    assert (told["retcode"], [one["table"] for one in told["partitioned"]]) == (0, list(NAMES))
    assert set(parts(fresh)) == set(NAMES)
    assert answers(fresh, story) == whole
    for name in NAMES:
        assert sorted(fresh.rows(name.removeprefix("eventsd_")), key=_by_values) == sorted(rows[name], key=_by_values)

    # And what was written is not written a second time, whatever chunk it comes in; what is new is
    write(fresh, [*story.events, *odd], first=10_000, partitions="month")
    assert answers(fresh, story) == whole
    write(fresh, [returned(jid="req", minion_id="new")], first=20_000, partitions="month")
    assert len(fresh.rows("returns")) == len(rows["eventsd_returns"]) + 1
    ids = fresh.column("returns", "id")
    assert len(set(ids)) == len(ids)
    # And a second time there is nothing to do
    told = partition(fresh, by="month")
    assert (told["partitioned"], told["notes"]) == ([], ["all of the tables have partitions already"])

    # And one who is forgotten is
    engine = make_engine(SqlOptions(url=fresh.url))
    Forget(engine, "db1").run()
    engine.dispose()
    assert "db1" not in fresh.column("returns", "minion_id")


def test_a_large_table_may_take_longer_than_a_statement(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    write(fresh, [returned()])
    kind = type(dialect_of(fresh.engine).partitions)
    asked = fresh.by_kind("", "SHOW statement_timeout", "SELECT @@max_statement_time + 0")
    convert, told = kind.convert, []

    def ask(self: Any, connection: Any, *args: Any) -> None:
        told.append(str(connection.scalar(sa.text(asked))))
        convert(self, connection, *args)

    monkeypatch.setattr(kind, "convert", ask)

    # When
    assert partition(fresh, by="month")["retcode"] == 0

    # Then nothing ends it
    assert {float(one) for one in told} == {0.0}
    assert len(told) == len(NAMES)


def test_writers_do_not_wait_for_somebody_who_reads_for_long(fresh: Database) -> None:
    # Given somebody who reads all rows, as a backup does
    write(fresh, [returned()], partitions="month")
    engine = make_engine(SqlOptions(url=fresh.url))
    dialect = dialect_of(engine)
    with engine.connect() as connection, connection.begin():
        last = max(one.upper for one in make.found(connection, dialect)[schema.returns] if one.upper)
    with fresh.engine.connect() as reader:
        reader.execute(sa.select(sa.func.count()).select_from(sa.table(schema.returns.name)))

        # When partitions are to be made meanwhile
        begun = time.monotonic()
        new = [ranges.Range(last, last + timedelta(days=31))]
        with engine.connect() as connection:
            connection.begin()
            with pytest.raises(Occupied):
                dialect.partitions.add(connection, schema.returns, schema.returns.c.jid, new, 0.1)
            connection.rollback()

        # Then it is given up soon
        assert time.monotonic() - begun < 5
        reader.rollback()
    engine.dispose()


def test_who_may_not_lock_a_table_makes_partitions_and_keeps_nobody_waiting(fresh: Database) -> None:
    if fresh.kind != "mysql":
        pytest.skip("only there, to lock a table is a right of its own")
    # Given
    write(fresh, [returned()], partitions="month")
    rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW"
    user = fresh.new_user(f"GRANT {rights} ON {sa.make_url(fresh.url).database}.* TO {{user}}")
    engine = make_engine(SqlOptions(url=user))
    dialect = dialect_of(engine)

    def add() -> None:
        with engine.connect() as connection, connection.begin():
            dialect.partitions.add(connection, schema.returns, schema.returns.c.jid, new, 0.1)

    with engine.connect() as connection, connection.begin():
        last = max(one.upper for one in make.found(connection, dialect)[schema.returns] if one.upper)
    new = [ranges.Range(last, last + timedelta(days=31))]
    with fresh.engine.connect() as reader:
        reader.execute(sa.select(sa.func.count()).select_from(sa.table(schema.returns.name)))

        # When somebody reads for long, then it is given up soon
        begun = time.monotonic()
        with pytest.raises(Occupied):
            add()
        assert time.monotonic() - begun < 5
        reader.rollback()

    # When nobody does, then they are made
    add()
    assert new[0] in parts(fresh)["eventsd_returns"]
    engine.dispose()


def test_an_interrupted_turn_goes_on(fresh: Database) -> None:
    # Given one table that was turned before the command was killed
    write(fresh, [*job_events(jid_of(5), 5, Answer("web1", 5, states=2)), fired("my/event", {"_stamp": stamp(1)})])
    engine = make_engine(SqlOptions(url=fresh.url))
    with engine.connect() as connection:
        make._convert(connection, dialect_of(connection), schema.returns, "month", only_empty=False)
    engine.dispose()

    told = partition(fresh, by="month")

    assert [one["table"] for one in told["partitioned"]] == ["eventsd_states", "eventsd_events"]
    assert set(parts(fresh)) == set(NAMES)
    assert [len(fresh.rows(name)) for name in ("returns", "states", "events")] == [1, 2, 1]


def test_partitions_are_made_ahead_and_take_what_the_rest_has(fresh: Database) -> None:
    # Given tables whose last partition ended two months ago, and rows that have come since
    engine = make_engine(SqlOptions(url=fresh.url))
    long_ago = TODAY - timedelta(days=200)
    fresh.make_tables()
    with engine.connect() as connection:
        dialect = dialect_of(connection)
        for table, column in make.COLUMNS.items():
            dialect.partitions.begin(connection, table)
            with connection.begin():
                dialect.partitions.convert(connection, table, column, ranges.since("month", long_ago, long_ago))
    write(fresh, [*job_events(jid_of(3), 3, Answer("web1", 3, states=2)), fired("my/event", {"_stamp": stamp(2)})])

    # When an engine starts
    write(fresh, [returned(jid="req")], first=9)

    # Then there are partitions for months to come, and no row of a time is outside
    told = parts(fresh)
    for found in told.values():
        assert found[-2].upper is not None
        assert found[-2].upper > TODAY + timedelta(days=80)
    assert [len(fresh.rows(name)) for name in ("returns", "states", "events")] == [2, 2, 1]
    with engine.connect() as connection:
        assert make.outside(connection) == {}
    write(fresh, [returned(jid="20991231000000000000")], first=20)
    with engine.connect() as connection:
        assert make.outside(connection) == {"eventsd_returns": 1}
    engine.dispose()


@pytest.fixture
def years(fresh: Database) -> Database:
    """Partitions of half a year, with jobs that are 130, 65 and 1 days old, and an event of each."""
    engine = make_engine(SqlOptions(url=fresh.url))
    first = TODAY - timedelta(days=200)
    fresh.make_tables()
    with engine.connect() as connection:
        dialect = dialect_of(connection)
        for table, column in make.COLUMNS.items():
            dialect.partitions.begin(connection, table)
            with connection.begin():
                dialect.partitions.convert(connection, table, column, ranges.since("month", first, TODAY))
    engine.dispose()
    for at, days in enumerate((130, 65, 1)):
        events = job_events(jid_of(days), days, Answer("web1", days, states=2), Answer("web2", days))
        write(fresh, [*events, fired("my/event", {"_stamp": stamp(days)})], first=10 * at + 1)
    return fresh


def age_of(row: dict[str, Any]) -> int:
    return (datetime.now(timezone.utc) - row["stamp"]).days


def age(database: Database, name: str) -> list[int]:
    now = datetime.now(timezone.utc)
    return sorted((now - row["stamp"]).days for row in database.rows(name))


def test_a_purge_drops_what_is_old_as_a_whole(years: Database) -> None:
    opts = opts_of(years, keep={"returns": "100d", "events": "100d"})
    before = parts(years)

    # When
    counted = purge(opts, dry_run=True)
    assert parts(years) == before
    told = purge(opts)

    # Then the count beforehand told the same, and the partitions are gone
    assert (counted["retcode"], told["retcode"]) == (0, 0)
    assert told["purge"] == counted["purge"]
    assert {row["table"]: row["rows"] for row in told["purge"]} == {
        "eventsd_jobs": 1, "eventsd_returns": 2, "eventsd_states": 2, "eventsd_events": 1,
    }  # fmt: skip
    assert told["notes"][0].replace("were", "would be") == counted["notes"][0]
    month = f"p{(TODAY - timedelta(days=130)).replace(day=1):%Y%m%d}"
    assert f"eventsd_returns {month}, eventsd_states {month}" in told["notes"][0]
    assert all(month not in [one.name for one in found] for found in parts(years).values())
    assert [age(years, name) for name in ("jobs", "returns", "events")] == [[1, 65], [1, 1, 65, 65], [1, 65]]


@pytest.mark.parametrize(
    ("late", "keep", "left"),
    [
        pytest.param(Answer("late", 3), {"returns": "100d"}, 1, id="an answer that came late"),
        pytest.param(Answer("bad", 130, failed=True), {"returns": "100d", "failed": "1y"}, 2, id="a failed answer"),
        pytest.param(None, {"returns": "100d", "jobs": "forever"}, 3, id="jobs for ever"),
    ],
)
def test_a_partition_with_something_to_keep_stays(
    years: Database, late: Answer | None, keep: dict[str, str], left: int
) -> None:
    # Given a second job of the old month, that is to be kept
    jid = jid_of(130)
    write(years, job_events(jid, 130, Answer("web3", 130), *([late] if late else [])), first=100)

    told = purge(opts_of(years, keep=keep))

    # Then the partition stays, its kept job as a whole, and the other job went row by row
    assert told["retcode"] == 0
    month = f"p{(TODAY - timedelta(days=130)).replace(day=1):%Y%m%d}"
    assert month in [one.name for one in parts(years)["eventsd_returns"]]
    kept = [row["minion_id"] for row in years.rows("returns") if row["jid"] == jid]
    assert sorted(kept) == sorted(["web3", *([late.minion] if late else [])])
    assert age(years, "returns").count(130) == left


def test_what_came_into_the_place_of_a_dropped_partition_is_kept(years: Database) -> None:
    # Given the first partitions are gone; then odd job ids, and an answer that is late by months
    late = jid_of(130)
    assert purge(opts_of(years, keep={"returns": "100d"}))["retcode"] == 0
    answers = [answer_event(jid, Answer("young", 2, states=1)) for jid in ("1", "19990101000000000000", late)]
    write(years, answers, first=300)
    kept = [row for row in years.rows("returns") if (TODAY - row["stamp"].date()).days <= 3]

    # When the next ones are too old
    told = purge(opts_of(years, keep={"returns": "30d"}))

    # Then
    assert told["retcode"] == 0
    left = years.rows("returns")
    assert len(kept) == 5
    assert [row for row in kept if row not in left] == []
    assert len(left) == 5
    assert {row["jid"] for row in years.rows("states")} >= {"1", "19990101000000000000", late}


def test_a_reader_of_long_does_not_keep_a_purge_from_its_end(
    years: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given two months that are too old, and somebody who has begun to read, and went home
    monkeypatch.setattr("salt_eventsd.database.retention.purge._DROP_SECONDS", 1.0)
    opts = opts_of(years, keep={"returns": "30d", "events": "30d"})
    with years.engine.connect() as reader:
        for name in NAMES:
            reader.execute(sa.text(f"SELECT count(*) FROM {name}"))
        before = parts(years)

        # When
        told = purge(opts)
        reader.rollback()

    # Then the rows are gone, and the partitions go the next time; each table was tried for once
    assert (told["retcode"], parts(years)) == (0, before)
    assert [age(years, name) for name in ("jobs", "returns", "events")] == [[1], [1, 1], [1]]
    assert sum("was not dropped" in one.getMessage() for one in caplog.records) == 2
    assert "dropped as a whole" in purge(opts)["notes"][0]
    assert len(parts(years)["eventsd_returns"]) < len(before["eventsd_returns"])


def test_who_may_drop_no_partition_deletes_its_rows(years: Database) -> None:
    # Given a user who may write rows, and no more
    names = [f"eventsd_{name}" for name in ("jobs", "returns", "states", "events", "minions", "stats", "locks")]
    rights = [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {{user}}" for name in names]
    url = years.new_user(*rights, "GRANT SELECT ON eventsd_schema_version TO {user}")
    opts = opts_of(years, keep={"returns": "100d", "events": "100d"})
    opts["eventsd"]["workers"]["history"]["url"] = str(url)

    # When
    told = purge(opts)

    # Then
    assert told["retcode"] == 0, told
    assert [age(years, name) for name in ("jobs", "returns", "events")] == [[1, 65], [1, 1, 65, 65], [1, 65]]


def test_what_comes_between_two_drops_is_kept(years: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an answer to a job whose partition has just gone, while the next one goes
    late = jid_of(130)
    month = f"p{(TODAY - timedelta(days=130)).replace(day=1):%Y%m%d}"
    drop = old.drop

    def write_then(connection: Any, one: Any, *args: Any) -> Any:
        done = drop(connection, one, *args)
        connection.commit()
        if f"eventsd_returns {month}" in one.names:
            write(years, [answer_event(late, Answer("late", 0))], first=500)
        return done

    monkeypatch.setattr(old, "drop", write_then)

    # When
    told = purge(opts_of(years, keep={"returns": "30d"}))

    # Then
    assert told["retcode"] == 0
    assert [row["minion_id"] for row in years.rows("returns") if row["jid"] == late] == ["late"]


def test_what_comes_between_look_and_drop_keeps_the_partition(years: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an answer that arrives when the partition was found to be old
    jid = next(row["jid"] for row in years.rows("jobs") if "web1" in row["minions"])
    drop = old.drop

    def late(*args: Any) -> Any:
        if not [row for row in years.rows("returns") if row["minion_id"] == "late"]:
            write(years, [answer_event(jid, Answer("late", 0))], first=500)
        return drop(*args)

    monkeypatch.setattr(old, "drop", late)

    told = purge(opts_of(years, keep={"returns": "100d"}))

    assert told["retcode"] == 0
    assert [row["minion_id"] for row in years.rows("returns") if row["jid"] == jid] == ["web1", "web2", "late"]
    assert jid in years.column("jobs", "jid")


@pytest.mark.parametrize(
    ("late", "keep"),
    [
        pytest.param(Answer("late", 0), {"returns": "100d"}, id="an answer"),
        pytest.param(Answer("late", 120, failed=True), {"returns": "100d", "failed": "1y"}, id="a failed one"),
        pytest.param(Answer("late", 120), {"returns": "100d", "failed": "30d", "jobs": "50d"}, id="an old one"),
        pytest.param(Answer("late", 120, states=1), {"returns": "100d", "states": "1y"}, id="states"),
    ],
)
def test_what_comes_when_nobody_may_write_any_more_decides(
    years: Database, monkeypatch: pytest.MonkeyPatch, late: Answer, keep: dict[str, str]
) -> None:
    # Given an answer that arrives after the last look before the tables are locked; all states of before are gone
    years.execute("DELETE FROM eventsd_states")
    jid = next(row["jid"] for row in years.rows("jobs") if age_of(row) == 130)
    may_go, looks = old.may_go, count()

    def may_go_then(connection: Any, one: Any, *args: Any) -> bool:
        may = may_go(connection, one, *args)
        if may and one.has.upper and make.bound(schema.returns.c.jid, one.has.upper) > jid and next(looks) == 1:
            write(years, [answer_event(jid, late)], first=500)
        return may

    monkeypatch.setattr(old, "may_go", may_go_then)

    # When
    told = purge(opts_of(years, keep=keep))

    # Then it keeps its partition, and its job, unless it is too old itself
    assert told["retcode"] == 0
    minions = [row["minion_id"] for row in years.rows("returns") if row["jid"] == jid]
    assert minions == ([] if keep.get("failed") == "30d" else ["web1", "web2", "late"])
    assert (jid in years.column("jobs", "jid")) == bool(minions)


def test_others_keep_their_rights(fresh: Database) -> None:
    # Given a user who may read, as a dashboard's
    write(fresh, job_events(jid_of(5), 5, Answer("web1", 5, failed=True)))
    of_all = "GRANT SELECT ON {name} TO {{user}}"
    names = ("eventsd_returns", "eventsd_v_failures")
    url = fresh.new_user(*(of_all.format(name=name) for name in names))

    partition(fresh, by="day")

    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        for name in names:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) == 1


def test_a_view_of_others_is_named(fresh: Database) -> None:
    if fresh.kind != "postgresql":
        pytest.skip("only PostgreSQL's views are of a table, and not of its name")
    write(fresh, [returned()])
    fresh.execute("CREATE VIEW mine AS SELECT * FROM eventsd_returns")

    told = partition(fresh, by="month")

    assert told["retcode"] == 2
    assert "the views mine are of it; drop them first" in told["problem"]
    assert parts(fresh) == {}


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        pytest.param({}, {}, "by: expected month or day, got None", id="nothing"),
        pytest.param({"by": "week"}, {}, "by: expected month or day, got 'week'", id="week"),
        pytest.param({"by": "day"}, {"partitions": "month"}, "workers.history.partitions says month", id="other"),
        pytest.param({"to": "x"}, {}, "partition has no such argument", id="argument"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], options: dict[str, Any], problem: str) -> None:
    opts = opts_of(Database("postgresql+psycopg2://nobody@127.0.0.1:1/none"), **options)

    told = verb(opts, "partition", arguments, print)

    assert told["retcode"] == 2
    assert problem in told["problem"]


def test_sqlite_has_none(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/history.db")

    with pytest.raises(ConfigError, match=r"workers\.history\.partitions: sqlite has none; expected none, or"):
        database.worker(partitions="month")
    told = verb(opts_of(database), "partition", {"by": "month"}, print)
    assert told["retcode"] == 2


def test_ranges_follow_each_other() -> None:
    found = ranges.since("month", date(2025, 11, 17), date(2026, 2, 28))

    assert [one.name for one in found] == [
        "p_before", "p20251101", "p20251201", "p20260101", "p20260201", "p20260301", "p20260401", "p20260501",
    ]  # fmt: skip
    assert ranges.ahead("month", date(2026, 6, 1), date(2026, 2, 28)) == []
    assert [one.name for one in ranges.ahead("day", date(2026, 3, 7), date(2026, 2, 28))] == ["p20260307"]
    assert len(ranges.since("day", date(1970, 1, 1), date(2026, 2, 28))) == 409
