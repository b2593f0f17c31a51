"""What does a broker message mean? Reads it as values, and decides; Celery's own decoder would run what the headers name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from kombu.message import Message

from wooshq.installation.celery_app import SEND, SUBMIT, TURN
from wooshq.intents.find import id_of_submit
from wooshq_worker.intents.submit import Submitted

MOST_HOPS: Final = 3
"""How often a bell is passed on by workers that are full. After that the keeper rings, a second later."""
_KEPT_BYTES: Final = 64 * 1024
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Reading a larger body as JSON would block Celery's thread."""

_TIMES: Final[Mapping[str, str]] = {"eta": "eta or countdown", "expires": "expires"}
"""Celery's names of times in a message → the options that set them."""
_FOLLOWERS: Final[Mapping[str, str]] = {"callbacks": "link", "errbacks": "link_error", "chain": "chain", "chord": "chord"}
"""Celery's names of tasks that are to run after this one → the options that name them."""


@dataclass(frozen=True, slots=True)
class Bell:
    """Intents wait in this lane. hops: how many workers that were full passed it on."""

    hops: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A chunk of a job waits in the ledger."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Another application's task, in a queue that it shares with wooshq."""


Meaning: TypeAlias = Bell | Turn | Submitted | NotOurs
"""Submitted: an intent, or, with `why`, a message that is to become a dead letter. `body` is the intent, if the message has one."""


def meaning_of(message: Message, lane: str | None) -> Meaning:
    """lane: of the queue that the message was read from; None if the queue is not a lane's."""
    task = _read(message)
    if task.name == SEND and lane is not None:
        return _bell_of(task)
    if task.name == TURN and lane == "bulk":
        return Turn()
    if task.name == SUBMIT or lane is not None:
        why = task.why or _why_not_submitted(task)
        return Submitted(task.intent_id, task.args[0] if _has_intent(task) else None, task.raw, why)
    return NotOurs()


def not_understood(message: Message, error: Exception) -> Submitted:
    """A message that could not even be read, by a bug: a dead letter with its bytes."""
    raw = _bytes_of(message)
    return Submitted(id_of_submit(_own_name(message, raw)), None, raw[:_KEPT_BYTES], f"could not be read ({type(error).__name__})")


@dataclass(frozen=True, slots=True)
class _Task:
    """
    The task in a message. why: why it has no arguments. intent_id: the same each time the broker delivers this message.

    times, followers: the options of its sender that a submit cannot follow.
    """

    raw: bytes
    name: object
    args: Any
    kwargs: Any
    intent_id: str
    times: Sequence[str] = ()
    followers: Sequence[str] = ()
    why: str | None = None


def _read(message: Message) -> _Task:
    raw = _bytes_of(message)
    headers = message.headers if isinstance(message.headers, dict) else {}
    args, kwargs, embed, why = _arguments(message, headers, raw)
    said: Mapping[str, Any] = headers
    if headers.get("task") is None and isinstance(kwargs, dict) and "task" in kwargs:  # protocol 1 has it in the body
        said, args, kwargs, embed = kwargs, kwargs.get("args"), kwargs.get("kwargs"), kwargs
    return _Task(
        raw[:_KEPT_BYTES],
        said.get("task"),
        args,
        kwargs,
        _intent_id(message, raw, said.get("id")),
        [option for name, option in _TIMES.items() if said.get(name)],
        [option for name, option in _FOLLOWERS.items() if isinstance(embed, dict) and embed.get(name)],
        why,
    )


def _intent_id(message: Message, raw: bytes, task_id: object) -> str:
    """A message that is delivered again becomes the same intent, not a second one."""
    name = task_id or (message.properties or {}).get("correlation_id")
    return id_of_submit(name if isinstance(name, str) and name else _own_name(message, raw))


def _own_name(message: Message, raw: bytes) -> str:
    """Of a message that is not a task of Celery's. Redis gives each message a tag for life, RabbitMQ a number in its channel."""
    return f"{message.delivery_tag} {hashlib.blake2b(raw).hexdigest()}"


def _bell_of(task: _Task) -> Bell:
    """Whatever else the message says: the version before sent ids in it, which the ledger has."""
    hops = task.kwargs.get("hops") if isinstance(task.kwargs, dict) else 0
    return Bell(hops if type(hops) is int and 0 <= hops <= MOST_HOPS else 0)


def _has_intent(task: _Task) -> bool:
    return task.why is None and task.name == SUBMIT and isinstance(task.args, list) and len(task.args) == 1


def _why_not_submitted(task: _Task) -> str | None:
    if task.name != SUBMIT:
        return f"a message in this lane must be the task {SUBMIT}"
    if task.kwargs:
        return f"{SUBMIT} does not take kwargs: give the intent as its only argument (args=[intent])"
    if task.followers:
        return f"{SUBMIT} does not take {', '.join(task.followers)}: it has no result, so no other task runs after it. Send it alone"
    if task.times:
        return f"{SUBMIT} does not take {', '.join(task.times)}; use schedule and expires_at of the intent"
    return None if _has_intent(task) else f"{SUBMIT} takes the intent as its only argument"


def _bytes_of(message: Message) -> bytes:
    return message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")


def _arguments(message: Message, headers: Mapping[str, Any], raw: bytes) -> tuple[Any, Any, Any, str | None]:
    """The task's args, kwargs and embed, or why there are none. Of protocol 1: the whole body as kwargs."""
    if compression := headers.get("compression"):
        return None, None, None, f"{SUBMIT} does not take compression ({str(compression)[:40]}): send it without"
    if message.content_type not in ("application/json", None) or message.content_encoding not in ("utf-8", "utf8", None):
        return None, None, None, "its body must be JSON in UTF-8 (serializer json)"
    if len(raw) > _MOST_BYTES:
        return None, None, None, f"its body is {len(raw)} bytes; the limit is {_MOST_BYTES}"
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None, None, None, "its body is not JSON"
    if isinstance(body, dict) and "task" in body:
        return None, body, None, None
    if not (isinstance(body, list) and len(body) == 3 and isinstance(body[0], list) and isinstance(body[1], dict)):
        return None, None, None, "its body is not [args, kwargs, embed]"
    return body[0], body[1], body[2], None
