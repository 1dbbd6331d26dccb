"""The quickest way into a database and the careful one leave the same; what the first cannot do, the other does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.database.dialects.base import quickly
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubted
from tests.support.events import fired, job, numbered, returned, state_result
from tests.support.stores import Buried, Database, batch_of
from tests.support.ways import WAYS, forced

#: What separates values and lines in one format or another.
_SIGNS = [
    "\x1e",
    "\x1d",
    "\x1dN",
    "\x1f",
    "\n",
    "\r",
    "\t",
    "\\",
    "\\N",
    "\\.",
    "\0",
    ",",
    '"',
    "'",
    "\x7f",
    "\u2028",
    "\N{PILE OF POO}",
]
_TEXTS = st.lists(st.one_of(st.sampled_from(_SIGNS), st.text(max_size=5)), max_size=6).map("".join)
#: Without what ends the tag of a frame.
_NAMES = _TEXTS.filter(lambda text: "\n\n" not in f"{text}\n")
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture
def copied(postgresql: Any) -> Iterator[Database]:
    """A database of PostgreSQL's that notes by which statements each table was filled."""
    made = Database(postgresql.new_database())
    made.make_tables()
    made.execute("CREATE TABLE ways (tab text, way text)")
    made.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO ways VALUES (TG_TABLE_NAME,"
        " split_part(regexp_replace(current_query(), '^SAVEPOINT \\w+; ', ''), ' ', 1)); RETURN NULL; END $$"
    )
    for name in ("jobs", "returns", "states", "events"):
        made.execute(f"CREATE TRIGGER note AFTER INSERT ON eventsd_{name} EXECUTE FUNCTION note()")
    yield made
    made.close()


def ways(database: Database, table: str) -> list[str]:
    """The statements that have filled a table, each only once if it is the same again."""
    found = [way for (way,) in database.query(f"SELECT way FROM ways WHERE tab = 'eventsd_{table}'")]
    return [way for at, way in enumerate(found) if at == 0 or found[at - 1] != way]


def some_of_all(number: int, text: str, value: Any) -> list[Event]:
    """Events with rows for each table."""
    run = {f"cmd_|-{text}_|-{text}_|-run": state_result(text, comment=text, changes=value, __id__=text, __sls__=text)}
    return [
        job(str(number), fun=text, tgt=text, user=text, arg=[value]),
        returned(value, str(number), f"m{text}", fun=text),
        returned(run, str(number), f"s{text}", fun="state.apply"),
        fired(f"company/{number}/{text}", {"value": value, "_stamp": f"2026-01-02T03:04:05.{number:06}"}),
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(_NAMES, _VALUES), min_size=1, max_size=8))
def test_all_ways_leave_the_same_behind(tables: Database, parts: Sequence[tuple[str, Any]]) -> None:
    # Given
    events = [one for number, (text, value) in enumerate(parts) for one in some_of_all(number, text, value)]
    left: dict[str, list[list[dict[str, Any]]]] = {}

    # When
    for way in WAYS:
        tables.empty()
        with forced(way):
            buried = Buried()
            tables.worker().write(batch_of(events, buried=buried))
            assert buried.refusals == []
        rows = [tables.rows(name) for name in ("jobs", "returns", "states", "events", "minions")]
        # In which order the rows of a statement come is up to the way.
        left[way] = [
            sorted([{key: value for key, value in row.items() if key != "id"} for row in table], key=repr)
            for table in rows
        ]

    # Then
    assert left["quickly"] == left["large"] == left["carefully"]
    assert all(left["quickly"])


def test_many_rows_are_copied(copied: Database) -> None:
    # When
    copied.worker().write(batch_of([one for number in range(50) for one in some_of_all(number, "x", number)]))

    # Then
    assert [ways(copied, name) for name in ("jobs", "returns", "states", "events")] == [["COPY"]] * 4


def test_few_rows_are_inserted(copied: Database) -> None:
    copied.worker().write(batch_of(numbered(quickly.FEWEST_ROWS - 1)))

    assert ways(copied, "returns") == ["INSERT"]


def test_few_rows_are_copied_if_one_of_them_is_large(copied: Database) -> None:
    # Given
    large = returned("x" * (quickly.LARGE_VALUE + 1), "9")

    # When
    copied.worker().write(batch_of([*numbered(2), large]))

    # Then
    assert ways(copied, "returns") == ["COPY"]
    assert sorted(copied.column("returns", "jid")) == ["0", "1", "9"]


def test_copies_are_left_out_and_the_rest_is_written(copied: Database) -> None:
    # Given
    worker = copied.worker()
    worker.write(batch_of(numbered(100)))

    # When
    buried = Buried()
    worker.write(batch_of(numbered(100, 50), first=2, buried=buried))

    # Then
    assert buried.refusals == []
    assert [row["return"] for row in sorted(copied.rows("returns"), key=lambda row: int(row["jid"]))] == [*range(150)]
    assert ways(copied, "returns") == ["COPY", "INSERT"]


def test_what_was_copied_into_one_table_stays_where_another_takes_no_copy(copied: Database) -> None:
    # Given: the results of some runs are there already, and the returns are not
    runs = [some_of_all(number, "x", number)[2] for number in range(40)]
    worker = copied.worker()
    worker.write(batch_of(runs[:20]))
    copied.execute("DELETE FROM eventsd_returns")

    # When: a batch so large is written in several parts
    buried = Buried()
    large = [returned("x" * 2**18, str(number)) for number in range(100, 112)]
    worker.write(batch_of([*runs, *large], first=2, buried=buried))

    # Then
    assert buried.refusals == []
    assert ways(copied, "states") == ["COPY", "INSERT"]
    assert ways(copied, "returns") == ["COPY"]
    assert len(copied.rows("returns")) == 52
    assert len(copied.rows("states")) == 40


def test_where_copies_are_usual_copying_is_left_out_for_a_while(copied: Database) -> None:
    # Given: another master writes the same
    worker, other = copied.worker(), copied.worker()
    for turn in range(quickly.CHANCES + 1):
        for chunk, writer in enumerate((other, worker)):
            writer.write(batch_of(numbered(30, turn * 30), first=1 + turn * 2 + chunk))
    copied.execute("DELETE FROM ways")

    # When: it stops
    for turn in range(2**quickly.CHANCES + 1):
        worker.write(batch_of(numbered(30, 1000 + turn * 30), first=100 + turn))

    # Then
    assert ways(copied, "returns") == ["INSERT", "COPY"]


def test_a_bad_event_is_set_aside_alone(copied: Database) -> None:
    # Given
    copied.refuse("returns", "minion_id = 'bad'")
    buried = Buried()

    # When
    copied.worker().write(batch_of([*numbered(40), returned(minion_id="bad"), *numbered(40, 40)], buried=buried))

    # Then
    assert buried.positions == [40]
    assert len(copied.rows("returns")) == 80


def test_a_rule_of_somebodys_own_is_not_passed_by(copied: Database) -> None:
    # Given: an insert cannot do its work beside it, and a copy would not heed it
    copied.execute("CREATE RULE none AS ON INSERT TO eventsd_returns DO INSTEAD NOTHING")

    # When / Then
    with pytest.raises(Doubted, match="rule"):
        copied.worker().write(batch_of(numbered(40)))
    assert copied.rows("returns") == []


def test_what_a_trigger_keeps_out_is_not_counted_as_written(copied: Database) -> None:
    # Given
    copied.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER lose BEFORE INSERT ON eventsd_returns FOR EACH ROW WHEN (NEW.jid = '7')"
        " EXECUTE FUNCTION lose()",
    )
    buried = Buried()

    # When
    copied.worker().write(batch_of(numbered(40), buried=buried))

    # Then
    assert buried.positions == [7]
    assert len(copied.rows("returns")) == 39


def test_a_role_under_row_security_writes_carefully(copied: Database) -> None:
    # Given: the server refuses to copy for it
    url = copied.new_user(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
    )
    copied.execute(
        "ALTER TABLE eventsd_returns ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_of_it ON eventsd_returns USING (true)",
    )
    buried = Buried()

    # When
    Database(url).worker().write(batch_of(numbered(40), buried=buried))

    # Then
    assert (buried.refusals, len(copied.rows("returns"))) == ([], 40)
    assert ways(copied, "returns") == ["INSERT"]
