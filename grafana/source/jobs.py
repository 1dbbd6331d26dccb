"""
The dashboard of jobs: how many, how they went, whether that is usual, why they failed, and who ran them.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import dashboard
from grafana.source.panels import graph, stat, table
from grafana.source.sql import FAILED, Database, answers

_RATE = f"100.0 * SUM({FAILED}) / NULLIF(COUNT(*), 0)"


def jobs(database: Database) -> dict[str, Any]:
    """
    Return it.

    :param database: which is asked.
    """
    returned = "FROM eventsd_returns r WHERE $__timeFilter(r.stamp)"
    usual = f"r.stamp < {database.start} AND r.stamp >= {database.start} - INTERVAL '7' DAY"
    failed = "FROM eventsd_returns r WHERE r.success = FALSE AND $__timeFilter(r.stamp)"
    return dashboard(
        f"jobs-{database.folder}",
        f"Salt jobs ({database.source.title})",
        database.source,
        [
            [
                stat("How many jobs?", "SELECT COUNT(*) AS jobs FROM eventsd_jobs j WHERE $__timeFilter(j.stamp)"),
                stat("How many failed?", f"SELECT COUNT(DISTINCT r.jid) AS jobs {failed}", bad=True),
                stat(
                    "How many changed something?",
                    "SELECT COUNT(DISTINCT s.jid) AS jobs FROM eventsd_states s WHERE s.changed = TRUE"
                    " AND (s.test IS NULL OR s.test = FALSE) AND $__timeFilter(s.stamp)",
                ),
                stat("How many answers?", f"SELECT COUNT(*) AS answers {returned}"),
                stat("Answers that failed", f"SELECT {_RATE} AS failed {returned}", unit="percent", bad=True),
                stat(
                    "In the 7 days before",
                    f"SELECT {_RATE} AS failed FROM eventsd_returns r WHERE {usual}",
                    unit="percent",
                    about="Answers that failed in the 7 days before the time that is looked at.",
                ),
            ],
            [
                graph(
                    "Jobs",
                    "SELECT $__timeGroupAlias(j.stamp,$__interval), COUNT(*) AS jobs FROM eventsd_jobs j"
                    " WHERE $__timeFilter(j.stamp) GROUP BY 1 ORDER BY 1",
                    bars=True,
                ),
                answers(returned),
            ],
            [
                graph(
                    "Is the failure rate higher than usual?",
                    f"SELECT $__timeGroupAlias(r.stamp,$__interval), {_RATE} AS failed,"
                    f" (SELECT {_RATE} FROM eventsd_returns r WHERE {usual}) AS usual {returned} GROUP BY 1 ORDER BY 1",
                    unit="percent",
                    about="Of a hundred answers; usual is the 7 days before the time that is looked at.",
                ),
                table(
                    "Who ran it?",
                    "SELECT j.user AS who, j.fun AS what, j.kind, COUNT(*) AS times, SUM(j.minion_count) AS minions,"
                    " MAX(j.stamp) AS last FROM eventsd_jobs j WHERE $__timeFilter(j.stamp)"
                    " GROUP BY j.user, j.fun, j.kind ORDER BY 4 DESC LIMIT 100",
                    width=12,
                ),
            ],
            [
                table(
                    "Why did it fail?",
                    f"SELECT r.stamp AS time, r.minion_id AS minion, r.fun AS what, r.retcode AS code,"
                    f" COALESCE((SELECT {database.beginning('s.comment')} FROM eventsd_states s WHERE s.jid = r.jid"
                    " AND s.minion_id = r.minion_id AND s.result = FALSE ORDER BY s.run_num LIMIT 1),"
                    f" {database.beginning('r.return')}) AS why, r.jid {failed} ORDER BY r.stamp DESC LIMIT 200",
                )
            ],
            [
                table(
                    "Newest jobs",
                    "SELECT j.stamp AS time, j.user AS who, j.fun AS what, j.tgt AS target, j.minion_count AS asked,"
                    " (SELECT COUNT(DISTINCT r.minion_id) FROM eventsd_returns r WHERE r.jid = j.jid) AS answered,"
                    " (SELECT COUNT(DISTINCT r.minion_id) FROM eventsd_returns r WHERE r.jid = j.jid"
                    " AND r.success = FALSE) AS failed, j.jid FROM eventsd_jobs j WHERE $__timeFilter(j.stamp)"
                    " ORDER BY j.stamp DESC LIMIT 200",
                )
            ],
        ],
    )
