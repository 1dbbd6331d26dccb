"""
The past: what a job cache of Salt's has kept, as the frames that the bus has carried of the same, and which of them the
history lacks. The repair of gaps and ``eventsd.import_jobs`` share it.

=============== =======================================================================================================
``told``        what a job cache tells, piece by piece, and of which time it is wanted
``local_cache`` walks through the files of Salt's own job cache
``returner``    asks any other returner
``frames``      makes frames of loads and returns
``missing``     which of the pieces the history lacks, and the rules want
=============== =======================================================================================================
"""
