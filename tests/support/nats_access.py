"""
NATS servers that let in only who proves who he is: by a token, an nkey, the JWT of an account's user, or a certificate.

Keys and JWTs are made here as NATS' own ``nsc`` makes them: an operator signs an account, and that signs a user.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nkeys

from tests.support.binaries import hand_over
from tests.support.brokers import Streams
from tests.support.certificates import Certificate, make_certificate

TOKEN = "let-me-in"
_OPERATOR, _ACCOUNT, _USER = nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER
#: How servers may ask who somebody is.
WAYS = ("token", "nkey", "jwt", "certificate")


class Key:
    """
    A key of NATS'.

    :param prefix: says whose: an operator's, an account's or a user's.
    """

    def __init__(self, prefix: int) -> None:
        self.seed = bytes(nkeys.encode_seed(os.urandom(32), prefix))
        self.name = nkeys.from_seed(bytearray(self.seed)).public_key.decode()

    def jwt(self, kind: str, subject: Key, until: int = 0, **claims: Any) -> str:
        """
        Return a JWT that this key has signed.

        :param kind: of the subject: ``operator``, ``account`` or ``user``.
        :param subject: whose it is.
        :param until: when it runs out, in seconds since 1970 UTC; 0 for never.
        :param claims: what it may.
        """
        now = int(time.time())
        body = {"jti": os.urandom(16).hex(), "iat": now, "iss": self.name, "sub": subject.name, "name": kind}
        if until:
            body["exp"] = until
        body |= {"nats": {"type": kind, "version": 2, **claims}}
        text = f"{_packed({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_packed(body)}"
        return f"{text}.{_base64(nkeys.from_seed(bytearray(self.seed)).sign(text.encode()))}"


@dataclass
class Realm:
    """An operator with an account and a user of it, who may do everything."""

    operator: Key = field(default_factory=lambda: Key(_OPERATOR))
    account: Key = field(default_factory=lambda: Key(_ACCOUNT))
    user: Key = field(default_factory=lambda: Key(_USER))

    @property
    def configuration(self) -> str:
        """What a server of this operator has in its configuration."""
        unlimited = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        stored = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
        # JetStream wants an account for the server itself; that has no streams.
        limits = {self.account: {**unlimited, **stored, "wildcards": True}, Key(_ACCOUNT): unlimited}
        signed = {one.name: self.operator.jwt("account", one, limits=given) for one, given in limits.items()}
        accounts = ", ".join(f"{name}: {jwt}" for name, jwt in signed.items())
        return (
            f"operator: {self.operator.jwt('operator', self.operator)}\nsystem_account: {list(signed)[1]}\n"
            f"resolver: MEMORY\nresolver_preload: {{ {accounts} }}\n"
        )

    def credentials(self, path: Path, until: int = 0) -> Path:
        """
        Write the user's credentials into a file, and return it.

        :param path: of the file.
        :param until: when they run out, in seconds since 1970 UTC; 0 for never.
        """
        jwt = self.account.jwt("user", self.user, until, subs=-1, data=-1, payload=-1)
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.user.seed.decode()}\n------END USER NKEY SEED------\n",
            encoding="utf-8",
        )
        return path


class Guarded(Streams):
    """
    A server that lets in only who proves who he is.

    :param way: one of :data:`WAYS`.
    """

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self.realm = Realm()
        self._certificates: dict[str, Certificate] = {}

    @property
    def address(self) -> str:
        """Its URL, with no login in it."""
        return f"{'tls' if self._way == 'certificate' else 'nats'}://127.0.0.1:{self.port}"

    def right(self, folder: Path) -> dict[str, Any]:
        """
        Return the options with which it lets one in.

        :param folder: for files.
        """
        if self._way == "token":
            return {"token": TOKEN}
        if self._way == "certificate":
            server, client = self._certificates["server"], self._certificates["client"]
            return {"ca_file": str(server.file), "cert_file": str(client.file), "key_file": str(client.key)}
        path = folder / "right.creds"
        if self._way == "jwt":
            self.realm.credentials(path)
        else:
            path.write_bytes(self.realm.user.seed)
        return {"credentials": str(path)}

    def probe(self) -> None:
        """Look whether it says that it is ready: no client here has the keys."""
        assert "Server is ready" in self.log.read_text(encoding="utf-8", errors="replace")

    def _make(self) -> None:
        lines = [
            f'listen: "127.0.0.1:{self.port}"',
            f'jetstream: {{ store_dir: "{self.folder / "streams"}", max_memory_store: 64MB, max_file_store: 1GB }}',
        ]
        if self._way == "token":
            lines.append(f"authorization: {{ token: {TOKEN} }}")
        elif self._way == "nkey":
            lines.append(f"authorization: {{ users: [ {{ nkey: {self.realm.user.name} }} ] }}")
        elif self._way == "jwt":
            lines.append(self.realm.configuration)
        else:
            for name in ("server", "client"):
                (self.folder / name).mkdir(exist_ok=True)
                made = self._certificates[name] = make_certificate(self.folder / name)
                hand_over(self.folder / name, made.file, made.key)
            server, client = self._certificates["server"], self._certificates["client"]
            own = f'cert_file: "{server.file}", key_file: "{server.key}"'
            lines.append(f'tls: {{ {own}, ca_file: "{client.file}", verify: true }}')
        configuration = self.folder / "nats.conf"
        configuration.write_text("\n".join(lines), encoding="utf-8")
        hand_over(configuration)


def _packed(claims: dict[str, Any]) -> str:
    return _base64(json.dumps(claims).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
