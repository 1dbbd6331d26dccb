"""The targets of the figures, and the figures beside them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.carry import Figures
from benchmarks.databases import MARIADB, POSTGRESQL, SQLITE
from benchmarks.yardstick import CPU, YARDSTICKS

_BATCH_SECONDS = 1.0
#: How many times as fast as the driver's plain insert a backlog drains, and the yardsticks of an event, by database.
_DRAIN = {POSTGRESQL: 1.5, MARIADB: 1.0, SQLITE: 0.8}
#: The end of a run's name in which one state in twenty has changed something.
FEW_CHANGES = ", few changes"
#: How many MB of such highstates are stored in a second, and drained of a backlog.
_HIGHSTATES = {POSTGRESQL: 25.0, MARIADB: 20.0}
_YARDSTICKS = {POSTGRESQL: 7.0, MARIADB: 7.0, SQLITE: 8.0}
#: How fast rules with something of the user's own write, of the built-in tables' rate. A statement may be anything, and
#: is executed for each event: it does not go the servers' ways for many rows at once, as rows of a table do.
_OWN_TABLE, _OWN_STATEMENT = 0.8, 0.5
#: What a step may take at most on a machine whose yardstick takes 13 us, in microseconds, by how its name begins: to
#: look through a run of states that may hold a secret, and to find the next batch.
_MOST_US = {"parse, match, redact: 100 KB, '": 10_000.0, "dispatch: claim": 200.0}


def targets(figures: Mapping[str, Sequence[Figures]]) -> list[Figures]:
    """
    Return a row for each figure that has a target.

    :param figures: section -> its rows.
    """
    return list(_targets(figures))


def _targets(figures: Mapping[str, Sequence[Figures]]) -> Iterator[Figures]:
    for row in figures.get("burst", ()):
        if row["run"].startswith("engine"):
            yield _target(row, "lost", "0", lambda value: value == 0)
            most = _of(_YARDSTICKS, row["run"])
            yield _target(row, YARDSTICKS, f"<= {most:.0f}", most.__ge__)
            yield _target(row, "peak RSS MB", "<= 120", lambda value: value <= 120)
    for row in figures.get("latency", ()):
        most = 30.0 if "prio" in row["run"] else 1100.0 * _BATCH_SECONDS
        yield _target(row, "p99 ms", f"<= {most:.0f}", most.__ge__)
    for row in figures.get("highstate", ()):
        yield _target(row, "lost", "0", lambda value: value == 0)
        yield _target(row, "peak RSS MB", "<= 150", lambda value: value <= 150)
        for kind, megabytes in _HIGHSTATES.items():
            if row["run"].endswith(FEW_CHANGES) and kind in row["run"]:
                yield _target(row, "stored MB/s", f">= {megabytes:.0f}", megabytes.__le__)
    for row in figures.get("stages", ()):
        if "MB/s" in row and (least := _HIGHSTATES.get(row["stage"].partition(":")[0])):
            yield _target(row, "MB/s", f">= {least:.0f}", least.__le__)
        elif "of plain insert" in row and "drain" in row["stage"]:
            least = _of(_DRAIN, row["stage"])
            yield _target(row, "of plain insert", f">= {least:.1f}", least.__le__)
        if "of built-in" in row:
            least = _OWN_STATEMENT if "statement" in row["stage"] else _OWN_TABLE
            yield _target(row, "of built-in", f">= {least:.1f}", least.__le__)
        if most_us := next((most for begin, most in _MOST_US.items() if row["stage"].startswith(begin)), 0.0):
            yield _target(row, CPU, f"<= {most_us:.0f}", most_us.__ge__)
        if "us more than one" in row:
            yield _target(row, "us more than one", "<= 10", lambda value: value <= 10)


def _of(by_database: Mapping[str, float], name: str) -> float:
    return next(value for kind, value in by_database.items() if kind in name)


def _target(row: Figures, figure: str, should: str, is_met: Callable[[float], bool]) -> Figures:
    what = row.get("run") or row["stage"]
    return {"what": what, "figure": figure, "is": row[figure], "should be": should, "met": is_met(row[figure])}
