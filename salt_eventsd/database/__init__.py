"""
The sql worker, on SQLAlchemy Core.

``engines`` connects, ``dialects`` holds all that differs between
SQLite, PostgreSQL and MySQL/MariaDB, ``schema`` has the tables and
``migrate`` their versions, ``rows`` turns events into rows,
``blame.faults`` tells a fault from a refusal, ``store`` writes a batch
exactly once, and ``insertion`` finds what of it is refused.
"""
