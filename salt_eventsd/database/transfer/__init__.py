"""
Rows on their way out of a history.

========= ===========================================================
``pages`` the rows of a table some at a time, bounded in bytes
``cells`` a row of one database as another one takes it
``copy``  whole tables into another database
``tries`` short transactions, tried again
========= ===========================================================
"""
