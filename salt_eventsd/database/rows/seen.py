"""What events say of when their minions were seen. Pure: no database in here."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

from salt_eventsd.database.dialects.base.runs import Values
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.rows.returned import COLUMNS, Usual

#: A minion's id, when it was seen, the job and the function it returned, "" for none, and the master it returned to.
Sighting = tuple[str, str, str, str, str]
#: Makes one of a return's row.
sighting_in: Callable[[Values], Sighting] = itemgetter(
    *map(COLUMNS.index, ("minion_id", "stamp", "jid", "fun", "master_id"))
)


def sighting_of(usual: Usual) -> Sighting:
    """
    Return that of a usual return.

    :param usual: its row.
    """
    like = usual.like
    return (usual.minion_id, usual.stamp, usual.jid, like.outcome[0], like.master_id)


def seen_in(sighting: Sighting) -> Row:
    """
    Return the row of a minion that was seen.

    :param sighting: when, and of what.
    """
    minion_id, stamp, jid, fun, master_id = sighting
    return {
        "minion_id": minion_id,
        "first_seen": stamp,
        "last_seen": stamp,
        "last_jid": jid or None,
        "last_fun": fun or None,
        "master_id": master_id,
    }
