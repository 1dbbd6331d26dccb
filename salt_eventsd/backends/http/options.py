"""The options of an http worker: where a web server is, and how we log in."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from salt_eventsd.config.checks import require
from salt_eventsd.config.servers import Secret, Timed

Body = Literal["json", "ndjson", "single"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_HEADER_VALUE = re.compile(r"[ \t\x21-\x7e]*\Z")


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How we log in: with a user and a password (basic), or with a token (bearer).

    :param user: for basic.
    :param password: for basic.
    :param bearer: the token.
    """

    user: str = ""
    password: Secret = Secret("")
    bearer: Secret = Secret("")

    def __post_init__(self) -> None:
        require(bool(self.user) != bool(self.bearer), "expected either user and password, or bearer")
        require(not (self.password and self.bearer), "expected either user and password, or bearer")
        require(_HEADER_VALUE.match(self.bearer) is not None, "bearer: expected a token of ASCII letters and signs")

    def header(self) -> str:
        """Return the value of ``Authorization``."""
        if self.bearer:
            return f"Bearer {self.bearer}"
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


class HttpOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of an http worker.

    :param url: of the server.
    :param body: a JSON array, a line of JSON for each event, or a request for each event.
    :param headers: further headers.
    :param auth: how we log in.
    :param verify: check the server's certificate.
    :param ca_file: a file of certificates that are trusted instead of the system's; "" for the system's.
    :param gzip: compress what is sent.
    """

    url: Secret = Secret("")
    body: Body = "json"
    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    auth: Auth | None = None
    verify: bool = True
    ca_file: str = ""
    gzip: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.url), "url: missing; expected one such as https://hooks.example.com/salt")
        require(_is_url(self.url), "url: expected one such as https://hooks.example.com/salt")
        require(self.verify or not self.ca_file, "ca_file: means nothing without verify")
        for name, value in self.headers.items():
            require(_HEADER_NAME.match(name) is not None, f"headers: {name!r} is no name of a header")
            require(_HEADER_VALUE.match(value) is not None, f"headers: {name}: expected one line of ASCII")


def without_user(options: HttpOptions) -> tuple[str, str, Auth | None]:
    """Return the URL without user and password, the part of it that may be shown, and how we log in."""
    parts = urlsplit(options.url)
    host = parts.netloc.rpartition("@")[2]
    auth = options.auth
    if auth is None and parts.username:
        auth = Auth(user=unquote(parts.username), password=Secret(unquote(parts.password or "")))
    return urlunsplit(parts._replace(netloc=host)), f"{parts.scheme}://{host}", auth


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False
