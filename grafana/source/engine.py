"""
The dashboard of the engine by its own numbers in the history: what it reads and writes, what waits, what went wrong.
They are there where a worker ``stats`` writes them, once a minute.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import choice, dashboard
from grafana.source.panels import graph, stat, table
from grafana.source.sql import Database

_MINE = "s.master_id = ${master:sqlstring}"
_NOW = f"{_MINE} AND s.stamp = (SELECT MAX(l.stamp) FROM eventsd_stats l WHERE l.master_id = ${{master:sqlstring}})"
#: Counters begin at 0 when the engine starts, so a smaller number than before is what was counted since then.
_MORE = (
    "CASE WHEN s.value >= LAG(s.value) OVER w THEN s.value - LAG(s.value) OVER w"
    " WHEN LAG(s.value) OVER w IS NULL THEN 0 ELSE s.value END"
)
_LOOKED_AT = f"{_MINE} AND $__timeFilter(s.stamp)"
_SEEN = "s.name IN ('bus.received', 'bus.matched')"
_MASTERS = "SELECT s.master_id FROM eventsd_stats s WHERE s.name = 'process.rss_bytes' GROUP BY s.master_id ORDER BY 1"
_EACH = "In each point of the curve."


def engine(database: Database) -> dict[str, Any]:
    """
    Return it.

    :param database: which is asked.
    """
    return dashboard(
        f"engine-{database.folder}",
        f"Salt: the engine eventsd ({database.source.title})",
        database.source,
        [
            [
                stat("Workers down", f"SELECT COUNT(*) AS workers {_of_workers('up', _NOW)} AND s.value = 0", bad=True),
                stat("Events lost", _grown("s.name = 'bus.lost'"), bad=True),
                stat("Gaps", _grown("s.name = 'bus.gaps_noticed'"), bad=True),
                stat("Dead letters", _grown(_workers("buried")), bad=True),
                stat("Events dropped", _grown(_workers("dropped")), bad=True),
                stat("Tries that failed", _grown(_workers("retries")), bad=True),
            ],
            [
                graph(
                    "Events",
                    _curve(
                        "SUM(CASE WHEN g.name = 'bus.received' THEN g.more ELSE 0 END) AS received,"
                        " SUM(CASE WHEN g.name = 'bus.matched' THEN g.more ELSE 0 END) AS taken",
                        _growth(_SEEN),
                    ),
                    about=f"{_EACH} A rule takes some of those that are received.",
                ),
                graph("Events written", _curve("SUM(g.more) AS written", _growth(_workers("written"))), about=_EACH),
            ],
            [
                graph(
                    "Events that wait",
                    _curve(
                        "MAX(g.waiting) AS waiting",
                        "FROM (SELECT s.stamp, SUM(s.value) AS waiting"
                        f" {_of_workers('queued_events', _LOOKED_AT)} GROUP BY s.stamp) g",
                    ),
                ),
                graph("Age of the oldest", _highest("spool.oldest_seconds", "oldest"), unit="s"),
            ],
            [
                graph("Spool", _highest("spool.bytes", "events"), unit="bytes", width=8),
                graph("Memory", _highest("process.rss_bytes", "engine"), unit="bytes", width=8),
                graph(
                    "Processor",
                    _curve("SUM(g.more) AS engine", _growth("s.name = 'process.cpu_seconds'")),
                    unit="s",
                    width=8,
                    about=_EACH,
                ),
            ],
            [table("Workers", _TABLE, about="As of the newest numbers, since the engine was started.")],
        ],
        [choice("master", "Master", database.source, _MASTERS)],
    )


def _workers(number: str) -> str:
    # Those of a worker's rules are counted in the worker's, too.
    return f"s.name LIKE 'workers.%.{number}' AND s.name NOT LIKE 'workers.%.rules.%'"


def _of_workers(number: str, which: str) -> str:
    return f"FROM eventsd_stats s WHERE {which} AND {_workers(number)}"


def _growth(which: str) -> str:
    return (
        f"FROM (SELECT s.stamp, s.name, {_MORE} AS more FROM eventsd_stats s WHERE {_LOOKED_AT} AND {which}"
        " WINDOW w AS (PARTITION BY s.name ORDER BY s.stamp)) g"
    )


def _grown(which: str) -> str:
    return f"SELECT COALESCE(SUM(g.more), 0) AS events {_growth(which)}"


def _curve(what: str, found: str) -> str:
    return f"SELECT $__timeGroupAlias(g.stamp,$__interval), {what} {found} GROUP BY 1 ORDER BY 1"


def _highest(name: str, shown: str) -> str:
    found = f"FROM (SELECT s.stamp, s.value FROM eventsd_stats s WHERE {_LOOKED_AT} AND s.name = '{name}') g"
    return _curve(f"MAX(g.value) AS {shown}", found)


def _also(number: str, shown: str) -> str:
    return (
        "(SELECT o.value FROM eventsd_stats o WHERE o.master_id = w.master_id AND o.stamp = w.stamp"
        f" AND o.name = CONCAT('workers.', w.worker, '.{number}')) AS {shown}"
    )


_TABLE = (
    "SELECT w.worker, "
    + ", ".join(
        _also(number, shown)
        for number, shown in (
            ("up", "up"),
            ("queued_events", "waiting"),
            ("oldest_age", "seconds"),
            ("dead_letters", "dead"),
            ("dropped", "dropped"),
            ("retries", "tries"),
        )
    )
    + ", w.value AS written, w.stamp AS time FROM (SELECT s.master_id, s.stamp, s.value,"
    " SUBSTRING(s.name, 9, CHAR_LENGTH(s.name) - 16) AS worker"
    f" {_of_workers('written', _NOW)}) w ORDER BY w.worker"
)
