"""
Masks secrets in one text: a command, a diff, a log, a file in any format, or one of these quoted in another.

Several passes each read the text once from beginning to end, in time proportional to its length. A quick first search
decides whether the passes are needed: for most texts, they are not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from salt_eventsd.common.budget import passed, step
from salt_eventsd.redact.by_look import IN_STATEMENTS, Shapes, in_statements, in_urls, private_keys
from salt_eventsd.redact.by_name import INSERT, NamedValues, TooMany
from salt_eventsd.redact.commands import FIRST, IN_WORDS, TOOL, in_commands
from salt_eventsd.redact.finder import Finder
from salt_eventsd.redact.names import Names
from salt_eventsd.redact.shapes import SHAPES
from salt_eventsd.redact.values import Value

MASK = "***"
_MASK = MASK.encode()
#: A text that could be secret in more places than these, and in more than one per so many bytes, is masked as a whole.
_MANY_PLACES = 2_000
_BYTES_A_PLACE = 256
#: After so many hits in a search of many payloads at once, each of the other payloads is examined by itself.
_MOST_HITS = 16


def most_places(size: int) -> int:
    """
    Return how many places that could be secret are examined in a text. A text with more is masked as a whole.

    :param size: the length of the text in bytes.
    """
    return _MANY_PLACES + size // _BYTES_A_PLACE


class Odd(NamedTuple):
    """
    Says which of many texts need a closer look.

    :param texts: the texts that may hold a secret.
    :param has_tools: whether consecutive texts could be the words of a command that holds a secret.
    :param most: how many texts are examined; the others are masked as a whole.
    """

    texts: set[str]
    has_tools: bool
    most: int


class TextMasker:
    """
    Masks secrets in text.

    :param families: the families of names that are secret.
    :param own: further names, as in the config.
    :param without: the names of shapes that are not masked.
    """

    def __init__(self, families: Iterable[str], own: Iterable[str], without: Iterable[str] = ()) -> None:
        families, own, excepted = tuple(families), tuple(own), set(without)
        self.names = Names(families, own)
        self._named = NamedValues(self.names, families, own)
        self._shapes = Shapes([shape for shape in SHAPES if shape.name not in excepted])
        first = [self._named.hint, self._shapes.first, *self._shapes.gates]
        first += [rb"PRIVATE KEY|PuTTY-User-Key|(?i:identified[\s])", rb":\\*/\\*/[^\s\"'<>]*@"]
        first.append(FIRST)
        self._first = _any_of(first)
        #: Finds what any pass but those by name, for keys and for URLs may find. Most texts have nothing of it, and one
        #: search is cheaper than those of all these passes.
        self._special = _any_of([IN_STATEMENTS, TOOL, INSERT, *self._shapes.hints])

    def concerns(self, raw: bytes) -> bool:
        """
        Say whether bytes may hold a secret. For most the answer is no; the search takes a nanosecond per byte.

        :param raw: text in UTF-8, or bytes that contain such text, such as an undecoded payload.
        """
        return self._first.search(raw) is not None

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        """
        Search many pieces at once; return the positions of those that may hold a secret.

        :param raws: pieces, each as :meth:`concerns` takes it.
        """
        found: set[int] = set()
        for hits, (first, last) in enumerate(self._places(b"\n".join(raws), raws)):
            found.update(range(first, last + 1))
            if hits >= _MOST_HITS:
                # Each further search may read all the rest, so stop and return the rest as suspects.
                found.update(range(last + 1, len(raws)))
                break
        return frozenset(found)

    def odd(self, texts: Sequence[str]) -> Odd:
        """
        Search many texts at once, at a fraction of the cost of searching each; return which may hold a secret.

        :param texts: any texts.
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
        """Yield the first and last piece of each hit. A hit may cross the end of a piece and hide another hit."""
        hit = self._first.search(together)
        if hit is None:
            return
        ends = list(accumulate(len(piece) + 1 for piece in pieces))
        number = 0
        while hit is not None:
            step()
            number = bisect_right(ends, hit[0], number)
            last = bisect_right(ends, max(hit[0], hit[1] - 1), number)
            yield number, last
            number = last + 1
            hit = self._first.search(together, ends[last]) if number < len(pieces) else None

    def looked_through(self, text: str) -> str:
        """
        Return a text with its secrets masked, after a quick look whether it may have any.

        :param text: any text.
        """
        return self.masked(text) if self.concerns(text.encode("utf-8", "surrogatepass")) else text

    def masked(self, text: str) -> str:
        """
        Return a text with its secrets masked; the same object if there are none.

        :param text: a text for which :meth:`concerns` is true.
        """
        raw = text.encode("utf-8", "surrogatepass")
        found = self._mask(raw)
        if found == raw:
            return text
        try:
            return found.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # The mask has cut a character of several bytes.
            return found.decode("utf-8", "backslashreplace")

    def _mask(self, raw: bytes) -> bytes:
        most = most_places(len(raw))
        try:
            if b"PRIVATE KEY" in raw or b"PuTTY-User-Key" in raw:
                raw = _replaced(raw, private_keys(raw), most)
            if b"@" in raw and b"/" in raw:
                raw = _replaced(raw, in_urls(raw), most)
            passed()
            is_special = self._special.search(raw) is not None
            if is_special:
                raw = _replaced(raw, in_statements(raw), most)
                raw = _replaced(raw, in_commands(raw), most)
                if b"(" in raw:
                    raw = _replaced(raw, self._named.in_inserts(raw), most)
            named = _replaced(raw, self._named.find(raw, most), most)
            passed()
            if named is raw and not is_special:
                return raw
            shapes = self._shapes.find(named, most)
            return _MASK if shapes is None else _replaced(named, shapes, most)
        except TooMany:
            return _MASK


def _any_of(expressions: Iterable[bytes]) -> Finder:
    return Finder(b"|".join(rb"(?:%s)" % one for one in expressions if one))


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
