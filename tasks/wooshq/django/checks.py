"""System checks: `manage.py check` reads the settings; with `--database default` it also asks Redis and looks for the outbox's table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import django
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.checks import register as register_check
from django.db import connections

import wooshq
from wooshq.django.models import OutboxRow
from wooshq.errors import SettingsInvalid
from wooshq.outbox.database import DatabaseAway, TableMissing
from wooshq.settings import Settings


def register() -> None:
    """Register the checks. Called when the app is ready."""
    register_check(check_settings)
    register_check(Tags.database)(check_servers)


def check_settings(app_configs: object, **_: Any) -> list[CheckMessage]:
    """The settings can be read (a token has the shape of one), and name a Redis. Asks no server."""
    try:
        settings = wooshq._default.settings
    except SettingsInvalid as error:
        return [Error(line, hint="Fix it in settings.WOOSHQ or in the environment.", id="wooshq.E001") for line in str(error).splitlines()]
    return list(_redis_is_named(settings))


def _redis_is_named(settings: Settings) -> Iterable[CheckMessage]:
    if settings.redis_url is None and settings.broker_url is None:
        hint = 'Set WOOSHQ = {"redis_url": "redis://…"} in the settings, or WOOSHQ_REDIS_URL in the environment.'
        yield Warning("wooshq has no Redis: the first call will fail.", hint=hint, id="wooshq.W001")


def check_servers(app_configs: object, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Redis answers, and the databases that are checked and may hold the outbox have its table."""
    if not databases:
        return []
    return [*_redis_answers(), *_tables(databases)]


def _redis_answers() -> Iterable[CheckMessage]:
    from wooshq.outbox.operate import why_rows_wait

    try:
        away = why_rows_wait(wooshq._default)
    except SettingsInvalid:
        return  # the other check says so
    if away is not None:
        yield Warning(f"{away}.", hint="Start Redis, or fix redis_url. Nothing is lost meanwhile.", id="wooshq.W002")


def _sqlite_waits(alias: str) -> Iterable[CheckMessage]:
    """
    A transaction of SQLite that reads before it writes fails at once if another process has written in between, and no timeout helps
    (https://www.sqlite.org/lang_transaction.html). A relay is such a process.
    """
    options = connections[alias].settings_dict.get("OPTIONS") or {}
    if connections[alias].vendor == "sqlite" and django.VERSION >= (5, 1) and options.get("transaction_mode") != "IMMEDIATE":
        hint = f'Set DATABASES[{alias!r}]["OPTIONS"] = {{"transaction_mode": "IMMEDIATE"}}, or use PostgreSQL.'
        yield Warning("Views may fail with “database is locked” while a relay runs.", hint=hint, id="wooshq.W004")


def _tables(databases: Sequence[str]) -> Iterable[CheckMessage]:
    from django.db import router

    from wooshq.django.outbox import DjangoDatabase
    from wooshq.outbox.operate import OutboxRows

    for alias in databases:
        if not router.allow_migrate_model(alias, OutboxRow):
            continue
        yield from _sqlite_waits(alias)
        try:
            OutboxRows(DjangoDatabase(alias), wooshq._default.settings).depth()
        except TableMissing:
            if sys.argv[1:2] == ["migrate"]:  # it makes these checks before it makes the table
                continue
            yield Warning(f"The database {alias!r} has no table of the outbox.", hint="Run: manage.py migrate wooshq", id="wooshq.W003")
        except SettingsInvalid as error:
            yield Error(str(error), id="wooshq.E002")
        except DatabaseAway as error:
            yield Error(str(error), id="wooshq.E003")
