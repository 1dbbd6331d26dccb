"""
Tables and statements of users' own, to which rules write.

``tables`` is the door: the rules of a worker, and what writes the events of each. ``writer`` is what the writers have
in common; ``table_writer`` writes into a table, whose columns ``shape`` reads from the database, and
``statement_writer`` executes a statement, which ``statements`` has checked. ``values`` makes values fit columns and
parameters. Which fields of an event a rule takes is not decided here but in
:mod:`salt_eventsd.config.language.destination`.
"""
