"""
Views over the tables, the same on every database. Their names and columns are an outside interface.

=========================== ===========================================================================================
``eventsd_v_answers``       a row for each job and minion: was it asked, did it answer, and how did it go
``eventsd_v_failures``      answers that failed
``eventsd_v_changes``       states that changed something on a minion; dry runs change nothing
``eventsd_v_conformity``    a row for each minion: its last run of states, and what came of it
=========================== ===========================================================================================

A view asks with what stands in an index, row by row, so that a question about one job or one minion looks at the rows
of that one alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.schema import IS_RUN, RUNS_STATES, STATE_RUNS

#: A run of states that is older says nothing of how a minion is.
STALE_DAYS = 7


def definitions(dialect: Dialect) -> Mapping[str, str]:
    """
    Return the views, each with its ``SELECT``, in the order in which they can be made.

    :param dialect: of the database.
    """
    return {
        "eventsd_v_answers": _answers(dialect),
        "eventsd_v_failures": _FAILURES.format(false=dialect.views.false),
        "eventsd_v_changes": _CHANGES.format(
            true=dialect.views.true, false=dialect.views.false, runs_states=RUNS_STATES
        ),
        "eventsd_v_conformity": _conformity(dialect),
    }


# A minion may answer twice, to the rounds of a batch or once more after a lost connection. It has failed if one of its
# answers has. What does not say how it went has not failed. A runner's job names no minions: whoever answers is
# expected to. All of it is one pass over both tables, and a condition on the jid or the minion is moved into each part.
def _answers(dialect: Dialect) -> str:
    if dialect.views.by_row:
        return _answers_by_row(dialect)
    elements = dialect.views.elements("j.minions", "m")
    failed = "CASE WHEN r.success THEN 0 WHEN r.success IS NULL THEN 0 ELSE 1 END"
    return f"""
SELECT x.jid, x.minion_id, MAX(x.asked) = 1 AS expected, MAX(x.failed) IS NOT NULL AS answered,
       CASE MAX(x.failed) WHEN 0 THEN 'succeeded' WHEN 1 THEN 'failed' ELSE 'missing' END AS outcome
  FROM (SELECT j.jid, m.value AS minion_id, 1 AS asked, NULL AS failed FROM eventsd_jobs j {elements}
        UNION ALL
        SELECT r.jid, r.minion_id, 0, {failed} FROM eventsd_returns r
        UNION ALL
        SELECT j.jid, r.minion_id, 1, NULL
          FROM eventsd_jobs j JOIN eventsd_returns r ON r.jid = j.jid WHERE j.minions IS NULL) x
 GROUP BY x.jid, x.minion_id"""


def _answers_by_row(dialect: Dialect) -> str:
    """The same where a condition is not moved into what is grouped: each row is looked up by itself."""
    elements = dialect.views.elements("j.minions", "m")
    failed = "MAX(CASE WHEN r.success THEN 0 WHEN r.success IS NULL THEN 0 ELSE 1 END)"
    told = dialect.views.has("j.minions", "r.minion_id")
    return f"""
SELECT x.jid, x.minion_id, x.expected, x.failed IS NOT NULL AS answered,
       CASE x.failed WHEN 0 THEN 'succeeded' WHEN 1 THEN 'failed' ELSE 'missing' END AS outcome
  FROM (SELECT DISTINCT j.jid, m.value AS minion_id, 1 = 1 AS expected,
               (SELECT {failed} FROM eventsd_returns r WHERE r.jid = j.jid AND r.minion_id = m.value) AS failed
          FROM eventsd_jobs j {elements}
        UNION ALL
        SELECT r.jid, r.minion_id,
               EXISTS (SELECT 1 FROM eventsd_jobs j WHERE j.jid = r.jid AND j.minions IS NULL), {failed}
          FROM eventsd_returns r
         WHERE NOT EXISTS (SELECT 1 FROM eventsd_jobs j WHERE j.jid = r.jid AND {told})
         GROUP BY r.jid, r.minion_id) x"""


_FAILURES = """
SELECT r.id, r.jid, r.minion_id, r.fun, r.fun_args, r.retcode, r.success, r.test, r.return, r.duration_ms, r.stamp,
       r.master_id
  FROM eventsd_returns r
 WHERE r.success = {false}"""

_CHANGES = """
SELECT s.jid, s.minion_id, s.run_num, s.fun, s.sls, s.state_id, s.state, s.name, s.result, s.duration_ms, s.comment,
       s.changes, s.stamp
  FROM eventsd_states s
 WHERE s.changed = {true} AND (s.test IS NULL OR s.test = {false})
   AND (s.state IS NULL OR s.state <> '{runs_states}')"""


# A release before 1.0 has not counted the states of a run. The success of a return is that of all its functions.
def _conformity(dialect: Dialect) -> str:
    functions = ", ".join(f"'{fun}'" for fun in STATE_RUNS)
    of_run = "FROM eventsd_states s WHERE s.jid = r.jid AND s.minion_id = f.minion_id"
    return f"""
SELECT c.minion_id, c.jid, c.fun, c.stamp, c.states, c.changed, c.failed,
       CASE WHEN c.jid IS NULL THEN 'never' WHEN c.stamp < {dialect.views.days_ago(STALE_DAYS)} THEN 'stale'
            WHEN c.failed > 0 OR (NOT c.success AND c.fun IN ({functions})) THEN 'failed'
            WHEN c.changed > 0 THEN 'changed' ELSE 'healthy'
             END AS outcome
  FROM (SELECT f.minion_id, r.jid, r.fun, r.stamp, r.success,
               COALESCE(r.states, (SELECT COUNT(*) {of_run})) AS states,
               COALESCE(r.states_changed, (SELECT COUNT(*) {of_run} AND s.changed)) AS changed,
               COALESCE(r.states_failed, (SELECT COUNT(*) {of_run} AND NOT s.result)) AS failed
          FROM (SELECT m.minion_id,
                       (SELECT r.id FROM eventsd_returns r
                         WHERE r.minion_id = m.minion_id AND {IS_RUN}
                         ORDER BY r.stamp DESC, r.id DESC LIMIT 1) AS last_id
                  FROM eventsd_minions m) f
          LEFT JOIN eventsd_returns r ON r.id = f.last_id) c"""
