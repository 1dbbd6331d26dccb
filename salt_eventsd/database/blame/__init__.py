"""
Who is to blame when a batch is not written: an event, a table, a rule, or the server.

``evidence`` remembers what tables have taken and refused, and has the error of a refused row. ``plain`` makes up rows
to see whether a table takes any. ``suspects`` finds the events that no connection survives. What a single error means
is a matter of the dialect: see :mod:`salt_eventsd.database.dialects.base.faults`.
"""
