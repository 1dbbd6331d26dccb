"""
What a repair asks the job cache for, and what asks the history for what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salt_eventsd.config.structs import Config
from salt_eventsd.database.questions.read import Reader, Unmade, reader_of, reading
from salt_eventsd.intake.past.missing import Ask
from salt_eventsd.intake.past.told import Wanted

#: Salt keeps a return about when it fires its event; so much earlier or later is looked at, too.
SLACK_SECONDS = 5.0


def wanted_of(since: float, until: float) -> Wanted:
    """
    Return what is wanted of Salt's own job cache for a gap.

    :param since: when it began, in seconds since 1970 UTC.
    :param until: when it ended.
    """
    return Wanted(since - SLACK_SECONDS, until + SLACK_SECONDS, as_kept=True)


def asking(config: Config, worker: str) -> Ask:
    """
    Return what asks the history for what it has.

    :param config: the configuration.
    :param worker: whose database the history is.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    engine = reader_of(config, worker)

    def ask(question: Callable[[Reader], Any]) -> Any:
        try:
            with reading(engine) as reader:
                return question(reader)
        except Unmade:
            return None
        finally:
            engine.dispose()

    return ask
