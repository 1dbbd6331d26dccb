"""
Measures what the engine can carry: ``python -m benchmarks``, or ``make bench``.

============================== =======================================================================================
module                         what it does
============================== =======================================================================================
:mod:`benchmarks.fire`         builds numbered events and puts them on a bus, at its own speed or at a steady rate
:mod:`benchmarks.rig`          runs a salt-master of its own for each run
:mod:`benchmarks.databases`    gives each run a fresh database
:mod:`benchmarks.watch`        sees, from outside, when each row was committed
:mod:`benchmarks.carry`        one run: fire, wait, count, and the cost for the process under test
:mod:`benchmarks.engine`       the runs with the engine: burst, latency, prio, highstate
:mod:`benchmarks.event_return` the same burst into Salt's own ``event_return`` with pgjsonb
:mod:`benchmarks.stages`       each step of the data path alone
:mod:`benchmarks.writing`      writing to databases alone, compared with the driver's plain batch insert
:mod:`benchmarks.table`        the figures as text
============================== =======================================================================================

No benchmark passes or fails because of a time: it prints figures, and the targets beside them.
"""
