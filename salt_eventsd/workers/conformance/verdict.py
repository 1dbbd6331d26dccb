"""What a check is, and what it finds."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salt_eventsd.workers.conformance.subject import Subject


class Broken(AssertionError):
    """
    A worker does not keep the contract.

    :param expected: what the contract promises.
    :param happened: what the worker did.
    :param right: what would be right.
    """

    def __init__(self, expected: str, happened: str, right: str) -> None:
        self.expected, self.happened, self.right = expected, happened, right
        super().__init__(f"expected: {expected}\nhappened: {happened}\nright: {right}")


class NotTried(unittest.SkipTest):
    """A check could not be made, and why; pytest takes this for a skipped test."""


@dataclass(frozen=True)
class Check:
    """
    One promise of the contract.

    :param text: the promise, in one line.
    :param examine: makes the check; it returns what else is worth telling, "" for nothing.
    """

    text: str
    examine: Callable[[Subject], str]

    def __call__(self, subject: Subject) -> str:
        """
        Make the check, and close the workers it has made.

        :param subject: the worker module.
        :returns: what else is worth telling, "" for nothing.
        :raises Broken: the promise is not kept.
        :raises NotTried: the check could not be made.
        """
        try:
            return self.examine(subject)
        finally:
            subject.close()

    def __str__(self) -> str:
        return self.text.replace(" ", "-")


def check(text: str, into: list[Check]) -> Callable[[Callable[[Subject], str]], Check]:
    """
    Make a check of a function.

    :param text: the promise, in one line.
    :param into: the list the check is added to.
    """

    def made(examine: Callable[[Subject], str]) -> Check:
        into.append(Check(text, examine))
        return into[-1]

    return made
