"""Every setting there is: name with its unit, default, bounds, one sentence; read once, passed down."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wooshq_schemas.platforms import Platforms

DEFAULT_NAMESPACE = "wq"

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


def _named(name: str) -> Any:
    """A variable that is not spelt WOOSHQ_…: the field's own name works in Python, `name` in the environment."""
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """
    Read from the environment and a `.env` file; two settings that contradict each other are refused here, in words.

    Raises pydantic.ValidationError; `wooshq.errors.explain_settings` turns it into lines for a person.
    """

    model_config = SettingsConfigDict(
        env_prefix="WOOSHQ_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # a token that does not fit must not be printed by the error that says so
        use_attribute_docstrings=True,
    )

    # The API
    api_token: Annotated[SecretStr | None, Field(validation_alias=_named("PUSHWOOSH_API_TOKEN"))] = None
    """Server-side API token."""
    api_tokens: Annotated[dict[str, SecretStr], Field(validation_alias=_named("PUSHWOOSH_API_TOKENS"))] = {}
    """JSON object application → token, for applications that have a token of their own."""
    application: Annotated[str | None, Field(validation_alias=_named("PUSHWOOSH_APPLICATION"))] = None
    """Application code used where an intent names none."""
    base_url: Annotated[str, Field(validation_alias=_named("PUSHWOOSH_BASE_URL"))] = "https://api.pushwoosh.com"
    """Region or private deployment; https only, or http to loopback."""
    platforms: dict[str, dict[str, str | int]] = {}
    """JSON object block → `{"name", "number"}` (or `{"block"}`): corrects the table of platforms without a release."""

    # Where things are
    broker_url: str | None = None
    """Celery broker: `redis://`, `rediss://`, `sentinel://`, `amqp://`; unset: the ledger's Redis, if one is named, else embedded."""
    redis_url: str | None = None
    """The ledger's Redis; unset: the broker's, if that is Redis, else embedded."""
    data_dir: Path = Path(".wooshq")
    """The embedded Redis lives here."""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = DEFAULT_NAMESPACE
    """Prefix of every ledger key, and of the lanes' queues where it is not `wq`; two installations on one Redis or broker need two."""

    # Accepting
    accept_within_s: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    """How long `enqueue` may take, whatever hangs; after it `NotAccepted`."""
    accept_batch: Annotated[int, Field(gt=0, le=1000)] = 500
    """Intents that `enqueue_many` accepts in one round trip."""
    ids_per_message: Annotated[int, Field(gt=0, le=100)] = 100
    """Ids that travel in one Celery message."""
    max_intent_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    """A larger intent (as JSON) is refused."""
    list_limit: Annotated[int, Field(gt=0, le=100_000)] = 1000
    """Identifiers in one call: an intent with more is refused and pointed to the fan-out."""
    submit_queue: str | None = None
    """Where `wooshq.submit` is looked for beside the lanes, unless others' tasks come there; unset: `celery`, with a namespace none; empty: none."""

    # Sending
    concurrency: Annotated[int, Field(gt=0, le=10_000)] = 256
    """Calls that one worker process has under way at once."""
    bulk_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Part of the concurrency that the bulk lane may take; the rest is kept for the transactional lane."""
    lease_s: Seconds = 60.0
    """How long a worker may hold an intent before another takes it over; longer than the slowest delivery."""
    http_connect_s: Seconds = 5.0
    """Connecting to the API, TLS included."""
    http_read_s: Seconds = 20.0
    """Silence of the API after which an answer counts as lost."""
    http_total_s: Seconds = 30.0
    """One call from first to last byte, however it drips."""
    answer_limit_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """More of an answer than this is not read."""
    drain_s: Seconds = 10.0
    """SIGTERM: how long calls under way may still take before their intents are handed back."""

    # Retries
    short_tries: Annotated[int, Field(ge=1, le=10)] = 3
    """Calls for one intent inside one claim, before it goes to the due set."""
    short_retry_s: Annotated[float, Field(ge=0, le=30)] = 3.0
    """Waiting between those calls, all together."""
    backoff_base_s: Seconds = 2.0
    """Ceiling of the first wait in the due set; doubles with every attempt, with full jitter."""
    backoff_ceiling_s: Seconds = 600.0
    """Longest wait between two attempts."""
    retry_after_ceiling_s: Seconds = 3600.0
    """A longer Retry-After counts as this."""
    max_age_s: Seconds = 3 * 86400.0
    """An intent older than this that still fails becomes a dead letter `exhausted`."""
    on_unknown: Literal["resend", "dead_letter"] = "resend"
    """What becomes of an intent whose call got no answer, where the intent does not say."""
    suspect_after: Annotated[int, Field(ge=1)] = 2
    """Workers lost while they held an intent, after which it is sent alone."""
    poison_after: Annotated[int, Field(ge=2, le=19)] = 6
    """Workers lost while they held an intent, after which it is a dead letter `poison`."""

    # Gates
    breaker_failures: Count = 20
    """Failures in a row, of one application, that open its circuit."""
    breaker_open_s: Seconds = 2.0
    """First wait of an open circuit; doubles while probes fail."""
    breaker_ceiling_s: Seconds = 30.0
    """Longest wait between probes of a shut gate."""
    probes: Annotated[int, Field(gt=0, le=100)] = 2
    """Calls that may test a gate whose time has come."""
    release_per_s: Count = 1000
    """Intents a second that are let go when a gate opens, per application."""

    # The rate
    rate_per_s: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    """Ceiling of calls a second for each application, all workers together; unset: none but what a 429 asks for."""
    rates: dict[str, Annotated[float, Field(gt=0, le=1_000_000)]] = {}
    """JSON object application → ceiling of its own."""
    transactional_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Part of a ceiling that is kept for the transactional lane."""

    # Fan-out
    bulk_open_chunks: Annotated[int, Field(gt=0, le=100_000)] = 128
    """Chunks of a job that may wait in the ledger, of up to 10,000 recipients each; then whoever feeds it waits."""
    bulk_stop_after: Annotated[int, Field(gt=0)] = 20
    """Recipients of a job that the API refuses in a row, in the same words and none accepted between, before the job stops; at first 5."""

    # The keeper
    keeper_tick_s: Annotated[float, Field(gt=0, le=10)] = 0.25
    """How often the keeper looks."""
    republish_after_s: Seconds = 2.0
    """Age in `queued` at which an intent of a lane that has run empty is published again."""
    overtaken_s: Seconds = 10.0
    """An intent is published again when one queued this much later was already taken."""
    deaf_after_s: Seconds = 60.0
    """A worker that took nothing for so long from a lane that is not empty ends itself, to be started again."""

    # Keeping
    retention_s: Seconds = 7 * 86400.0
    """How long an ended intent and an idempotency key are remembered."""
    dead_retention_s: Seconds = 30 * 86400.0
    """How long a dead letter is kept."""

    # Seeing
    sentry_dsn: Annotated[SecretStr | None, Field(validation_alias=_named("SENTRY_DSN"))] = None
    """Sentry; off when unset."""
    sentry_per_minute: Count = 20
    """Most events a minute that one process sends to Sentry."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: console on a terminal, else JSON lines."""

    @field_validator("api_token", "api_tokens", "sentry_dsn", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any, info: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            return {} if info.field_name == "api_tokens" else None
        return value

    @field_validator("broker_url", "redis_url", "application", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("api_token", "api_tokens")
    @classmethod
    def _tokens_fit_a_header(cls, value: SecretStr | dict[str, SecretStr] | None) -> SecretStr | dict[str, SecretStr] | None:
        for token in value.values() if isinstance(value, dict) else [value] if value else []:
            text = token.get_secret_value()
            if not text.isascii() or not text.isprintable() or " " in text or not text:
                raise ValueError("a token is printable ASCII without spaces or line breaks; copy it again from the Pushwoosh panel")
        return value

    @field_validator("base_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise ValueError("must not carry a user or password; the token goes into PUSHWOOSH_API_TOKEN")
        if parts.query or parts.fragment:
            raise ValueError("must not have a query or a fragment; right would be https://api.pushwoosh.com")
        if parts.path not in ("", "/"):
            raise ValueError("must not have a path (wooshq adds /messaging/v2/notify itself); right would be https://api.pushwoosh.com")
        if not parts.hostname:
            raise ValueError("must be a URL with a host; right would be https://api.pushwoosh.com")
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
            return f"{parts.scheme}://{parts.netloc}"
        raise ValueError(
            "must be https (plain http only to this machine: 127.0.0.1, ::1, localhost), for the token travels with every call"
        )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        slowest = self.http_total_s * 1 + self.short_retry_s
        if self.http_connect_s > self.http_total_s or self.http_read_s > self.http_total_s:
            raise ValueError("WOOSHQ_HTTP_CONNECT_S and WOOSHQ_HTTP_READ_S must not be longer than WOOSHQ_HTTP_TOTAL_S")
        if self.lease_s <= slowest:
            raise ValueError(
                f"WOOSHQ_LEASE_S ({self.lease_s:g}) must be longer than WOOSHQ_HTTP_TOTAL_S + WOOSHQ_SHORT_RETRY_S ({slowest:g}): "
                "a slow answer must still find its own lease, or its message would be sent twice"
            )
        if self.backoff_base_s > self.backoff_ceiling_s:
            raise ValueError("WOOSHQ_BACKOFF_BASE_S must not be longer than WOOSHQ_BACKOFF_CEILING_S")
        if self.breaker_open_s > self.breaker_ceiling_s:
            raise ValueError("WOOSHQ_BREAKER_OPEN_S must not be longer than WOOSHQ_BREAKER_CEILING_S")
        if self.retention_s < self.max_age_s:
            raise ValueError(
                "WOOSHQ_RETENTION_S must not be shorter than WOOSHQ_MAX_AGE_S: an idempotency key must outlive its intent's retries"
            )
        if self.suspect_after >= self.poison_after:
            raise ValueError(
                "WOOSHQ_SUSPECT_AFTER must be less than WOOSHQ_POISON_AFTER: a suspect is tried alone before it is called poison"
            )
        if self.keeper_tick_s >= self.republish_after_s:
            raise ValueError("WOOSHQ_KEEPER_TICK_S must be shorter than WOOSHQ_REPUBLISH_AFTER_S")
        return self

    @cached_property
    def platform_table(self) -> Platforms:
        """The table of platforms with this installation's corrections. Raises ValueError where a correction names no platform."""
        return Platforms.corrected(self.platforms)

    def token_for(self, application: str) -> SecretStr | None:
        """The token that speaks for `application`; None where none is set."""
        return self.api_tokens.get(application) or self.api_token

    def rate_for(self, application: str) -> float | None:
        """Calls a second that `application` may make; None for no ceiling."""
        return self.rates.get(application, self.rate_per_s)

    @property
    def submit_queue_name(self) -> str | None:
        """The queue beside the lanes; None for none. Two installations must not take each other's submits, so only one has the default."""
        if self.submit_queue is None:
            return "celery" if self.namespace == DEFAULT_NAMESPACE else None
        return self.submit_queue or None

    @property
    def has_token(self) -> bool:
        return self.api_token is not None or bool(self.api_tokens)


def variables() -> dict[str, str]:
    """Field → the environment variable that sets it, as the README has it. `WOOSHQ_` and a field's own name work for all of them."""
    found = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        found[field] = str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"WOOSHQ_{field}".upper()
    return found


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine. A name other than `localhost` is not asked for: DNS may answer otherwise later."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
