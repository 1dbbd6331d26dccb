"""
The dashboard of one minion: how it is, what it ran, what failed and what was changed on it.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import choice, dashboard
from grafana.source.panels import graph, stat, table
from grafana.source.sql import FAILED, Database, answers

_IS_IT = "minion_id = ${minion:sqlstring}"


def minion(database: Database) -> dict[str, Any]:
    """
    Return it.

    :param database: which is asked.
    """
    returned = f"FROM eventsd_returns r WHERE r.{_IS_IT} AND $__timeFilter(r.stamp)"
    ran = f"FROM eventsd_states s WHERE s.{_IS_IT} AND $__timeFilter(s.stamp)"
    every = "SELECT m.minion_id FROM eventsd_minions m ORDER BY m.minion_id"
    return dashboard(
        f"minion-{database.folder}",
        f"Salt minion ({database.source.title})",
        database.source,
        [
            [
                table(
                    "How is it?",
                    "SELECT c.outcome, c.states, c.changed, c.failed, c.stamp AS time, c.fun AS what, c.jid"
                    f" FROM eventsd_v_conformity c WHERE c.{_IS_IT}",
                    width=12,
                    height=4,
                    about="By its last run of states that was no dry run, whatever time is looked at.",
                ),
                stat("Answers", f"SELECT COUNT(*) AS answers {returned}"),
                stat("Failed", f"SELECT COALESCE(SUM({FAILED}), 0) AS answers {returned}", bad=True),
                stat(
                    "Changes",
                    f"SELECT COUNT(*) AS changes {ran} AND s.changed = TRUE AND (s.test IS NULL OR s.test = FALSE)",
                ),
            ],
            [
                answers(returned),
                graph(
                    "How long its states take",
                    "SELECT $__timeGroupAlias(r.stamp,$__interval), MAX(r.duration_ms) AS longest"
                    f" {returned} AND r.duration_ms IS NOT NULL GROUP BY 1 ORDER BY 1",
                    unit="ms",
                ),
            ],
            [
                table(
                    "What failed on it, and why?",
                    f"SELECT s.stamp AS time, s.state, SUBSTRING(s.state_id, 1, 100) AS id,"
                    f" {database.beginning('s.comment')} AS why, s.jid {ran} AND s.result = FALSE"
                    " ORDER BY s.stamp DESC LIMIT 100",
                    width=12,
                ),
                table(
                    "What was changed on it, and by whom?",
                    "SELECT s.stamp AS time, (SELECT j.user FROM eventsd_jobs j WHERE j.jid = s.jid) AS who, s.name,"
                    f" {database.beginning('s.changes')} AS changes, s.jid {ran} AND s.changed = TRUE"
                    " AND (s.test IS NULL OR s.test = FALSE) ORDER BY s.stamp DESC LIMIT 100",
                    width=12,
                ),
            ],
            [
                table(
                    "What did it run?",
                    "SELECT r.stamp AS time, r.fun AS what, (SELECT j.user FROM eventsd_jobs j WHERE j.jid = r.jid)"
                    f" AS who, r.success, r.retcode AS code, {database.beginning('r.return')} AS returned, r.jid"
                    f" {returned} ORDER BY r.stamp DESC LIMIT 100",
                )
            ],
        ],
        [choice("minion", "Minion", database.source, every)],
    )
