"""The options of a mongo worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pymongo import errors
from pymongo.uri_parser import parse_uri

from salt_eventsd.config.checks import require, require_port
from salt_eventsd.config.servers import Secret, Timed
from salt_eventsd.workers.write import Context

_URL = "a URL such as mongodb://user:password@mongo.example.com/salt"


class MongoOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a mongo worker.

    :param url: of the server or the cluster; the other options say what it leaves out.
    :param database: its name, if the URL has none.
    :param auth_database: the database that knows the user, if not ``admin``.
    :param collection: a template.
    :param upsert: fields of the event; for each combination of their values there is one document, of the newest event.
    :param too_large: what becomes of an event above 16 MiB: its beginning is kept, or it is buried.
    """

    url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 27017
    user: str | None = None
    password: Secret | None = None
    database: str | None = None
    auth_database: str | None = None
    tls: bool = False
    collection: str = "events"
    upsert: list[str] = msgspec.field(default_factory=list)
    too_large: Literal["truncate", "bury"] = "truncate"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_port(self.port)
        name = self.database
        fits = name is None or (0 < len(name.encode()) < 64 and not set(name) & set('/\\. "$*<>:|?\0'))
        require(fits, f"database: expected a name without dots and blanks, got {name!r}")


def read_url(context: Context, url: str | None) -> Mapping[str, Any]:
    """
    Return what is in a URL, {} if there is none.

    :param context: the worker's.
    :param url: of the server or the cluster.
    :raises ConfigError: what is wrong with it.
    """
    if not url:
        return {}
    # For +srv, a name server tells the hosts once the URL is used.
    plain = url.replace("mongodb+srv://", "mongodb://", 1)
    try:
        parsed: Mapping[str, Any] = parse_uri(plain, warn=False)
    except (errors.PyMongoError, ValueError):
        # The errors repeat parts of the URL.
        raise context.problem("url", f"expected {_URL}") from None
    if parsed["options"].get("w") == 0:
        raise context.problem("url", "w=0 would have the server not say whether it has written")
    return parsed
