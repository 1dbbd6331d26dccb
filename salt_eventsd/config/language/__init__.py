"""
Language: what the expressions mean that users write into their configuration.

This room compiles them and evaluates them on an event. It does not know where they stand in a configuration, which
tables a database has, or how a backend writes; it does no I/O, so the same event always gives the same values.

====================== ===============================================================================
:mod:`fields`          ``data.return``, ``minion_id``, ``data.changes | json``: a value of an event
:mod:`conditions`      ``where`` and ``unless``: what a rule asks of an event
:mod:`destination`     ``table`` with ``columns``, or ``statement`` with ``fields``: the values of a row
:mod:`parameters`      ``:name`` in a statement
:mod:`template`        ``salt:{minion_id}:{fun}``: a name made of fields
====================== ===============================================================================
"""
