"""
What a dialect is: one object for each database, with a part for each subject in which databases differ.

A dialect is a folder. Its ``__init__`` puts the parts together; a part that needs nothing special is taken from here.
What is here is standard SQL with ``ON CONFLICT``.

=============== =================== ==============================================================
part            module              what it knows
=============== =================== ==============================================================
(the dialect)   ``encode``          how values of events are written
``types``       ``column_types``    types of columns, options of tables
``session``     ``session``         URLs, drivers, connections, time limits
``inserts``     ``insert``          rows in, whether their key is there already or not
``ddl``         ``ddl``             locks, sizes and leftovers when tables are made or changed
``reflection``  ``reflection``      what a table of the user's own looks like
``statements``  ``statements``      a user's statement: quotes, checks, many rows at once
``faults``      ``faults``          what an error means for a batch
``views``       ``views``           what views need besides standard SQL
``questions``   ``questions``       what questions to the history need besides standard SQL
``upkeep``      ``upkeep``          what a purge needs
``partitions``  ``partitions``      tables in parts that go at once
=============== =================== ==============================================================

``bulk`` inserts many rows at little cost; ``quickly`` at still less, where nothing is there already, and ``lines``
writes them for that; ``runs`` are rows that come many at a time; ``insert`` chooses how.
``conditions`` are those that all databases read alike.
"""

from __future__ import annotations

from typing import ClassVar

from salt_eventsd.database.dialects.base.column_types import Types
from salt_eventsd.database.dialects.base.ddl import Ddl
from salt_eventsd.database.dialects.base.encode import Encoder
from salt_eventsd.database.dialects.base.faults import Faults
from salt_eventsd.database.dialects.base.insert import Inserts
from salt_eventsd.database.dialects.base.partitions import Partitions
from salt_eventsd.database.dialects.base.questions import Questions
from salt_eventsd.database.dialects.base.reflection import Reflection
from salt_eventsd.database.dialects.base.session import Session
from salt_eventsd.database.dialects.base.statements import Statements
from salt_eventsd.database.dialects.base.upkeep import Upkeep
from salt_eventsd.database.dialects.base.views import Views


class Dialect(Encoder):
    """
    All that differs in one database.

    Only the dialect itself has state, which :meth:`learn` sets: each worker has one of its own. The parts have none.

    :cvar name: SQLAlchemy's name of the database.
    """

    name: ClassVar[str]
    types: ClassVar[Types] = Types()
    session: ClassVar[Session] = Session()
    inserts: ClassVar[Inserts] = Inserts()
    ddl: ClassVar[Ddl] = Ddl()
    reflection: ClassVar[Reflection] = Reflection()
    statements: ClassVar[Statements] = Statements()
    faults: ClassVar[Faults] = Faults()
    views: ClassVar[Views] = Views()
    questions: ClassVar[Questions] = Questions()
    upkeep: ClassVar[Upkeep] = Upkeep()
    partitions: ClassVar[Partitions] = Partitions()

    @property
    def title(self) -> str:
        """The name of the database as people write it."""
        return type(self).__name__
