"""The examination: which checks are made, and in which order."""

from __future__ import annotations

import re

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import client
from wooshq.installation.embedded import EmbeddedRedisError
from wooshq.installation.places import NAME_IT, NOT_NAMED
from wooshq_worker.doctor import api, broker, configuration, history, machine, outbox, redis_server, rights, spool, work
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.observe.tracing.endpoint import endpoint, is_off


def examine(wooshq: Wooshq, *, offline: bool = False, redis_is_named: bool = True) -> list[Finding]:
    """
    Make every check. What cannot be reached is a finding, not an error. offline: do not connect to the API's host.

    redis_is_named: False if the settings name no Redis, and the embedded one is used without being asked for. Raises SettingsInvalid if
    the settings name a broker that is not Redis, and no Redis.
    """
    settings = wooshq.settings
    findings = list(configuration.check(settings))
    findings += machine.check(settings, machine.this_machine())
    if not offline:
        findings.append(api.check(settings.base_url))
        if not is_off(settings):
            findings.append(api.check_collector(endpoint()))
    findings += outbox.check(settings)
    findings += spool.check(settings)
    try:
        places = wooshq.installation.places
    except EmbeddedRedisError as error:
        return [*findings, _no_embedded_redis(str(error))]
    if not redis_is_named:
        findings.append(Finding("installation", "warn", NOT_NAMED, NAME_IT))
    variable = redis_server.variable_of(settings)
    needs = rights.of_the_ledger(settings.namespace)
    findings += redis_server.check(client(places.redis_url, 5.0), places.where, variable, needs, embedded=places.embedded is not None)
    findings.append(broker.check(wooshq))
    try:
        findings += work.check(wooshq)
        findings += history.check(wooshq)
    except LedgerUnavailable:
        pass  # the finding `redis` says so
    return findings


def _no_embedded_redis(error: str) -> Finding:
    """The error, with its own remedy ("…: set WOOSHQ_DATA_DIR …") as the remedy of the finding."""
    remedy = re.search(r"[:.] [Ss](et WOOSHQ_.*)", error)
    if remedy is None:
        return Finding("redis", "bad", error, "Fix this, or set WOOSHQ_REDIS_URL to a Redis of your own")
    return Finding("redis", "bad", error[: remedy.start()], f"S{remedy[1]}")
