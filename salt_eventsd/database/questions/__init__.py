"""
Asks the history: the questions that ``salt-run eventsd.jobs`` and its sisters answer, the same on every database.

A question is a function: it takes a :class:`~.read.Reader`, which is connected, and conditions, and returns rows as
mappings whose keys are the names of columns, the newest first. Values are what JSON has words for: a time is text. The
room reads the tables and never changes them. How an answer is shown is up to ``operate``.

================ ======================================================================================================
``read``         the door: connects to read, and makes plain values of what the database returns
``which``        conditions that several questions share: globs, times, limits
``wanted``       the conditions of a question, and which of them an index knows
``newest``       the newest rows that fit several names, and how far back a question looks
``answers``      who was asked and who answered, and how it went, for a page of jobs
``jobs``         jobs, who ran what
``job``          all about one job
``of_minion``    the newest jobs of a minion
``twins``        two jobs of two masters that have one id
``syndics``      which minions of a job each of several masters has heard of
``returns``      returns, and those that failed
``missing``      minions that did not answer
``states``       what was changed, and what took long
``jobcache``     what Salt asks of its job cache
``joblists``     its lists of jobs
``known``        which jobs and returns of a job cache the history has
``runs``         the last run of states of each minion, and what changes are of
``minions``      what is known of a minion, and how minions are
``totals``       how much there was in a time: per interval, function, user, state
``troubles``     what went wrong in a time, by what it was, with one error each
================ ======================================================================================================
"""
