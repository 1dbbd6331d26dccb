"""
Salt's job cache, as ``_returners/eventsd.py`` offers it: each function takes Salt's options and what Salt hands over.

============ ==========================================================================================================
``places``   where a process of Salt's finds the doorstep, and what is redacted; once for each configuration
``keep``     what Salt tells: never raises, never waits for a database
``load``     what is asked most: the load of a job, from the doorstep alone if it is there
``answer``   what else Salt asks: from the doorstep what is fresh, from the database the rest
``lists``    lists of jobs
``fresh``    what is on the doorstep
``ask``      the database, with what a process keeps from question to question
``direct``   what a minion without an engine of its own keeps: it writes to the database itself
============ ==========================================================================================================
"""
