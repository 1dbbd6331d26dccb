"""
Hides the passwords with which the configured workers log in: no text that the engine shows contains them, however a
library spells them.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from salt_eventsd.common import logins
from salt_eventsd.redact.by_look import in_urls
from salt_eventsd.redact.families import chosen
from salt_eventsd.redact.names import Names
from salt_eventsd.redact.text import MASK

#: A shorter password would be found in ordinary words.
_SHORTEST = 4
#: How many spellings are remembered; those of old configurations are forgotten first.
_MOST = 4096
_NAMES = Names(*chosen(())[:2])
_URL = re.compile(r"://([^\s:/@]*):")
_ESCAPED = re.compile("%[0-9A-F]{2}")
#: The spellings, in the order in which they were learned. One dict for the process, because the log is one, too.
_known: dict[str, None] = {}
_learning = threading.Lock()


def learn(options: Mapping[str, Any]) -> None:
    """
    Remember the passwords in a worker's options.

    :param options: as they stand in the config.
    """
    others = {str(options.get(key)) for key in ("user", "username", "host", "database", "db", "module")}
    for user, secret in passwords_in(options):
        if len(secret) < _SHORTEST or secret in others or secret == user or _NAMES.kind(secret.encode()) is not None:
            continue
        for one in _spellings(user, secret):
            _known.pop(one, None)
            _known[one] = None
    while len(_known) > _MOST:
        del _known[next(iter(_known))]


def hidden(text: str) -> str:
    """
    Return a text without the passwords of the configuration.

    :param text: any text that is to be shown.
    """
    # Another thread waits here, because it might show a password that this one is still learning.
    with _learning:
        for options in logins.noted():
            learn(options)
    for one in sorted(_known, key=len, reverse=True):
        if one in text:
            text = text.replace(one, MASK)
    return text


def unclear(url: str) -> str:
    """
    Return the character that makes it unclear where the password of a URL ends; "" if there is none.

    :param url: a worker's URL.
    """
    raw = url.encode("utf-8", "surrogatepass")
    for one in in_urls(raw):
        signs = [sign for sign in "@/?#" if sign.encode() in raw[one.start : one.end]]
        if signs:
            return signs[0]
    return ""


def passwords_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """
    Yield each password in a worker's options with its user; the user is "" if none stands beside it.

    :param value: the options, or a part of them.
    :param key: the key of the part.
    """
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from passwords_in(one, str(name))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from passwords_in(one, key)
    elif isinstance(value, str):
        if key and _NAMES.kind(key.encode("utf-8", "surrogatepass")) is not None:
            yield "", value
        raw = value.encode("utf-8", "surrogatepass")
        for one in in_urls(raw):
            user = _URL.search(raw[: one.start].decode("utf-8", "replace"))
            yield (user[1] if user else ""), raw[one.start : one.end].decode("utf-8", "surrogatepass")


def _spellings(user: str, secret: str) -> set[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    found = set(plain)
    for one in plain:
        raw = one.encode("utf-8", "surrogatepass")
        quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="!$&'()*+,;=:@/")}
        found |= quoted | {_ESCAPED.sub(lambda hit: hit[0].lower(), each) for each in quoted}
        found |= {repr(one)[1:-1], repr(raw)[2:-1], json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]}
        found |= {repr(repr(one)[1:-1])[1:-1], one.replace("'", "''"), one.replace("'", "\\'"), one.replace('"', '\\"')}
        found.add(base64.b64encode(f"{user}:{one}".encode("utf-8", "surrogatepass")).decode())
    return {one for one in found if len(one) >= _SHORTEST}
