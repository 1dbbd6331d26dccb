"""
Events become rows of the built-in tables. Pure: no database in here.

``build`` is the door: it says which rows an event has in which tables. ``jobs`` and ``states`` make the rows of their
tables, ``usual_run`` those of usual runs of states at less cost, and ``usual_return`` with ``latest`` those of usual
returns; ``longest`` marks states that took long, and ``returned`` is what rows of returns are on their way into their
table. ``alike`` makes once what the returns of a job have in common, ``cells`` makes what stands in a column, and
``remainder`` finds what stands in none.
``digest`` tells a copy of an event from another event, ``merging`` makes one row of a job that several senders tell of,
and ``seen`` is about when minions were.
:mod:`salt_eventsd.database.user_tables` makes the rows of users' own tables.
"""

from __future__ import annotations

from salt_eventsd.database.rows.build import RowBuilder

__all__ = ["RowBuilder"]
