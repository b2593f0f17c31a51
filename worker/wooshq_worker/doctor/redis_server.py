"""Can Redis hold the ledger: version, role, memory, durability, eviction, clock?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import redis

from wooshq.ledger.replies import text
from wooshq.settings import Settings
from wooshq_worker.doctor.finding import Finding, Level
from wooshq_worker.doctor.refused import is_refused

_OLDEST: Final = (6, 2)
#: Part of the memory that Redis may use: more than this is a warning.
_NEARLY_FULL: Final = 0.8
_MOST_SKEW_S: Final = 2


def check(server: redis.Redis, where: str, variable: str, *, embedded: bool) -> Iterator[Finding]:
    """where: the server's address, for people. variable: the one that names it."""
    try:
        with server:
            info: Any = server.info()
            config = _config(server)
            seconds, micros = server.time()
    except (redis.RedisError, OSError) as error:
        if is_refused(error):
            yield Finding("redis", "bad", f"{where} refuses the user or the password", f"Fix them in {variable}")
        else:
            yield Finding("redis", "bad", f"{where} cannot be reached ({type(error).__name__})", f"Start it, or fix {variable}")
        return
    yield _version(str(info["redis_version"]), "embedded" if embedded else where)
    if info.get("role") not in ("master", None):
        yield Finding("redis", "bad", "it is a replica and accepts no writes", f"Point {variable} at the primary")
    yield memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))
    yield _durability(info, config)
    yield _eviction(config.get("maxmemory-policy"))
    yield _clock(abs(seconds + micros / 1e6 - time.time()))


def variable_of(settings: Settings) -> str:
    """The variable that names the ledger's Redis."""
    return "WOOSHQ_REDIS_URL" if settings.redis_url is not None or settings.broker_url is None else "WOOSHQ_BROKER_URL"


def _config(server: redis.Redis) -> dict[str, str]:
    try:
        found: dict[str, str] = {}
        for name in ("maxmemory-policy", "appendfsync"):  # several names in one command need Redis 7
            answer: Any = server.config_get(name)
            found |= {text(k): text(v) for k, v in answer.items()}
        return found
    except redis.ResponseError:  # managed services often forbid CONFIG
        return {}


def _version(version: str, where: str) -> Finding:
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        return Finding("redis", "bad", f"{where} is version {version}", "Use version 6.2 or later")
    return Finding("redis", "ok", f"{where}, version {version}")


def memory(used: int, most: int) -> Finding:
    """used, most: bytes; most is 0 if Redis has no limit."""
    mend = "Raise maxmemory, or keep less: lower WOOSHQ_RETENTION_S or WOOSHQ_DEAD_RETENTION_S"
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
        says = "there is no append-only file, so a restart loses what was accepted"
        return Finding("durability", "bad", says, "Run CONFIG SET appendonly yes, and set the same in redis.conf")
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("durability", "bad", "Redis cannot write its append-only file", "Check the disk and Redis's log")
    fsync = config.get("appendfsync", "unknown")
    loss = {
        "always": "nothing is lost",
        "everysec": "a power failure may lose the last second or two",
        "no": "the kernel decides how much a power failure may lose",
    }
    level: Level = "ok" if fsync in ("always", "everysec") else "warn"
    mend = "" if fsync == "always" else "With appendfsync always nothing is lost, but accepting is slower"
    return Finding("durability", level, f"append-only, fsync {fsync}: {loss.get(fsync, 'how much may be lost is unknown')}", mend)


def _eviction(policy: str | None) -> Finding:
    if policy is None:
        return Finding("eviction", "warn", "the policy is unknown: Redis does not show it", "Make sure that maxmemory-policy is noeviction")
    if policy != "noeviction":
        mend = "Run CONFIG SET maxmemory-policy noeviction, and set the same in redis.conf"
        return Finding("eviction", "bad", f"the policy is {policy}: Redis may delete intents", mend)
    return Finding("eviction", "ok", policy)


def _clock(skew_s: float) -> Finding:
    if skew_s > _MOST_SKEW_S:
        return Finding("clock", "warn", f"this machine and Redis differ by {skew_s:.1f} s", "Run NTP. wooshq itself uses Redis's clock")
    return Finding("clock", "ok", f"{skew_s * 1000:.0f} ms from Redis's clock")
