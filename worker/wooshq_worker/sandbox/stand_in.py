"""The API without a socket: judges each call by the reference, applies a fault, records the call."""

from __future__ import annotations

import ipaddress
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wooshq_worker.sandbox.answers import bad_request, envelope, http_answer, success
from wooshq_worker.sandbox.bad_control import BadControl
from wooshq_worker.sandbox.body.address import RECIPIENT_KINDS, Address, address_of, content_key
from wooshq_worker.sandbox.body.check import Limits, notify_check, violations
from wooshq_worker.sandbox.body.strict_json import NotJson, read_json
from wooshq_worker.sandbox.call_log import RECORDINGS, Call, CallLog, Double, Recording
from wooshq_worker.sandbox.faults.effects import NormalAnswer, answer_in_steps, status_on_wire, whole_answer
from wooshq_worker.sandbox.faults.fault import Fault, read_fault
from wooshq_worker.sandbox.faults.plan import FaultPlan, Injection
from wooshq_worker.sandbox.faults.said import Said
from wooshq_worker.sandbox.messages import Cancel, Messages, code_in
from wooshq_worker.sandbox.tokens import Tokens, token_of
from wooshq_worker.sandbox.wire import Connection, Request

DEFAULT_TOKEN = "sandbox-token"
BODY_LIMIT = 10 * 1024 * 1024
"""Most bytes of a request body. Rule: the published limit of API 1.3; the limit of v2 is not published."""
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the reference says about one call."""

    status: int
    refusal: bytes
    """The error body; empty if the call is valid."""
    token_ok: bool
    address: Address
    body: Any


class StandIn:
    """
    The API without a socket; `Sandbox` and `SandboxThread` add one. Every method may be called from any thread.

    token           the valid token; None: every token is valid
    seed            for message codes and random faults: the same calls in the same order get the same answers
    bare            answer a success without the `result` around it (the reference has both forms)
    snake_details   write `field_violations` and `retry_delay` instead of `fieldViolations` and `retryDelay`
    latency_s       delay of every answer; delays of faults are added
    limits          limits that v2 does not publish
    record          "all", "light" (no bodies, no recipients) or "none" (only counts, no doubles)
    keep_calls      most calls in the ring buffer; older calls are dropped and counted
    keep_pairs      most pairs (recipient, content) that are kept to find doubles; about 150 bytes each
    lean            for benchmarks: check only path and token, count, answer success; no faults, no recorded calls
    host            where to listen; ValueError unless it is loopback or allow_other_hosts is set
    port            0: any free port; `url` has it after the start
    ahead_s         how many seconds its clock is ahead of the machine's; asked at each call
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
        ahead_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        if not allow_other_hosts and not is_loopback(host):
            raise ValueError(
                f"{host} is not loopback: every caller there could use and control the sandbox. Set allow_other_hosts to allow it."
            )
        if record not in RECORDINGS:
            raise ValueError(f"record must be one of {', '.join(RECORDINGS)}")
        if latency_s < 0:
            raise ValueError("latency_s must be 0 or more")
        if not 0 <= port <= 65535:
            raise ValueError("port must be from 0 to 65535")
        # `localhost` may be two addresses, and port 0 would give each its own port.
        self.host = "127.0.0.1" if host == "localhost" else host
        self.port = port
        self.body_limit = BODY_LIMIT
        self.lean = lean
        self._seed = seed
        self._bare = bare
        self._snake_case = snake_details
        self._latency_s = latency_s
        self._ahead_s = ahead_s
        self._check = notify_check(limits)
        self._lock = threading.Lock()
        self._tokens = Tokens(token)
        self._log = CallLog(mode="none" if lean else record, keep_calls=keep_calls, keep_pairs=keep_pairs)
        self._connections = 0
        self._set_defaults()

    def _set_defaults(self) -> None:
        self._codes = random.Random(f"{self._seed}/codes")
        self._plan = FaultPlan((), seed=self._seed, clock=self._monotonic)
        self._messages = Messages()
        self._unknown: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._naming = True
        self._refused_applications: dict[str, int] = {}

    def _monotonic(self) -> float:
        return time.monotonic() + self._ahead_s()

    # ── what tests read

    @property
    def url(self) -> str:
        """The base URL for `PUSHWOOSH_BASE_URL`, without a slash at the end."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def recording(self) -> Recording:
        return self._log.mode

    @property
    def calls(self) -> list[Call]:
        """The calls that are still in the ring buffer, oldest first."""
        with self._lock:
            return self._log.calls

    @property
    def accepted(self) -> list[Call]:
        """Those of `calls` whose message was accepted, even if the caller never received the answer."""
        return [call for call in self.calls if call.accepted]

    @property
    def doubles(self) -> list[Double]:
        """Each delivery of the same content to the same recipient after the first. The last 10,000; `doubled` counts all."""
        with self._lock:
            return list(self._log.doubles)

    @property
    def doubled(self) -> int:
        with self._lock:
            return self._log.doubled

    @property
    def count(self) -> int:
        """Calls since the start or the last reset."""
        with self._lock:
            return self._log.total

    @property
    def cancels(self) -> list[Cancel]:
        """The calls of /messaging/v2/cancel, oldest first."""
        with self._lock:
            return list(self._messages.cancels)

    def summary(self) -> dict[str, Any]:
        """The counts, as GET /sandbox/summary returns them."""
        with self._lock:
            return self._log.summary()

    def faults(self) -> list[dict[str, Any]]:
        """The active fault rules, each with `seen` and `hits`."""
        with self._lock:
            return self._plan.report()

    # ── what tests change

    def set_faults(self, *faults: Fault | Mapping[str, Any]) -> None:
        """Replaces all fault rules. Their windows start now. Raises BadControl with every problem."""
        if self.lean and faults:
            raise BadControl("faults: not available if the sandbox is lean")
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
            self._plan = FaultPlan(read, seed=self._seed, clock=self._monotonic)

    def clear_faults(self) -> None:
        """Removes all fault rules. Calls that hang already go on hanging."""
        self.set_faults()

    def set_tokens(self, valid: Mapping[str, Iterable[str] | None]) -> None:
        """Makes only these tokens valid: token → its applications, or None for all."""
        with self._lock:
            self._tokens.replace(valid)

    def revoke(self, token: str, application: str | None = None) -> None:
        """Answers this token with 401 from now on, for one application or (None) for all."""
        with self._lock:
            self._tokens.revoke(token, application)

    def restore(self, token: str, application: str | None = None) -> None:
        """Undoes `revoke`."""
        with self._lock:
            self._tokens.restore(token, application)

    def set_unknown(self, identifiers: Iterable[str]) -> None:
        """Makes these recipients unknown. A call that asks for unknown identifiers gets them in its answer; its message is still accepted."""
        unknown = frozenset(identifiers)
        with self._lock:
            self._unknown = unknown

    def refuse(self, recipients: Iterable[str], *, naming: bool = True) -> None:
        """Answers a call with any of these recipients with 400. naming: whether the answer says which recipients."""
        refused = frozenset(recipients)
        with self._lock:
            self._refused, self._naming = refused, naming

    def refuse_applications(self, applications: Mapping[str, int]) -> None:
        """Application → 404 (unknown) or 403 (not allowed for this token). Raises BadControl for other statuses."""
        wrong = sorted(name for name, status in applications.items() if status not in (403, 404))
        if wrong:
            raise BadControl(*(f"applications.{name}: must be 403 or 404" for name in wrong))
        with self._lock:
            self._refused_applications = dict(applications)

    def set_messages(self, *, pending: Iterable[str] = (), sent: Iterable[str] = ()) -> None:
        """Message codes that can be cancelled, and codes that cannot be cancelled any more. Otherwise the schedule of a message decides."""
        with self._lock:
            self._messages.set(pending, sent)

    def reset(self) -> None:
        """Back to the state after the start: no calls, no faults, nothing unknown or refused, the first token, the first message codes."""
        with self._lock:
            self._log.reset()
            self._tokens.reset()
            self._set_defaults()

    # ── what connections use

    def connected(self, connection: Connection) -> None:
        """Numbers a new connection, and closes it if a fault rule says so."""
        with self._lock:
            self._connections += 1
            connection.number = self._connections
            cut = self._plan.cuts_connection()
            self._log.connections_cut += cut
        if cut:
            connection.close()

    def notify(self, request: Request, connection: Connection) -> None:
        """Answers one call of /messaging/v2/notify, now or later."""
        if self.lean and request.method == "POST":
            self._answer_lean(request, connection)
        else:
            self._answer(request, connection)

    def _answer(self, request: Request, connection: Connection) -> None:
        at = time.time() + self._ahead_s()
        with self._lock:
            judgement = self._judge(request)
            injection = self._plan.injection_for(judgement.address.application, judgement.address.recipients, said=Said(request.body))
            fault = injection.fault
            normal, code = self._normal_answer(request, judgement, fault)
            status = normal.status if fault is None else status_on_wire(fault, normal)
            accepted = code if fault is None or fault.accepts_message else None
            if accepted is not None:
                token = token_of(request.headers.get("authorization"))
                self._messages.add(accepted, judgement.address.application, token, judgement.body, at)
            self._record(request, judgement, injection.label, at=at, status=status, message_code=accepted, connection=connection.number)
        self._reply(injection, normal, connection)

    def cancel(self, request: Request, connection: Connection) -> None:
        """Answers one call of /messaging/v2/cancel, now or later."""
        at = time.time() + self._ahead_s()
        with self._lock:
            status, answer, body = self._judge_cancel(request, at)
            code = code_in(body)
            injection = self._plan.injection_for(self._messages.application_of(code), (code,) if code else (), "cancel")
            fault = injection.fault
            headers = [("Allow", "POST")] if status == 405 else []
            normal = NormalAnswer(status, http_answer(status, answer, headers), answer)
            done = status == 200 and (fault is None or fault.accepts_message)
            if done and code is not None:
                self._messages.cancel(code)
            told = normal.status if fault is None else status_on_wire(fault, normal)
            self._messages.cancels.append(Cancel(at, code, told, done, injection.label))
        self._reply(injection, normal, connection)

    def _judge_cancel(self, request: Request, now: float) -> tuple[int, bytes, Any]:
        """Status, body of the answer, and body of the call."""
        token = token_of(request.headers.get("authorization"))
        try:
            body = read_json(request.body)
        except NotJson as error:
            body, not_json = None, str(error)
        else:
            not_json = ""
        if (refused := self._refusal(request, token_ok=self._tokens.is_valid(token, None), not_json=not_json)) is not None:
            return *refused, body
        return *self._messages.judge(body, token, now), body

    def _refusal(self, request: Request, *, token_ok: bool, not_json: str) -> tuple[int, bytes] | None:
        """Status and body, if the call is refused before its body is looked at."""
        if request.method != "POST":
            return 405, envelope(12, "Method Not Allowed")
        if not token_ok:
            return 401, _UNAUTHENTICATED
        if not _is_json(request.headers):
            return 415, envelope(3, "Content-Type must be application/json, without a Content-Encoding")
        if request.too_large:
            return 413, envelope(3, f"the body is larger than {self.body_limit} bytes")
        return (400, envelope(3, f"invalid request: {not_json}")) if not_json else None

    def _reply(self, injection: Injection, normal: NormalAnswer, connection: Connection) -> None:
        fault = injection.fault
        latency_s = self._latency_s + injection.latency_s
        data = whole_answer(injection, normal, snake_case=self._snake_case)
        if data is None:
            assert fault is not None
            connection.run(answer_in_steps(fault, normal, connection, after_s=latency_s))
        elif latency_s:
            connection.reply_later(latency_s, data)
        else:
            connection.reply(data)

    def _answer_lean(self, request: Request, connection: Connection) -> None:
        with self._lock:
            valid = self._tokens.is_valid(token_of(request.headers.get("authorization")), None)
            self._log.count(status=200 if valid else 401, accepted=valid, token_ok=valid, fault="")
            data = http_answer(200, success(self._new_code(), {}, bare=self._bare)) if valid else http_answer(401, _UNAUTHENTICATED)
        if self._latency_s:
            connection.reply_later(self._latency_s, data)
        else:
            connection.reply(data)

    def _judge(self, request: Request) -> _Judgement:
        """Compares the call with the reference. Counts nothing and accepts nothing."""
        body: Any = None
        not_json = ""
        try:
            body = read_json(request.body)
        except NotJson as error:
            not_json = str(error)
        address = address_of(body)
        token_ok = self._tokens.is_valid(token_of(request.headers.get("authorization")), address.application)
        status, refusal = 200, b""
        if (refused := self._refusal(request, token_ok=token_ok, not_json=not_json)) is not None:
            status, refusal = refused
        elif wrong := violations(body, request.body, self._check):
            status, refusal = 400, self._invalid(wrong)
        elif address.application in self._refused_applications:
            status = self._refused_applications[address.application]
            refusal = envelope(5, "application not found") if status == 404 else envelope(7, "no permission for this application")
        elif self._refused and not self._refused.isdisjoint(address.recipients):
            status, refusal = 400, self._refuse_recipients(address)
        return _Judgement(status, refusal, token_ok, address, body)

    def _invalid(self, wrong: Iterable[tuple[str, str]]) -> bytes:
        listed = list(wrong)
        field, description = listed[0]
        about = f"{field}: {description}" if field else description
        return envelope(3, f"invalid request: {about}", [bad_request(listed, snake_case=self._snake_case)])

    def _refuse_recipients(self, address: Address) -> bytes:
        if not self._naming:
            return envelope(3, "invalid request: a recipient is not valid")
        if address.kind in RECIPIENT_KINDS:
            refused = [index for index, name in enumerate(address.recipients) if name in self._refused]
            places = [f"transactional.{address.kind}.list[{index}]" for index in refused]
        else:
            places = [f"segment.{address.kind}"]
        return self._invalid((place, "is not valid") for place in places)

    def _normal_answer(self, request: Request, judgement: _Judgement, fault: Fault | None) -> tuple[NormalAnswer, str | None]:
        """The answer without the fault, and the code of the accepted message (None if the call is refused)."""
        address = judgement.address
        echo = ""
        if fault is not None and fault.echo:
            echo = " ".join([token_of(request.headers.get("authorization")) or "", *address.recipients[:1]]).strip()
        if judgement.status != 200:
            headers = [("Allow", "POST")] if judgement.status == 405 else []
            whole = http_answer(judgement.status, judgement.refusal, headers)
            return NormalAnswer(judgement.status, whole, judgement.refusal, echo), None
        code = self._new_code()
        if fault is not None and fault.effect == "same_code":
            code = fault.message_code or "AAAA-AAAAAAAA-AAAAAAAA"
        unknown: dict[str, list[str]] = {}
        if self._unknown and address.kind in RECIPIENT_KINDS and judgement.body["transactional"].get("return_unknown_identifiers"):
            unknown[address.kind] = [name for name in address.recipients if name in self._unknown]
        body = success(code, unknown, bare=self._bare)
        return NormalAnswer(200, http_answer(200, body), body, echo), code

    def _record(
        self, request: Request, judgement: _Judgement, fault: str, *, at: float, status: int, message_code: str | None, connection: int
    ) -> None:
        log, address = self._log, judgement.address
        accepted = message_code is not None
        order = log.count(status=status, accepted=accepted, token_ok=judgement.token_ok, fault=fault)
        if log.mode == "none":
            return
        if accepted:
            log.remember(order, address.application, address.recipients, content_key(judgement.body, address.kind), message_code)
        whole = log.mode == "all"
        log.keep(
            Call(
                order=order,
                at=at,
                application=address.application,
                recipients=address.recipients if whole else (),
                token_ok=judgement.token_ok,
                accepted=accepted,
                status=status,
                fault=fault,
                message_code=message_code,
                connection=connection,
                raw=request.body if whole else b"",
            )
        )

    def _new_code(self) -> str:
        bits = self._codes.getrandbits(80)
        return f"{bits >> 64:04X}-{bits >> 32 & 0xFFFFFFFF:08X}-{bits & 0xFFFFFFFF:08X}"


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
    """Whether only this machine can connect to the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
