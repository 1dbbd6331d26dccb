"""
The sql worker, on SQLAlchemy Core.

:mod:`~salt_eventsd.database.engines` connects, :mod:`~salt_eventsd.database.dialects` holds all that differs between
SQLite, PostgreSQL and MySQL/MariaDB, :mod:`~salt_eventsd.database.schema` has the tables and
:mod:`~salt_eventsd.database.migrate` their versions, :mod:`~salt_eventsd.database.rows` turns events into rows,
:mod:`~salt_eventsd.database.faults` tells a fault from a refusal, :mod:`~salt_eventsd.database.store` writes a batch
exactly once, and :mod:`~salt_eventsd.database.insertion` finds what of it is refused.
"""
