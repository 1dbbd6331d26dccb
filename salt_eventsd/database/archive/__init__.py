"""
Archive: old jobs and events go into a compressed file, and come back out of it.

A file is JSON lines, compressed with zstd. The first line says what it is, the last one how many rows there are, with
a checksum of all lines before it; a file without that last line is no archive. A row stands in it as it stands in its
table, whatever the database: JSON as it is, times in UTC with microseconds.

=========== ===========================================================================================================
``write``   the door to the file: what is old goes into it, and only then from the database
``restore`` the door back: a file is checked as a whole, and what is not in the database is added
``gather``  reads rows from the tables, as many at a time as fit into memory
``lines``   a row of any table as a line, and back
``writing`` the file: whole or not there
``reading`` the file, and what tells one that is not whole
``file``    the first and the last line of it
=========== ===========================================================================================================
"""
