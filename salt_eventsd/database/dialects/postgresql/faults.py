"""
What PostgreSQL's errors mean; most of it is in their SQLSTATEs.
"""

from __future__ import annotations

from salt_eventsd.database.dialects.base.faults import Faults, original_of, state_of

#: No such function or operator, several such, no cast, no type to be told: as a statement is wrong, or a value.
_TYPES = frozenset(("42883", "42725", "42846", "42P18"))
_CHECK_VIOLATION = "23514"


class PostgreSQLFaults(Faults):
    """Classifies the errors of PostgreSQL."""

    def may_be_a_value(self, error: BaseException) -> bool:
        """See :class:`Faults`."""
        return state_of(original_of(error)) in _TYPES

    def is_without_place(self, error: BaseException) -> bool:
        """See :class:`Faults`. A missing partition is a violated check without a name; a user's own check has one."""
        original = original_of(error)
        constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
        return state_of(original) == _CHECK_VIOLATION and not constraint

    def said(self, original: BaseException) -> str:
        """See :class:`Faults`. The server's message without the row that it adds."""
        primary = getattr(getattr(original, "diag", None), "message_primary", None)
        return f"{type(original).__name__}: {primary}" if primary else super().said(original)
