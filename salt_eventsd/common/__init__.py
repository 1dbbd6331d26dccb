"""
Common: small tools that every room may use. None of them knows what an event, a rule or a worker is.

Tools that limit what a minion's data can cost:

- ``budget`` limits the time that one event may take, ``patterns`` the time of a user's regular expression
  (``pattern_cost`` counts how much it can take), ``remembered`` the memory of remembered answers
- ``grouping`` cuts a stream into groups of bounded size

Tools for messages:

- ``english`` puts numbers into sentences, ``reminder`` limits a repeated message to one a minute
- ``logins`` remembers the options with workers' passwords, which errors must not show
- ``moments`` reads times as people give them to a command, ``globs`` reads globs

Tools for numbers:

- ``timings`` counts how long something takes, for a histogram
- ``documents`` reads the numbers in a database's JSON as they were

``machine`` has a clock that nobody sets, and says whether a process is there; ``heap`` has all threads share one heap;
``chances`` says whether something is tried that may fail.

``salt_modules`` tells Salt's loader where this package's modules are; ``imports`` leaves out what a library would load.
"""
