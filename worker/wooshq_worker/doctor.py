"""Can this installation keep its promises? Configuration, token, API, Redis and its durability, broker, workers, clock."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import redis
from amqp.exceptions import AccessRefused
from amqp.exceptions import NotAllowed as NoSuchVirtualHost
from dotenv import dotenv_values
from sentry_sdk.utils import BadDsn, Dsn

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import client
from wooshq.installation.embedded import EmbeddedRedisError
from wooshq.ledger.replies import text as _text
from wooshq.ledger.steps import Ask, Steps
from wooshq.results import Result
from wooshq.settings import Settings, variables
from wooshq_schemas.lint import is_application_code
from wooshq_schemas.validation.names import nearest

T = TypeVar("T")

_OLDEST_REDIS: Final = (6, 2)
#: Of the memory that Redis may use: above this it is time to look.
_NEARLY_FULL: Final = 0.8
_REACH_S: Final = 3.0


@dataclass(frozen=True)
class Finding(Result):
    """One thing that was looked at. mend: what to do, "" where nothing need be done."""

    what: str
    level: Literal["ok", "warn", "bad"]
    says: str
    mend: str = ""


def examine(wooshq: Wooshq, *, offline: bool = False) -> list[Finding]:
    """Look at everything, offline: but for the API's host; what cannot be asked is a finding, not an error. Raises SettingsInvalid for an address of no kind we know."""
    s = wooshq.settings
    findings = [Finding("configuration", "ok", "no setting contradicts another"), *_slips(s), _application(s), _token(s)]
    if s.sentry_dsn is not None:
        findings.append(_sentry(s.sentry_dsn.get_secret_value()))
    if not offline:
        findings.append(_api(s.base_url))
    try:
        places = wooshq.installation.places
    except EmbeddedRedisError as error:
        says, _, mend = str(error).partition(": set ")
        findings.append(
            Finding("redis", "bad", says, f"Set {mend}" if mend else "Mend that, or set WOOSHQ_REDIS_URL to a Redis of your own")
        )
        return findings
    findings += _redis(client(places.redis_url, 5.0), places.where, _redis_variable(s), embedded=places.embedded is not None)
    findings.append(_broker(wooshq))
    try:
        findings += _work(wooshq)
    except LedgerUnavailable:
        pass  # said above, as the finding `redis`
    return findings


# What the environment says


def _slips(settings: Settings) -> Iterator[Finding]:
    """Variables that look like ours and are read by nobody."""
    names = variables()
    known = {*names.values(), *(f"WOOSHQ_{field}".upper() for field in names)}
    file = settings.model_config.get("env_file")
    given = {*os.environ, *(dotenv_values(file) if isinstance(file, str) and Path(file).is_file() else ())}
    for name in sorted({n.upper() for n in given} - known):
        if name.startswith(("WOOSHQ_", "PUSHWOOSH_")):
            near = nearest(name, names.values())
            mend = f"Did you mean {near}?" if near else "Take it away, or look for its name in the README's table of settings"
            yield Finding("environment", "warn", f"{name} is no setting, and is not read", mend)


def _application(settings: Settings) -> Finding:
    code = settings.application
    if code is None:
        return Finding("application", "warn", "no default is set", "Set PUSHWOOSH_APPLICATION, or name one in every intent")
    if not is_application_code(code):
        return Finding("application", "bad", f"{code} is no application code", "Pushwoosh's are XXXXX-XXXXX, in capitals and digits")
    return Finding("application", "ok", code)


def _token(settings: Settings) -> Finding:
    """Whether there is a token for what will be sent. Whether Pushwoosh takes it, only a message would tell."""
    code, others = settings.application, len(settings.api_tokens)
    if not settings.has_token:
        return Finding("token", "bad", "none is set: workers would hold everything back", "Set PUSHWOOSH_API_TOKEN")
    if code is not None and settings.token_for(code) is None:
        mend = f"Set PUSHWOOSH_API_TOKEN, or add {code} to PUSHWOOSH_API_TOKENS"
        return Finding("token", "bad", f"none is set for {code}: workers would hold its intents back", mend)
    if settings.api_token is None:
        return Finding("token", "ok", f"set for {others} application{'' if others == 1 else 's'} and no others (not tried)")
    return Finding("token", "ok", "set (not tried)" + (f", and {others} for single applications" if others else ""))


def _sentry(dsn: str) -> Finding:
    try:
        Dsn(dsn)
    except BadDsn:
        mend = "Copy it again from Sentry's project settings, Client Keys, or leave it out"
        return Finding("sentry", "bad", "SENTRY_DSN is no Sentry DSN: no worker would start", mend)
    return Finding("sentry", "ok", "on")


# The API


def _api(base_url: str) -> Finding:
    """Whether the API's host can be reached: TCP and, for https, TLS. No request is made, and no token leaves."""
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    mend = "Mend the network (workers use no proxy), or PUSHWOOSH_BASE_URL"
    try:
        _within(_REACH_S, lambda: _shake_hands(host, port, tls=parts.scheme == "https"))
    except ssl.SSLCertVerificationError as error:
        mend = "Mend PUSHWOOSH_BASE_URL, or name your authority's certificates in SSL_CERT_FILE"
        return Finding("api", "warn", f"{base_url} has no certificate to be trusted: {error.verify_message}", mend)
    except TimeoutError:
        return Finding("api", "warn", f"{base_url} did not answer within {_REACH_S:g} s", mend)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Finding("api", "warn", f"{base_url} cannot be reached: {why}", mend)
    return Finding("api", "ok", f"{base_url}, reached in {(time.monotonic() - began) * 1000:.0f} ms (no token was sent)")


def _shake_hands(host: str, port: int, *, tls: bool) -> None:
    with socket.create_connection((host, port), timeout=_REACH_S) as connection:
        if tls:
            from wooshq_worker.api.transport import trusted

            trusted().wrap_socket(connection, server_hostname=host).close()


def _within(limit_s: float, do: Callable[[], T]) -> T:
    """What `do` gives, or raises. Raises TimeoutError after `limit_s`; the rest of it is then abandoned (a name server may hang)."""
    given: list[T] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            given.append(do())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError
    return given[0]


# Redis and the broker


def _redis(server: redis.Redis, where: str, variable: str, *, embedded: bool) -> Iterator[Finding]:
    try:
        with server:
            info: Any = server.info()
            config: dict[str, str] = _config(server)
            seconds, micros = server.time()
    except (redis.RedisError, OSError) as error:
        if _is_refusal(error):
            yield Finding("redis", "bad", f"{where} refuses the user or the password", f"Mend them in {variable}")
        else:
            yield Finding("redis", "bad", f"{where} cannot be asked ({type(error).__name__})", f"Start it, or mend {variable}")
        return
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    kind = "embedded" if embedded else where
    if version < _OLDEST_REDIS:
        yield Finding("redis", "bad", f"{kind} is version {info['redis_version']}", "6.2 or later is needed")
    else:
        yield Finding("redis", "ok", f"{kind}, version {info['redis_version']}")
    if info.get("role") not in ("master", None):
        yield Finding("redis", "bad", "is a replica and takes no writes", f"Point {variable} at the primary")
    yield _memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))
    yield _durability(info, config)
    policy = config.get("maxmemory-policy", "unknown")
    if policy not in ("noeviction", "unknown"):
        yield Finding("eviction", "bad", f"{policy}: Redis may throw intents away", "CONFIG SET maxmemory-policy noeviction")
    else:
        yield Finding("eviction", "ok" if policy == "noeviction" else "warn", policy)
    skew = abs(seconds + micros / 1e6 - time.time())
    if skew > 2:
        yield Finding("clock", "warn", f"this machine and Redis differ by {skew:.1f} s", "Run NTP; wooshq itself goes by Redis's clock")
    else:
        yield Finding("clock", "ok", f"{skew * 1000:.0f} ms from Redis's")


def _redis_variable(settings: Settings) -> str:
    """The variable that names the ledger's Redis."""
    return "WOOSHQ_REDIS_URL" if settings.redis_url is not None or settings.broker_url is None else "WOOSHQ_BROKER_URL"


def _is_refusal(error: BaseException) -> bool:
    """Whether the server is there, and does not take the user or the password."""
    seen: BaseException | None = error
    for _ in range(5):
        if isinstance(seen, (redis.AuthenticationError, redis.exceptions.NoPermissionError, AccessRefused)):
            return True
        if seen is None:
            return False
        seen = seen.__cause__ or seen.__context__
    return False


def _config(server: redis.Redis) -> dict[str, str]:
    try:
        found: dict[str, str] = {}
        for name in ("maxmemory-policy", "appendfsync"):  # several at once need Redis 7
            answer: Any = server.config_get(name)
            found |= {_text(k): _text(v) for k, v in answer.items()}
        return found
    except redis.ResponseError:  # managed services often forbid CONFIG
        return {}


def _memory(used: int, most: int) -> Finding:
    mend = "Raise maxmemory, or keep less: WOOSHQ_RETENTION_S, WOOSHQ_DEAD_RETENTION_S"
    if most == 0:
        return Finding("memory", "ok", f"{_megabytes(used)} used, no limit set")
    says = f"{_megabytes(used)} of {_megabytes(most)} used"
    if used >= most:
        return Finding("memory", "bad", f"full, {says}: nothing new is accepted", mend)
    return Finding("memory", "warn", f"nearly full, {says}", mend) if used > most * _NEARLY_FULL else Finding("memory", "ok", says)


def _megabytes(n: int) -> str:
    return f"{n / 1024**2:,.1f} MB"


def _durability(info: Any, config: dict[str, str]) -> Finding:
    if not info.get("aof_enabled"):
        return Finding("durability", "bad", "no append-only file: a restart forgets what was accepted", "CONFIG SET appendonly yes")
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("durability", "bad", "the append-only file cannot be written", "Look at the disk and at Redis's log")
    fsync = config.get("appendfsync", "unknown")
    window = {"always": "loses nothing", "everysec": "a power failure may lose the last second or two", "no": "the kernel decides when"}
    level: Literal["ok", "warn"] = "ok" if fsync in ("always", "everysec") else "warn"
    mend = "" if fsync == "always" else "appendfsync always loses nothing, and makes accepting slower"
    return Finding("durability", level, f"append-only, fsync {fsync}: {window.get(fsync, 'not told')}", mend)


def _broker(wooshq: Wooshq) -> Finding:
    variable = "WOOSHQ_BROKER_URL" if wooshq.settings.broker_url is not None else "WOOSHQ_REDIS_URL"
    try:
        with wooshq.installation.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            return Finding("broker", "ok", str(connection.transport.driver_type))
    except Exception as error:  # of whatever transport
        if _is_refusal(error):
            return Finding("broker", "bad", "it refuses the user or the password", f"Mend them in {variable}")
        if isinstance(error, NoSuchVirtualHost) or isinstance(error.__cause__, NoSuchVirtualHost):
            return Finding(
                "broker", "bad", "it does not let this user into the virtual host", f"Mend the end of {variable}, or the user's rights"
            )
        return Finding("broker", "bad", f"cannot be reached ({type(error).__name__})", f"Start it, or mend {variable}")


# Who works, and what waits


def _work(wooshq: Wooshq) -> Iterator[Finding]:
    if wooshq.do(_keeper_is_at_work(wooshq.ledger.keys.fixed("keeper"))):
        yield Finding("worker", "ok", "at least one is running")
    else:
        yield Finding("worker", "warn", "no worker is running", "Start one: wooshq worker")
    counts = wooshq.counts()
    queued = counts["now_queued_transactional"] + counts["now_queued_bulk"]
    parts = (
        (queued, "queued"),
        (counts["now_sending"], "being sent"),
        (counts["now_retrying"], "to be retried"),
        (counts["now_held"], "held"),
    )
    yield Finding("backlog", "ok", ", ".join(f"{n} {what}" for n, what in parts if n) or "nothing waits")
    for gate in wooshq.gates():
        says = f"{gate.gate} of {gate.application} is {gate.state} since {gate.since}: {gate.why}"
        yield Finding("gate", "warn", says, f"Mend the cause; wooshq gates open {gate.gate} opens it by hand")


def _keeper_is_at_work(key: str) -> Steps[bool]:
    """Every worker runs a keeper, and one of them holds its lock, which ends three seconds after its holder did."""
    return bool((yield Ask([("EXISTS", key)]))[0])
