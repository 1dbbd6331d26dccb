"""
What the engine carries, measured: ``python -m benchmarks``, or ``make bench``.

============================== =======================================================================================
module                         what it does
============================== =======================================================================================
:mod:`benchmarks.fire`         builds numbered events and puts them on a bus, at its own speed or at a steady rate
:mod:`benchmarks.rig`          runs a salt-master of its own for each run
:mod:`benchmarks.databases`    gives each run a fresh database
:mod:`benchmarks.watch`        sees, from outside, when which row was committed
:mod:`benchmarks.carry`        one run: fire, wait, count, and what the process under test took for it
:mod:`benchmarks.engine`       the runs with the engine: burst, latency, prio, highstate
:mod:`benchmarks.event_return` the same burst into Salt's own ``event_return`` with pgjsonb
:mod:`benchmarks.stages`       each step of the data path alone
:mod:`benchmarks.writing`      the databases' part of that, beside the driver's plain batch insert
:mod:`benchmarks.table`        the figures as text
============================== =======================================================================================

Nothing in here passes or fails by a time: figures are printed, and beside them what they should be.
"""
