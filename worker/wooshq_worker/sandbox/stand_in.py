"""The stand-in itself: judges each call as the reference says, lets a fault strike it, records it. Knows no socket."""

from __future__ import annotations

import ipaddress
import random
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wooshq_worker.sandbox.answers import bad_request, envelope, http_answer, success
from wooshq_worker.sandbox.check import Limits, notify_check, violations
from wooshq_worker.sandbox.control import CONTROL, control
from wooshq_worker.sandbox.effects import Normal, act, answer_of, status_on_wire
from wooshq_worker.sandbox.faults import BadControl, Fault, FaultPlan, Struck, read_fault
from wooshq_worker.sandbox.record import RECORDINGS, Call, Double, Record, Recording, addressed, content_key
from wooshq_worker.sandbox.shape import NotJson, read_json
from wooshq_worker.sandbox.tokens import Tokens, token_of
from wooshq_worker.sandbox.wire import Connection, Request

NOTIFY = "/messaging/v2/notify"
DEFAULT_TOKEN = "sandbox-token"
BODY_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body. Rule: API 1.3's published limit; v2's is not known."""
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the reference says of one call."""

    status: int
    refusal: bytes
    """The body of a refusal; empty where the call is right."""
    token_ok: bool
    application: str | None
    recipients: tuple[str, ...]
    kind: str | None
    body: Any


class StandIn:
    """
    The API without its socket; `Sandbox` and `SandboxThread` give it one. Every method may be called from any thread.

    token           the token that is taken; None: any
    seed            of message codes and of the dice of faults: the same calls in the same order get the same answers
    bare            answer success without the `result` around it (both forms are in the reference)
    snake_details   write `field_violations` and `retry_delay` instead of `fieldViolations` and `retryDelay`
    latency_s       of every answer, beside what faults add
    limits          bounds that v2 does not publish
    record          "all", "light" (no bodies, no recipients) or "none" (counts only, no doubles)
    keep_calls      calls that the ring holds; older ones are forgotten, and counted as such
    keep_pairs      (recipient, content) pairs remembered for doubles, some 150 bytes each
    lean            for benchmarks: looks at path and token alone, counts, answers success; no faults, no record
    host            where to listen; ValueError unless it is loopback or allow_other_hosts is set
    port            0: any free one; `url` tells it once it listens
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_other_hosts: bool = False,
        token: str | None = DEFAULT_TOKEN,
        seed: int = 0,
        bare: bool = False,
        snake_details: bool = False,
        latency_s: float = 0.0,
        limits: Limits = LIMITS,
        record: Recording = "all",
        keep_calls: int = 20_000,
        keep_pairs: int = 1_000_000,
        lean: bool = False,
    ) -> None:
        if not allow_other_hosts and not is_loopback(host):
            raise ValueError(f"{host} is not loopback: the sandbox takes anyone's calls and orders. Set allow_other_hosts to allow it.")
        if record not in RECORDINGS:
            raise ValueError(f"record must be one of {', '.join(RECORDINGS)}")
        if latency_s < 0:
            raise ValueError("latency_s must be 0 or more")
        if not 0 <= port <= 65535:
            raise ValueError("port must be from 0 to 65535")
        # By name it would be two sockets, of which port 0 gives each a port of its own.
        self.host = "127.0.0.1" if host == "localhost" else host
        self.port = port
        self.body_limit = BODY_LIMIT
        self.lean = lean
        self._seed = seed
        self._bare = bare
        self._snake_case = snake_details
        self._latency_s = latency_s
        self._check = notify_check(limits)
        self._lock = threading.Lock()
        self._tokens = Tokens(token)
        self._record = Record(mode="none" if lean else record, keep_calls=keep_calls, keep_pairs=keep_pairs)
        self._connections = 0
        self._forget_all()

    def _forget_all(self) -> None:
        self._codes = random.Random(f"{self._seed}/codes")
        self._plan = FaultPlan((), seed=self._seed, clock=time.monotonic)
        self._unknown: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._naming = True
        self._refused_applications: dict[str, int] = {}

    # ── what tests ask

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; for `PUSHWOOSH_BASE_URL`."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def recording(self) -> Recording:
        return self._record.mode

    @property
    def calls(self) -> list[Call]:
        """The calls that the ring still holds, oldest first."""
        with self._lock:
            return self._record.calls

    @property
    def accepted(self) -> list[Call]:
        """Those of `calls` of which a message was made, whether or not the caller learned of it."""
        return [call for call in self.calls if call.accepted]

    @property
    def doubles(self) -> list[Double]:
        """Each delivery that was one too many: the same recipient, the same content. The last 10,000; `doubled` counts all."""
        with self._lock:
            return list(self._record.doubles)

    @property
    def doubled(self) -> int:
        with self._lock:
            return self._record.doubled

    @property
    def count(self) -> int:
        """Calls since the start or the last reset."""
        with self._lock:
            return self._record.total

    def summary(self) -> dict[str, Any]:
        """The counts, as GET /sandbox/summary gives them."""
        with self._lock:
            return self._record.summary()

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, each with `seen` and `hits`."""
        with self._lock:
            return self._plan.report()

    # ── what tests say

    def set_faults(self, *faults: Fault | Mapping[str, Any]) -> None:
        """These rules and no others, from now; their windows start now. Raises BadControl with every problem."""
        if self.lean and faults:
            raise BadControl("faults: a lean sandbox has none")
        read: list[Fault] = []
        problems: list[str] = []
        for index, fault in enumerate(faults):
            try:
                read.append(read_fault(fault, f"faults[{index}]"))
            except BadControl as error:
                problems.extend(error.problems)
        if problems:
            raise BadControl(*problems)
        with self._lock:
            self._plan = FaultPlan(read, seed=self._seed, clock=time.monotonic)

    def clear_faults(self) -> None:
        """No faults from now; what hangs goes on hanging."""
        self.set_faults()

    def set_tokens(self, valid: Mapping[str, Iterable[str] | None]) -> None:
        """These tokens and no others: token → applications it is good for, or None for all."""
        with self._lock:
            self._tokens.replace(valid)

    def revoke(self, token: str, application: str | None = None) -> None:
        """From now 401, for one application or (None) for all."""
        with self._lock:
            self._tokens.revoke(token, application)

    def restore(self, token: str, application: str | None = None) -> None:
        """Takes `revoke` back."""
        with self._lock:
            self._tokens.restore(token, application)

    def set_unknown(self, identifiers: Iterable[str]) -> None:
        """These recipients are unknown: named in the answer to a call that asks for it; the message is made all the same."""
        unknown = frozenset(identifiers)
        with self._lock:
            self._unknown = unknown

    def refuse(self, recipients: Iterable[str], *, naming: bool = True) -> None:
        """A call with any of these recipients gets 400; naming: whether it says which."""
        refused = frozenset(recipients)
        with self._lock:
            self._refused, self._naming = refused, naming

    def refuse_applications(self, applications: Mapping[str, int]) -> None:
        """Application → 404 (unknown) or 403 (not this token's). Raises BadControl for other statuses."""
        wrong = sorted(name for name, status in applications.items() if status not in (403, 404))
        if wrong:
            raise BadControl(*(f"applications.{name}: must be 403 or 404" for name in wrong))
        with self._lock:
            self._refused_applications = dict(applications)

    def reset(self) -> None:
        """As new: no calls, no faults, nothing unknown or refused, the token of the start, the message codes from their start."""
        with self._lock:
            self._record.reset()
            self._tokens.reset()
            self._forget_all()

    # ── the wire's side

    def connected(self, connection: Connection) -> None:
        """A new connection: numbers it, and cuts it where a rule says so."""
        with self._lock:
            self._connections += 1
            connection.number = self._connections
            cut = self._plan.strike_connection()
            self._record.connections_cut += cut
        if cut:
            connection.close()

    def answer(self, request: Request, connection: Connection) -> None:
        """Answers one request, now or later."""
        path = request.path
        if path == NOTIFY:
            if self.lean and request.method == "POST":
                self._answer_lean(request, connection)
            else:
                self._answer_notify(request, connection)
        elif path == CONTROL or path.startswith(f"{CONTROL}/"):
            connection.reply(control(self, request))
        else:
            connection.reply(http_answer(404, envelope(5, "Not Found")))

    def _answer_notify(self, request: Request, connection: Connection) -> None:
        at = time.time()
        with self._lock:
            judged = self._judge(request)
            struck = self._plan.strike(judged.application, judged.recipients)
            normal, code = self._normal(request, judged, struck)
            status = normal.status if struck.fault is None else status_on_wire(struck.fault, normal)
            made = code if struck.fault is None or struck.fault.makes_message else None
            self._note(request, judged, struck, at=at, status=status, message_code=made, number=connection.number)
        latency_s = self._latency_s + struck.latency_s
        data = answer_of(struck, normal, snake_case=self._snake_case)
        if data is None:
            assert struck.fault is not None
            connection.run(act(struck.fault, normal, connection, after_s=latency_s))
        elif latency_s:
            connection.reply_later(latency_s, data)
        else:
            connection.reply(data)

    def _answer_lean(self, request: Request, connection: Connection) -> None:
        with self._lock:
            good = self._tokens.good(token_of(request.headers.get("authorization")), None)
            self._record.count(status=200 if good else 401, accepted=good, token_ok=good, fault="")
            data = http_answer(200, success(self._new_code(), {}, bare=self._bare)) if good else http_answer(401, _UNAUTHENTICATED)
        if self._latency_s:
            connection.reply_later(self._latency_s, data)
        else:
            connection.reply(data)

    def _judge(self, request: Request) -> _Judged:
        """What the reference says of the call; nothing is counted, nothing is made."""
        body: Any = None
        not_json = ""
        try:
            body = read_json(request.body)
        except NotJson as error:
            not_json = str(error)
        application, recipients, kind = addressed(body)
        token_ok = self._tokens.good(token_of(request.headers.get("authorization")), application)
        status, refusal = 200, b""
        if request.method != "POST":
            status, refusal = 405, envelope(12, "Method Not Allowed")
        elif not token_ok:
            status, refusal = 401, _UNAUTHENTICATED
        elif not _is_json(request.headers):
            status, refusal = 415, envelope(3, "Content-Type must be application/json, without a Content-Encoding")
        elif request.too_large:
            status, refusal = 413, envelope(3, f"the body is larger than {self.body_limit} bytes")
        elif not_json:
            status, refusal = 400, envelope(3, f"invalid request: {not_json}")
        elif wrong := violations(body, request.body, self._check):
            status, refusal = 400, self._invalid(wrong)
        elif application in self._refused_applications:
            status = self._refused_applications[application]
            refusal = envelope(5, "application not found") if status == 404 else envelope(7, "no permission for this application")
        elif self._refused and not self._refused.isdisjoint(recipients):
            status, refusal = 400, self._refuse_recipients(recipients, kind)
        return _Judged(status, refusal, token_ok, application, recipients, kind, body)

    def _invalid(self, wrong: Iterable[tuple[str, str]]) -> bytes:
        listed = list(wrong)
        field, description = listed[0]
        about = f"{field}: {description}" if field else description
        return envelope(3, f"invalid request: {about}", [bad_request(listed, snake_case=self._snake_case)])

    def _refuse_recipients(self, recipients: tuple[str, ...], kind: str | None) -> bytes:
        if not self._naming:
            return envelope(3, "invalid request: a recipient is not valid")
        if kind in _LISTED:
            places = (f"transactional.{kind}.list[{index}]" for index, name in enumerate(recipients) if name in self._refused)
        else:
            places = (f"segment.{kind}" for _ in range(1))
        return self._invalid((place, "is not valid") for place in places)

    def _normal(self, request: Request, judged: _Judged, struck: Struck) -> tuple[Normal, str | None]:
        """The answer without a fault, and the code of the message that it tells of; None where the call is wrong."""
        echo = ""
        if struck.fault is not None and struck.fault.echo:
            echo = " ".join([token_of(request.headers.get("authorization")) or "", *judged.recipients[:1]]).strip()
        if judged.status != 200:
            headers = [("Allow", "POST")] if judged.status == 405 else []
            return Normal(judged.status, http_answer(judged.status, judged.refusal, headers), judged.refusal, echo), None
        code = self._new_code()
        if struck.fault is not None and struck.fault.effect == "same_code":
            code = struck.fault.message_code or "AAAA-AAAAAAAA-AAAAAAAA"
        unknown: dict[str, list[str]] = {}
        if self._unknown and judged.kind in _LISTED and judged.body["transactional"].get("return_unknown_identifiers"):
            unknown[judged.kind] = [name for name in judged.recipients if name in self._unknown]
        body = success(code, unknown, bare=self._bare)
        return Normal(200, http_answer(200, body), body, echo), code

    def _note(
        self, request: Request, judged: _Judged, struck: Struck, *, at: float, status: int, message_code: str | None, number: int
    ) -> None:
        record = self._record
        accepted = message_code is not None
        order = record.count(status=status, accepted=accepted, token_ok=judged.token_ok, fault=struck.label)
        if record.mode == "none":
            return
        if accepted:
            record.remember(order, judged.application, judged.recipients, content_key(judged.body, judged.kind), message_code)
        whole = record.mode == "all"
        record.keep(
            Call(
                order=order,
                at=at,
                application=judged.application,
                recipients=judged.recipients if whole else (),
                token_ok=judged.token_ok,
                accepted=accepted,
                status=status,
                fault=struck.label,
                message_code=message_code,
                connection=number,
                raw=request.body if whole else b"",
            )
        )

    def _new_code(self) -> str:
        bits = self._codes.getrandbits(80)
        return f"{bits >> 64:04X}-{bits >> 32 & 0xFFFFFFFF:08X}-{bits & 0xFFFFFFFF:08X}"


_LISTED = frozenset({"users", "hwids", "push_tokens", "test_devices"})
_UNAUTHENTICATED = envelope(16, "invalid token")


def _is_json(headers: Mapping[str, str]) -> bool:
    given = headers.get("content-type", "").lower()
    kind, _, parameters = given.partition(";")
    charset = parameters.strip().replace('"', "")
    return (
        kind.strip() == "application/json"
        and charset in ("", "charset=utf-8")
        and headers.get("content-encoding", "identity") == "identity"
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
