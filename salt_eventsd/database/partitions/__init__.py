"""
Partitions: ``eventsd_returns`` and ``eventsd_states`` by ranges of the job id, ``eventsd_events`` by ranges of time.

A job id begins with its time, and is part of each key of these tables, so copies of a row meet in one partition. What
writes and what asks need not know of partitions: how rows are told apart stays the same.

=========== ===========================================================================================================
``ranges``  which days a partition has. Pure: no database in here
``make``    turns tables into tables of partitions, and makes partitions ahead of time
``tries``   how a change of a table waits for others, and they for it
``old``     drops the partitions of which all rows are too old, before a purge deletes the rest row by row
``late``    whether something has come into them meanwhile
=========== ===========================================================================================================
"""
