"""A message with a schedule ahead is handed over at once. Until then Pushwoosh holds it, and can be asked to cancel it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import APPLICATION, TOKEN, Rig, an_intent, read_row, wait_until
from wooshq_worker.sandbox import SandboxThread


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with SandboxThread(token=TOKEN) as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, sandbox: SandboxThread) -> Iterator[Rig]:
    made = Rig(tmp_path, sandbox.url)
    yield made
    made.close()


def ahead(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat(timespec="seconds").replace("+00:00", "Z")


def an_exact_intent(schedule: dict[str, Any]) -> dict[str, Any]:
    payload = {"content": {"localized_content": {"default": {"ios": {"title": "Hi"}}}}}
    return {"request": {"transactional": {"application": APPLICATION, "users": {"list": ["u1"]}, "payload": payload, "schedule": schedule}}}


def handed_over(rig: Rig, intent: dict[str, Any] | None = None) -> str:
    """The id of an intent that was sent, by a worker that has ended since."""
    intent_id = rig.wooshq.enqueue(intent or an_intent(schedule={"at": ahead(days=30)}))
    worker = rig.start_worker()
    (status,) = rig.ended([intent_id])
    assert status.state == "sent"
    rig.kill(worker)
    return intent_id


def answered(rig: Rig, intent_id: str) -> dict[str, Any]:
    """What came of the request to cancel, once it is final."""
    wait_until(lambda: (rig.status(intent_id).cancel or {}).get("outcome") != "asked", saw=lambda: rig.status(intent_id).to_json())
    cancel = rig.status(intent_id).cancel
    assert cancel is not None
    return cancel


class WhenPushwooshHoldsAMessage:
    @pytest.mark.parametrize("form", ["plain", "exact"])
    def test_status_says_until_when(self, rig: Rig, form: str) -> None:
        at = ahead(days=30)
        schedule = {"at": at, "follow_user_timezone": True}
        status = rig.status(handed_over(rig, an_intent(schedule=schedule) if form == "plain" else an_exact_intent(schedule)))
        assert (status.state, status.waiting_for) == ("sent", f"its schedule: Pushwoosh keeps it until {at}, in each user's own time zone")
        assert status.cancel is None
        assert at in rig.cli("status", status.id).stdout.decode()

    def test_it_is_remembered_until_then(self, rig: Rig) -> None:
        """Its retention begins with its schedule: otherwise nobody could cancel it after a week."""
        key = rig.wooshq.ledger.keys.intent(handed_over(rig))
        with rig.redis() as server:
            kept_ms = server.pttl(key)
        assert timedelta(days=36) < timedelta(milliseconds=kept_ms) < timedelta(days=38)

    def test_nothing_is_said_of_a_message_that_was_sent_at_once(self, rig: Rig) -> None:
        status = rig.status(handed_over(rig, an_intent()))
        assert (status.waiting_for, status.cancel) == (None, None)
        assert rig.wooshq.cancel(status.id) == "sent"
        assert rig.status(status.id).cancel is None


class WhenAWebAppCancelsIt:
    def test_a_worker_asks_pushwoosh(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        assert rig.wooshq.cancel(intent_id) == rig.wooshq.cancel(intent_id) == "cancelling"
        assert rig.status(intent_id).cancel["outcome"] == "asked"
        rig.start_worker()
        cancel = answered(rig, intent_id)
        assert cancel["outcome"] == "cancelled"
        assert cancel["asked_at"] <= cancel["answered_at"]
        assert [one.message_code for one in sandbox.cancels] == rig.status(intent_id).message_codes
        assert rig.wooshq.cancel(intent_id) == "cancelled"
        assert rig.status(intent_id).waiting_for is None
        assert rig.wooshq.counts()["cancelled_at_pushwoosh"] == 1
        assert len(sandbox.cancels) == 1

    def test_what_may_pass_is_asked_again(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig, an_exact_intent({"after": "36000s"}))
        sandbox.set_faults({"effect": "status", "status": 500, "call": "cancel", "first": 2})
        rig.wooshq.cancel(intent_id)
        rig.start_worker()
        assert answered(rig, intent_id)["outcome"] == "cancelled"
        assert [one.status for one in sandbox.cancels] == [500, 500, 200]

    def test_a_refusal_after_a_lost_answer_is_in_doubt(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        sandbox.set_faults({"effect": "cut_after", "call": "cancel", "first": 1})
        rig.wooshq.cancel(intent_id)
        rig.start_worker()
        cancel = answered(rig, intent_id)
        assert cancel["outcome"] == "unknown"
        assert "may have cancelled" in cancel["detail"]
        assert [(one.status, one.cancelled) for one in sandbox.cancels] == [(0, True), (400, False)]

        rig.wooshq.cancel(intent_id)
        assert answered(rig, intent_id)["outcome"] == "unknown", "asked for once more, the first request is still in doubt"

    def test_a_worker_that_is_killed_while_it_asks_is_followed_by_another(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        sandbox.set_faults({"effect": "hang", "call": "cancel", "first": 1})
        rig.wooshq.cancel(intent_id)
        worker = rig.start_worker()
        wait_until(lambda: len(sandbox.cancels) == 1)
        rig.kill(worker)
        with rig.redis() as server:
            server.zadd(rig.wooshq.ledger.keys.fixed("cancels"), {intent_id: 1}, xx=True)
        rig.start_worker()
        assert answered(rig, intent_id)["outcome"] == "cancelled"

    def test_pushwoosh_may_refuse(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        sandbox.set_messages(sent=rig.status(intent_id).message_codes)
        rig.wooshq.cancel(intent_id)
        rig.start_worker()
        cancel = answered(rig, intent_id)
        assert cancel["outcome"] == "refused"
        assert "the message cannot be cancelled any more" in cancel["detail"]
        assert rig.status(intent_id).state == "sent"


class WhenThePersonAtTheCommandLineCancelsIt:
    def test_the_command_asks_pushwoosh_and_says_what_it_answered(self, rig: Rig, sandbox: SandboxThread) -> None:
        """No worker runs."""
        first, second = handed_over(rig), handed_over(rig)
        done = rig.cli("cancel", first)
        assert (done.returncode, done.stdout.decode()) == (0, f"{first} cancelled\n")
        assert b"Pushwoosh has now cancelled it" in done.stderr
        done = rig.cli("cancel", "--json", second)
        told = json.loads(done.stdout)
        assert (told["id"], told["state"], told["cancel"]["outcome"]) == (second, "cancelled", "cancelled")
        assert [one.cancelled for one in sandbox.cancels] == [True, True]
        assert b"cancelled by Pushwoosh" in rig.cli("status").stdout
        assert b"UTC: cancelled (Pushwoosh cancelled the message)" in rig.cli("status", first).stdout

    def test_a_refusal_is_said_in_the_words_of_pushwoosh(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        sandbox.set_messages(sent=rig.status(intent_id).message_codes)
        done = rig.cli("cancel", intent_id)
        assert (done.returncode, done.stdout.decode()) == (1, f"{intent_id} sent\n")
        assert b"the message cannot be cancelled any more" in done.stderr

    def test_without_an_answer_the_workers_ask_on(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        rig.env["PUSHWOOSH_API_TOKEN"] = ""
        done = rig.cli("cancel", intent_id)
        assert (done.returncode, done.stdout.decode()) == (1, f"{intent_id} cancelling\n")
        assert b"no token" in done.stderr
        assert b"The workers ask Pushwoosh again" in done.stderr
        assert sandbox.cancels == []
        rig.env["PUSHWOOSH_API_TOKEN"] = TOKEN
        rig.start_worker()
        assert answered(rig, intent_id)["outcome"] == "cancelled"

    def test_if_a_worker_asks_already_its_answer_is_waited_for(self, rig: Rig, sandbox: SandboxThread) -> None:
        intent_id = handed_over(rig)
        sandbox.set_faults({"effect": "latency", "latency_s": 1.5, "call": "cancel"})
        rig.wooshq.cancel(intent_id)
        rig.start_worker()
        with rig.redis() as server:
            wait_until(lambda: "cancel_token" in read_row(server, rig.wooshq.ledger.keys.intent(intent_id)))
        done = rig.cli("cancel", intent_id)
        assert (done.returncode, done.stdout.decode()) == (0, f"{intent_id} cancelled\n")
        assert len(sandbox.cancels) == 1
