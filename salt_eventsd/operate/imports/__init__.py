"""
Bring into the history what a job cache of Salt's has kept: all of it, or what came in gaps.

============ ==========================================================================================================
``run``      ``eventsd.import_jobs``: all jobs of a time
``gaps``     ``eventsd.repair``: what came in gaps
``bring``    what both do: ask the source, ask the history, write what it lacks, count
``sources``  which job cache is asked
``write``    writes events into the database by the worker's own way, and tries again where that may help
``waiting``  of which time something may wait in the spool, which is left to the engine
``mark``     how far an import has come, for the next one if it is cut off
============ ==========================================================================================================
"""
