"""
Event: what the bus carries becomes one frozen :class:`~salt_eventsd.event.parse.Event`, and stays one up to the worker.

This room knows what Salt's frames and payloads look like. It knows nothing of rules, workers and configuration, and
does no I/O: the same bytes always become the same event.

================== ===================================================================================
:mod:`frame`       a frame off the bus: its tag is read, its payload is not
:mod:`codec`       payloads from and to MessagePack, and to JSON text
:mod:`parse`       a frame and its decoded payload become an event
:mod:`shape`       what the payloads of a job's usual returns have in common
:mod:`replayed`    an event that comes out of a history
:mod:`beat`        what engines of a cluster say to each other
:mod:`handed`      what Salt hands to its job cache, as the bus has it
:mod:`outcome`     what a return says of its outcome: return code, success, states
:mod:`dry_run`     whether a function was called as a test
:mod:`weight`      how many values a payload has, before it is decoded
:mod:`clip`        long names, cut to a bounded length
:mod:`chunk`       several events of one lane, encoded, as the spool keeps them
:mod:`sharing`     the same where other lanes have some of these events, too: they are encoded once
================== ===================================================================================
"""
