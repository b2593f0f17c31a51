"""What is really sent to Sentry, byte for byte, as a local server receives it."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings
from wooshq_worker.observe import log as logs
from wooshq_worker.observe import sentry
from wooshq_worker.observe.sentry import SentryReporter, a_client

TOKEN = "secret-token-0123456789"
RECIPIENT = "ann@example.com"
TEXT = "Your code is 482913"
GENEROUS_S = 60.0
FLUSH_S = sentry.FLUSH_S


class Receiver:
    """A Sentry that keeps every byte."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.heads: list[str] = []
        arrived = threading.Condition()
        self._arrived = arrived
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                with arrived:
                    receiver.bodies.append(gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw)
                    receiver.heads.append(f"{self.path}\n{self.headers}")
                    arrived.notify_all()
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()  # how often it looks for its end
        self.dsn = f"http://publickey@127.0.0.1:{self.server.server_port}/42"

    def events(self) -> list[dict[str, Any]]:
        """The events in the envelopes that came."""
        found = []
        for body in self.bodies:
            lines = body.split(b"\n")
            for head, item in zip(lines[1::2], lines[2::2], strict=False):
                assert json.loads(head)["type"] == "event"
                found.append(json.loads(item))
        return found

    def everything(self) -> str:
        return "\n".join([*self.heads, *(body.decode() for body in self.bodies)])


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine, too, a flush waits until everything has arrived."""
    monkeypatch.setattr(sentry, "FLUSH_S", GENEROUS_S)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def roots() -> Iterator[logging.Logger]:
    """The root logger, restored at the end."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def a_reporter(dsn: str, *, per_minute: int = 20, clock: Callable[[], float] | None = None) -> SentryReporter:
    return SentryReporter(a_client(dsn), per_minute, clock or Clock())


def a_failure(report: SentryReporter, *, code: str = "INVALID_ARGUMENT", application: str = "AAAAA-AAAAA") -> None:
    report(kind="dead_letter", reason="rejected", code=code, application=application, lane="bulk")


def settings_with(dsn: str | None, **given: Any) -> Settings:
    return Settings(_env_file=None, sentry_dsn=SecretStr(dsn) if dsn else None, api_token=SecretStr(TOKEN), **given)


class WhenTenThousandMessagesFail:
    def test_one_event_of_each_kind_arrives(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn, per_minute=20)
        started = time.monotonic()
        for n in range(10_000):
            a_failure(report, code=f"CODE_{n % 5}", application=f"APP{n % 3}")
        assert time.monotonic() - started < GENEROUS_S
        report.flush()
        events = receiver.events()
        assert len(events) == 5
        assert len({tuple(event["fingerprint"]) for event in events}) == 5

    def test_more_kinds_than_the_limit_are_limited(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn, per_minute=7)
        for n in range(10_000):
            a_failure(report, code=f"CODE_{n % 100}")
        report.flush()
        assert len(receiver.events()) == 7

    def test_no_minute_has_more_than_the_limit(self, receiver: Receiver) -> None:
        clock = Clock()
        client = a_client(receiver.dsn)
        sent_at: list[float] = []
        capture = client.capture_event

        def noting(*given: Any, **named: Any) -> Any:
            sent_at.append(clock.now_s)
            return capture(*given, **named)

        client.capture_event = noting  # type: ignore[method-assign]
        report = SentryReporter(client, 5, clock)
        for n in range(3000):
            clock.now_s += 0.1
            a_failure(report, code=f"CODE_{n % 50}")
        assert max(sum(at <= other < at + 60 for other in sent_at) for at in sent_at) == 5
        assert len(sent_at) >= 20

    def test_the_next_event_counts_what_was_held_back(self, receiver: Receiver) -> None:
        clock = Clock()
        report = a_reporter(receiver.dsn, clock=clock)
        for n in range(1000):
            a_failure(report, application="AAAAA-AAAAA" if n % 4 else "BBBBB-BBBBB")
        clock.now_s += 61
        a_failure(report)
        report.flush()
        first, second = (event["contexts"]["wooshq"] for event in receiver.events())
        assert first == {"failures_since_last_event": 1, "applications": {"BBBBB-BBBBB": 1}}
        assert second == {"failures_since_last_event": 1000, "applications": {"AAAAA-AAAAA": 751, "BBBBB-BBBBB": 249}}

    def test_thousands_of_kinds_do_not_fill_the_memory(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn, per_minute=1)
        for n in range(5000):
            a_failure(report, code=f"CODE_{n}")
        assert len(report._kinds) <= 500

    def test_many_threads_keep_to_the_limit(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn, per_minute=3)

        def fail_often(shift: int) -> None:
            for n in range(500):
                a_failure(report, code=f"C{(n + shift) % 40}")

        threads = [threading.Thread(target=fail_often, args=(shift,)) for shift in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GENEROUS_S)
        report.flush()
        assert len(receiver.events()) == 3


class WhenAnEventArrives:
    def test_it_says_what_failed_and_nothing_else(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn)
        a_failure(report)
        report.flush()
        (event,) = receiver.events()
        assert set(event) == {
            *("event_id", "timestamp", "level", "platform", "fingerprint", "message", "sdk", "environment", "release", "tags", "contexts"),
        }
        assert event["message"] == "dead_letter: rejected INVALID_ARGUMENT"
        assert event["fingerprint"] == ["wooshq", "dead_letter", "rejected", "INVALID_ARGUMENT"]
        assert event["tags"] == {
            "kind": "dead_letter",
            "reason": "rejected",
            "code": "INVALID_ARGUMENT",
            "application": "AAAAA-AAAAA",
            "lane": "bulk",
        }
        assert set(event["contexts"]) == {"wooshq"}
        assert socket.gethostname() not in receiver.everything().replace("127.0.0.1", "")

    def test_a_word_that_is_not_of_our_vocabulary_is_not_sent(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn)
        report(kind="dead_letter", reason=TEXT, code=RECIPIENT, application=f"x {TOKEN}\n", lane="ünïcode")
        report.flush()
        everything = receiver.everything()
        for secret in (TEXT, RECIPIENT, TOKEN, "482913", "ann"):
            assert secret not in everything
        assert len(receiver.events()) == 1


def fails_with(text: str) -> None:
    recipient, token = RECIPIENT, TOKEN  # local values, which must not be sent
    try:
        raise KeyError(recipient)
    except KeyError as error:
        raise ValueError(f"{text} for {recipient} with {token}") from error


class WhenAnErrorIsUnexpected:
    def test_its_types_and_places_arrive_but_no_message_value_or_path(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn)
        for _ in range(100):
            try:
                fails_with(TEXT)
            except ValueError as error:
                report.unexpected(error)
        report.flush()
        (event,) = receiver.events()
        assert [value["type"] for value in event["exception"]["values"]] == ["KeyError", "ValueError"]
        last = event["exception"]["values"][1]["stacktrace"]["frames"][-1]
        assert last["function"] == "fails_with"
        assert last["filename"].endswith("test_sentry.py")
        assert last["lineno"] > 1
        everything = receiver.everything()
        for secret in (TEXT, RECIPIENT, TOKEN, "482913", "/work/main", "/home", "site-packages/"):
            assert secret not in everything

    def test_two_places_are_two_issues(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn)
        try:
            int("x")
        except ValueError as error:
            report.unexpected(error)
        try:
            fails_with(TEXT)
        except ValueError as error:
            report.unexpected(error)
        report.flush()
        assert len({tuple(event["fingerprint"]) for event in receiver.events()}) == 2

    def test_an_error_that_was_never_raised_and_one_that_caused_itself_do_no_harm(self, receiver: Receiver) -> None:
        report = a_reporter(receiver.dsn)
        knot = ValueError()
        knot.__cause__ = knot
        report.unexpected(knot)
        report.unexpected(RuntimeError())
        report.flush()
        assert len(receiver.events()) == 2


class WhenTheWorkerIsSetUp:
    def test_errors_that_any_logger_logs_arrive(
        self, receiver: Receiver, roots: logging.Logger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logs.set_up("INFO", "json", [TOKEN])
        report = sentry.set_up(settings_with(receiver.dsn))
        try:
            fails_with(TEXT)
        except ValueError:
            structlog.get_logger("wooshq.test").error("render_failed", intent_id="1", exc_info=True)
            logging.getLogger("celery.pool").error("Task handler raised error: %s", RECIPIENT, exc_info=True)
            logging.getLogger("celery.worker.consumer.consumer").error("consumer: Cannot connect", exc_info=True)
            logging.getLogger("other").warning("only a warning", exc_info=True)
        structlog.get_logger("wooshq.test").error("without an exception")
        report.flush()
        assert Counter(event["tags"]["kind"] for event in receiver.events()) == {"unexpected": 1}  # one place, one issue
        for secret in (TEXT, RECIPIENT, TOKEN):
            assert secret not in receiver.everything()

    def test_an_uncaught_error_of_a_thread_arrives(self, receiver: Receiver, roots: logging.Logger) -> None:
        hook = threading.excepthook
        try:
            logs.set_up("INFO", "json", [TOKEN])
            report = sentry.set_up(settings_with(receiver.dsn))
            thread = threading.Thread(target=fails_with, args=(TEXT,))
            thread.start()
            thread.join(GENEROUS_S)
        finally:
            threading.excepthook = hook
        report.flush()
        (event,) = receiver.events()
        assert event["exception"]["values"][-1]["type"] == "ValueError"
        assert TEXT not in receiver.everything()

    def test_after_two_set_ups_an_error_is_reported_once(self, receiver: Receiver, roots: logging.Logger) -> None:
        for _ in range(2):
            report = sentry.set_up(settings_with(receiver.dsn))
        assert sum(isinstance(handler, sentry.Unexpected) for handler in roots.handlers) == 1
        report(kind="dead_letter", reason="unknown", code="SILENT", application="A", lane="bulk")
        report.flush()
        assert len(receiver.events()) == 1

    def test_the_limit_comes_from_the_settings(self, receiver: Receiver, roots: logging.Logger) -> None:
        report = sentry.set_up(settings_with(receiver.dsn, sentry_per_minute=2))
        for n in range(50):
            report(kind="dead_letter", reason="rejected", code=f"C{n}", application="A", lane="bulk")
        report.flush()
        assert len(receiver.events()) == 2

    def test_without_a_dsn_nothing_is_sent(self, roots: logging.Logger) -> None:
        report = sentry.set_up(settings_with(None))
        assert report is sentry.silent
        report(kind="dead_letter", reason="rejected", code="X", application="A", lane="bulk")
        report.flush()

    @pytest.mark.parametrize("dsn", ["nonsense", "https://sentry.example/1", "ftp://key@host/1", "https://secret@host/notanumber"])
    def test_a_dsn_that_is_not_valid_is_refused_without_being_quoted(self, dsn: str) -> None:
        with pytest.raises(SettingsInvalid) as refused:
            sentry.set_up(settings_with(dsn))
        assert "SENTRY_DSN" in str(refused.value)
        assert dsn not in str(refused.value)


class WhenOtherCodeUsesSentrysSdkInThisProcess:
    def test_nothing_of_it_goes_through_our_client(self, receiver: Receiver) -> None:
        import sentry_sdk

        client = a_client(receiver.dsn)
        report = SentryReporter(client, 20, Clock())
        sentry_sdk.set_tag("mail", RECIPIENT)
        sentry_sdk.add_breadcrumb(message=TEXT)
        sentry_sdk.capture_message(TEXT)
        client.capture_event({"message": TEXT, "tags": {"a": "b"}})
        a_failure(report)
        report.flush()
        assert len(receiver.events()) == 1
        for secret in (TEXT, RECIPIENT):
            assert secret not in receiver.everything()


class WhenSentryIsAway:
    def test_reporting_does_not_wait_and_a_flush_waits_only_so_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sentry, "FLUSH_S", FLUSH_S)
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(1)
            report = a_reporter(f"http://publickey@127.0.0.1:{deaf.getsockname()[1]}/42", per_minute=1000)
            started = time.monotonic()
            for n in range(500):  # one that waited for an answer would wait for ever
                a_failure(report, code=f"CODE_{n}")
            report.flush()
            assert time.monotonic() - started < GENEROUS_S

    def test_an_answer_of_too_many_requests_does_no_harm(self) -> None:
        receiver = Receiver(status=429)
        report = a_reporter(receiver.dsn)
        for n in range(50):
            a_failure(report, code=f"CODE_{n}")
        report.flush()
        receiver.server.shutdown()
        receiver.server.server_close()
        assert len(receiver.bodies) >= 1
