"""
Secrets in a piece of text, which may be a command, a diff, a log, a file in any format, or such in quotes in another.

Several passes, each from the beginning to the end, and each at a cost in proportion to the text. A first look says
whether any of them is needed: for most texts, none is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from salt_eventsd.common.budget import passed, step
from salt_eventsd.redact.by_look import Shapes, in_statements, in_urls, private_keys
from salt_eventsd.redact.by_name import NamedValues, TooMany
from salt_eventsd.redact.commands import FIRST, IN_WORDS, in_commands
from salt_eventsd.redact.finder import compile_finder
from salt_eventsd.redact.names import Names
from salt_eventsd.redact.shapes import SHAPES
from salt_eventsd.redact.values import Value

MASK = "***"
_MASK = MASK.encode()
#: A text that has more places than this that could be secret, and more than one in so many bytes, is masked as a whole.
_MANY_PLACES = 2_000
_BYTES_A_PLACE = 256
#: After so many hits in many payloads at once, each of the others is looked at by itself.
_MOST_HITS = 16
_STATEMENTS = compile_finder(rb"(?i)identified|password")


def most_places(size: int) -> int:
    """
    Return how many places that could be secret are looked at in a text; one with more is masked as a whole.

    :param size: its length in bytes.
    """
    return _MANY_PLACES + size // _BYTES_A_PLACE


class Odd(NamedTuple):
    """
    Which of many texts need a closer look.

    :param texts: in these there may be a secret.
    :param has_tools: whether some of them, one behind the other, could be a command that holds one.
    :param most: how many are looked at; the others are masked as a whole.
    """

    texts: set[str]
    has_tools: bool
    most: int


class TextMasker:
    """
    Masks secrets in text.

    :param families: the families of names that count.
    :param own: further names, as a user gave them.
    :param without: names of shapes that are left alone.
    """

    def __init__(self, families: Iterable[str], own: Iterable[str], without: Iterable[str] = ()) -> None:
        families, own, excepted = tuple(families), tuple(own), set(without)
        self.names = Names(families, own)
        self._named = NamedValues(self.names, families, own)
        self._shapes = Shapes([shape for shape in SHAPES if shape.name not in excepted])
        first = [self._named.hint, self._shapes.first, *self._shapes.gates]
        first += [rb"PRIVATE KEY|PuTTY-User-Key|(?i:identified[\s])", rb":\\*/\\*/[^\s\"'<>]*@"]
        first.append(FIRST)
        self._first = compile_finder(b"|".join(rb"(?:%s)" % one for one in first if one))

    def concerns(self, raw: bytes) -> bool:
        """
        Say whether there may be a secret in some bytes: false for most, at a nanosecond a byte.

        :param raw: text in UTF-8, or what holds it, such as a payload that is not decoded.
        """
        return self._first.search(raw) is not None

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        """
        Return the places of those in which there may be a secret: one look at all of them.

        :param raws: each as :meth:`concerns` takes it.
        """
        found: set[int] = set()
        for hits, (first, last) in enumerate(self._places(b"\n".join(raws), raws)):
            found.update(range(first, last + 1))
            if hits >= _MOST_HITS:
                # Each look goes on from where the last one ended, and may look as far as the end.
                found.update(range(last + 1, len(raws)))
                break
        return frozenset(found)

    def odd(self, texts: Sequence[str]) -> Odd:
        """
        Return in which of many texts there may be a secret: one look at all of them, at a fraction of a look at each.

        :param texts: any.
        """
        texts = list(dict.fromkeys(texts))
        pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
        together = b"\n".join(pieces)
        most = most_places(len(together))
        found: set[str] = set()
        for first, last in self._places(together, pieces):
            found.update(texts[first : last + 1])
            if len(found) > most:
                found.update(texts[last + 1 :])
                break
        has_tools = IN_WORDS.search(together.replace(b"\n", b" ")) is not None
        return Odd(found, has_tools, most)

    def _places(self, together: bytes, pieces: Sequence[bytes]) -> Iterator[tuple[int, int]]:
        """Yield the first and the last piece of each hit, which may go over the end of one and hide what is behind."""
        hit = self._first.search(together)
        if hit is None:
            return
        ends = list(accumulate(len(piece) + 1 for piece in pieces))
        number = 0
        while hit is not None:
            step()
            number = bisect_right(ends, hit.start(), number)
            last = bisect_right(ends, max(hit.start(), hit.end() - 1), number)
            yield number, last
            number = last + 1
            hit = self._first.search(together, ends[last]) if number < len(pieces) else None

    def looked_through(self, text: str) -> str:
        """
        Return a text with its secrets masked.

        :param text: any.
        """
        return self.masked(text) if self.concerns(text.encode("utf-8", "surrogatepass")) else text

    def masked(self, text: str) -> str:
        """
        Return a text with its secrets masked; the same object if there are none.

        :param text: one that :meth:`concerns` finds worth a look.
        """
        raw = text.encode("utf-8", "surrogatepass")
        found = self._mask(raw)
        if found == raw:
            return text
        try:
            return found.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # Something was cut within a sign.
            return found.decode("utf-8", "backslashreplace")

    def _mask(self, raw: bytes) -> bytes:
        most = most_places(len(raw))
        try:
            if b"PRIVATE KEY" in raw or b"PuTTY-User-Key" in raw:
                raw = _replaced(raw, private_keys(raw), most)
            if b"@" in raw and b"/" in raw:
                raw = _replaced(raw, in_urls(raw), most)
            passed()
            if _STATEMENTS.search(raw):
                raw = _replaced(raw, in_statements(raw), most)
            raw = _replaced(raw, in_commands(raw), most)
            if b"(" in raw:
                raw = _replaced(raw, self._named.in_inserts(raw), most)
            raw = _replaced(raw, self._named.find(raw, most), most)
            passed()
            shapes = self._shapes.find(raw, most)
            return _MASK if shapes is None else _replaced(raw, shapes, most)
        except TooMany:
            return _MASK


def _replaced(raw: bytes, values: Iterable[Value], most: int) -> bytes:
    pieces: list[bytes] = []
    done = 0
    passed()
    for value in values:
        step()
        if value.start < done:
            continue
        if len(pieces) > 2 * most:
            raise TooMany
        pieces += (raw[done : value.start], b'"%s"' % _MASK if value.in_quotes else _MASK)
        done = value.end
    if not pieces:
        return raw
    pieces.append(raw[done:])
    return b"".join(pieces)
