"""Refusals of every kind: a table that refuses everything loses nothing, and an event that is refused stops nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubted, Held, Transient, WorkerError
from salt_eventsd.spool.keep import Spool
from tests.support.events import fired, job, numbered, returned, state_result
from tests.support.lanes import SOON, chunk, eventually, keep, lane_of
from tests.support.own import by_statement, carrying, raid, to_table
from tests.support.servers import MariaDB, PostgreSQL
from tests.support.stores import Buried, Database, batch_of

_STATES = {"a_|-a_|-a_|-run": state_result("a", 0)}


@pytest.fixture
def database(made: Database) -> Database:
    """A database with our tables, which a test may change."""
    return made


def refuse_all(database: Database, table: str, state: str = "45000") -> None:
    """Have a trigger refuse all rows of a table."""
    if database.kind == "sqlite":
        database.execute(f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
    elif database.kind == "postgresql":
        database.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE 'no' USING ERRCODE = '{state}'; END $$",
            f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no()",
        )
    else:
        database.execute(
            f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW SIGNAL SQLSTATE '{state}' SET MESSAGE_TEXT = 'no'"
        )


def accept_all(database: Database, table: str) -> None:
    """Undo :func:`refuse_all`."""
    if database.kind == "postgresql":
        database.execute(f"DROP TRIGGER no ON {table}", "DROP FUNCTION no")
    else:
        database.execute("DROP TRIGGER no")


def held(worker: object, events: list[Event], buried: Buried, first: int = 1) -> str:
    """Have a batch tried that is not taken; return what is said."""
    with pytest.raises(Held) as caught:
        worker.write(batch_of(events, first=first, replay=True, buried=buried))
    return str(caught.value)


@pytest.mark.parametrize(
    ("state", "count"), [("45000", 300), ("P0001", 1), ("MY001", 1), ("MY001", 300), ("55000", 1), ("42501", 300)]
)
def test_a_trigger_that_refuses_everything_buries_nothing(database: Database, count: int, state: str) -> None:
    # Given
    if database.kind != "postgresql" and state not in ("45000", "MY001"):
        pytest.skip("only PostgreSQL lets a trigger raise that")
    worker, buried = database.worker(), Buried()
    worker.write(batch_of(numbered(3)))
    refuse_all(database, "eventsd_returns", state)
    events = numbered(count, start=3)

    # When / Then
    for _ in range(3):
        assert "no" in held(worker, events, buried, 2)
    assert buried.refusals == []

    # When
    accept_all(database, "eventsd_returns")
    worker.write(batch_of(events, first=2, replay=True, buried=buried))

    # Then
    assert buried.refusals == []
    assert len(database.rows("returns")) == 3 + count


def test_a_table_that_was_made_stricter_buries_nothing(database: Database) -> None:
    # Given: a column that nobody fills
    if database.kind == "sqlite":
        pytest.skip("SQLite adds no such column")
    worker, buried = database.worker(), Buried()
    worker.write(batch_of(numbered(3)))
    database.execute("DELETE FROM eventsd_returns", "ALTER TABLE eventsd_returns ADD COLUMN extra INTEGER NOT NULL")

    # When / Then
    for _ in range(2):
        assert "extra" in held(worker, numbered(300, start=3), buried, 2)
    assert buried.refusals == []


@pytest.mark.database("postgresql")
def test_a_sequence_at_its_end_buries_nothing(postgresql: PostgreSQL) -> None:
    # Given
    database = Database(postgresql.new_database())
    worker, buried = database.worker(), Buried()
    worker.write(batch_of(numbered(3)))
    database.execute("ALTER SEQUENCE eventsd_returns_id_seq MAXVALUE 3")

    # When / Then
    assert "maximum value" in held(worker, numbered(300, start=3), buried, 2)
    assert buried.refusals == []

    # When
    database.execute("ALTER SEQUENCE eventsd_returns_id_seq NO MAXVALUE")
    worker.write(batch_of(numbered(300, start=3), first=2, replay=True, buried=buried))

    # Then
    assert len(database.rows("returns")) == 303
    database.close()


@pytest.mark.database("postgresql")
def test_a_partition_that_is_missing_buries_nothing(postgresql: PostgreSQL) -> None:
    # Given: a table of the user's, with a partition for other months alone
    database = Database(postgresql.new_database())
    database.execute(
        "CREATE TABLE raid_state (servername VARCHAR(20), jid VARCHAR(20)) PARTITION BY RANGE (jid)",
        "CREATE TABLE old PARTITION OF raid_state FOR VALUES FROM ('0') TO ('2026')",
    )
    worker = database.worker(to_table(columns={"servername": "minion_id", "jid": "data.month"}))
    buried = Buried()
    worker.write(batch_of([raid("w0", month="202512")], buried=buried))

    # When / Then
    for count in (1, 300):
        events = [raid(f"w{number}", month="202601") for number in range(count)]
        assert "no partition" in held(worker, events, buried, 2)
    assert buried.refusals == []

    # When: few come late
    with pytest.raises(Doubted):
        worker.write(batch_of(events, [raid("w0", month="202511")], first=2, replay=True, buried=buried))
    assert buried.refusals == []

    # When: one is odd
    worker.write(batch_of([raid("w0", month="202512"), raid("w1", month="9999")], first=3, buried=buried))
    assert buried.positions == [1]
    buried.refusals.clear()

    # When
    database.execute("CREATE TABLE new PARTITION OF raid_state FOR VALUES FROM ('2026') TO ('2027')")
    worker.write(batch_of(events, first=2, replay=True, buried=buried))

    # Then
    assert len(database.query("SELECT * FROM raid_state")) == 302
    assert buried.refusals == []
    database.close()


def test_a_table_beside_that_refuses_everything_holds_what_has_rows_for_it(database: Database) -> None:
    # Given: the states of returns
    worker, buried = database.worker(), Buried()
    worker.write(batch_of([job("0")]))
    refuse_all(database, "eventsd_states")
    plain, full = [returned(jid="1"), job("1")], [returned(_STATES, jid="2"), returned(_STATES, jid="3")]

    # When
    with pytest.raises(Doubted, match="eventsd_states") as caught:
        worker.write(batch_of(plain, full, first=2, replay=True, buried=buried))
    worker.write(batch_of(plain, first=2, replay=True, buried=buried))

    # Then: the chunk is named, and the other may be written
    assert caught.value.chunks == {3}
    assert database.column("returns", "jid") == ["1"]
    assert buried.refusals == []

    # When
    accept_all(database, "eventsd_states")
    worker.write(batch_of(full, first=3, replay=True, buried=buried))

    # Then
    assert database.column("states", "jid") == ["2", "3"]


@pytest.mark.parametrize(("state", "good"), [("45000", 0), ("MY001", 0), ("MY001", 18), ("55000", 1)])
def test_one_event_that_a_trigger_refuses_is_buried(database: Database, state: str, good: int) -> None:
    # Given: also where it is alone
    if database.kind == "postgresql":
        database.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.fun = 'poison' THEN RAISE 'no' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER no BEFORE INSERT ON eventsd_returns FOR EACH ROW EXECUTE FUNCTION no()",
        )
    elif database.kind == "sqlite":
        database.refuse("returns", "fun = 'poison'")
    else:
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON eventsd_returns FOR EACH ROW IF NEW.fun = 'poison' THEN"
            f" SIGNAL SQLSTATE '{state}' SET MESSAGE_TEXT = 'no'; END IF"
        )
    buried = Buried()

    # When
    database.worker().write(batch_of([*numbered(good), returned(jid="x", fun="poison")], buried=buried))

    # Then
    assert buried.positions == [good]
    assert len(database.rows("returns")) == good


@pytest.mark.database("mariadb")
@pytest.mark.parametrize("good", [0, 18])
def test_a_pattern_that_is_none_is_the_events(mariadb: MariaDB, good: int) -> None:
    # Given
    database = Database(mariadb.new_database())
    database.execute("CREATE TABLE hits (host VARCHAR(20), hit INTEGER)")
    statement = "INSERT INTO hits (host, hit) VALUES (:host, 'x' REGEXP :pat)"
    worker = database.worker(by_statement(statement, fields={"host": "data.host", "pat": "data.pat"}))
    events = [carrying({"host": str(number), "pat": "x"}) for number in range(good)]
    buried = Buried()

    # When
    worker.write(batch_of([*events, carrying({"host": "bad", "pat": "("})], buried=buried))

    # Then
    assert buried.positions == [good]
    assert database.query("SELECT count(*) FROM hits") == [(good,)]
    database.close()


def test_an_event_of_a_rule_that_stands_alone_is_decided_with_the_next(mine: Database) -> None:
    # Given: a condition of the user's, and nothing that was ever taken
    mine.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20) CHECK (raid_state <> 'bad'))")
    worker = mine.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    buried = Buried()

    # When / Then
    for _ in range(2):
        assert "eventsd: events.returns.subs.raid.table" in held(worker, [raid("w1", "bad")], buried)
    assert buried.refusals == []

    # When
    worker.write(batch_of([raid("w1", "bad")], [raid("w2", "ok")], replay=True, buried=buried))

    # Then
    assert buried.positions == [0]
    assert mine.query("SELECT servername FROM raid_state") == [("w2",)]


def test_events_of_a_rule_that_are_all_refused_are_decided_by_those_behind(mine: Database) -> None:
    # Given
    mine.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20) CHECK (raid_state <> 'bad'))")
    worker = mine.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    bad, buried = [raid(f"w{number}", "bad") for number in range(20)], Buried()
    held(worker, bad, buried)

    # When
    worker.write(batch_of([raid("w21")], first=2, buried=buried))
    worker.write(batch_of(bad, replay=True, buried=buried))

    # Then
    assert buried.positions == list(range(20))
    assert len(mine.query("SELECT * FROM raid_state")) == 1


def test_a_rule_whose_table_turns_strict_is_judged_by_what_it_took_before(mine: Database) -> None:
    # Given
    mine.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20))")
    worker = mine.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    buried = Buried()
    worker.write(batch_of([raid("w1")], buried=buried))
    refuse_all(mine, "raid_state")

    # When / Then
    assert "raid.table" in held(worker, [raid(f"w{number}") for number in range(50)], buried, 2)
    assert buried.refusals == []


def test_all_values_too_long_are_the_events(mine: Database) -> None:
    # Given
    if mine.kind == "sqlite":
        pytest.skip("SQLite refuses no length")
    mine.execute("CREATE TABLE raid_state (servername VARCHAR(20) PRIMARY KEY, raid_state VARCHAR(20) NOT NULL)")
    worker = mine.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    buried = Buried()

    # When
    worker.write(batch_of([raid(f"w{number}", "x" * 21) for number in range(5)], buried=buried))

    # Then: and what was made up to see that the table takes some is not in it
    assert buried.positions == list(range(5))
    assert mine.query("SELECT * FROM raid_state") == []


def test_what_is_refused_again_and_again_costs_little(database: Database) -> None:
    # Given
    worker, buried = database.worker(), Buried()
    worker.write(batch_of(numbered(3)))
    refuse_all(database, "eventsd_returns")
    held(worker, numbered(300, start=3), buried, 2)
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    sa.event.listen(worker.worker._engine, "before_cursor_execute", count)

    # When
    held(worker, numbered(300, start=3), buried, 2)

    # Then
    assert statements < 150
    assert buried.refusals == []


def test_probes_leave_nothing_behind(database: Database) -> None:
    # Given
    refuse_all(database, "eventsd_minions")
    buried = Buried()
    events = [returned(_STATES, jid="1"), job("1"), fired("a/b", {})]

    # When
    with pytest.raises(WorkerError):
        database.worker().write(batch_of(events, buried=buried))
    accept_all(database, "eventsd_minions")
    database.refuse("returns", "fun = 'poison'")
    database.worker().write(batch_of([returned(jid="2", fun="poison")], first=2, buried=buried))

    # Then
    assert len(buried.refusals) == 1
    for table in ("jobs", "returns", "states", "events", "minions"):
        assert database.rows(table) == []


@pytest.mark.parametrize("own", [False, True])
def test_events_the_server_does_not_survive_are_found(own: bool, served: Database) -> None:
    # Given: a session ends over two of them
    database = served
    database.make_tables()
    table, column = ("raid_state", "servername") if own else ("eventsd_returns", "minion_id")
    database.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20))")
    if database.kind == "postgresql":
        database.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.{column} LIKE 'killer%' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
            " RETURN NEW; END $$",
            f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no()",
        )
    else:
        database.execute(
            f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW"
            f" IF NEW.{column} LIKE 'killer%' THEN KILL CONNECTION_ID(); END IF"
        )
    make = raid if own else (lambda name: returned(jid="1", minion_id=name))
    worker = database.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    events = [make(f"killer{n}" if n in (3, 50) else f"w{n}") for n in range(60)]
    buried, errors = Buried(), 0

    # When
    while errors < 5:
        try:
            worker.write(batch_of(events[:30], events[30:], replay=True, buried=buried))
            break
        except Transient:
            errors += 1

    # Then
    assert errors == 2
    assert buried.positions == [3, 50]
    assert database.query(f"SELECT count(*) FROM {table}") == [(58,)]
    worker.close()
    database.close()


def test_a_server_that_comes_and_goes_is_no_events_fault(postgresql: PostgreSQL) -> None:
    # Given: each session ends over whatever is written
    database = Database(postgresql.new_database())
    database.make_tables()
    database.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$",
        "CREATE TRIGGER no BEFORE INSERT ON eventsd_returns FOR EACH ROW EXECUTE FUNCTION no()",
    )
    worker, buried = database.worker(), Buried()
    worker.worker._suspects.patience_seconds = 0.5

    # When / Then
    for _ in range(4):
        with pytest.raises(Transient):
            worker.write(batch_of(numbered(5), replay=True, buried=buried))
    assert buried.refusals == []
    accept_all(database, "eventsd_returns")
    worker.write(batch_of(numbered(5), replay=True, buried=buried))
    assert len(database.rows("returns")) == 5
    database.close()


@pytest.mark.database("postgresql")
def test_what_takes_too_long_at_once_is_sent_in_pieces(postgresql: PostgreSQL) -> None:
    # Given: rows that take longer than they may, all together
    database = Database(postgresql.new_database())
    database.execute("CREATE TABLE slow (a VARCHAR(20))")
    statement = "INSERT INTO slow (a) SELECT :a FROM pg_sleep(0.07)"
    worker, buried = database.worker(by_statement(statement, fields={"a": "minion_id"}), timeout=1), Buried()
    events, errors = [raid(f"w{number}") for number in range(20)], 0

    # When
    while errors < 5:
        try:
            worker.write(batch_of(events, replay=True, buried=buried))
            break
        except Transient:
            errors += 1

    # Then: a busy machine may lose a connection more
    assert 2 <= errors < 5
    assert buried.refusals == []
    assert database.query("SELECT count(*) FROM slow") == [(20,)]
    worker.close()
    database.close()


def test_a_lane_with_one_bad_event_is_decided_when_another_comes(mine: Database, tmp_path: Path) -> None:
    # Given: a spool with an event that is alone
    mine.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20) CHECK (raid_state <> 'bad'))")
    worker = mine.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"}))
    spool = Spool(tmp_path / "spool")
    name = "history:returns.subs.raid"
    lane = lane_of(spool, worker, name, seconds=0.01, backoff=SOON)
    keep(lane, spool, chunk([raid("w1", "bad")], worker=name))

    def run() -> None:
        claimed, _ = lane.claim(time.time())
        if claimed:
            lane.run(claimed)
            lane.flights.ended(claimed[0])

    # When / Then: it waits, and the status says why
    for _ in range(3):
        run()
        time.sleep(0.03)
    assert (lane.state, lane.backlog.events, lane.buried) == ("held", 1, 0)
    assert "raid_state" in lane.last_error or "CHECK" in lane.last_error

    # When
    keep(lane, spool, chunk([raid("w2", "ok")], worker=name))
    eventually(lambda: run() or not lane.backlog.events)

    # Then
    assert (lane.state, lane.buried, lane.written) == ("ok", 1, 1)
    assert mine.query("SELECT servername FROM raid_state") == [("w2",)]
    spool.close()
