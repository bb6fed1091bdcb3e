"""What `ports.notifier.Notifier` promises, tested on every kind of receiver against a real server that misbehaves on demand."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.notifiers import build
from repwatch.model.endpoint import FileSecret, LiteralSecret, SecretSource
from repwatch.model.notice import NoticeEvent
from repwatch.model.settings import EmailReceiver, Receiver, SlackReceiver, WebhookReceiver
from repwatch.ports.notifier import DeliveryOutcome, Notifier
from repwatch.sandbox.standins import Misbehaviour
from tests.unit.adapters.benches import BENCHES, SECRETS, Bench, email_bench, notice, slack_bench, webhook_bench
from tests.unit.render.test_digest_render import DIGEST

THREAD = {"something": "remembered"}


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made, _ = BENCHES[request.param]()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Of a notifier or a stand-in, a moment after the test."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), thread.name


def test_a_notice_arrives(bench: Bench) -> None:
    delivery = bench.notifier().send(notice(), {})
    assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.text
    assert bench.received() == ["n-1"]
    for piece in ("shop", "db3", "The applier stopped at a duplicate key", "0-1-4711", "shop.orders", "repwatch repair shop/db3"):
        assert piece in bench.shown()


def test_trouble_of_the_moment_is_retried_and_what_was_remembered_stays(bench: Bench) -> None:
    bench.fail_now()
    delivery = bench.notifier().send(notice(), THREAD)
    assert delivery.outcome is DeliveryOutcome.RETRY
    assert delivery.thread == THREAD
    assert delivery.text
    bench.recover()
    assert bench.notifier().send(notice(), delivery.thread).outcome is DeliveryOutcome.DELIVERED


def test_a_refusal_for_good_is_told_as_one(bench: Bench) -> None:
    bench.fail_for_good()
    delivery = bench.notifier().send(notice(), THREAD)
    assert delivery.outcome is DeliveryOutcome.REFUSED
    assert delivery.thread == THREAD
    assert delivery.text


def test_the_life_of_an_incident(bench: Bench) -> None:
    notifier, thread = bench.notifier(), dict[str, str]()
    for number, event in enumerate(NoticeEvent):
        delivery = notifier.send(notice(event, number), thread)
        assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.text
        thread = dict(delivery.thread)
        assert all(isinstance(value, str) for value in thread.values())
    assert [f"n-{number}" for number in range(len(NoticeEvent))] == sorted(set(bench.received()))


def test_a_lost_answer_is_retried_under_the_same_id(bench: Bench) -> None:
    """At least once: the receiver has it twice and can tell."""
    bench.lose_answer()
    notifier = bench.notifier()
    assert notifier.send(notice(), {}).outcome is DeliveryOutcome.RETRY
    bench.recover()
    assert notifier.send(notice(), {}).outcome is DeliveryOutcome.DELIVERED
    assert bench.received() == ["n-1", "n-1"]


def test_a_slow_receiver_does_not_hold_the_caller_and_gets_the_notice_once(bench: Bench) -> None:
    bench.stall()
    notifier = bench.notifier(seconds=1)
    assert notifier.send(notice(), {}).outcome is DeliveryOutcome.RETRY
    wait_until(lambda: bench.received() == ["n-1"])  # a busy machine may have asked late
    bench.go_on()
    assert is_delivered_within(60, notifier)
    assert bench.received() == ["n-1"]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_delivered_within(seconds: float, notifier: Notifier) -> bool:
    """Ask again until it is delivered, as the outbox does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if notifier.send(notice(), {}).outcome is DeliveryOutcome.DELIVERED:
            return True
    return False


def test_nobody_listens(bench: Bench) -> None:
    bench.close()
    delivery = bench.notifier().send(notice(), THREAD)
    assert delivery.outcome is DeliveryOutcome.RETRY
    assert "refused" in delivery.text.lower()
    bench.close = lambda: None


def test_nasty_texts_arrive(bench: Bench) -> None:
    nasty = "\x00\x1b[31m \ud800 \U0001f600 <!channel> & \r\n\r\nBcc: x@y.example\r\n." * 50
    delivery = bench.notifier().send(replace(notice(), summary=nasty, meaning=nasty, evidence={nasty: nasty}, remedy=nasty), {})
    assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.text
    assert bench.received() == ["n-1"]


def test_no_secret_is_shown(bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """In no text, log or stream, whatever happens and however chatty the logs are."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("repwatch.slack_sdk").setLevel(logging.DEBUG)
    texts = []
    try:
        for trouble in (bench.recover, bench.fail_now, bench.fail_for_good, bench.lose_answer):
            trouble()
            delivery = bench.notifier().send(notice(), {})
            texts += [delivery.text, *delivery.thread.values()]
            bench.recover()
    finally:
        logging.getLogger("repwatch.slack_sdk").setLevel(logging.CRITICAL)
    texts += [bench.shown(), caplog.text, repr(bench.receiver), *capfd.readouterr()]
    for secret in SECRETS:
        if bench.kind != "webhook" or secret != SECRETS[3]:  # a webhook's URL is in the configuration as plain text
            assert not any(secret in text for text in texts)
    assert not any(SECRETS[3] in text for text in texts if text != repr(bench.receiver))


ANSWERS = {
    "nothing": b"",
    "no-protocol": b"\x16\x03\x01\xff\xfe not what you expect\r\n\r\n",
    "a-shell": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "an-echo": b"HTTP/1.0 500 " + " ".join(SECRETS).encode() + b"\r\n\r\n" + " ".join(SECRETS).encode(),
    "no-json": b"HTTP/1.0 200 OK\r\nContent-Type: application/json; charset=nonsense\r\n\r\n[1,2,\xff",
    "a-list": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[1]",
    "too-short": b"HTTP/1.0 500 OK\r\nContent-Length: 999999\r\n\r\nx",
    "bad-smtp": b"220 hello\r\n999 " + SECRETS[2].encode() + b"\r\n",
    "smtp-echo": b"220 hello\r\n250 x\r\n535 5.7.8 no: " + SECRETS[2].encode() + b"\r\n221 bye\r\n",
    "a-huge-line": b"220 " + b"x" * 100_000,
}


@pytest.mark.parametrize("kind", ["slack", "slack-webhook", "email", "webhook"])
@pytest.mark.parametrize("answer", list(ANSWERS))
def test_junk_for_an_answer_raises_nothing_and_shows_no_secret(kind: str, answer: str) -> None:
    made, _ = BENCHES[kind]()
    made.close()
    with talker(ANSWERS[answer], speaks_first=kind == "email") as port:
        notifier = build(pointed_at(made.receiver, port), seconds=60)
        delivery = notifier.send(notice(), THREAD)
    if "webhook" in kind and answer in {"no-json", "a-list"}:  # any 2xx is success
        assert delivery.outcome is DeliveryOutcome.DELIVERED
    else:
        assert delivery.outcome is not DeliveryOutcome.DELIVERED
        assert delivery.thread == THREAD
        assert delivery.text
        assert len(delivery.text) < 400
    for secret in SECRETS[2:3] if kind == "email" else SECRETS:  # an adapter knows its own secrets only
        assert secret not in delivery.text


@contextlib.contextmanager
def talker(answer: bytes, speaks_first: bool) -> Iterator[int]:
    """A server that says this to everybody, whatever is asked, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(60)
                    if not speaks_first:
                        connection.recv(100_000)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(100_000):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def pointed_at(receiver: Receiver, port: int) -> Receiver:
    """The same receiver on another port."""
    match receiver.channel:
        case SlackReceiver(token=None):
            url = LiteralSecret(f"http://127.0.0.1:{port}/services/{SECRETS[1]}")
            return replace(receiver, channel=replace(receiver.channel, webhook_url=url))
        case SlackReceiver():
            return replace(receiver, channel=replace(receiver.channel, api_url=f"http://127.0.0.1:{port}/api/"))
        case EmailReceiver():
            return replace(receiver, channel=replace(receiver.channel, port=port))
        case WebhookReceiver():
            return replace(receiver, channel=replace(receiver.channel, url=f"http://127.0.0.1:{port}/?{SECRETS[3]}"))


def test_a_receiver_that_drips_single_bytes_is_bounded_too() -> None:
    """Each wait is short, all of them together are not."""
    made, server = webhook_bench()
    server.misbehave(Misbehaviour(drip=0.5))
    begun = time.monotonic()
    assert made.notifier(seconds=2).send(notice(), {}).outcome is DeliveryOutcome.RETRY
    assert time.monotonic() - begun < 30, "all the bytes take longer"
    made.close()


@pytest.mark.parametrize("make", [slack_bench, email_bench, webhook_bench], ids=["slack", "email", "webhook"])
def test_a_secret_is_read_at_each_send(make: Callable[[SecretSource], tuple[Bench, object]], tmp_path: Path) -> None:
    """A file that is missing for a moment, as in a rotation, is no refusal; the secret in it is the one that is used."""
    path = tmp_path / "secret"
    made, _ = make(FileSecret(path))
    notifier = made.notifier()
    missing = notifier.send(notice(), THREAD)
    assert missing.outcome is DeliveryOutcome.RETRY
    assert str(path) in missing.text
    path.write_text({"slack": SECRETS[0], "email": SECRETS[2], "webhook": SECRETS[4]}[made.kind] + "\n")
    assert notifier.send(notice(), {}).outcome is DeliveryOutcome.DELIVERED
    path.write_text("wrong\n")
    if made.kind != "webhook":
        assert notifier.send(notice(), {}).outcome is DeliveryOutcome.REFUSED
    made.close()


def test_a_digest_arrives(bench: Bench) -> None:
    for _ in range(2):  # after a lost answer
        delivery = bench.notifier().send(DIGEST, {})
        assert (delivery.outcome, delivery.thread) == (DeliveryOutcome.DELIVERED, {}), delivery.text
    for piece in ("shop", "applier-error", "ann"):
        assert piece in bench.shown()
    assert not any(secret in bench.shown() for secret in SECRETS)


def test_a_digest_that_is_refused(bench: Bench) -> None:
    bench.fail_now()
    assert bench.notifier().send(DIGEST, {}).outcome is DeliveryOutcome.RETRY
    bench.recover()
    bench.fail_for_good()
    assert bench.notifier().send(DIGEST, {}).outcome is DeliveryOutcome.REFUSED
