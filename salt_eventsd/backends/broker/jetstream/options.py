"""Where the servers are, and what the stream is to be like."""

from __future__ import annotations

import re

import msgspec

from salt_eventsd.config.checks import require
from salt_eventsd.config.servers import Secret, Secrets, Timed
from salt_eventsd.config.structs import Size

_URL = "a URL such as nats://nats.example.com:4222, or tls:// for TLS"
#: The stream that is meant where nobody says another one.
STREAM = "EVENTSD"
#: Replicas that JetStream can have.
_MOST_REPLICAS = 5


class Source(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where a stream of parcels is. Writers need no more; masters have :class:`Target`.

    :param url: of the server, or of several of a cluster.
    :param credentials: a file with a JWT and an nkey.
    :param ca_file: the certificates that must have signed the servers'; None for the system's.
    :param cert_file: the certificate to show to the servers; ``key_file``: its key.
    :param stream: the stream's name.
    """

    url: Secrets = Secrets([Secret("nats://127.0.0.1:4222")])
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    credentials: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    stream: str = STREAM

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.url), f"url: missing; expected {_URL}")
        for one in self.url:
            require(re.fullmatch(r"(nats|tls)://\S+", one) is not None, f"url: expected {_URL}")
        fits = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", self.stream) is not None
        require(fits, f"stream: expected letters, digits, - and _, got {self.stream!r}")
        require(bool(self.cert_file) or not self.key_file, "cert_file: missing; expected the certificate of key_file")


class Target(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where a stream of parcels is, and what it is to be like; what is None is as the stream has it.

    :param replicas: on how many servers each parcel is kept.
    :param max_bytes: how large the stream may become; then the masters keep their events.
    :param duplicate_seconds: for how long the stream knows a second copy of a parcel.
    """

    replicas: int | None = None
    max_bytes: Size | None = None
    duplicate_seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        replicas, seconds = self.replicas, self.duplicate_seconds
        fits = replicas is None or 1 <= replicas <= _MOST_REPLICAS
        require(fits, f"replicas: expected 1 to {_MOST_REPLICAS}, got {replicas}")
        require(seconds is None or seconds > 0, f"duplicate_seconds: expected a number above 0, got {seconds}")


def files(options: Source) -> list[tuple[str, str]]:
    """
    Return the options that name files which are read later, with the files.

    :param options: where the stream is.
    """
    named = {key: getattr(options, key) for key in ("credentials", "ca_file", "cert_file", "key_file")}
    return [(key, path) for key, path in named.items() if path is not None]


class Naming(msgspec.Struct, frozen=True):
    """
    How errors name the options, such as ``eventsd: workers.history.stream: ...``.

    :param prefix: what stands before an option's name, such as ``workers.history.``.
    """

    prefix: str = ""

    def problem(self, key: str, what: str) -> str:
        """
        Return what an error says.

        :param key: the option.
        :param what: what is wrong with it.
        """
        return f"eventsd: {self.prefix}{key}: {what}"
