"""Can this installation keep its promises? Configuration, Redis and its durability, broker, token, clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import redis

from wooshq.client import Wooshq
from wooshq.connect import client
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.replies import text as _text
from wooshq.record import Record

_OLDEST_REDIS = (6, 2)


@dataclass(frozen=True)
class Finding(Record):
    """One thing that was looked at. mend: what to do, "" where nothing need be done."""

    what: str
    level: Literal["ok", "warn", "bad"]
    says: str
    mend: str = ""


def examine(wooshq: Wooshq) -> list[Finding]:
    """Look at everything; what cannot be asked is a finding, not an error."""
    s = wooshq.settings
    findings = [Finding("configuration", "ok", "no setting contradicts another")]
    if s.has_token:
        n = len(s.api_tokens)
        findings.append(Finding("token", "ok", "set (not tried)" + (f", and {n} for single applications" if n else "")))
    else:
        findings.append(Finding("token", "bad", "none is set: workers would hold everything back", "Set PUSHWOOSH_API_TOKEN"))
    if s.application is None:
        findings.append(Finding("application", "warn", "no default is set", "Set PUSHWOOSH_APPLICATION, or name one in every intent"))
    else:
        findings.append(Finding("application", "ok", s.application))
    places = wooshq.shared.places
    findings += _redis(client(places.redis_url, 5.0), places.where, embedded=places.embedded is not None)
    findings.append(_broker(wooshq))
    try:
        for gate in wooshq.gates():
            says = f"{gate.gate} of {gate.application} is {gate.state} since {gate.since}: {gate.why}"
            findings.append(Finding("gate", "warn", says, f"Mend the cause; wooshq gates open {gate.gate} opens it by hand"))
    except LedgerUnavailable:
        pass  # said above, as the finding `redis`
    return findings


def _redis(server: redis.Redis, where: str, *, embedded: bool) -> Iterator[Finding]:
    try:
        with server:
            info: Any = server.info()
            config: dict[str, str] = _config(server)
            seconds, micros = server.time()
    except (redis.RedisError, OSError) as error:
        yield Finding("redis", "bad", f"{where} cannot be asked ({type(error).__name__})", "Start it, or mend WOOSHQ_REDIS_URL")
        return
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    kind = "embedded" if embedded else where
    if version < _OLDEST_REDIS:
        yield Finding("redis", "bad", f"{kind} is version {info['redis_version']}", "6.2 or later is needed")
    else:
        yield Finding("redis", "ok", f"{kind}, version {info['redis_version']}")
    if info.get("role") not in ("master", None):
        yield Finding("redis", "bad", "is a replica and takes no writes", "Point WOOSHQ_REDIS_URL at the primary")
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


def _config(server: redis.Redis) -> dict[str, str]:
    try:
        found: dict[str, str] = {}
        for name in ("maxmemory-policy", "appendfsync"):  # several at once need Redis 7
            answer: Any = server.config_get(name)
            found |= {_text(k): _text(v) for k, v in answer.items()}
        return found
    except redis.ResponseError:  # managed services often forbid CONFIG
        return {}


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
    try:
        with wooshq.shared.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            return Finding("broker", "ok", str(connection.transport.driver_type))
    except Exception as error:  # of whatever transport
        return Finding("broker", "bad", f"cannot be reached ({type(error).__name__})", "Start it, or mend WOOSHQ_BROKER_URL")
