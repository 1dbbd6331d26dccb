"""
Views with the names and columns of the tables of Salt's own ``mysql`` and ``pgjsonb`` returners, for programs that read
those: Alcali, and dashboards of old.

=================== ==============================================================================
``jids``            a row for each job, and for each job id that only a return tells of
``salt_returns``    a row for each job and minion: the first return, as Salt's own job cache has it
``salt_events``     a row for each event that was kept as such
=================== ==============================================================================

JSON is text in all of them, ``success`` is ``1`` or ``0``, and ``alter_time`` is a column with an index, so that the
newest rows are found without sorting all.
"""

from __future__ import annotations

from collections.abc import Mapping

from salt_eventsd.database.dialects import Dialect

#: The order in which they are made.
NAMES = ("jids", "salt_returns", "salt_events")


def definitions(dialect: Dialect) -> Mapping[str, str]:
    """
    Return the views, each with its ``SELECT``.

    :param dialect: of the database.
    """
    return {"jids": _jids(dialect), "salt_returns": _returns(dialect), "salt_events": _events(dialect)}


def _jids(dialect: Dialect) -> str:
    views = dialect.views
    told = {
        "jid": "j.jid",
        "fun": "COALESCE(j.fun, '')",
        "arg": views.document("j.arg", "[]"),
        "tgt": "COALESCE(j.tgt, '')",
        "tgt_type": "COALESCE(j.tgt_type, 'glob')",
        "user": "COALESCE(j.user, '')",
        "minions": views.document("j.minions", "[]"),
    }
    alone = {
        "jid": "r.jid",
        "fun": "COALESCE(r.fun, '')",
        "arg": views.document("r.fun_args", "[]"),
        "tgt": "r.minion_id",
        "tgt_type": "'glob'",
        "user": "''",
    }
    # Each return that Alcali shows needs the row of its job.
    return f"""
SELECT j.jid AS jid, {views.object(told)} AS {views.quote}load{views.quote}
  FROM eventsd_jobs j
 WHERE j.apart = ''
UNION ALL
SELECT r.jid, {views.object(alone)}
  FROM eventsd_returns r
 WHERE NOT EXISTS (SELECT 1 FROM eventsd_jobs j WHERE j.jid = r.jid)
   AND NOT EXISTS (SELECT 1 FROM eventsd_returns o WHERE o.jid = r.jid AND o.id < r.id)"""


def _returns(dialect: Dialect) -> str:
    views = dialect.views
    whole = {
        "jid": "r.jid",
        "id": "r.minion_id",
        "fun": "COALESCE(r.fun, '')",
        "fun_args": views.document("r.fun_args", "[]"),
        "return": views.document("r.return", "null"),
        "retcode": "r.retcode",
        "success": views.truth("r.success"),
    }
    # Nothing may be grouped here: the newest rows are to be found by the index of times.
    return f"""
SELECT COALESCE(r.fun, '') AS fun, r.jid AS jid, {views.json_text("r.return")} AS {views.quote}return{views.quote},
       r.minion_id AS id, CASE WHEN r.success = {views.false} THEN '0' ELSE '1' END AS success,
       {views.object(whole)} AS full_ret, r.stamp AS alter_time
  FROM eventsd_returns r
 WHERE NOT EXISTS (SELECT 1 FROM eventsd_returns o
                    WHERE o.jid = r.jid AND o.minion_id = r.minion_id AND o.id < r.id)"""


def _events(dialect: Dialect) -> str:
    return f"""
SELECT e.id AS id, e.tag AS tag, {dialect.views.json_text("e.data")} AS data, e.stamp AS alter_time,
       e.master_id AS master_id
  FROM eventsd_events e"""
