"""
Retention: what is older than ``keep`` says goes, and what a minion has left goes on demand.

A job goes as a whole, its returns and states with it, and never while one of its rows is to be kept. Everything is
deleted in small steps, each a short transaction, with rests between them that grow with what the steps take.

============== ========================================================================================================
``keep``       how long rows are kept, and since when they are too old
``aged_jobs``  which jobs are too old as a whole, and what deletes them
``aged_rows``  rows that belong to no job: events, numbers, and states that are kept for less time than returns
``walk``       goes through the tables in the order of time, and finds what is too old
``purge``      counts it, or deletes it
``pace``       how much a step takes, and how long the rest after it is
``steps``      each a short transaction of its own, with a rest after it
``lock``       one purge at a time in a database, whichever master it is of
``nightly``    purges by itself, each night
``forget``     all that a minion has left, but for what others say of it
============== ========================================================================================================
"""
