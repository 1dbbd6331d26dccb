"""A nursery without processes, for engines that get their frames from a test instead of a bus."""

from __future__ import annotations

from salt_eventsd.bus.page import Page


class Childless:
    """A nursery without a reader: the test takes the reader's place."""

    def __init__(self) -> None:
        self.page = Page()
