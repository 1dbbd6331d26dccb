"""
Config: from Salt's options to frozen structs. No rule is compiled and no worker is made here.

- ``structs`` holds every key there is, with its default; add a key there first
- ``load`` is the door: Salt's options in, a ``Config`` out, or all that is wrong with them
- ``events`` reads the block of that name, ``pillar`` adds what a minion's pillar holds, ``plain`` copies both
- ``explain`` turns what is wrong into a line that names the key; ``checks`` says what single values must be,
  ``durations`` reads lengths of time, ``folders`` says whether a path can be written
- ``sources`` and ``switch`` look at the files Salt reads, for ``salt-run eventsd.check`` and a reload
"""
