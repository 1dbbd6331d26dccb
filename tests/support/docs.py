"""
Finds examples in the documentation, so that tests can run them unchanged.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Everything a user reads.
DOCUMENTS = (ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst")))

_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:(?: +[^\n]*)?\n)+)", re.MULTILINE)
#: With the blocks within lists, and literal ones, which begin after a line that ends with two colons.
_ANY_BLOCK = re.compile(
    r"^(?P<lead> *)(?:\.\. code-block:: (?P<language>\w+)|(?!\.\. ).*::|::)\n\n(?P<body>(?:(?:(?P=lead) +[^\n]*)?\n)+)",
    re.MULTILINE,
)


def blocks(document: Path, language: str) -> Iterator[tuple[str, str]]:
    """
    Yield the code blocks of one language, each with a name for failing tests: ``README.rst:76``.

    :param document: a file in reStructuredText.
    :param language: the language, as after ``code-block::``.
    """
    for line, block in blocks_in(document.read_text(encoding="utf-8"), language):
        yield f"{document.name}:{line}", block


def blocks_in(text: str, language: str) -> Iterator[tuple[int, str]]:
    """
    Yield the code blocks of one language in a text, each with its line number.

    :param text: the text, in reStructuredText.
    :param language: the language, as after ``code-block::``.
    """
    for found in _BLOCK.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start()) + 1, textwrap.dedent(found[2]).strip() + "\n"


@dataclass(frozen=True)
class Block:
    """
    A block of a document, whatever is in it.

    :param document: the path from the repository's root.
    :param line: where it stands.
    :param language: as after ``code-block::``; "" for a literal block.
    :param text: what is in it.
    """

    document: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """What a failing test calls it."""
        return f"{self.document}:{self.line}"


def all_blocks(document: Path) -> Iterator[Block]:
    """
    Yield all blocks of a document, those without a language, too.

    :param document: a file in reStructuredText.
    """
    text = document.read_text(encoding="utf-8")
    for found in _ANY_BLOCK.finditer(text):
        if found["body"].strip():
            line = text.count("\n", 0, found.start()) + 1
            inside = textwrap.dedent(found["body"]).strip() + "\n"
            yield Block(document.relative_to(ROOT).as_posix(), line, found["language"] or "", inside)
