"""
Common: small tools that every room may use. None knows what an event, a rule or a worker is.

What a minion chooses must cost little:

- ``budget`` limits the time one event may take, ``patterns`` the time of a user's regular expression
  (``pattern_cost`` counts what it can take), ``remembered`` the memory of remembered answers
- ``grouping`` cuts a stream into groups of bearable size

How things are told:

- ``english`` puts numbers into sentences, ``reminder`` says once a minute what happens again and again
- ``logins`` remembers the options that have workers' passwords, which errors must not tell

- ``moments`` reads times as people give them to a command

And ``salt_modules`` tells Salt's loader where this package's modules are.
"""
