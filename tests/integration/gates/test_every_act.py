"""Every command and every call over HTTP that changes something leaves an act in the audit log. A new one without a line here fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import redis
import sqlalchemy
import typer
from sqlalchemy import MetaData
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from tests.databases import make_table
from tests.fan_outs import PERSONAL, personal
from tests.integration.letters.dead_letters import letters_of
from tests.integration.worker.console.served import served
from tests.rig import APPLICATION, an_intent, some_settings
from wooshq import Wooshq
from wooshq.gates.audit import Act
from wooshq.history.acts import KINDS, KeptAct
from wooshq.history.aside import AsideLedger
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row
from wooshq.ledger.states import Event
from wooshq.outbox import enqueue_in, outbox_table
from wooshq.spool.aside import aside_of_record
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.record import Record
from wooshq.tokens.token import Scope
from wooshq_worker.cli import app
from wooshq_worker.console.app import ROOMS
from wooshq_worker.keeper.history.ledger import EventLedger

OUTBOX = outbox_table(MetaData())
COUNTLESS = ("cause", "gate", "pause", "limit", "token")


class Desk:
    """An operator with an outbox and a spool. Nobody sends."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.folder = folder
        self.outbox_url = f"sqlite:///{folder / 'app.db'}"
        make_table(self.outbox_url)
        given = {"redis_url": redis_url, "outbox_url": self.outbox_url, "spool_dir": folder / "spool", "history_url": "off"}
        self.settings = some_settings(**given)
        self.wooshq = Wooshq(self.settings)

    def intent(self) -> str:
        return self.wooshq.enqueue(an_intent())

    def settled(self, event: Event) -> str:
        intent_id = self.intent()
        ledger = self.wooshq.ledger
        (claim,) = self.wooshq.do(ledger.take("transactional", 9, token=new_id(), taker="a")).claims
        attempt = {"at": "2026-05-01T09:00:00.000Z", "outcome": "sent"}
        wait = {"wait_ms": 3_600_000} if event is Event.FAILED else {"message_code": "M-1"}
        assert self.wooshq.do(ledger.settle([Settlement(claim, event, [attempt], **wait)])) == [True]
        return intent_id

    def letter(self) -> str:
        (made,) = letters_of(self.wooshq, [f"u{time.time_ns()}"])
        return made

    def cause(self) -> str:
        self.letter()
        return self.wooshq.dead_letters.groups()[0].cause

    def ignored_cause(self) -> str:
        cause = self.cause()
        self.wooshq.dead_letters.ignore(cause, datetime(2098, 1, 1, tzinfo=UTC), by="setup")
        return cause

    def replay(self, *, start: bool = True) -> str:
        return self.wooshq.dead_letters.replay(self.letter(), start=start, by="setup").id or ""

    def paused_replay(self) -> str:
        return self.wooshq.replays.pause(self.replay(), by="setup").id

    def job(self) -> str:
        return self.wooshq.fan_out(PERSONAL, personal(3)).id

    def paused_job(self) -> str:
        return self.wooshq.bulk.pause(self.job(), by="setup").id

    def row(self) -> str:
        """A parked row of the outbox."""
        engine = sqlalchemy.create_engine(self.outbox_url)
        with Session(engine) as session, session.begin():
            made = enqueue_in(session, an_intent(), wooshq=self.wooshq)
            session.execute(OUTBOX.update().where(OUTBOX.c.id == made).values(state="parked", reason="may have been sent"))
        engine.dispose()
        return made

    def aside(self) -> str:
        """What was set aside in the spool."""
        folder = SpoolFolder.of(self.settings)
        assert folder is not None
        entry = entry_of({**an_intent(), "id": new_id()}, self.settings)
        folder.set_aside([aside_of_record(Record(entry, 1, False), "refused", 1).to_line()])
        return entry.intent_id

    def refused(self) -> str:
        """A record that the history's database refused."""
        self.wooshq.do(EventLedger(self.settings).listen(10**6))
        sent = self.settled(Event.ACCEPTED)
        self.wooshq.do(AsideLedger(self.wooshq.ledger.keys).put("sent", sent, "too large"))
        return sent

    def paused(self) -> None:
        self.wooshq.pause("*", by="setup")

    def token(self) -> str:
        name = f"t{time.time_ns()}"
        self.wooshq.tokens.make(name, ["read"], by="setup")
        return name

    def acts(self, by: str) -> list[Act]:
        return list(self.wooshq.audit(by=by).found)


@pytest.fixture
def desk(redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(redis_url, tmp_path)
    yield made
    made.wooshq.close()


PATCH = '{"message": {"preset": "B-2"}}'

COMMANDS: Mapping[str, Callable[[Desk], list[str]]] = {
    "cancel": lambda desk: [desk.intent()],
    "resend": lambda desk: [desk.settled(Event.ACCEPTED)],
    "try-now": lambda desk: [desk.settled(Event.FAILED)],
    "forget": lambda desk: ["--recipient", "u1"],
    "pause": lambda desk: ["--lane", "bulk"],
    "resume": lambda desk: ["--all", *filter(None, (desk.paused(),))],
    "doubles": lambda desk: ["--export", str(desk.folder / "doubles.csv")],
    "bulk show": lambda desk: [desk.job(), "--in-doubt", str(desk.folder / "doubts")],
    "bulk pause": lambda desk: [desk.job()],
    "bulk resume": lambda desk: [desk.paused_job()],
    "bulk cancel": lambda desk: [desk.job()],
    "bulk unreached": lambda desk: [desk.paused_job(), str(desk.folder / "rest.csv")],
    "bulk continue": lambda desk: [desk.paused_job()],
    "dead edit": lambda desk: [desk.letter(), "--patch", PATCH],
    "dead discard": lambda desk: [desk.letter()],
    "dead ignore": lambda desk: [desk.cause(), "--until", "2h"],
    "dead reopen": lambda desk: [desk.ignored_cause()],
    "dead replay": lambda desk: [desk.letter()],
    "dead export": lambda desk: [str(desk.folder / "letters.csv")],
    "replays start": lambda desk: [desk.replay(start=False)],
    "replays pause": lambda desk: [desk.replay()],
    "replays resume": lambda desk: [desk.paused_replay()],
    "replays cancel": lambda desk: [desk.replay()],
    "gates shut": lambda desk: ["circuit", "--application", APPLICATION],
    "gates open": lambda desk: ["hand"] if desk.paused() is None else [],
    "limits set": lambda desk: ["--rate", "50"],
    "limits unset": lambda desk: ["--rate"] if desk.wooshq.limits.set("rate", 5, by="setup") else [],
    "outbox edit": lambda desk: [desk.row(), str(_file(desk))],
    "outbox retry": lambda desk: [desk.row(), "--may-double"],
    "outbox discard": lambda desk: [desk.row()],
    "spool edit": lambda desk: [desk.aside(), str(_file(desk))],
    "spool retry": lambda desk: [desk.aside()],
    "spool discard": lambda desk: [desk.aside()],
    "tokens make": lambda desk: ["shop", "--scope", "read"],
    "tokens revoke": lambda desk: [desk.token()],
    "history retry": lambda desk: [desk.refused()],
}
"""Command → its arguments, when everything is there that it needs."""

LOOK: frozenset[str] = frozenset(
    [
        "status",
        "why",
        "find",
        "lint",
        "from-1.3",
        "doctor",
        "health",
        "metrics",
        "changes",
        "audit",
        "outbox",
        "limits",
        "gates",
        "spool",
        "tokens",
        "overview",
        "webhooks",
        "history",
    ]
) | frozenset(
    f"{noun} {verb}"
    for noun, verbs in {
        "bulk": ("list",),
        "dead": ("list", "groups", "show"),
        "replays": ("list", "show"),
        "outbox": ("list", "show", "sql"),
        "spool": ("list", "show"),
        "webhooks": ("show",),
    }.items()
    for verb in verbs
)
SEND = frozenset(("send", "fanout"))
"""Messages and jobs are on record themselves."""
RUN = frozenset(("worker", "demo", "sandbox", "console", "relay", "spool move"))
"""Processes."""
AS_A_REPLAY = frozenset(("bulk retry-failed",))
"""Its act is that of the replay, see `test_what_failed_in_a_job…`."""

ON_WEBHOOKS = frozenset(f"webhooks {verb}" for verb in ("add", "pause", "resume", "rotate", "remove", "resend", "test"))
"""Their acts need a receiver: see `test_acts_are_in_the_audit_log…` of tests/integration/worker/events/test_webhooks.py. `test` sends, and changes nothing."""


def _file(desk: Desk) -> Path:
    file = desk.folder / "fixed.json"
    file.write_text(json.dumps(an_intent("u2")))
    return file


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, name: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is None or (name and getattr(command, "invoke_without_command", False)):
            found[name] = command
        for part, one in (inner or {}).items():
            walk(one, f"{name} {part}".strip())

    walk(typer.main.get_command(app), "")
    found.pop("", None)
    return found


class WhenACommandIsRun:
    def test_each_of_them_is_known_to_act_or_not_to(self) -> None:
        known = [*COMMANDS, *LOOK, *SEND, *RUN, *AS_A_REPLAY, *ON_WEBHOOKS]
        assert len(known) == len(set(known))
        unknown = set(commands()) - set(known)
        assert not unknown, f"does {sorted(unknown)} change anything? Then it needs a line in COMMANDS, and leaves an act"

    @pytest.mark.parametrize("name", COMMANDS)
    def test_it_leaves_one_act_with_who_why_how_many_and_the_result(
        self, desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch, redis_url: str
    ) -> None:
        for variable, value in {
            "WOOSHQ_REDIS_URL": redis_url,
            "WOOSHQ_OUTBOX_URL": desk.outbox_url,
            "WOOSHQ_SPOOL_DIR": str(desk.folder / "spool"),
            "WOOSHQ_HISTORY_URL": "off",
            "PUSHWOOSH_APPLICATION": APPLICATION,
        }.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.chdir(desk.folder)
        args = COMMANDS[name](desk)
        options = {option for parameter in commands()[name].params for option in parameter.opts}
        assert "--by" in options, "who did it?"
        said = ["--by", "ana", *(("--why", "INC-7") if "--why" in options else ())]
        done = CliRunner().invoke(app, [*name.split(), *args, *said], prog_name="wooshq")
        assert done.exit_code == 0, (done.output, done.exception)
        acts = desk.acts("ana")
        if name == "bulk continue":  # the job that stood still was cancelled first
            acts = acts[:1]
        (act,) = acts
        check(desk, act)
        if "--why" in options:
            assert act.why == "INC-7"


def check(desk: Desk, act: Act) -> None:
    """An act says what it was done to, how many it concerned, and what came of it; and it can be found by that."""
    (kind,) = [kind for kind in KINDS if desk.wooshq.audit(by=act.by, what=kind).found]
    assert act.result, act
    assert kind in COUNTLESS or act.count is not None, act
    for one in _ids(desk, act):
        assert act in desk.wooshq.audit(id=one).found


def _ids(desk: Desk, act: Act) -> tuple[str, ...]:
    keys = Keys(desk.settings.namespace)
    with _redis(desk) as client:
        ((entry, fields),) = client.xrange(keys.fixed("changes"), act.id, act.id)
        return KeptAct.of_entry(entry.decode(), as_row(fields)).ids


def _redis(desk: Desk) -> redis.Redis:
    assert desk.settings.redis_url is not None
    return redis.Redis.from_url(desk.settings.redis_url)


Where = tuple[str, dict[str, Any] | None]

CALLS: Mapping[str, Callable[[Desk], Where]] = {
    "tryIntentNow": lambda desk: (f"/v1/intents/{desk.settled(Event.FAILED)}/try-now", {}),
    "cancelIntent": lambda desk: (f"/v1/intents/{desk.intent()}/cancel", {}),
    "resendIntent": lambda desk: (f"/v1/intents/{desk.settled(Event.ACCEPTED)}/resend", {"why": "INC-7"}),
    "forgetPerson": lambda desk: ("/v1/forget", {"recipient": "u1"}),
    "pauseJob": lambda desk: (f"/v1/bulk/{desk.job()}/pause", {}),
    "resumeJob": lambda desk: (f"/v1/bulk/{desk.paused_job()}/resume", {}),
    "cancelJob": lambda desk: (f"/v1/bulk/{desk.job()}/cancel", {}),
    "setJobRate": lambda desk: (f"/v1/bulk/{desk.job()}/rate", {"rate": 5}),
    "continueJob": lambda desk: (f"/v1/bulk/{desk.paused_job()}/continue", {}),
    "discardDeadLetters": lambda desk: ("/v1/dead-letters/discard", {"ids": [desk.letter()]}),
    "ignoreDeadLetterGroup": lambda desk: (f"/v1/dead-letters/groups/{desk.cause()}/ignore", {"until": "2099-05-02T09:00:00Z"}),
    "reopenDeadLetterGroup": lambda desk: (f"/v1/dead-letters/groups/{desk.ignored_cause()}/reopen", {}),
    "editDeadLetter": lambda desk: (f"/v1/dead-letters/{desk.letter()}?why=INC-7", json.loads(PATCH)),
    "planReplay": lambda desk: ("/v1/replays", {"ids": [desk.letter()], "start": True}),
    "startReplay": lambda desk: (f"/v1/replays/{desk.replay(start=False)}/start", None),
    "pauseReplay": lambda desk: (f"/v1/replays/{desk.replay()}/pause", {}),
    "resumeReplay": lambda desk: (f"/v1/replays/{desk.paused_replay()}/resume", {}),
    "cancelReplay": lambda desk: (f"/v1/replays/{desk.replay()}/cancel", {}),
    "shutGate": lambda desk: ("/v1/gates/circuit/shut", {"application": "*"}),
    "openGate": lambda desk: ("/v1/gates/hand/open", {"application": "*"} if desk.paused() is None else {}),
    "pause": lambda desk: ("/v1/pauses", {"application": "*"}),
    "resume": lambda desk: ("/v1/pauses/resume", {"application": "*"} if desk.paused() is None else {}),
    "setLimit": lambda desk: ("/v1/limits/rate", {"application": "*", "value": 5}),
    "unsetLimit": lambda desk: ("/v1/limits/rate/unset", {"application": "*"} if desk.wooshq.limits.set("rate", 5, by="setup") else {}),
}
"""Call → path and body."""


@pytest.fixture
def http(desk: Desk) -> Iterator[httpx.Client]:
    with served(desk.settings) as client:
        yield client


class WhenACallIsMadeOverHttp:
    def test_each_that_needs_the_scope_operate_acts_and_no_other_one_changes_anything(self) -> None:
        operations = [one for room in ROOMS for one in room.operations]
        acts = {one.id for one in operations if one.scope == Scope.OPERATE and not one.path.startswith("/v1/webhooks")}
        assert acts - {"retryFailedOfJob"} == set(CALLS), "a call that changes something needs a line in CALLS, and leaves an act"
        assert all(one.method == "GET" for one in operations if one.scope == Scope.READ)

    def test_each_leaves_one_act_of_its_token(self, desk: Desk, http: httpx.Client) -> None:
        methods = {one.id: one.method for room in ROOMS for one in room.operations}
        for operation, prepared in CALLS.items():
            path, body = prepared(desk)
            before = {act.id for act in desk.acts("ana")}
            why = {"why": "INC-7"} if body is not None and operation != "editDeadLetter" else {}
            done = http.request(methods[operation], path, json=None if body is None else {**body, **why})
            assert done.status_code in (200, 202), (operation, done.text)
            new = [act for act in desk.acts("ana") if act.id not in before]
            assert new, f"{operation} leaves no act"
            assert len(new) == (2 if operation == "continueJob" else 1), operation
            assert new[0].result, operation
            assert new[0].why == "INC-7" or body is None, operation


def test_what_failed_in_a_job_and_is_replayed_is_an_act_of_whoever_asked(desk: Desk, http: httpx.Client) -> None:
    job_id = desk.job()
    letter = desk.letter()
    with _redis(desk) as client:
        client.hset(Keys(desk.settings.namespace).letter(letter), "bulk", job_id)
    done = http.post(f"/v1/bulk/{job_id}/retry-failed", json={"why": "INC-7"})
    assert done.status_code == 202, done.text
    (act,) = desk.acts("ana")
    assert (act.did, act.what, act.why, act.count) == ("started", f"replay {done.json()['id']}", "INC-7", 1)
