"""
Rows on their way out of a history: as they are into another database, or as the frames they once were.

=========== =======================================================================
``copy``    whole tables into another database
``pages``   the rows of a table some at a time, in the order of their key
``cells``   a row of one database as another one takes it
``history`` the frames of a time, for a replay
``slices``  the rows of a table in the order of time
``frames``  a row as the frame it was on the bus
``done``    which slices were replayed already
``tries``   short transactions, tried again
=========== =======================================================================
"""
