"""The http worker against a real web server: what arrives, and what each answer leads to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.exceptions import Cut, Doubted, Held, Transient, WorkerError
from salt_eventsd.spool.keep import Spool
from tests.support import backends
from tests.support.certificates import Certificate, make_certificate
from tests.support.events import numbered, returned
from tests.support.hooks import OK, Hook, Reply, Request
from tests.support.lanes import chunk, keep, lane_of
from tests.support.stores import Buried, batch_of, settled

_BODIES = [pytest.param(body, id=body) for body in ("json", "ndjson", "single")]
_SECRET = "s3cret-of-nobody"
_IN_URL = "T0/s3cret of a hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


def _worker(hook: Hook, **options: Any) -> Any:
    return backends.worker("http", {"url": f"{hook.url}/salt?a=1", "timeout_seconds": 5, **options})


def _jids(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def _refusing(*bad: str, status: int = 400) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        refused = sorted({event["jid"] for event in request.events()} & set(bad))
        return Reply(status, {}, f"bad: {' '.join(refused)}".encode()) if refused else OK

    return answer


@pytest.mark.parametrize("body", _BODIES)
@pytest.mark.parametrize("gzip", [pytest.param(False, id="plain"), pytest.param(True, id="gzip")])
def test_a_batch_arrives_whole_and_in_order(hook: Hook, body: str, gzip: bool) -> None:
    # Given
    worker = _worker(hook, body=body, gzip=gzip)

    # When
    settled(worker, numbered(600), numbered(400, 600))
    settled(worker, numbered(5, 1000))

    # Then
    assert hook.taken == _jids(1005)
    first = hook.requests[0]
    assert (first.method, first.path) == ("POST", "/salt?a=1")
    assert first.headers["Content-Type"] == ("application/x-ndjson" if body == "ndjson" else "application/json")
    assert len(hook.requests) == (1005 if body == "single" else 2)
    assert len({request.connection for request in hook.requests}) == 1


def test_an_event_arrives_with_all_of_it(hook: Hook) -> None:
    # Given
    event = returned({"k": ["ü", 1.5, None]}, jid="7")

    # When
    settled(_worker(hook), [event])

    # Then
    [sent] = hook.requests[0].events()
    assert sent.pop("id")
    assert sent == {
        "tag": "salt/job/7/ret/web1.example.com",
        "stamp": "2026-01-02T03:04:05.678901Z",
        "received": "2026-01-02T03:04:05.928901Z",
        "jid": "7",
        "minion_id": "web1.example.com",
        "fun": "test.ping",
        "kind": "job",
        "phase": "ret",
        "rule": "",
        "master_id": "master-1",
        "data": event.data,
    }


@pytest.mark.parametrize("body", _BODIES)
def test_hostile_values_arrive_as_they_are(hook: Hook, body: str) -> None:
    # Given
    buried = Buried()
    batch = backends.hostile_batch(buried)

    # When
    _worker(hook, body=body).write(batch)

    # Then
    sent = [event["data"] for request in hook.requests for event in request.events()]
    assert sent == [event.data for event in batch.events]
    assert buried.refusals == []


@pytest.mark.parametrize(
    ("auth", "url", "sent"),
    [
        pytest.param({"user": "salt", "password": "pä:ss"}, "", "Basic c2FsdDpww6Q6c3M=", id="basic"),
        pytest.param({"user": "salt"}, "", "Basic c2FsdDo=", id="no-password"),
        pytest.param({"bearer": "a.b-c"}, "", "Bearer a.b-c", id="bearer"),
        pytest.param(None, "salt:p%20w@", "Basic c2FsdDpwIHc=", id="in-the-url"),
        pytest.param({"bearer": "x"}, "salt:pw@", "Bearer x", id="auth-before-the-url"),
        pytest.param(None, "", None, id="none"),
    ],
)
def test_who_we_are(
    hook: Hook, auth: Any, url: str, sent: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a password for this host in the user's own files, which is not meant for this
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n", encoding="utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"auth": auth} if auth else {}

    # When
    settled(_worker(hook, url=f"http://{url}127.0.0.1:{hook.port}/", headers={"X-Key": "k"}, **options), numbered(1))

    # Then
    headers = hook.requests[0].headers
    assert headers.get("Authorization") == sent
    assert headers["X-Key"] == "k"


def test_a_cookie_is_not_sent_back(hook: Hook) -> None:
    # Given
    hook.answer = lambda request: Reply(200, {"Set-Cookie": "a=b; Path=/"})
    worker = _worker(hook)

    # When
    settled(worker, numbered(1))
    settled(worker, numbered(1))

    # Then
    assert "Cookie" not in hook.requests[1].headers


class TestAnswers:
    """What becomes of a batch by the answer to it."""

    @pytest.mark.parametrize("body", _BODIES)
    @pytest.mark.parametrize("status", [pytest.param(status, id=str(status)) for status in (400, 413, 422)])
    def test_only_the_bad_events_are_buried(self, hook: Hook, body: str, status: int) -> None:
        # Given
        hook.answer = _refusing("0", "17", "18", "39", status=status)

        # When
        buried = settled(_worker(hook, body=body), numbered(25), numbered(15, 25))

        # Then
        assert buried.positions == [0, 17, 18, 39]
        assert buried.refusals[1] == (17, f"{hook.url}: {status} bad: 17")
        assert hook.taken == [jid for jid in _jids(40) if jid not in ("0", "17", "18", "39")]

    @pytest.mark.parametrize("body", _BODIES)
    def test_a_server_that_refuses_everything_buries_nothing(self, hook: Hook, body: str) -> None:
        # Given
        hook.answer = lambda request: Reply(400, {}, b"no such api")
        buried = Buried()

        # When / Then
        with pytest.raises(Held, match="no such api"):
            _worker(hook, body=body).write(batch_of(numbered(8), buried=buried))
        assert buried.refusals == []

    def test_one_bad_event_alone_waits_for_another(self, hook: Hook) -> None:
        # Given
        hook.answer = _refusing("0")
        buried = Buried()

        # When / Then: who knows whether it is the event or the server
        with pytest.raises(Doubted, match="400 bad: 0"):
            _worker(hook).write(batch_of(numbered(1), buried=buried))
        assert buried.refusals == []

    @pytest.mark.parametrize("body", _BODIES)
    def test_events_that_are_too_large_are_buried_whatever_comes_with_them(self, hook: Hook, body: str) -> None:
        # Given
        hook.answer = lambda request: Reply(413) if len(request.text) > 100_000 else OK
        worker = _worker(hook, body=body)

        # When / Then
        assert settled(worker, [returned("x" * 200_000, jid=str(number)) for number in range(3)]).positions == [0, 1, 2]
        assert settled(worker, [returned("x" * 200_000, jid="3")]).positions == [0]
        assert settled(worker, numbered(2)).refusals == []

    @pytest.mark.parametrize("body", _BODIES)
    def test_a_server_to_which_everything_is_too_large_buries_nothing(self, hook: Hook, body: str) -> None:
        # Given
        hook.answer = lambda request: Reply(413)
        buried = Buried()

        # When / Then
        with pytest.raises(Held, match="413"):
            _worker(hook, body=body).write(batch_of(numbered(5), buried=buried))
        assert buried.refusals == []

    @pytest.mark.parametrize(
        "status",
        [
            pytest.param(status, id=str(status))
            for status in (400, 403, 406, 409, 412, 413, 418, 421, 422, 424, 428, 451, 499, 500, 506, 508, 599)
        ],
    )
    def test_an_answer_about_one_event_is_that_events(self, hook: Hook, status: int) -> None:
        # Given: what the server says of one event, each time
        hook.answer = _refusing("3", status=status)
        worker = _worker(hook)

        # When: as the lane does, which tells how often the batch has got no answer
        for cuts in range(3):
            noted = Buried()
            try:
                write_batch(worker, replace(batch_of(numbered(8), replay=True, buried=noted), cuts=cuts))
            except Cut:
                continue
            break

        # Then
        assert noted.positions == [3]
        assert sorted(hook.taken) == [jid for jid in _jids(8) if jid != "3"]

    def test_a_connection_is_not_kept_for_ever(self, hook: Hook) -> None:
        # Given
        worker = _worker(hook)
        settled(worker, numbered(1))

        # When: the name of the server may mean another one by now
        worker.worker._link._since -= 301
        settled(worker, numbered(1, 1))

        # Then
        assert len({request.connection for request in hook.requests}) == 2

    @pytest.mark.parametrize("body", _BODIES)
    def test_a_fault_is_followed_by_a_new_connection(self, hook: Hook, body: str) -> None:
        # Given
        worker = _worker(hook, body=body)
        settled(worker, numbered(1))
        settled(worker, numbered(1))
        assert len({request.connection for request in hook.requests}) == 1

        # When: a connection to a server that is not the one any more
        old = hook.requests[0].connection
        hook.answer = lambda request: Reply(403) if request.connection == old else OK
        with pytest.raises(Held):
            worker.write(batch_of(numbered(2, 1)))
        settled(worker, numbered(2, 1))

        # Then
        assert hook.requests[-1].connection != old
        assert hook.taken == ["0", "0", "1", "2"]

    @pytest.mark.parametrize("body", _BODIES)
    @pytest.mark.parametrize(
        "status",
        [pytest.param(status, id=str(status)) for status in (408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 507)],
    )
    def test_a_busy_server_is_tried_again(self, hook: Hook, body: str, status: int) -> None:
        # Given
        worker = _worker(hook, body=body)
        hook.answer = lambda request: Reply(status, {}, b"busy")

        # When
        with pytest.raises(Transient, match=f"{hook.url}: {status} busy"):
            worker.write(batch_of(numbered(5)))
        hook.answer = lambda request: OK
        settled(worker, numbered(5))

        # Then
        assert hook.taken == _jids(5)

    @pytest.mark.parametrize(
        "status", [pytest.param(status, id=str(status)) for status in (401, 404, 405, 407, 410, 415, 501, 511)]
    )
    def test_a_server_that_lets_nobody_in_holds_the_worker(self, hook: Hook, status: int) -> None:
        # Given
        hook.answer = lambda request: Reply(status)
        buried = Buried()

        # When / Then
        with pytest.raises(Held, match=f"^{hook.url}: {status}$"):
            _worker(hook).write(batch_of(numbered(5), buried=buried))
        assert (buried.refusals, len(hook.requests)) == ([], 1)

    @pytest.mark.parametrize("status", [pytest.param(status, id=str(status)) for status in (301, 302, 303, 307, 308)])
    def test_a_redirect_is_not_followed(self, hook: Hook, status: int) -> None:
        # Given
        with Hook() as other:
            hook.answer = lambda request: Reply(status, {"Location": f"{other.url}/elsewhere"})

            # When / Then
            with pytest.raises(Held, match=f"{status}: what url names is elsewhere now"):
                _worker(hook, auth={"bearer": _SECRET}).write(batch_of(numbered(1)))
            assert other.requests == []
        assert len(hook.requests) == 1

    @pytest.mark.parametrize("body", _BODIES)
    def test_what_arrived_before_a_fault_is_not_sent_again(self, hook: Hook, body: str) -> None:
        # Given: a bad event has the batch split, and then the server is busy
        worker = _worker(hook, body=body)
        refusing = _refusing("3")
        hook.answer = lambda request: Reply(503) if request.events()[-1]["jid"] == "19" else refusing(request)
        if body != "single":
            hook.answer = lambda request: (
                Reply(503) if [event["jid"] for event in request.events()] == _jids(10, 10) else refusing(request)
            )

        # When
        with pytest.raises(Transient):
            worker.write(batch_of(numbered(20)))
        hook.answer = refusing
        buried = settled(worker, numbered(20))

        # Then
        assert buried.positions == [3]
        assert hook.taken == [jid for jid in _jids(20) if jid != "3"]

    def test_the_key_is_the_same_when_a_batch_comes_again(self, hook: Hook) -> None:
        # Given
        hook.answer = lambda request: Reply(500) if len(hook.requests) == 1 else OK

        # When: one engine tries, and the next one after it
        with pytest.raises(Transient):
            _worker(hook).write(batch_of(numbered(5)))
        settled(_worker(hook), numbered(5))
        settled(_worker(hook), numbered(5, 5))

        # Then
        first, again, other = (request.key for request in hook.requests)
        assert first == again != other


class TestPatience:
    """Retry-After."""

    @pytest.mark.parametrize("status", [pytest.param(429, id="429"), pytest.param(503, id="503")])
    @pytest.mark.parametrize("as_date", [pytest.param(False, id="seconds"), pytest.param(True, id="date")])
    def test_a_server_is_left_alone_for_as_long_as_it_asks(self, hook: Hook, status: int, as_date: bool) -> None:
        # Given
        worker = _worker(hook)
        after = formatdate(time.time() + 3, usegmt=True) if as_date else "2"
        hook.answer = lambda request: Reply(status, {"Retry-After": after}) if len(hook.requests) == 1 else OK
        asked = time.monotonic()
        with pytest.raises(Transient, match=str(status)):
            worker.write(batch_of(numbered(5)))

        # When
        for _ in range(3):
            with pytest.raises(Transient, match=rf"{status}; it asked not to be called for [0-3] s more"):
                worker.write(batch_of(numbered(5)))
        assert len(hook.requests) == 1
        while not hook.taken:
            try:
                worker.write(batch_of(numbered(5)))
            except Transient:
                time.sleep(0.02)

        # Then
        assert time.monotonic() - asked >= 1.9
        assert hook.taken == _jids(5)

    @pytest.mark.parametrize(
        "after",
        [
            *(pytest.param(value, id=value or "empty") for value in ("soon", "-5", "", "0", "nan", "1e9", "²")),
            pytest.param(formatdate(0, usegmt=True), id="past"),
            pytest.param("Mon, 99 Foo 2026 99:99:99 GMT", id="no-date"),
        ],
    )
    def test_what_cannot_be_understood_is_no_wait(self, hook: Hook, after: str) -> None:
        # Given
        worker = _worker(hook)
        hook.answer = lambda request: Reply(503, {"Retry-After": after.encode("utf-8").decode("latin-1")})
        with pytest.raises(Transient, match="503"):
            worker.write(batch_of(numbered(1)))

        # When
        hook.answer = lambda request: OK
        settled(worker, numbered(1))

        # Then
        assert hook.taken == ["0"]


class TestFaults:
    """Servers that are not there, or behave oddly."""

    def test_a_server_that_is_away_is_waited_for(self, hook: Hook) -> None:
        # Given
        worker = _worker(hook)
        settled(worker, numbered(2))
        worker.close()
        hook.stop()

        # When
        for act in (worker.check, lambda: worker.write(batch_of(numbered(2, 2)))):
            with pytest.raises(Transient, match=f"^{hook.url}: Connection refused$"):
                act()
        hook.start()
        settled(worker, numbered(2, 2))

        # Then
        assert hook.taken == _jids(4)

    @pytest.mark.parametrize("body", _BODIES)
    @pytest.mark.parametrize("events", [pytest.param(1, id="one-by-one"), pytest.param(100, id="together")])
    def test_what_breaks_each_connection_is_found(self, hook: Hook, tmp_path: Path, body: str, events: int) -> None:
        # Given: a program that falls over two of the events
        def answer(request: Request) -> Reply:
            if {"0", "5"} & {event["jid"] for event in request.events()}:
                raise ConnectionResetError
            return OK

        hook.answer = answer
        spool = Spool(tmp_path / "spool")
        lane = lane_of(spool, _worker(hook, body=body), "sink", events=events)
        keep(lane, spool, *(chunk([event], "sink") for event in numbered(9)))

        # When
        for _ in range(60):
            if chunks := lane.claim(time.time())[0]:
                lane.run(chunks)
                lane.flights.ended(chunks[0])
            elif not lane.backlog.events:
                break
            else:
                time.sleep(0.02)

        # Then
        assert (lane.state, lane.backlog.events, lane.written, lane.buried) == ("ok", 0, 7, 2)
        assert sorted(set(hook.taken)) == ["1", "2", "3", "4", "6", "7", "8"]
        spool.close()

    def test_an_answer_that_is_lost_has_the_batch_sent_again(self, hook: Hook) -> None:
        # Given
        def lost(request: Request) -> Reply:
            raise ConnectionResetError

        worker = _worker(hook)
        hook.answer = lost

        # When
        with pytest.raises(Transient):
            worker.write(batch_of(numbered(2)))
        hook.answer = lambda request: OK
        settled(worker, numbered(2))

        # Then
        assert hook.taken == _jids(2)
        assert len({request.key for request in hook.requests}) == 1

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"\x00\xff" * 100 + b"\n", id="no-http"),
            pytest.param(b"HTTP/1.1 2", id="half-a-status"),
        ],
    )
    def test_what_is_no_answer_is_a_fault(self, said: bytes) -> None:
        # Given
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(said)

            threading.Thread(target=serve, daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            worker = backends.worker("http", {"url": url, "timeout_seconds": 2})

            # When / Then
            with pytest.raises(Transient):
                worker.write(batch_of(numbered(2)))

    def test_a_server_that_never_answers_is_given_up(self) -> None:
        # Given
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            worker = backends.worker("http", {"url": url, "timeout_seconds": 0.3})
            started = time.monotonic()

            # When / Then
            with pytest.raises(Transient, match=f"^{url}: timed out$"):
                worker.write(batch_of(numbered(2)))
            assert time.monotonic() - started < 5

    @pytest.mark.parametrize(
        "said", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", b""]
    )
    def test_a_server_that_answers_a_byte_at_a_time_is_given_up_in_time(self, said: bytes) -> None:
        # Given: no wait of them is long
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(said)
                    for _ in range(100):
                        connection.sendall(b"x")
                        time.sleep(0.1)

            threading.Thread(target=serve, daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            worker = backends.worker("http", {"url": url, "timeout": 0.5})
            started = time.monotonic()

            # When
            with suppress(Transient):
                worker.write(batch_of(numbered(2)))

            # Then
            assert time.monotonic() - started < 2

    def test_an_answer_whose_text_never_ends_is_an_answer(self, hook: Hook) -> None:
        # Given
        hook.answer = lambda request: Reply(200, {"Content-Length": "1000000"}, b"x" * 10)

        # When
        settled(_worker(hook, timeout_seconds=0.5), numbered(2))

        # Then
        assert hook.taken == _jids(2)


class TestCertificates:
    """HTTPS."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Certificate:
        """A certificate that nobody else has signed."""
        return make_certificate(tmp_path)

    def test_one_that_nobody_vouches_for_holds_the_worker(self, certificate: Certificate) -> None:
        # Given
        with Hook(certificate=certificate) as hook:
            # When / Then
            with pytest.raises(Held, match="certificate verify failed"):
                _worker(hook).write(batch_of(numbered(1)))
            assert hook.requests == []

    @pytest.mark.parametrize("how", [pytest.param("ca_file", id="ca-file"), pytest.param("verify", id="not-verified")])
    def test_it_may_be_trusted(self, certificate: Certificate, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given: an environment that knows better
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().cafile or "/nowhere")
        options: dict[str, Any] = {"ca_file": str(certificate.file)} if how == "ca_file" else {"verify": False}
        with Hook(certificate=certificate) as hook:
            # When
            settled(_worker(hook, **options), numbered(3))

            # Then
            assert hook.taken == _jids(3)


class TestCheck:
    """check()."""

    @pytest.mark.parametrize("status", [pytest.param(status, id=str(status)) for status in (200, 204, 404, 405, 501)])
    def test_a_server_that_answers_is_there_and_is_sent_nothing(self, hook: Hook, status: int) -> None:
        # Given
        hook.answer = lambda request: Reply(status)

        # When / Then
        assert _worker(hook).check() == f"{hook.url} answers"
        assert [(request.method, request.text) for request in hook.requests] == [("OPTIONS", b"")]

    @pytest.mark.parametrize(
        ("status", "kind"),
        [pytest.param(401, Held, id="401"), pytest.param(403, Held, id="403"), pytest.param(503, Transient, id="503")],
    )
    def test_a_server_that_does_not_is_told(self, hook: Hook, status: int, kind: type[WorkerError]) -> None:
        # Given
        hook.answer = lambda request: Reply(status)

        # When / Then
        with pytest.raises(kind, match=str(status)):
            _worker(hook).check()


def _said(request: Request) -> str:
    names = ("Authorization", "X-Key", "X-Auth")
    return " ".join([request.path, *(request.headers[name].split()[-1] for name in names)])


@pytest.mark.parametrize("status", [pytest.param(status, id=str(status)) for status in (200, 307, 400, 403, 503)])
def test_no_secret_is_told(hook: Hook, status: int, caplog: pytest.LogCaptureFixture) -> None:
    # Given: a server that says all that it was told, and a URL that is a secret of itself
    caplog.set_level("DEBUG")
    hook.answer = lambda request: Reply(status, {}, f"{unquote(request.path)} {_said(request)}".encode())
    url = f"{hook.url}/{quote(_IN_URL)}?token=t0ken-of-a-hook"
    secrets = {"url": url, "headers": {"X-Key": _SECRET, "X-Auth": "Token t0ken-of-a-header"}}
    worker = _worker(hook, **secrets, auth={"user": "salt", "password": _SECRET})

    # When
    said = [repr(worker), repr(worker.worker), repr(vars(worker.worker)["_options"])]
    for act in (worker.check, lambda: worker.write(batch_of(numbered(1))), lambda: worker.write(batch_of(numbered(2)))):
        try:
            said.append(str(act()))
        except WorkerError as exc:
            said += [str(exc), repr(exc), repr(exc.__cause__)]
    hook.stop()
    with pytest.raises(Transient) as caught:
        _worker(hook, **secrets).check()

    # Then
    told = "\n".join([*said, str(caught.value), *(record.getMessage() for record in caplog.records)])
    for secret in (_SECRET, _IN_URL, quote(_IN_URL), "t0ken-of-a-hook", "t0ken-of-a-header", "c2FsdDpzM2NyZXQ"):
        assert secret not in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({}, "url: missing; expected one such as https://", id="nothing"),
        pytest.param({"url": "hooks.example.com/x"}, "url: expected one such as https://", id="no-scheme"),
        pytest.param({"url": "ftp://hooks.example.com"}, "url: expected one such as https://", id="scheme"),
        pytest.param({"url": f"http://{_SECRET}:{_SECRET}@h:port"}, "url: expected one such as https://", id="port"),
        pytest.param({"url": "https://"}, "url: expected one such as https://", id="no-host"),
        pytest.param({"url": 7}, "url: expected text, got number", id="number"),
        pytest.param({"url": "http://h", "body": "xml"}, "body: invalid", id="body"),
        pytest.param({"url": "http://h", "timeout_seconds": 0}, "timeout_seconds: expected a number", id="timeout"),
        pytest.param({"url": "http://h", "gzip": "yes"}, "gzip: expected", id="gzip"),
        pytest.param({"url": "http://h", "headers": {"a b": "x"}}, "headers: 'a b' is no name", id="header-name"),
        pytest.param({"url": "http://h", "headers": {"X": f"a\n{_SECRET}"}}, "headers: X: expected", id="header"),
        pytest.param({"url": "http://h", "headers": {"X": 7}}, "headers: expected text", id="header-number"),
        pytest.param({"url": "http://h", "auth": _SECRET}, "auth: expected mapping", id="auth"),
        pytest.param({"url": "http://h", "auth": {}}, "auth: expected either user", id="auth-empty"),
        pytest.param({"url": "http://h", "auth": {"user": "a", "bearer": _SECRET}}, "auth: expected", id="auth-both"),
        pytest.param({"url": "http://h", "auth": {"bearer": f"{_SECRET}\nx"}}, "auth.bearer: expected", id="bearer"),
        pytest.param({"url": "http://h", "auth": {"token": _SECRET}}, "auth.token: unknown key", id="auth-key"),
        pytest.param({"url": "http://h", "ca_file": "/nowhere/ca"}, "ca_file: expected a file", id="ca-file"),
        pytest.param({"url": "http://h", "verify": False, "ca_file": "/x"}, "ca_file: means nothing", id="ca"),
        pytest.param({"url": "http://h", "password": _SECRET}, "password: unknown key", id="unknown"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_key(options: dict[str, Any], says: str) -> None:
    # When
    problem = backends.problem("http", options)

    # Then
    assert problem.startswith(f"eventsd: workers.sink.{says}")
    assert _SECRET not in problem


def test_what_all_databases_share_goes_to_no_web_server(hook: Hook) -> None:
    # Given
    worker = backends.worker("http", {"url": hook.url}, defaults={"user": "salt", "password": _SECRET, "port": 5432})

    # When
    settled(worker, numbered(1))

    # Then
    assert "Authorization" not in hook.requests[0].headers


def test_a_missing_library_is_named_with_what_to_install() -> None:
    # When
    problem = backends.problem_without("requests", "http", {"url": "http://127.0.0.1"})

    # Then
    assert problem.startswith("eventsd: workers.sink.module: http needs a library that is missing: ")
    assert "salt-pip install 'salt-eventsd[http]'" in problem
