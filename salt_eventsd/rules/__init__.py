"""
Rules: which workers get an event.

The ``events`` block of a configuration is compiled once; matching an event then costs little more with a hundred rules
than with one. This room does no I/O. What a condition means is defined in :mod:`salt_eventsd.config.language`; which
keys a rule may have, in :mod:`salt_eventsd.config`.

================== ================================================================
:mod:`compile`     the configuration's rules become compiled rules
:mod:`rule`        one compiled rule: what it takes, and where it sends that
:mod:`tags`        which of many patterns match a tag
:mod:`slashes`     how much of a tag decides that
:mod:`match`       all rules: where an event goes
:mod:`only`        one rule of all, for a replay
================== ================================================================

Three words for three things: an ``EventRule`` is what the configuration says, a ``CompiledRule`` matches events, and a
``DestinationRule`` is the part of an ``EventRule`` that says which table or statement it writes.
"""
