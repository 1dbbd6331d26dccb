"""
Labels of metrics: names that minions choose, bounded in number and in bytes, so that no minion can fill the memory or a
Prometheus, nor take the room of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from salt_eventsd.event.clip import clipped

#: What all values are called together for which there is no room.
OTHER = "other"
#: So many values a label has at most.
MOST_VALUES = 10_000
#: So many series a metric has at most, besides those called :data:`OTHER`.
MOST_SERIES = 20_000
#: So many new series of one metric a minion may bring; the next ones are called :data:`OTHER`.
MOST_OF_ONE = 100
#: A longer value is clipped, in characters.
LONGEST_LABEL = 128

Key = tuple[str, ...]


def as_label(text: str) -> str:
    """
    Return a text as a label may hold it: short, and valid in UTF-8.

    :param text: any text.
    """
    text = clipped(text, LONGEST_LABEL)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class Labels:
    """
    The values of one label.

    :param most: how many there may be.
    """

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """
        Return the value for a text; :data:`OTHER` if there is no room for another one.

        :param text: any text.
        """
        found = self._known.get(text)
        if found is None:
            label = as_label(text)
            found = self._known.get(label)
            if found is None:
                if len(self._known) >= self._most:
                    return OTHER
                found = self._known[label] = label
        return found


class Series:
    """
    The numbers of one metric, by its labels. One thread writes, others may look.

    :param most: how many series there may be, besides those for all others.
    """

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._values: dict[Key, float] = {}
        self._brought: Counter[str] = Counter()

    def add(self, key: Key, by: str, amount: float = 1) -> None:
        """
        Count.

        :param key: the values of its labels.
        :param by: the minion that has chosen them, as a label from :class:`Labels`; "" if the master has.
        :param amount: by how much.
        """
        try:
            self._values[key] += amount
        except KeyError:
            key = self._admit(key, by)
            self._values[key] = self._values.get(key, 0) + amount

    def set(self, key: Key, by: str, value: float) -> None:
        """
        Replace a number.

        :param key: the values of its labels.
        :param by: as of :meth:`add`.
        :param value: the number.
        """
        if key not in self._values:
            key = self._admit(key, by)
        self._values[key] = value

    def rise(self, key: Key, by: str, value: float) -> bool:
        """
        Replace a number by one that is not smaller; return whether it is not.

        :param key: the values of its labels.
        :param by: as of :meth:`add`.
        :param value: the number.
        """
        known = self._values.get(key)
        if known is None:
            self.set(key, by, value)
        elif value < known:
            return False
        else:
            self._values[key] = value
        return True

    def items(self) -> Iterator[tuple[Key, float]]:
        """Yield the series there are now, each with its number."""
        # A copy is one step for the interpreter, so the thread that counts cannot come in between.
        yield from self._values.copy().items()

    def clear(self) -> None:
        """Begin anew."""
        self._values = {}
        self._brought = Counter()

    def _admit(self, key: Key, by: str) -> Key:
        key = tuple(map(as_label, key))
        if key in self._values:
            return key
        if len(self._values) < self._most and (not by or self._brought[by] < MOST_OF_ONE):
            if by:
                self._brought[by] += 1
            return key
        return (OTHER,) * len(key)
