"""
The last run of states of each minion, and what runs have changed.

============ ==========================================================================================================
``last``     the door to the first: as it is now, or as of a time; also where the table has partitions
``earlier``  of many minions, and as of a time, where a look for each minion would begin at its newest return
``together`` the newest runs of all minions
``changed``  of which few minions, functions, names and ids changes have to be
============ ==========================================================================================================
"""
