"""
Told: what a writer says of itself.

``numbers``
    Every number, with its name and its meaning.
``report``
    All that is told, as the state file has it.
``problems``
    What is wrong.
``status``
    The report as an operator sees it, and whether to believe it.
``metrics``
    The report as Prometheus reads it.
"""
