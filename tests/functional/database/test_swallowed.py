"""A row is counted as written if it is in the table, or was there already as that of the same event; else it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Held
from tests.support.events import JID, MINION, fired, job, numbered, returned, state_result
from tests.support.servers import PostgreSQL
from tests.support.stores import Buried, Database, batch_of, settled

TAG = "file_|-motd_|-/etc/motd_|-managed"


@pytest.fixture
def postgres(postgresql: PostgreSQL) -> Iterator[Database]:
    """An empty database of PostgreSQL's."""
    made = Database(postgresql.new_database())
    yield made
    made.close()


def alarm(number: int) -> Event:
    return fired("company/alarm", {"n": number, "_stamp": f"2026-01-02T03:04:{number:02}.000000"})


@pytest.mark.parametrize(
    ("table", "events"),
    [
        pytest.param("returns", numbered(55), id="returns"),
        pytest.param("events", [alarm(number) for number in range(55)], id="events"),
    ],
)
def test_a_sequence_that_was_set_back_is_set_again(
    postgres: Database, table: str, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    # Given: a dump was restored, or the database is what was a logical replica
    worker = postgres.worker()
    assert settled(worker, events[:50]).refusals == []
    postgres.execute(f"SELECT setval('eventsd_{table}_id_seq', 1, false)")

    # When: so few that the sequence is still behind after a try without savepoints, which draws numbers, too
    buried = Buried()
    worker.write(batch_of(events[45:], first=2, buried=buried))

    # Then
    assert buried.refusals == []
    assert len(postgres.rows(table)) == 55
    assert f"eventsd_{table}: the sequence that its id is drawn from is behind" in caplog.text


def test_a_sequence_that_only_the_default_names_is_found(postgres: Database) -> None:
    worker = postgres.worker()
    settled(worker, numbered(3))
    postgres.execute(
        "ALTER SEQUENCE eventsd_returns_id_seq OWNED BY NONE", "SELECT setval('eventsd_returns_id_seq', 1, false)"
    )

    worker.write(batch_of(numbered(3, 10), first=2))

    assert len(postgres.rows("returns")) == 6


def test_a_sequence_that_may_not_be_set_holds_the_worker(postgres: Database) -> None:
    # Given
    settled(postgres.worker(), numbered(3))
    url = postgres.new_user(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
    )
    postgres.execute("SELECT setval('eventsd_returns_id_seq', 1, false)")
    buried = Buried()

    # When / Then: nothing is buried
    with pytest.raises(Held, match=r"eventsd_returns: the sequence .* cannot be set: permission denied"):
        Database(url).worker().write(batch_of(numbered(3, 10), first=2, buried=buried))
    assert (buried.calls, len(postgres.rows("returns"))) == ([], 3)

    # When
    postgres.execute("SELECT setval('eventsd_returns_id_seq', 3)")
    Database(url).worker().write(batch_of(numbered(3, 10), first=2, buried=buried))

    # Then
    assert (buried.refusals, len(postgres.rows("returns"))) == ([], 6)


UNIQUE = [
    pytest.param("jobs", "fun", [job("1"), job("2"), job("3", fun="state.apply")], id="jobs"),
    pytest.param("returns", "fun", [returned(jid="1"), returned(jid="2"), returned(jid="3", fun="a.b")], id="returns"),
    pytest.param("events", "master_id", [alarm(1), alarm(2)], id="events"),
    pytest.param(
        "states",
        "state",
        [
            returned({TAG: state_result()}, jid="1", fun="state.apply"),
            returned({TAG: state_result()}, jid="2", fun="state.sls"),
        ],
        id="states",
    ),
    pytest.param(
        "minions",
        "last_fun",
        [returned(jid="1", minion_id="a"), returned(jid="2", minion_id="b")],
        id="minions",
    ),
]


@pytest.mark.parametrize(("table", "column", "events"), UNIQUE)
def test_what_a_users_own_unique_index_keeps_out_is_not_written(
    made: Database, table: str, column: str, events: list[Event]
) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of())
    made.execute(f"CREATE UNIQUE INDEX mine ON eventsd_{table} ({column})")

    # When
    buried = settled(worker, events)

    # Then
    assert buried.positions == [1]
    assert buried.refusals[0][1]
    assert len(made.rows(table)) == len(events) - 1

    # When: the index is gone, and the event put back
    made.execute(made.by_kind("DROP INDEX mine", "DROP INDEX mine", f"DROP INDEX mine ON eventsd_{table}"))
    worker.write(batch_of([events[1]], first=9))

    # Then
    assert len(made.rows(table)) == len(events)


def test_somebody_elses_minion_is_not_overwritten(made: Database) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of([returned(minion_id="a", fun="x.y", _stamp="2026-01-02T03:04:05")]))
    made.execute("CREATE UNIQUE INDEX mine ON eventsd_minions (last_fun)")

    # When
    buried = Buried()
    events = [returned(jid="2", minion_id="b", fun="x.y", _stamp="2026-01-02T03:05:05"), returned()]
    worker.write(batch_of(events, first=2, buried=buried))

    # Then
    assert buried.positions == [0]
    kept = {row["minion_id"]: (row["last_jid"], row["last_fun"]) for row in made.rows("minions")}
    assert kept == {"a": (JID, "x.y"), MINION: (JID, "test.ping")}


def _keep_out(database: Database, table: str, condition: str) -> None:
    """Have the database leave out rows without a word."""
    if database.kind == "sqlite":
        database.execute(
            f"CREATE TRIGGER silent BEFORE INSERT ON eventsd_{table} WHEN NEW.{condition} "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    else:
        database.execute(
            "CREATE FUNCTION silent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            f"CREATE TRIGGER silent BEFORE INSERT ON eventsd_{table} FOR EACH ROW "
            f"WHEN (NEW.{condition}) EXECUTE FUNCTION silent()",
        )


# MySQL's triggers have no way to do that.
@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("table", "condition", "events"),
    [
        pytest.param("returns", "jid = '1'", numbered(4), id="returns"),
        pytest.param("jobs", "jid = '1'", [job("0"), job("1"), job("2")], id="jobs"),
        pytest.param("events", "stamp = '2026-01-02 03:04:01.000000'", [alarm(0), alarm(1), alarm(2)], id="events"),
        pytest.param("minions", "minion_id = 'b'", [returned(jid=x, minion_id=x) for x in "abc"], id="minions"),
    ],
)
def test_what_a_trigger_keeps_out_without_a_word_is_not_written(
    made: Database, table: str, condition: str, events: list[Event]
) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of())
    _keep_out(made, table, condition)

    # When
    buried = settled(worker, events)

    # Then
    assert buried.positions == [1]
    assert f"eventsd_{table} did not take 1 of the rows" in buried.refusals[0][1]
    assert len(made.rows(table)) == len(events) - 1


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("table", ["returns", "jobs", "states", "minions"])
def test_a_table_that_takes_nothing_buries_nothing(made: Database, table: str) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of())
    _keep_out(made, table, "master_id <> ''" if table != "states" else "jid <> ''")
    run = {TAG: state_result()}
    events = [job("1"), job("2"), *(returned(run, jid=str(number), fun="state.apply") for number in range(3))]
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=f"eventsd_{table} did not take"):
        worker.write(batch_of(events, buried=buried))
    assert buried.calls == []


def test_rows_that_a_trigger_sends_elsewhere_in_the_table_are_there(postgres: Database) -> None:
    # Given: partitions as PostgreSQL had them before it had partitions
    worker = postgres.worker()
    worker.write(batch_of())
    postgres.execute(
        "CREATE TABLE child () INHERITS (eventsd_returns)",
        "CREATE FUNCTION route() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO child SELECT NEW.*; RETURN NULL; END $$",
        "CREATE TRIGGER route BEFORE INSERT ON eventsd_returns FOR EACH ROW EXECUTE FUNCTION route()",
    )

    # When
    buried = settled(worker, numbered(5))

    # Then
    assert buried.refusals == []
    assert postgres.query("SELECT count(*) FROM eventsd_returns") == [(5,)]


def test_two_names_that_a_database_takes_for_one_are_not_one(made: Database) -> None:
    # Given: MariaDB compares text as if it ended with blanks
    events = [returned(jid="7", minion_id="m"), returned(jid="7", minion_id="m "), returned(jid="8", minion_id="m")]

    # When
    buried = settled(made.worker(), events)

    # Then
    assert (buried.positions, len(made.rows("returns"))) == ([], 3)


def test_copies_are_written_without_a_word(made: Database) -> None:
    # Given
    events = [*numbered(20), *(job(str(number)) for number in range(20)), alarm(1)]
    events.append(returned({TAG: state_result()}, jid="s", fun="state.apply"))
    worker = made.worker()

    # When
    buried = Buried()
    worker.write(batch_of([*events, *events], buried=buried))
    made.worker().write(batch_of(events, spool="another", buried=buried))

    # Then
    assert buried.refusals == []
    counts = [len(made.rows(name)) for name in ("returns", "jobs", "events", "states", "minions")]
    assert counts == [21, 20, 1, 1, 1]


def test_states_that_a_minion_runs_again_in_a_job_are_kept(made: Database) -> None:
    # Given
    def run(*comments: str) -> Event:
        results = {f"{TAG}{n}": state_result(comment=text, number=n) for n, text in enumerate(comments)}
        return returned(results, fun="state.apply")

    first, second, third = run("a", "b", "c"), run("d", "b"), run("e")
    worker = made.worker()

    # When: also as copies, and again
    worker.write(batch_of([first, second]))
    worker.write(batch_of([third, second, first], first=2))
    worker.write(batch_of([second, first, third], spool="another"))

    # Then
    found = [(row["run_num"], row["comment"]) for row in made.rows("states")]
    assert found[:3] == [(0, "a"), (1, "b"), (2, "c")]
    assert sorted(comment for _, comment in found[3:]) == ["d", "e"]
    assert len(made.rows("returns")) == 3


def test_a_connection_that_counts_what_it_finds_is_no_obstacle(made: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: as another driver may do it
    monkeypatch.setattr("salt_eventsd.database.dialects.mysql.MySQLInserts.counts", lambda *_: False)
    worker = made.worker()
    worker.write(batch_of())
    made.execute("CREATE UNIQUE INDEX mine ON eventsd_returns (fun)")

    # When
    buried = settled(worker, [returned(jid="1"), returned(jid="2"), job("1"), job("1")])

    # Then
    assert (buried.positions, len(made.rows("returns")), len(made.rows("jobs"))) == ([1], 1, 1)
