"""How NATS servers are reached: the options of all who talk to them, and what the client is told of these."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any, ClassVar

import nkeys

from salt_eventsd.config.checks import require
from salt_eventsd.config.servers import Secret, Secrets, Timed

_FILES = ("credentials", "ca_file", "cert_file", "key_file")
_JWT = "BEGIN NATS USER JWT"
_SEED = re.compile(r"^S[A-Z2-7]{50,}$", re.MULTILINE)
#: The seeds of users; those of accounts and operators begin with other letters.
_USERS = "SU"
_EXPECTED = "expected what 'nsc generate creds' writes, or the seed of a user's nkey"


class Access(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How servers are reached.

    :param url: of the server, or of several of a cluster.
    :param user: who logs in, with ``password``; or there is a ``token``.
    :param credentials: a file with a JWT and the seed of its nkey, or with such a seed alone.
    :param ca_file: the certificates that must have signed the servers'; None for the system's.
    :param cert_file: the certificate to show to the servers; ``key_file``: its key, where it is not in the same file.
    """

    schemes: ClassVar[str] = "nats|tls"

    url: Secrets = Secrets([Secret("nats://127.0.0.1:4222")])
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    credentials: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        right = "a URL such as nats://nats.example.com:4222, or tls:// for TLS"
        require(bool(self.url), f"url: missing; expected {right}")
        for one in self.url:
            require(re.fullmatch(rf"({self.schemes})://\S+", one) is not None, f"url: expected {right}")
        require(bool(self.cert_file) or not self.key_file, "cert_file: missing; expected the certificate of key_file")


class Unusable(Exception):
    """
    An option cannot be made use of.

    :param key: the option.
    :param what: what is wrong with it.
    """

    def __init__(self, key: str, what: str) -> None:
        self.key = key
        super().__init__(what)


def files(options: Access) -> list[tuple[str, str]]:
    """
    Return the options that name files which are read with each connection, with the files.

    :param options: how servers are reached.
    """
    named = {key: getattr(options, key) for key in _FILES}
    return [(key, path) for key, path in named.items() if path is not None]


def arguments(options: Access) -> dict[str, Any]:
    """
    Return what the client is told of who we are and of whom we trust. The files are read anew each time.

    :param options: how servers are reached.
    :raises Unusable: a file is not what it should be.
    """
    given: dict[str, Any] = {
        "user": options.user,
        "password": None if options.password is None else str(options.password),
        "token": None if options.token is None else str(options.token),
        "tls": _tls(options),
        **_credentials(options.credentials),
    }
    return {key: value for key, value in given.items() if value is not None}


def _credentials(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        text = Path(path).read_text(encoding="utf-8")
        seeds = [one for one in _SEED.findall(text) if one.startswith(_USERS)]
        for one in seeds:
            nkeys.from_seed(bytearray(one.encode()))
    except OSError as exc:
        raise Unusable("credentials", f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, nkeys.NkeysError) as exc:
        # Nothing of what it has is shown.
        raise Unusable("credentials", f"{path} has no credentials of NATS; {_EXPECTED}") from exc
    if not seeds:
        raise Unusable("credentials", f"{path} has no seed of a user's nkey; {_EXPECTED}")
    return {"user_credentials": path} if _JWT in text else {"nkeys_seed_str": seeds[0]}


def _tls(options: Access) -> ssl.SSLContext | None:
    if not (options.ca_file or options.cert_file):
        return None
    context = _trusting("ca_file", options.ca_file)
    if options.cert_file:
        try:
            # A password cannot be typed in here.
            context.load_cert_chain(options.cert_file, options.key_file, password=lambda: "")
        except (ssl.SSLError, OSError) as exc:
            _trusting("cert_file", options.cert_file)
            if "MISMATCH" in str(exc):
                raise Unusable("key_file", f"{options.key_file} is not the key of {options.cert_file}") from exc
            if options.key_file:
                what = f"{options.key_file} has no key that can be read; expected one in PEM, without a password"
                raise Unusable("key_file", what) from exc
            what = f"missing; expected the key of {options.cert_file}, which has none in it"
            raise Unusable("key_file", what) from exc
    return context


def _trusting(key: str, path: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError) as exc:
        what = f"{path} has no certificate that can be read; expected certificates in PEM"
        raise Unusable(key, what) from exc
