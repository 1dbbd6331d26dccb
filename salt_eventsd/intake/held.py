"""
Held: copies of another master's events, until that master's engine has said that it has kept them.

They stand in stretches, one from each beat of that engine to the next.
"""

from __future__ import annotations

from collections import deque

#: A frame and when it was read, in seconds since 1970 UTC.
Copy = tuple[bytes, float]

#: Memory of a copy besides its bytes, roughly, in bytes.
_ENTRY_BYTES = 200
#: By how many beats copies may come too early or too late on another master's bus.
_MARGIN = 1


class _Stretch:
    """
    The copies that have come after one beat and before the next.

    :param number: of the beat.
    :ivar dropped: how many of them there was no room for.
    """

    __slots__ = ("copies", "dropped", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.copies: deque[Copy] = deque()
        self.dropped = 0


class Held:
    """
    Copies of one master.

    :ivar bytes: their memory, roughly.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._stretches: deque[_Stretch] = deque([_Stretch(0)])

    def add(self, raw: bytes, received: float) -> None:
        """
        Hold a copy.

        :param raw: its frame.
        :param received: when it was read, in seconds since 1970 UTC.
        """
        self._stretches[-1].copies.append((raw, received))
        self.bytes += _size(raw)

    def mark(self, number: int) -> None:
        """
        Note that a beat has come: what comes from now on may come after it on that master's bus.

        :param number: of the beat.
        """
        last = self._stretches[-1]
        if last.copies or last.dropped:
            self._stretches.append(_Stretch(number))
        else:
            last.number = number

    def belong_to(self, number: int) -> None:
        """
        Have all that is held stand behind one beat.

        :param number: of the beat.
        """
        for one in self._stretches:
            one.number = number

    def release(self, kept: int) -> None:
        """
        Let go of what that master's engine has kept.

        :param kept: the number of the beat before which it has kept all.
        """
        while self._stretches[0].number < kept - _MARGIN:
            gone = self._stretches.popleft()
            self.bytes -= sum(_size(raw) for raw, _ in gone.copies)
            if not self._stretches:
                self._stretches.append(_Stretch(gone.number))
                return

    def drop_oldest(self) -> None:
        """Let go of the oldest copy, for want of room."""
        for one in self._stretches:
            if one.copies:
                raw, _ = one.copies.popleft()
                self.bytes -= _size(raw)
                one.dropped += 1
                return

    def take(self) -> tuple[list[Copy], int]:
        """Return all copies, and how many are missing because there was no room; nothing is held any more."""
        copies = [copy for one in self._stretches for copy in one.copies]
        dropped = sum(one.dropped for one in self._stretches)
        self._stretches = deque([_Stretch(self._stretches[-1].number)])
        self.bytes = 0
        return copies, dropped


def _size(raw: bytes) -> int:
    return len(raw) + _ENTRY_BYTES
