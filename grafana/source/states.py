"""
The dashboard of states: how minions are, which states fail and why, which take longest, and which job changed a file.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import Panel, dashboard, words
from grafana.source.panels import graph, stat, table
from grafana.source.sql import Database

_OUTCOMES = ("healthy", "changed", "failed", "stale", "never")
_CHANGED = "s.changed = TRUE AND (s.test IS NULL OR s.test = FALSE) AND $__timeFilter(s.stamp)"


def states(database: Database) -> dict[str, Any]:
    """
    Return it.

    :param database: which is asked.
    """
    failed = "FROM eventsd_states s WHERE s.result = FALSE AND $__timeFilter(s.stamp)"
    who = "(SELECT j.user FROM eventsd_jobs j WHERE j.jid = s.jid)"
    return dashboard(
        f"states-{database.folder}",
        f"Salt states and conformity ({database.source.title})",
        database.source,
        [
            [
                *(_outcome(one) for one in _OUTCOMES),
                stat("States that failed", f"SELECT COUNT(*) AS states {failed}", bad=True),
            ],
            [
                table(
                    "How is each minion?",
                    "SELECT c.minion_id AS minion, c.outcome, c.states, c.changed, c.failed, c.stamp AS time, c.jid"
                    " FROM eventsd_v_conformity c ORDER BY CASE c.outcome WHEN 'failed' THEN 0 WHEN 'stale' THEN 1"
                    " WHEN 'never' THEN 2 WHEN 'changed' THEN 3 ELSE 4 END, c.minion_id LIMIT 1000",
                    width=12,
                    about="By its last run of states that was no dry run, whatever time is looked at.",
                ),
                table(
                    "Which states take longest?",
                    "SELECT s.state, SUBSTRING(s.state_id, 1, 100) AS id, COUNT(*) AS runs,"
                    " AVG(s.duration_ms) AS average, MAX(s.duration_ms) AS longest FROM eventsd_states s"
                    f" WHERE s.duration_ms IS NOT NULL AND $__timeFilter(s.stamp){database.each_state}"
                    " GROUP BY s.state, SUBSTRING(s.state_id, 1, 100) ORDER BY 5 DESC LIMIT 50",
                    width=12,
                    unit="ms",
                ),
            ],
            [
                graph(
                    "Changes and failures",
                    "SELECT $__timeGroupAlias(s.stamp,$__interval),"
                    " SUM(CASE WHEN s.changed AND (s.test IS NULL OR NOT s.test) THEN 1 ELSE 0 END) AS changed,"
                    " SUM(CASE WHEN s.result THEN 0 WHEN s.result IS NULL THEN 0 ELSE 1 END) AS failed"
                    " FROM eventsd_states s WHERE $__timeFilter(s.stamp) GROUP BY 1 ORDER BY 1",
                    bars=True,
                ),
                table(
                    "Which states fail?",
                    "SELECT s.state, SUBSTRING(s.state_id, 1, 100) AS id, s.sls AS file, COUNT(*) AS times,"
                    f" COUNT(DISTINCT s.minion_id) AS minions, MAX(s.stamp) AS last {failed}"
                    " GROUP BY s.state, SUBSTRING(s.state_id, 1, 100), s.sls ORDER BY 4 DESC LIMIT 50",
                    width=12,
                ),
            ],
            [
                table(
                    "Why did they fail?",
                    f"SELECT s.stamp AS time, s.minion_id AS minion, s.state, SUBSTRING(s.state_id, 1, 100) AS id,"
                    f" {database.beginning('s.comment')} AS why, s.jid {failed} ORDER BY s.stamp DESC LIMIT 200",
                )
            ],
            [
                table(
                    "Which job changed this file?",
                    f"SELECT s.stamp AS time, s.minion_id AS minion, {who} AS who, s.state, s.name,"
                    f" {database.beginning('s.changes')} AS changes, s.jid FROM eventsd_states s WHERE {_CHANGED}"
                    " AND s.name LIKE ${file:sqlstring} ORDER BY s.stamp DESC LIMIT 200",
                    about="File above takes SQL's marks: % is any text.",
                )
            ],
        ],
        [words("file", "File", "%")],
    )


def _outcome(outcome: str) -> Panel:
    query = f"SELECT COUNT(*) AS minions FROM eventsd_v_conformity c WHERE c.outcome = '{outcome}'"
    return stat(f"Minions {outcome}", query, bad=outcome == "failed")
