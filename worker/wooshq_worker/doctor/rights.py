"""May this user of Redis do what producers and workers do? Redis is asked for each command and each kind of key, and carries out nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import redis
from kombu.transport.redis import Channel
from redis.exceptions import NoPermissionError, ResponseError

from wooshq_worker.doctor.finding import Finding

_SHA: Final = "0" * 40

_OF_THE_LEDGER: Final[tuple[tuple[Any, ...], ...]] = (
    ("APPEND", "KEY", "v"),
    ("BLPOP", "KEY", 1),
    ("DEL", "KEY"),
    ("EVAL", "return 1", 1, "KEY"),
    ("EVALSHA", _SHA, 1, "KEY"),
    ("EXISTS", "KEY"),
    ("GET", "KEY"),
    ("GETRANGE", "KEY", 0, 0),
    ("HDEL", "KEY", "f"),
    ("HGET", "KEY", "f"),
    ("HGETALL", "KEY"),
    ("HINCRBY", "KEY", "f", 1),
    ("HKEYS", "KEY"),
    ("HLEN", "KEY"),
    ("HMGET", "KEY", "f"),
    ("HSET", "KEY", "f", "v"),
    ("HSETNX", "KEY", "f", "v"),
    ("LLEN", "KEY"),
    ("LPOS", "KEY", "v"),
    ("LPUSH", "KEY", "v"),
    ("LRANGE", "KEY", 0, 0),
    ("LREM", "KEY", 0, "v"),
    ("LTRIM", "KEY", 0, 0),
    ("MGET", "KEY"),
    ("MSETNX", "KEY", "v"),
    ("PERSIST", "KEY"),
    ("PEXPIRE", "KEY", 1),
    ("PTTL", "KEY"),
    ("RPUSH", "KEY", "v"),
    ("SADD", "KEY", "m"),
    ("SCAN", 0, "COUNT", 1),
    ("SCARD", "KEY"),
    ("SELECT", 0),
    ("SET", "KEY", "v"),
    ("SETRANGE", "KEY", 0, "v"),
    ("SMEMBERS", "KEY"),
    ("SMISMEMBER", "KEY", 1),
    ("SREM", "KEY", "m"),
    ("TIME",),
    ("XACK", "KEY", "g", "1-1"),
    ("XADD", "KEY", "*", "f", "v"),
    ("XAUTOCLAIM", "KEY", "g", "c", 1, "0-0"),
    ("XDEL", "KEY", "1-1"),
    ("XGROUP CREATE", "KEY", "g", "0"),
    ("XGROUP DESTROY", "KEY", "g"),
    ("XINFO GROUPS", "KEY"),
    ("XLEN", "KEY"),
    ("XPENDING", "KEY", "g"),
    ("XRANGE", "KEY", "-", "+"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "KEY", ">"),
    ("XREVRANGE", "KEY", "+", "-"),
    ("ZADD", "KEY", 1, "m"),
    ("ZCARD", "KEY"),
    ("ZCOUNT", "KEY", 0, 1),
    ("ZRANGE", "KEY", 0, 0),
    ("ZRANGEBYSCORE", "KEY", 0, 1),
    ("ZREM", "KEY", "m"),
    ("ZREVRANGE", "KEY", 0, 0),
    ("ZREVRANGEBYSCORE", "KEY", 1, 0),
    ("ZSCORE", "KEY", "m"),
)
"""What the ledger's scripts and calls use, with arguments that Redis accepts. Tests compare it with the scripts, and with the docs."""

_OF_A_QUEUE: Final[tuple[tuple[Any, ...], ...]] = (
    ("BRPOP", "KEY", 1),
    ("EXISTS", "KEY"),
    ("LLEN", "KEY"),
    ("LPUSH", "KEY", "v"),
    ("RPUSH", "KEY", "v"),
)

_OF_UNACKNOWLEDGED: Final[tuple[tuple[Any, ...], ...]] = (
    ("EVAL", "return 1", 0),
    ("PERSIST", Channel.unacked_key),
    ("WATCH", Channel.unacked_key),
    ("UNWATCH",),
    ("HSET", Channel.unacked_key, "f", "v"),
    ("HGET", Channel.unacked_key, "f"),
    ("HDEL", Channel.unacked_key, "f"),
    ("ZADD", Channel.unacked_index_key, 1, "m"),
    ("ZRANGE", Channel.unacked_index_key, 0, 0),
    ("ZREM", Channel.unacked_index_key, "m"),
    ("SET", Channel.unacked_mutex_key, "v"),
    ("GET", Channel.unacked_mutex_key),
    ("DEL", Channel.unacked_mutex_key),
    ("EVALSHA", _SHA, 1, Channel.unacked_mutex_key),
    ("SCRIPT LOAD", "return 1"),
    ("PING",),
    ("SELECT", 0),
)
"""What kombu's transport uses beside the queues."""


@dataclass(frozen=True)
class Need:
    """A command that is used. keys: the keys that it is used on, as a pattern of an ACL; "" if it has none."""

    command: tuple[Any, ...]
    keys: str = ""


def of_the_ledger(namespace: str) -> list[Need]:
    """What producers and workers need for the ledger."""
    return [Need(_with_key(command, f"{namespace}:doctor"), f"~{namespace}:*") for command in _OF_THE_LEDGER]


def of_the_broker(queues: Iterable[str]) -> list[Need]:
    """What they need for a broker that is Redis. queues: their names."""
    # kombu reads one list for each priority. One of them shows that the user may use all.
    lists = [f"{queue}{Channel.sep}3" for queue in queues]
    needs = [Need(_with_key(command, key), f"~{queue}*") for queue, key in zip(queues, lists, strict=True) for command in _OF_A_QUEUE]
    return needs + [Need(command, "~unacked*") for command in _OF_UNACKNOWLEDGED]


def _with_key(command: tuple[Any, ...], key: str) -> tuple[Any, ...]:
    return tuple(key if part == "KEY" else part for part in command)


def missing(server: redis.Redis, needs: Iterable[Need]) -> list[str]:
    """
    The rights that the user does not have, as an ACL names them: `+hset`, `~wq:*`.

    Redis checks the rights of a command of a transaction when the command is queued. The transaction is never executed, because the
    connection is closed. Raises RedisError or OSError if Redis cannot be reached.
    """
    connection: Any = server.connection_pool.get_connection()
    try:
        return list(dict.fromkeys(_missing(connection, list(needs))))
    finally:
        connection.disconnect()
        server.connection_pool.release(connection)


def _missing(connection: Any, needs: list[Need]) -> Iterator[str]:
    refused = [name for name in ("MULTI", "EXEC") if _refusal(connection, name)]
    if refused:
        yield from (f"+{name.lower()}" for name in refused)
        return  # outside a transaction, commands would be carried out
    connection.send_command("MULTI")
    connection.read_response()
    connection.send_packed_command(connection.pack_commands([need.command for need in needs]), check_health=False)
    for need in needs:
        try:
            connection.read_response()
        except NoPermissionError as error:
            yield need.keys if "access" in str(error) else _right(need.command)
        except ResponseError as error:
            if "unknown command" in str(error).lower():  # renamed, or of a later version of Redis
                yield _right(need.command)


def _refusal(connection: Any, *command: Any) -> bool:
    """Whether Redis refuses the command for lack of rights."""
    connection.send_command(*command)
    try:
        connection.read_response()
    except ResponseError as error:
        return "no permissions" in str(error).lower()  # not its type: an EXEC that is refused has another one
    return False


def _right(command: tuple[Any, ...]) -> str:
    return f"+{command[0].lower().replace(' ', '|')}"


def finding(what: str, lacking: list[str]) -> Finding:
    """what: `redis` or `broker`. lacking: rights that are missing."""
    mend = "Give the user the rights in docs/operations.md"
    return Finding(what, "bad", f"its user lacks rights: {' '.join(lacking)}", mend)
