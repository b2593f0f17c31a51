"""Can Redis hold the ledger: rights, version, role, memory, durability, eviction, clock?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis

from wooshq.ledger.replies import text
from wooshq.settings import Settings
from wooshq_worker.doctor.finding import Finding, Level
from wooshq_worker.doctor.refused import is_refused, lacks_a_right
from wooshq_worker.doctor.rights import Need, finding, missing

_OLDEST: Final = (6, 2)
#: Part of the memory that Redis may use: more than this is a warning.
_NEARLY_FULL: Final = 0.8
_MOST_SKEW_S: Final = 2
CONNECTIONS_OF_A_WORKER: Final = 32
"""Connections to Redis of a busy worker (20 were measured)."""


def check(server: redis.Redis, where: str, variable: str, needs: Sequence[Need], *, embedded: bool) -> list[Finding]:
    """`look`; a server that cannot be used is a finding. embedded: it is the embedded Redis."""
    try:
        with server:
            return look(server, "embedded" if embedded else where, variable, needs)
    except (redis.RedisError, OSError) as error:
        return [_out_of_reach(error, where, variable)]


def look(server: redis.Redis, where: str, variable: str, needs: Sequence[Need]) -> list[Finding]:
    """
    where: the server, for people. variable: the one that names it. needs: the rights that its user must have.

    A worker needs neither INFO nor CONFIG. If Redis does not show them to this user, it may still be well. Raises redis.RedisError or
    OSError.
    """
    lacking = missing(server, needs)
    info, config = _info(server), _config(server)
    findings = [finding("redis", lacking) if lacking else _version(info.get("redis_version"), where)]
    if info.get("role") not in ("master", None):
        findings.append(Finding("redis", "bad", "it is a replica and accepts no writes", f"Point {variable} at the primary"))
    if "used_memory" in info:
        findings.append(memory(int(info["used_memory"]), int(info.get("maxmemory", 0))))
    most = info.get("maxclients") or config.get("maxclients")
    if most is not None and "connected_clients" in info:
        findings.append(connections(int(info["connected_clients"]), int(most)))
    findings += [durability(info, config), eviction(info.get("maxmemory_policy") or config.get("maxmemory-policy"))]
    if "+time" not in lacking:
        now: Any = server.time()
        findings.append(_clock(abs(now[0] + now[1] / 1e6 - time.time())))
    return findings


def _out_of_reach(error: redis.RedisError | OSError, where: str, variable: str) -> Finding:
    if lacks_a_right(error):  # on connecting, before anything was asked
        return finding("redis", ["+select"])
    if is_refused(error):
        return Finding("redis", "bad", f"{where} refuses the user or the password", f"Fix them in {variable}")
    return Finding("redis", "bad", f"{where} cannot be reached ({type(error).__name__})", f"Start it, or fix {variable}")


def variable_of(settings: Settings) -> str:
    """The variable that names the ledger's Redis."""
    return "WOOSHQ_REDIS_URL" if settings.redis_url is not None or settings.broker_url is None else "WOOSHQ_BROKER_URL"


def _info(server: redis.Redis) -> dict[str, Any]:
    """Empty if Redis does not show it: managed services rename INFO, or take the right away."""
    try:
        found: Any = server.info()
    except redis.ResponseError:
        return {}
    return dict(found)


def _config(server: redis.Redis) -> dict[str, str]:
    try:
        found: dict[str, str] = {}
        for name in ("maxmemory-policy", "appendfsync", "maxclients"):  # several names in one command need Redis 7
            answer: Any = server.config_get(name)
            found |= {text(k): text(v) for k, v in answer.items()}
        return found
    except redis.ResponseError:  # managed services often forbid CONFIG
        return {}


def _version(version: object, where: str) -> Finding:
    if version is None:
        return Finding("redis", "ok", f"{where}; it does not show its version")
    version = str(version)
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


def connections(now: int, most: int) -> Finding:
    """now: connections that are open. most: connections that Redis allows."""
    says = f"{now:,} of {most:,} are in use"
    if most - now < CONNECTIONS_OF_A_WORKER:
        mend = "Raise maxclients of Redis (and its limit of open files), or run fewer workers"
        return Finding("connections", "warn", f"only {most - now:,} are left ({says}), and a worker needs {CONNECTIONS_OF_A_WORKER}", mend)
    return Finding("connections", "ok", says)


def _megabytes(n: int) -> str:
    return f"{n / 1024**2:,.1f} MB"


def durability(info: Mapping[str, Any], config: Mapping[str, str]) -> Finding:
    """info, config: what Redis says in INFO and CONFIG; empty if it does not show them."""
    if "aof_enabled" not in info:
        says = "unknown: Redis does not show it"
        return Finding("durability", "warn", says, "Make sure that Redis has an append-only file (appendonly yes)")
    if not info["aof_enabled"]:
        says = "there is no append-only file, so a restart loses what was accepted"
        return Finding("durability", "bad", says, "Run CONFIG SET appendonly yes, and set the same in redis.conf")
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("durability", "bad", "Redis cannot write its append-only file", "Check the disk and Redis's log")
    if "appendfsync" not in config:
        return Finding("durability", "ok", "append-only; Redis does not show appendfsync")
    fsync = config["appendfsync"]
    loss = {
        "always": "nothing is lost",
        "everysec": "a power failure may lose the last second or two",
        "no": "the kernel decides how much a power failure may lose",
    }
    level: Level = "ok" if fsync in ("always", "everysec") else "warn"
    mend = "" if fsync == "always" else "With appendfsync always nothing is lost, but accepting is slower"
    return Finding("durability", level, f"append-only, fsync {fsync}: {loss.get(fsync, 'how much may be lost is unknown')}", mend)


def eviction(policy: str | None) -> Finding:
    """policy: maxmemory-policy; None if Redis does not show it."""
    if policy is None:
        return Finding("eviction", "warn", "unknown: Redis does not show its policy", "Make sure that maxmemory-policy is noeviction")
    if policy != "noeviction":
        mend = "Run CONFIG SET maxmemory-policy noeviction, and set the same in redis.conf"
        return Finding("eviction", "bad", f"the policy is {policy}: Redis may delete intents", mend)
    return Finding("eviction", "ok", policy)


def _clock(skew_s: float) -> Finding:
    if skew_s > _MOST_SKEW_S:
        return Finding("clock", "warn", f"this machine and Redis differ by {skew_s:.1f} s", "Run NTP. wooshq itself uses Redis's clock")
    return Finding("clock", "ok", f"{skew_s * 1000:.0f} ms from Redis's clock")
