"""Carries out steps and flows, with a sync or an async Redis client."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import redis
import redis.asyncio as aredis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.scripts import source_of
from wooshq.ledger.steps import Ask, Flow, RunScript, Steps, T, Together, Wanted

#: Answers with which a healthy server says "not now". They are never a verdict on a message.
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
    "MOVED",
    "CROSSSLOT",
)

#: What different versions of Redis say if a script may not use a command or a key. The script may have written something before.
_NO_RIGHT_IN_A_SCRIPT = ("ACL failure in script", "can't run this command", "can't access at least one of the keys")

#: The same answers, if redis-py made a class of the word and removed it from the text.
_NOT_NOW_KINDS = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


def unavailable(error: RedisError | OSError, where: str) -> LedgerUnavailable | None:
    """What `error` means for the caller. None if it is a bug of ours (an error in a script), which must be raised as it is."""
    refused = any(isinstance(cause, redis.AuthenticationError) for cause in causes(error))
    if refused or isinstance(error, redis.exceptions.InvalidResponse):
        why = "refuses our user name or password" if refused else "does not speak Redis's protocol"
        return LedgerUnavailable(f"Redis at {where} {why}; fix WOOSHQ_REDIS_URL", maybe_done=False)
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError)):
        text = str(error).lower()
        asked = "connecting" not in text if isinstance(error, redis.TimeoutError) else "reading" in text or "closed" in text
        return LedgerUnavailable(f"Redis at {where} did not answer ({_reason(error)})", maybe_done=asked)
    if isinstance(error, ResponseError):
        text = str(error)
        in_a_script = any(words in text for words in _NO_RIGHT_IN_A_SCRIPT)
        if in_a_script or isinstance(error, redis.exceptions.NoPermissionError):
            why = f"Redis at {where} does not let its user do what wooshq needs; wooshq doctor lists the missing rights"
            return LedgerUnavailable(why, maybe_done=in_a_script)
        word = next((w for w in _NOT_NOW if w in text[:400]), None)
        if word is None and isinstance(error, _NOT_NOW_KINDS):
            word = type(error).__name__
        if word:
            return LedgerUnavailable(f"Redis at {where} refuses writes ({word})", maybe_done=False)
        if "DB index" in text or "unknown command" in text.lower():
            return LedgerUnavailable(f"Redis at {where} cannot hold a ledger ({text[:80]}); fix WOOSHQ_REDIS_URL", maybe_done=False)
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what caused it."""
    for _ in range(6):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """Why a server did not answer, in a few words that contain no value."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason}"
        if type(cause) is ConnectionError:  # of our own, about Sentinels
            return str(cause)
    return type(error).__name__


def carry_out(flow: Flow[T], do: Callable[[Wanted], Any]) -> T:
    """Carry out a flow. do: gives the answer to one step; what it raises is raised in the flow."""
    try:
        wanted = next(flow)
        while True:
            try:
                answer = do(wanted)
            except Exception as error:
                wanted = flow.throw(error)
            else:
                wanted = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        flow.close()


async def acarry_out(flow: Flow[T], do: Callable[[Wanted], Awaitable[Any]]) -> T:
    """`carry_out` for an async client."""
    try:
        wanted = next(flow)
        while True:
            try:
                answer = await do(wanted)
            except Exception as error:
                wanted = flow.throw(error)
            else:
                wanted = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        flow.close()


def run(steps: Steps[T], client: redis.Redis, where: str) -> T:
    """Carry out steps that only ask the ledger. Raises LedgerUnavailable."""
    return carry_out(steps, lambda wanted: ask(wanted, client, where))


async def arun(steps: Steps[T], client: aredis.Redis, where: str) -> T:
    """`run` for an async client."""
    return await acarry_out(steps, lambda wanted: aask(wanted, client, where))


def ask(wanted: Wanted, client: redis.Redis, where: str) -> Any:
    """One round trip to the ledger. where: the server, for errors. Raises LedgerUnavailable."""
    try:
        match wanted:
            case RunScript():
                return _run_one(wanted, client)
            case Together(runs=[single]):
                return [_run_one(single, client)]
            case Together():
                pipe = client.pipeline(transaction=False)
                for run in wanted.runs:
                    pipe.execute_command("EVALSHA", *_command(run))
                answers = pipe.execute(raise_on_error=False)
                return [
                    _run_one(run, client) if isinstance(a, NoScriptError) else _or_raise(a)
                    for run, a in zip(wanted.runs, answers, strict=True)
                ]
            case Ask(commands=[command]):
                return [client.execute_command(*command)]
            case Ask():
                pipe = client.pipeline(transaction=False)
                for command in wanted.commands:
                    pipe.execute_command(*command)
                return pipe.execute()
            case _:
                raise TypeError(f"{type(wanted).__name__} is not a request to the ledger")
    except (RedisError, OSError) as error:
        if (told := unavailable(error, where)) is None:
            raise
        raise told from error


async def aask(wanted: Wanted, client: aredis.Redis, where: str) -> Any:
    """`ask` for an async client."""
    try:
        match wanted:
            case RunScript():
                return await _arun_one(wanted, client)
            case Together(runs=[single]):
                return [await _arun_one(single, client)]
            case Together():
                pipe = client.pipeline(transaction=False)
                for run in wanted.runs:
                    pipe.execute_command("EVALSHA", *_command(run))
                answers = await pipe.execute(raise_on_error=False)
                return [
                    await _arun_one(run, client) if isinstance(a, NoScriptError) else _or_raise(a)
                    for run, a in zip(wanted.runs, answers, strict=True)
                ]
            case Ask(commands=[command]):
                return [await client.execute_command(*command)]
            case Ask():
                pipe = client.pipeline(transaction=False)
                for command in wanted.commands:
                    pipe.execute_command(*command)
                return await pipe.execute()
            case _:
                raise TypeError(f"{type(wanted).__name__} is not a request to the ledger")
    except (RedisError, OSError) as error:
        if (told := unavailable(error, where)) is None:
            raise
        raise told from error


def _run_one(run: RunScript, client: redis.Redis) -> Any:
    try:
        return client.execute_command("EVALSHA", *_command(run))
    except NoScriptError:  # a server that was restarted or flushed
        return client.execute_command("EVAL", source_of(run.script).text, *_command(run)[1:])


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
