"""Log events have fields, and none contains a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from celery.app.log import Logging

from wooshq_worker.observe import log as logs
from wooshq_worker.observe.log import Masked, describe_error, describe_traceback, without_quotation

TOKEN = "secret-token-0123456789"
RECIPIENT = "ann@example.com"


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook, threading.excepthook
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events on standard error. Standard output is for data, and stays empty."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


class WhenAnEventIsLogged:
    def test_it_is_one_line_of_json_with_its_fields(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "json", [])
        structlog.get_logger("wooshq.batch").warning("intent_retrying", intent_id="i-1", attempt=2, wait_s=8.4, why="two\nlines")
        (event,) = logged(capsys)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", event.pop("timestamp"))
        assert event == {
            "event": "intent_retrying",
            "level": "warning",
            "logger": "wooshq.batch",
            "intent_id": "i-1",
            "attempt": 2,
            "wait_s": 8.4,
            "why": "two\nlines",
        }

    def test_the_standard_librarys_loggers_have_the_same_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "json", [])
        logging.getLogger("celery.worker").warning("Connected to %s", "redis://:pa@ss/word@10.0.0.5:6379/0")
        (event,) = logged(capsys)
        assert (event["event"], event["level"], event["logger"]) == ("Connected to redis://[…]@10.0.0.5:6379/0", "warning", "celery.worker")

    def test_a_lower_level_is_not_logged(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("WARNING", "json", [])
        structlog.get_logger("wooshq").info("no")
        logging.getLogger("celery").info("no")
        assert logged(capsys) == []

    def test_loud_libraries_log_only_warnings_and_errors(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("DEBUG", "json", [])
        logging.getLogger("kombu").info("no")
        logging.getLogger("kombu").warning("yes")
        logging.getLogger("wooshq.x").debug("yes")
        assert [event["event"] for event in logged(capsys)] == ["yes", "yes"]

    def test_a_terminal_gets_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "console", [TOKEN])
        structlog.get_logger("wooshq").info("it_happened", url="redis://u:p@h", said=f"x{TOKEN}x")
        _, err = capsys.readouterr()
        assert "it_happened" in err
        assert TOKEN not in err
        assert "u:p" not in err
        assert "\x1b" not in err  # standard error is not a terminal here

    def test_a_value_that_json_cannot_hold_does_no_harm(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "json", [])
        structlog.get_logger("wooshq").info("odd", half="\ud800", thing=object(), many={1, 2}, deep=[[[[[[[[[[[1]]]]]]]]]]])
        assert logged(capsys)[0]["many"] == [1, 2]

    def test_celery_adds_no_handlers_of_its_own(self) -> None:
        from celery import Celery

        logs.set_up("INFO", "json", [])
        names = ("", "celery", "celery.task", "multiprocessing")
        handlers = {name: list(logging.getLogger(name).handlers) for name in names}
        setup, Logging._setup = Logging._setup, False
        try:
            Celery("x", broker="memory://").log.setup("INFO")
        finally:
            Logging._setup = setup
        assert {name: list(logging.getLogger(name).handlers) for name in names} == handlers


class WhenAnEventHoldsASecret:
    @pytest.mark.parametrize(
        "fields",
        [
            {"said": f"Token {TOKEN}"},
            {"deep": {"list": [1, ("x", f"--{TOKEN}--")]}},
            {f"key {TOKEN}": 1, "in": {TOKEN: 2}},
            {"url": "amqp://user:pa:ss@host:5672//"},
            {"urls": ["rediss://:hunter2@h/0", "sentinel://u:hunter2@h1;sentinel://u:hunter2@h2"]},
            {"note": "password=hunter2 and more"},
            {"note": '{"token": "hunter2"}'},
            {"note": "Authorization: Token hunter2"},
            {"token": "hunter2"},
            {"outer": {"Password": "hunter2"}},
            {"error": ValueError(f"hunter2 {RECIPIENT}")},
            {"error": OSError(f"cannot connect with {TOKEN}")},
            {"raw": f"{TOKEN}".encode()},
        ],
    )
    def test_it_is_masked_at_any_depth(self, fields: dict[str, Any]) -> None:
        masked = str(Masked([TOKEN])(None, "info", {"event": "x", **fields}) if TOKEN not in "".join(fields) else self.keys(fields))
        for secret in (TOKEN, "hunter2", "pa:ss", RECIPIENT):
            assert secret not in masked

    def keys(self, fields: dict[str, Any]) -> Any:
        """The keys of an event are our own words; only nested keys can come from a stranger."""
        return Masked([TOKEN])(None, "info", {"event": "x", "nested": fields})

    def test_what_is_not_a_secret_stays(self) -> None:
        fields = {
            "event": "gate_shut",
            "gate": "token",
            "n": 1,
            "x": None,
            "y": True,
            "url": "https://api.pushwoosh.com/messaging",
            "mail": "a@b",
        }
        assert Masked([TOKEN, ""])(None, "info", dict(fields)) == fields


class WhenALibraryQuotesAMessage:
    @pytest.mark.parametrize(
        "text",
        [
            f"Received and deleted unknown message. The full contents of the message body was: body: '{RECIPIENT}' (10b)",
            f"Received unregistered task. args: ['{RECIPIENT}']",
            f"Can't decode message, payload={RECIPIENT}",
            f"Task x\nkwargs = {{'to': '{RECIPIENT}'}}\nmore {RECIPIENT}",
        ],
    )
    def test_the_quotation_is_left_out(self, text: str) -> None:
        assert RECIPIENT not in str(without_quotation(None, "error", {"event": text}))

    def test_it_is_cut_to_a_limit(self) -> None:
        assert len(str(without_quotation(None, "error", {"event": "x" * 10**6})["event"])) < 3000


def failing() -> None:
    try:
        raise KeyError(RECIPIENT)
    except KeyError as error:
        raise ValueError(f"no such person: {RECIPIENT}") from error


class WhenAnErrorIsLogged:
    def test_types_and_places_are_logged_but_no_message_that_may_contain_personal_data(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "json", [])
        try:
            failing()
        except ValueError:
            structlog.get_logger("wooshq").error("render_failed", exc_info=True)
            logging.getLogger("celery.pool").exception("it failed")
        for event in logged(capsys):
            assert RECIPIENT not in str(event)
            assert "KeyError (its message is left out" in event["exception"]
            assert "ValueError (its message is left out" in event["exception"]
            assert "in failing" in event["exception"]

    def test_messages_about_machines_are_logged(self) -> None:
        assert describe_error(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError: [Errno 111] Connection refused"
        assert describe_error(AttributeError("no attribute 'x'")) == "AttributeError: no attribute 'x'"
        assert describe_error(RuntimeError()) == "RuntimeError"

    def test_an_error_that_caused_itself_ends(self) -> None:
        knot = ValueError()
        knot.__cause__ = knot
        assert describe_traceback((ValueError, knot, None)) == "ValueError"

    def test_an_uncaught_error_is_an_event(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("INFO", "json", [])
        thread = threading.Thread(target=failing, name="wooshq-engine")
        thread.start()
        thread.join()
        try:
            failing()
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
        in_thread, in_main = logged(capsys)
        assert (in_thread["event"], in_thread["thread"], in_thread["level"]) == ("uncaught_error", "wooshq-engine", "critical")
        assert in_main["event"] == "uncaught_error"
        assert RECIPIENT not in str([in_thread, in_main])
