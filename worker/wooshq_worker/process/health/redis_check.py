"""Says at the start of a worker, loudly, what is wrong with its Redis: it may delete or lose messages, or refuse what a worker does."""

from __future__ import annotations

import threading
from typing import Final

import redis
import structlog

from wooshq.client import Wooshq
from wooshq.installation.connect import client
from wooshq_worker.doctor import broker, redis_server, rights

log = structlog.get_logger("wooshq.worker")

REFUSES: Final = 78
"""Exit status of a worker that does not start on a Redis that loses messages (EX_CONFIG of sysexits.h)."""
_LOSES: Final = frozenset({"durability", "eviction"})
"""What a Redis that loses messages has a bad finding about."""
_ASK_AGAIN_AFTER_S: Final = 5.0
_WITHIN_S: Final = 5.0


class RedisCheck:
    """
    Looks once, in a thread of its own, as soon as Redis answers: a Redis that is down must not delay the worker.

    A problem is an event `redis_problem`. The worker continues, because messages that were accepted are safer if they are sent; with
    `WOOSHQ_STRICT` it asks `allows` first.
    """

    def __init__(self, wooshq: Wooshq) -> None:
        self._wooshq = wooshq
        self._ended = threading.Event()
        self._looked = threading.Event()
        self._loses: list[str] = []
        threading.Thread(target=self._run, name="wooshq-redis-check", daemon=True).start()

    def allows(self) -> bool:
        """Whether Redis keeps what it is given, as far as it shows. Waits until Redis answers."""
        self._looked.wait()
        if self._loses:
            hint = "mend Redis as the errors before this one say, or unset WOOSHQ_STRICT"
            log.critical("worker_refuses", why=self._loses, hint=hint)
        return not self._loses

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._look()
            except (redis.RedisError, OSError):
                self._ended.wait(_ASK_AGAIN_AFTER_S)
            else:
                self._looked.set()
                return

    def _look(self) -> None:
        """Raises redis.RedisError or OSError if Redis cannot be reached."""
        settings, places = self._wooshq.settings, self._wooshq.installation.places
        needs = rights.of_the_ledger(settings.namespace)
        with client(places.redis_url, _WITHIN_S) as server:
            findings = redis_server.look(server, places.where, redis_server.variable_of(settings), needs)
        self._loses = [finding.says for finding in findings if finding.what in _LOSES and finding.level == "bad"]
        for finding in (*findings, broker.check(self._wooshq)):
            tell = {"ok": log.debug, "warn": log.warning, "bad": log.error}[finding.level]
            tell("redis_problem", of=finding.what, says=finding.says, hint=finding.mend)
