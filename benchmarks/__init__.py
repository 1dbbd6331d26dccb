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
:mod:`benchmarks.history`      fills a large history: ``make bench-history``
:mod:`benchmarks.questions`    the questions to it
:mod:`benchmarks.growing`      inserts into a large history, beside an empty one
:mod:`benchmarks.yardstick`    what this machine takes for a little work that is always the same
:mod:`benchmarks.baseline`     figures that were kept in ``baseline.json``, and the comparison with them
:mod:`benchmarks.verdict`      what a run says of the baseline, and the options for that
:mod:`benchmarks.fleet`        masters, a broker, writers and a database on paper, from measured costs
:mod:`benchmarks.table`        the figures as text
============================== =======================================================================================

No benchmark passes or fails because of a time: it prints figures, and the targets beside them. Only with ``--compare``
does it fail, because of a figure in yardsticks, or a ratio, that is more than 15 % worse than in the baseline.
"""
