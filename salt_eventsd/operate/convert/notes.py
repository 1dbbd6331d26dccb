"""What an operator has to know of a conversion, besides the configuration itself."""

from __future__ import annotations

from dataclasses import dataclass, field


class Unconvertible(Exception):
    """Something of the old config has no counterpart; its text says why and what to do."""


@dataclass
class Notes:
    """
    What a reader is told.

    :param lost: what was not converted, why, and what to do.
    :param choices: what changes, or was chosen, for the whole config.
    :param dropped: what is no longer needed, and why.
    """

    lost: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def lose(self, text: str) -> None:
        """Note once what was not converted."""
        if text not in self.lost:
            self.lost.append(text)

    def choose(self, text: str) -> None:
        """Note a choice once."""
        if text not in self.choices:
            self.choices.append(text)

    def drop(self, text: str) -> None:
        """Note once what is no longer needed."""
        if text not in self.dropped:
            self.dropped.append(text)
