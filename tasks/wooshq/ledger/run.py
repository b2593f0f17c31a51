"""Carries out steps with a sync or an async Redis client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import redis
import redis.asyncio as aredis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.scripts import source_of
from wooshq.ledger.steps import RunScript, Steps, T, Together, Wanted

#: Answers with which a healthy server says "not now": never a verdict on a message.
_NOT_NOW = (
    "OOM",
    "MISCONF",
    "READONLY",
    "LOADING",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MASTERDOWN",
    "NOREPLICAS",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "MOVED",
    "CROSSSLOT",
)

#: The same, where redis-py made a class of the word and took it out of the text.
_NOT_NOW_KINDS = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


def unavailable(error: RedisError | OSError, where: str) -> LedgerUnavailable | None:
    """`error` as what it means for the caller; None where it is a fault of ours (a script's error) and must be seen as such."""
    if isinstance(error, (redis.AuthenticationError, redis.exceptions.InvalidResponse)):
        refused = isinstance(error, redis.AuthenticationError)
        why = "refuses our name or password" if refused else "does not speak Redis's protocol"
        return LedgerUnavailable(f"Redis at {where} {why}; mend WOOSHQ_REDIS_URL", maybe_done=False)
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError)):
        text = str(error).lower()
        asked = "connecting" not in text if isinstance(error, redis.TimeoutError) else "reading" in text or "closed" in text
        return LedgerUnavailable(f"Redis at {where} did not answer ({type(error).__name__})", maybe_done=asked)
    if isinstance(error, ResponseError):
        text = str(error)
        word = next((w for w in _NOT_NOW if w in text[:400]), None)
        if word is None and isinstance(error, _NOT_NOW_KINDS):
            word = type(error).__name__
        if word:
            return LedgerUnavailable(f"Redis at {where} refuses writes ({word})", maybe_done=False)
        if "DB index" in text or "unknown command" in text.lower():
            return LedgerUnavailable(f"Redis at {where} cannot hold a ledger ({text[:80]}); mend WOOSHQ_REDIS_URL", maybe_done=False)
    return None


def run(
    steps: Steps[T],
    client: redis.Redis,
    where: str,
    *,
    bounded: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> T:
    """Carry out `steps`; bounded: around each round trip. Raises LedgerUnavailable where Redis cannot be asked now."""
    try:
        wanted = next(steps)
        while True:
            try:
                with bounded():
                    answer = _do(wanted, client)
            except (RedisError, OSError) as error:
                wanted = _throw(steps, error, where)
            else:
                wanted = steps.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def arun(steps: Steps[T], client: aredis.Redis, where: str) -> T:
    """`run` for an async client."""
    try:
        wanted = next(steps)
        while True:
            try:
                answer = await _ado(wanted, client)
            except (RedisError, OSError) as error:
                wanted = _throw(steps, error, where)
            else:
                wanted = steps.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        steps.close()


def _throw(steps: Steps[T], error: RedisError | OSError, where: str) -> Wanted:
    """Let the steps know: those of several may tell what was done before."""
    told = unavailable(error, where)
    if told is None:
        raise error
    told.__cause__ = error
    return steps.throw(told)


def _do(wanted: Wanted, client: redis.Redis) -> Any:
    if isinstance(wanted, RunScript):
        return _run_one(wanted, client)
    if isinstance(wanted, Together):
        if len(wanted.runs) == 1:
            return [_run_one(wanted.runs[0], client)]
        pipe = client.pipeline(transaction=False)
        for run in wanted.runs:
            pipe.execute_command("EVALSHA", *_command(run))
        answers = pipe.execute(raise_on_error=False)
        return [
            _run_one(run, client) if isinstance(a, NoScriptError) else _or_raise(a) for run, a in zip(wanted.runs, answers, strict=True)
        ]
    if len(wanted.commands) == 1:
        return [client.execute_command(*wanted.commands[0])]
    pipe = client.pipeline(transaction=False)
    for command in wanted.commands:
        pipe.execute_command(*command)
    return pipe.execute()


def _run_one(run: RunScript, client: redis.Redis) -> Any:
    try:
        return client.execute_command("EVALSHA", *_command(run))
    except NoScriptError:  # a server that was restarted or flushed
        return client.execute_command("EVAL", source_of(run.script).text, *_command(run)[1:])


async def _ado(wanted: Wanted, client: aredis.Redis) -> Any:
    if isinstance(wanted, RunScript):
        return await _arun_one(wanted, client)
    if isinstance(wanted, Together):
        if len(wanted.runs) == 1:
            return [await _arun_one(wanted.runs[0], client)]
        pipe = client.pipeline(transaction=False)
        for run in wanted.runs:
            pipe.execute_command("EVALSHA", *_command(run))
        answers = await pipe.execute(raise_on_error=False)
        return [
            await _arun_one(run, client) if isinstance(a, NoScriptError) else _or_raise(a)
            for run, a in zip(wanted.runs, answers, strict=True)
        ]
    if len(wanted.commands) == 1:
        return [await client.execute_command(*wanted.commands[0])]
    pipe = client.pipeline(transaction=False)
    for command in wanted.commands:
        pipe.execute_command(*command)
    return await pipe.execute()


async def _arun_one(run: RunScript, client: aredis.Redis) -> Any:
    try:
        return await client.execute_command("EVALSHA", *_command(run))
    except NoScriptError:
        return await client.execute_command("EVAL", source_of(run.script).text, *_command(run)[1:])


def _command(run: RunScript) -> tuple[Any, ...]:
    return (source_of(run.script).sha, len(run.keys), *run.keys, *run.args)


def _or_raise(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
