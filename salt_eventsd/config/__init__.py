"""
Config: makes frozen structs of Salt's options. It compiles no rule and makes no worker.

- ``structs`` holds every key there is, with its default; add a key there first
- ``load`` is the door: it takes Salt's options and returns a ``Config``, or raises all that is wrong with them
- ``options`` finds what is ours in Salt's options, ``pillar`` a minion's pillar, ``plain`` copies both
- ``events`` reads the block of that name
- ``explain`` turns an error into a line that names the key; ``checks`` checks single values, ``durations`` reads
  lengths of time, ``folders`` says whether a path can be written
- ``language`` compiles expressions: fields, conditions, templates, the columns of a table
- ``servers`` has what the options of all have in common who talk to servers
- ``sources`` and ``switch`` look at the files that Salt reads, for ``salt-run eventsd.check`` and a reload
"""
