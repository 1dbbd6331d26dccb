"""
Intake: from the inbox to the spool.

One thread takes frames, asks the pipeline what becomes of each, and commits the events that some rule takes. What rules
and secrets are is decided in :mod:`salt_eventsd.rules` and :mod:`salt_eventsd.redact`; how events are written, this
room does not know.

================== =================================================================================
:mod:`thread`      the thread: inbox, stage, commit, in a loop
:mod:`taking`      what becomes of each frame: pipeline, counters, stage
:mod:`drain`       the thread that takes in what Salt has handed to its job cache
:mod:`past`        what a job cache of Salt's has kept, and which of it the history lacks
:mod:`heard`       which returns the bus has brought already, and which jobs are not to be kept
:mod:`glance`      the first look for secrets, at many frames at once
:mod:`pipeline`    what becomes of one frame; the tap and rule tests use it, too
:mod:`usual`       the same for the returns of minions in which nothing is odd, at half of the cost
:mod:`familiar`    the same for those that are like an earlier one, which need not be decoded
:mod:`result`      what pipeline and usual say of a frame
:mod:`origin`      events that are not what their tag says
:mod:`withheld`    events that would take too long, kept without their payload
:mod:`peers`       the other masters of a cluster, and their copies that nobody else keeps
:mod:`held`        copies in memory, until the engine of their master has kept them
:mod:`counting`    which events are counted for metrics
:mod:`job_counts`  what metrics tell of jobs and their returns
:mod:`labels`      names that minions choose, as labels of metrics
:mod:`stage`       events in memory, on their way into chunks
:mod:`parts`       what the stage has for each lane, and what several lanes have in common
:mod:`commit`      chunks go into the spool, or wait while it cannot be written
================== =================================================================================
"""
