"""Dead letters in a stream of their own. Each has a subject that no other one has, so it is kept once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from nats.js.api import Header

from salt_eventsd.backends.broker.interface import Letter
from salt_eventsd.backends.broker.jetstream import api
from salt_eventsd.backends.broker.jetstream.api import Denied, Missing, Stream, ask
from salt_eventsd.backends.broker.jetstream.link import NOBODY, Link
from salt_eventsd.backends.broker.jetstream.names import Names
from salt_eventsd.backends.broker.jetstream.options import Naming, Source
from salt_eventsd.backends.broker.jetstream.session import Session
from salt_eventsd.backends.broker.parcel import MOST_UNPACKED_BYTES
from salt_eventsd.exceptions import Held, Transient

#: How large the stream becomes. Then nothing more is buried, and writers wait until an operator has looked at it.
_MOST_BYTES = 256 * 2**20
#: JetStream's codes for a subject that has a message already, and for a name that has a stream with other settings.
_THERE_ALREADY, _OTHER_SETTINGS = 10071, 10058
#: In characters.
_LONGEST_ERROR = 500
_LEVEL = 1
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Letter)


class JetStreamLetters:
    """
    See :class:`~salt_eventsd.backends.broker.interface.Letters`.

    :param options: where the servers are.
    :param naming: how errors name the options.
    """

    def __init__(self, options: Source, naming: Naming | None = None) -> None:
        self._options = options
        self._naming = naming or Naming()
        self._names = Names(options.stream)
        self._session = Session(options, self._naming, self._nothing)

    def bury(self, id_: str, letter: Letter) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        self._session.run(lambda link: self._bury(link, id_, letter))

    def letters(self, worker: str = "") -> Iterator[Letter]:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        after = 0
        while (found := self._session.run(partial(self._next, worker, after))) is not None:
            after = found.seq
            try:
                letter = _DECODER.decode(zlib.decompressobj().decompress(found.data, MOST_UNPACKED_BYTES))
            except (msgspec.DecodeError, zlib.error):
                # None of our programs has put it there.
                continue
            yield replace(letter, id=found.seq)

    def discard(self, id_: int) -> bool:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        return self._session.run(lambda link: self._discard(link, id_))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    async def _nothing(self, link: Link) -> None:
        """There may be no letters yet, and then there is no stream."""

    async def _bury(self, link: Link, id_: str, letter: Letter) -> None:
        headers = {
            Header.EXPECTED_STREAM.value: self._names.dead,
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
        }
        subject = self._names.letter(letter.worker, id_)
        # What was in a parcel has room in a message only if it is compressed as well.
        body = zlib.compress(_ENCODER.encode(replace(letter, error=letter.error[:_LONGEST_ERROR])), _LEVEL)
        for is_last in (False, True):
            sent = await link.send(subject, body, headers)
            await link.answered([sent])
            answer = sent.result()
            if answer.code in (0, _THERE_ALREADY):
                return
            if answer.code != NOBODY or is_last:
                break
            await self._make(link)
        if "maximum" in answer.description:
            what = f"no more dead letters have room in {self._names.dead}; requeue or discard some"
            raise Held(self._naming.problem("stream", what))
        raise Transient(f"the stream {self._names.dead} refuses a dead letter: {answer.description or 'no answer'}")

    async def _make(self, link: Link) -> None:
        seconds = self._options.timeout
        wanted: dict[str, Any] = {
            "name": self._names.dead,
            "subjects": [self._names.dead_subjects],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": await self._replicas(link),
            "max_bytes": _MOST_BYTES,
            "max_msgs": -1,
            "max_consumers": -1,
            "max_msg_size": -1,
        }
        try:
            await ask(link, f"STREAM.CREATE.{self._names.dead}", wanted, Stream, seconds)
        except Denied as exc:
            if exc.code != _OTHER_SETTINGS:
                what = f"the stream {self._names.dead} cannot be made: {exc}"
                raise Held(self._naming.problem("stream", what)) from exc

    async def _replicas(self, link: Link) -> int:
        try:
            found = await ask(link, f"STREAM.INFO.{self._names.stream}", None, Stream, self._options.timeout)
        except Missing:
            return 1
        return found.config.num_replicas

    async def _next(self, worker: str, after: int, link: Link) -> api.Message | None:
        wanted = {"seq": after + 1, "next_by_subj": self._names.letters(worker)}
        try:
            return await api.message(link, self._names.dead, wanted, self._options.timeout)
        except Missing:
            return None

    async def _discard(self, link: Link, id_: int) -> bool:
        try:
            return await api.delete(link, self._names.dead, id_, self._options.timeout)
        except Missing:
            return False
