"""Copies are looked for by their whole key, also in a table of which the database knows nothing yet."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tests.support.events import returned, state_result
from tests.support.stores import Database, batch_of

RUNS, STATES = 500, 20
COPIES = 30


def test_to_find_copies_costs_no_look_at_all_rows_of_their_minion(database: Database) -> None:
    # Given: many runs of states of one minion, and a server that has not counted them
    results = {f"file_|-{number}_|-x_|-managed": state_result("x", number) for number in range(STATES)}
    runs = [returned(results, jid=f"{number:020}", fun="state.apply") for number in range(RUNS)]
    worker = database.worker()
    worker.write(batch_of(runs))
    told: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "WITH")) and "comment" in statement:
            told.append((statement, parameters))

    # When: some come again
    sa.event.listen(worker.worker._engine, "before_cursor_execute", note)
    worker.write(batch_of(runs[:COPIES], first=2))

    # Then
    words = database.by_kind("EXPLAIN QUERY PLAN", "EXPLAIN", "EXPLAIN")
    # PostgreSQL rather reads a table of which it thinks that it is small; MariaDB names all indexes there are.
    index = database.by_kind("jid=? AND minion_id=? AND run_num=?", "json_to_recordset", "PRIMARY")
    assert told
    with database.engine.connect() as connection:
        for statement, parameters in told:
            plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{words} {statement}", parameters))
            assert index in plan
            assert "eventsd_states_by_minion" not in plan or database.kind == "mysql"
    assert len(database.rows("states")) == RUNS * STATES
    assert len(database.rows("returns")) == RUNS
