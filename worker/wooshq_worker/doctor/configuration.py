"""Does the environment say what workers need: application, token, Sentry, tracing, and no mistyped variable?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values
from sentry_sdk.utils import BadDsn, Dsn

from wooshq.settings import Settings, variables
from wooshq_schemas.lint import is_application_code
from wooshq_schemas.validation.names import nearest
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.observe.tracing.endpoint import endpoint, is_off
from wooshq_worker.observe.tracing.set_up import missing


def check(settings: Settings) -> Iterator[Finding]:
    """Settings that contradict each other were refused before this."""
    yield Finding("configuration", "ok", "the settings agree with each other")
    yield from _mistyped(settings)
    yield _application(settings.application)
    yield _token(settings)
    if settings.sentry_dsn is not None:
        yield _sentry(settings.sentry_dsn.get_secret_value())
    if settings.tracing:
        yield _tracing(settings)


def _mistyped(settings: Settings) -> Iterator[Finding]:
    """Variables with a prefix of ours that are not settings."""
    names = variables()
    known = {*names.values(), *(f"WOOSHQ_{field}".upper() for field in names)}
    file = settings.model_config.get("env_file")
    given = {*os.environ, *(dotenv_values(file) if isinstance(file, str) and Path(file).is_file() else ())}
    for name in sorted({n.upper() for n in given} - known):
        if name.startswith(("WOOSHQ_", "PUSHWOOSH_")):
            near = nearest(name, names.values())
            mend = f"Did you mean {near}?" if near else "Remove it, or look for the right name in the README's table of settings"
            yield Finding("environment", "warn", f"{name} is not a setting and is ignored", mend)


def _application(code: str | None) -> Finding:
    if code is None:
        return Finding("application", "warn", "PUSHWOOSH_APPLICATION is not set", "Set it, or name an application in every intent")
    if not is_application_code(code):
        return Finding("application", "bad", f"{code} is not an application code", "Use the form XXXXX-XXXXX, in capitals and digits")
    return Finding("application", "ok", code)


def _token(settings: Settings) -> Finding:
    """Whether a token is set. Only a message would show whether Pushwoosh accepts it."""
    code, others = settings.application, len(settings.api_tokens)
    if not settings.has_token:
        return Finding("token", "bad", "none is set, so workers would hold every message", "Set PUSHWOOSH_API_TOKEN")
    if code is not None and settings.token_for(code) is None:
        mend = f"Set PUSHWOOSH_API_TOKEN, or add {code} to PUSHWOOSH_API_TOKENS"
        return Finding("token", "bad", f"none is set for {code}, so workers would hold its messages", mend)
    if settings.api_token is None:
        return Finding("token", "ok", f"set for {others} application{'' if others == 1 else 's'} only (not tested)")
    return Finding("token", "ok", "set (not tested)" + (f", and {others} more for single applications" if others else ""))


def _tracing(settings: Settings) -> Finding:
    if is_off(settings):
        return Finding("tracing", "warn", "OTEL_SDK_DISABLED turns off what WOOSHQ_TRACING turns on", "Unset one of them")
    if missing():
        return Finding("tracing", "bad", "OpenTelemetry is not installed, so no worker would start", "pip install 'wooshq[otel]'")
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        return Finding(
            "tracing",
            "warn",
            f"workers do not speak {protocol}: spans go over HTTP, with protobuf",
            "Name the collector's HTTP port, often 4318",
        )
    sampler = os.environ.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    return Finding("tracing", "ok", f"spans go to {endpoint()}, sampled by {sampler}")


def _sentry(dsn: str) -> Finding:
    try:
        Dsn(dsn)
    except BadDsn:
        mend = "Copy it again from Sentry (project settings, Client Keys), or remove it"
        return Finding("sentry", "bad", "SENTRY_DSN is not a valid Sentry DSN, so no worker would start", mend)
    return Finding("sentry", "ok", "on")
