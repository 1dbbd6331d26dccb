"""The options of an elasticsearch worker."""

from __future__ import annotations

import base64
import re
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from salt_eventsd.config.checks import require
from salt_eventsd.config.servers import Secret, Secrets, Timed


class ElasticsearchOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of an elasticsearch worker.

    :param url: of the server, or of several of a cluster; a server that is away is skipped.
    :param api_key: instead of user and password; encoded as the server gave it, or ``id:key``.
    :param ca_file: the certificates that must have signed the server's; None for the usual ones.
    :param index: a template.
    :param op: create a document, or replace one of the same id; a data stream takes only the first.
    :param deep: keep the structure of a payload, for an index whose mapping is made for it.
    """

    url: Secrets = Secrets([Secret("http://127.0.0.1:9200")])
    user: str | None = None
    password: Secret | None = None
    api_key: Secret | None = None
    ca_file: str | None = None
    verify: bool = True
    index: str = "salt-{stamp:%Y.%m.%d}"
    op: Literal["create", "index"] = "create"
    deep: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in self.url:
            fits = re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", one) is not None
            require(fits, "url: expected a URL such as https://elasticsearch.example.com:9200")
        require(bool(self.url), "url: missing; expected a URL such as https://elasticsearch.example.com:9200")
        require(not (self.api_key and self.user), "api_key: expected that or a user, not both")

    @property
    def servers(self) -> list[str]:
        """The URLs, without user and password."""
        parts = [urlsplit(url) for url in self.url]
        return [urlunsplit((one.scheme, one.netloc.rpartition("@")[2], one.path.rstrip("/"), "", "")) for one in parts]

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``; "" for none."""
        if self.api_key:
            # The plain form is id:key; base64 has no colon.
            return f"ApiKey {_base64(self.api_key) if ':' in self.api_key else self.api_key}"
        first = urlsplit(self.url[0])
        user = self.user or unquote(first.username or "")
        password = self.password or unquote(first.password or "")
        return f"Basic {_base64(f'{user}:{password}')}" if user else ""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
