"""Plain text for a person: headings, aligned columns, progress in seconds; colours and redrawing only on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_BOLD, _RED, _GREEN, _FAINT, _PLAIN = "\033[1m", "\033[31m", "\033[32m", "\033[2m", "\033[0m"
_INDENT = "  "
_GAP = "  "
#: A column narrower than this is not worth wrapping text in.
_NARROWEST = 20
#: Where a line cannot be redrawn, so often does a long step show that it is alive, in seconds.
_SIGN_OF_LIFE_SECONDS = 5


def width() -> int:
    """Return how many columns a line may have."""
    return shutil.get_terminal_size((110, 24)).columns


class Terminal:
    """
    Where the demo writes.

    :param out: a stream; standard output if None.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._colours = self._live and not os.environ.get("NO_COLOR")
        self._width = max(60, width())

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._write(f"\n{self._in(_BOLD, text)}\n")

    def line(self, text: str = "") -> None:
        """Write a line, wrapped."""
        self._write((textwrap.fill(text, self._width) if text else "") + "\n")

    def block(self, text: str, *, faint: bool = False) -> None:
        """Write lines as they are, indented."""
        for one in text.strip("\n").splitlines():
            self._write(f"{_INDENT}{self._in(_FAINT, one) if faint else one}\n")

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[], None]]:
        """
        Show that something takes long; yields what is to be called while it does.

        :param text: what is being done.
        """
        began = time.monotonic()
        shown = 0

        def tick() -> None:
            nonlocal shown
            seconds = int(time.monotonic() - began)
            if seconds == shown:
                return
            if self._live:
                self._write(f"\r{_INDENT}{text} ... {seconds} s")
                shown = seconds
            elif seconds >= shown + _SIGN_OF_LIFE_SECONDS:
                self._write(f" {seconds} s ...")
                shown = seconds

        self._write(f"{_INDENT}{text} ...")
        try:
            yield tick
        except BaseException:
            self._finish(text, "failed after", began, _RED)
            raise
        self._finish(text, "done in", began, _GREEN)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], bad: Sequence[bool] = ()) -> None:
        """
        Write rows in aligned columns; the last column is wrapped where the line is too short for it.

        :param columns: their names.
        :param rows: their cells.
        :param bad: which rows are to stand out.
        """
        widths = [max(len(row[at]) for row in (columns, *rows)) for at in range(len(columns) - 1)]
        taken = len(_INDENT) + sum(widths) + len(_GAP) * len(widths)
        last = max(_NARROWEST, self._width - taken)
        self._row(columns, widths, last, _BOLD)
        self._row(["-" * len(name) for name in columns], widths, last, _FAINT)
        for row, stands_out in zip(rows, list(bad) or [False] * len(rows), strict=True):
            self._row(row, widths, last, _RED if stands_out else "")

    def _row(self, cells: Sequence[str], widths: Sequence[int], last: int, colour: str) -> None:
        head = _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
        wrapped = textwrap.wrap(cells[-1], last) or [""]
        for at, part in enumerate(wrapped):
            text = ((head if at == 0 else " " * len(head)) + _GAP + part).rstrip()
            self._write(f"{_INDENT}{self._in(colour, text)}\n")

    def _finish(self, text: str, verdict: str, began: float, colour: str) -> None:
        outcome = self._in(colour, f"{verdict} {time.monotonic() - began:.1f} s")
        self._write(f"\r{_INDENT}{text} ... {outcome}\n" if self._live else f" {outcome}\n")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if colour and self._colours else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
