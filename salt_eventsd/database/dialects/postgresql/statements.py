"""
Statements of the user's own in PostgreSQL: not all can be explained, and a semicolon may begin a second one.
"""

from __future__ import annotations

import re
from typing import ClassVar

from salt_eventsd.config.language.parameters import DOLLARS, has_second
from salt_eventsd.database.dialects.base.statements import Statements

#: What PostgreSQL does not explain.
_UTILITY = re.compile(
    r"\s*(CALL|DO|NOTIFY|TRUNCATE|REFRESH|LOCK|SET|COPY|CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE)\b", re.IGNORECASE
)


class PostgreSQLStatements(Statements):
    """Checks and executes statements of the user's own."""

    texts: ClassVar = DOLLARS

    def wrong_with(self, statement: str) -> str:
        """See :class:`Statements`. The drivers would execute a second statement, too."""
        is_alone = not has_second(statement, self.texts)
        return "" if is_alone else "there is a second one behind the semicolon; expected one statement"

    def can_explain(self, statement: str) -> bool:
        """See :class:`Statements`."""
        return not _UTILITY.match(statement)
