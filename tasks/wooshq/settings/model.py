"""Every setting: a name with its unit, a default, bounds, and a sentence; and the rules between settings."""

from __future__ import annotations

import ipaddress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from wooshq.settings.allowed import Allowed
from wooshq.settings.defaults import Defaults
from wooshq.settings.history_url import check_history_url
from wooshq.settings.listen import listen_on
from wooshq.settings.server_url import MEMORY, SANDBOX, check_broker_url, check_redis_url
from wooshq_schemas.platforms import Platforms
from wooshq_schemas.validation.names import nearest, shown

DEFAULT_NAMESPACE = "wq"
SANDBOX_APPLICATION = "SANDB-OXAPP"
"""The application of who names none, and whose messages go to the sandbox in its own process."""
_QUOTES = "\"'"
_EXAMPLE_URL = "Use https://api.pushwoosh.com or the address of your region"

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


def _named(name: str) -> Any:
    """A variable whose name does not begin with WOOSHQ_. `name` works in the environment, the field's own name in Python."""
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """
    Read from the environment and from a `.env` file. Settings that contradict each other are refused.

    Raises pydantic.ValidationError; `wooshq.errors.explain_settings` turns it into lines for a person. `load_settings` does both.
    """

    model_config = SettingsConfigDict(
        env_prefix="WOOSHQ_",
        env_file=".env",
        env_file_encoding="utf-8-sig",  # Windows begins a file with a byte order mark
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # an error about a token must not print the token
        use_attribute_docstrings=True,
    )

    if not TYPE_CHECKING:  # a type checker sees the fields

        def __init__(self, **names: Any) -> None:
            """Raises ValidationError also for a name that is not a setting: it would be ignored, and the default would be used."""
            unknown = [name for name in names if not name.startswith("_") and name not in _names()]
            if not unknown:
                super().__init__(**names)
                return
            problems = [_unknown(name) for name in unknown]
            try:  # what is wrong with the others is said, too
                super().__init__(**{name: value for name, value in names.items() if name not in unknown})
            except ValidationError as error:
                problems += map(_problem, error.errors(include_url=False, include_input=False, include_context=False))
            raise ValidationError.from_exception_data("Settings", problems, hide_input=True)

    # The API
    api_token: Annotated[SecretStr | None, Field(validation_alias=_named("PUSHWOOSH_API_TOKEN"))] = None
    """Server-side API token, from the Pushwoosh panel."""
    api_tokens: Annotated[dict[str, SecretStr], Field(validation_alias=_named("PUSHWOOSH_API_TOKENS"))] = {}
    """Tokens of applications that have their own: a JSON object such as `{"XXXXX-XXXXX": "token"}`."""
    application: Annotated[str | None, Field(validation_alias=_named("PUSHWOOSH_APPLICATION"))] = None
    """Application code for intents that do not name one."""
    base_url: Annotated[str, Field(validation_alias=_named("PUSHWOOSH_BASE_URL"))] = "https://api.pushwoosh.com"
    """Address of the API, for another region or a private deployment. Must be https; http only to this machine. `sandbox`: see `WOOSHQ_BROKER_URL`."""
    platforms: dict[str, dict[str, str | int]] = {}
    """Corrections of the table of platforms, such as `{"telegram": {"number": …}}`: platform → `name`, `number` or `block`."""

    # Where things are
    broker_url: str | None = None
    """URL of the Celery broker: `amqp://`, or a URL that `WOOSHQ_REDIS_URL` allows. Default: the ledger's Redis. `memory://`: for development, without a Redis and a worker."""
    redis_url: str | None = None
    """URL of the ledger's Redis: `redis://`, `rediss://`, `unix://` or `sentinel://`; or `embedded` for the embedded Redis. Default: the broker if it is Redis."""
    data_dir: Path = Path(".wooshq")
    """Folder of the embedded Redis and its history. Programs in different folders need the same absolute path, or each has a Redis of its own."""
    outbox_url: SecretStr | None = None
    """URL of the app's database that has the outbox, as SQLAlchemy takes it: for `wooshq relay` and `wooshq outbox`."""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = DEFAULT_NAMESPACE
    """Prefix of every ledger key, and of the lanes' queues if it is not `wq`. Two installations on one Redis or broker need different namespaces."""

    # Accepting
    accept_within_s: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    """Maximum time that `enqueue` may take. After it, `enqueue` raises `NotAccepted`."""
    accept_batch: Annotated[int, Field(gt=0, le=1000)] = 500
    """Intents that `enqueue_many` accepts in one round trip."""
    spool_dir: Path | None = None
    """Folder for intents that come while Redis is away. They are accepted, and move to Redis when it is back. Must survive a restart. Unset: `NotAccepted`."""
    spool_bytes: Annotated[int, Field(ge=64 * 1024)] = 256 * 1024 * 1024
    """Maximum size of the files in `WOOSHQ_SPOOL_DIR`. When it is reached, `enqueue` raises `NotAccepted`."""
    max_intent_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    """Maximum size of an intent, as JSON. A larger one is refused."""
    list_limit: Annotated[int, Field(gt=0, le=100_000)] = 1000
    """Maximum number of identifiers in one call. An intent with more is refused; use a fan-out for it."""
    submit_queue: str | None = None
    """Extra queue to read `wooshq.submit` from. Default: `celery`; none if a namespace is set. An empty value disables it."""

    # Sending
    concurrency: Annotated[int, Field(gt=0, le=10_000)] = 256
    """Calls that one worker process makes at the same time."""
    bulk_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the concurrency that the bulk lane may use. The rest is reserved for the transactional lane."""
    lease_s: Seconds = 60.0
    """How long a worker may hold an intent before another worker takes it over. Must be longer than `WOOSHQ_HTTP_TOTAL_S` + `WOOSHQ_SHORT_RETRY_S`."""
    http_connect_s: Seconds = 5.0
    """Time limit for connecting to the API, including TLS."""
    http_read_s: Seconds = 20.0
    """Maximum wait for data from the API. After it, the answer counts as lost."""
    http_total_s: Seconds = 30.0
    """Time limit for one call, from its first byte to the last byte of the answer."""
    answer_limit_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """Maximum number of bytes that wooshq reads of one answer."""
    drain_s: Seconds = 10.0
    """After SIGTERM: how long calls in progress may still take. Then the worker gives their intents back to the queue."""

    # Retries
    short_tries: Annotated[int, Field(ge=1, le=10)] = 3
    """Maximum number of calls in one attempt to send an intent. The attempt retries at once if a call fails."""
    short_retry_s: Annotated[float, Field(ge=0, le=30)] = 3.0
    """Maximum total wait between the calls of one attempt."""
    backoff_base_s: Seconds = 2.0
    """Upper limit of the wait before the next attempt. It doubles with each attempt. The wait itself is random (full jitter)."""
    backoff_ceiling_s: Seconds = 600.0
    """Maximum wait between two attempts."""
    retry_after_ceiling_s: Seconds = 3600.0
    """Maximum Retry-After. If the API asks for a longer wait, wooshq waits this long."""
    max_age_s: Seconds = 3 * 86400.0
    """An intent that still fails this long after its first failure becomes a dead letter `exhausted`. Time that it waits for a gate, a slot or a worker does not count."""
    on_unknown: Literal["resend", "dead_letter"] = "resend"
    """Default for the intent's field `on_unknown`: what to do after a call without an answer. `resend` sends again, `dead_letter` makes a dead letter."""
    unknown_resends: Annotated[int, Field(ge=0, le=1000)] = 1
    """If a call gets no answer, how often the message is sent again to the same recipient. After that it is a dead letter `unknown`. Lost workers count for `WOOSHQ_POISON_AFTER` instead."""
    suspect_after: Annotated[int, Field(ge=1)] = 2
    """An intent is sent alone after this many workers were lost while they held it."""
    suspect_rest_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """For how long a suspect is left alone, in seconds; doubled with each further lost worker. So workers that are lost for another reason do not make it poison."""
    poison_after: Annotated[int, Field(ge=2, le=19)] = 6
    """An intent becomes a dead letter `poison` after this many workers were lost while they held it."""

    # Gates
    breaker_failures: Count = 20
    """Consecutive failures of one application that open its circuit breaker, which shuts the gate `circuit`. 1,000 recipients whose calls got no answer open it, too."""
    breaker_open_s: Seconds = 2.0
    """First wait before a shut gate is probed. It doubles while probes fail."""
    breaker_ceiling_s: Seconds = 30.0
    """Maximum wait between two probes of a shut gate. If a probe may send a message twice, 10 times as long; for the gate `answers`, 120 times."""
    probes: Annotated[int, Field(gt=0, le=100)] = 2
    """Calls that may probe a shut gate at the same time when its wait is over. Only one if a probe may send a message twice."""

    # The rate
    rate_per_s: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    """Maximum calls per second for each application, over all workers. Unset: no limit until the API answers 429."""
    rates: dict[str, Annotated[float, Field(gt=0, le=1_000_000)]] = {}
    """Limits of applications that have their own, in calls per second: a JSON object such as `{"XXXXX-XXXXX": 100}`."""
    transactional_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of an application's limit that is reserved for the transactional lane. The bulk lane uses what the transactional lane leaves."""

    # Fan-out
    bulk_open_chunks: Annotated[int, Field(gt=0, le=100_000)] = 128
    """Chunks of a job, of up to 10,000 recipients each, that may wait in the ledger. Beyond that, the producer waits."""
    bulk_stop_after: Annotated[int, Field(gt=0)] = 20
    """A job stops after the API refused this many recipients in a row for the same reason. Until its first recipient is accepted, 5 are enough."""

    # Replays of dead letters
    replay_first: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """Letters that a replay sends first; it goes on if not too many of them failed again. 0 for no first slice."""
    replay_stop_at: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of a replay's letters that may fail again (0 to 1); above it the replay stops. 1: it never stops."""
    replays_in_vain: Annotated[int, Field(ge=1, le=1000)] = 3
    """A letter that failed so often as a replay is left out of further replays, unless it is named."""

    # The keeper
    keeper_tick_s: Annotated[float, Field(gt=0, le=10)] = 0.25
    """Time between two rounds of the keeper."""
    deaf_after_s: Seconds = 60.0
    """If a lane has work and a worker takes nothing from it for this long, the worker exits, so that its supervisor restarts it."""

    # Keeping
    retention_s: Seconds = 7 * 86400.0
    """How long ended intents and idempotency keys are kept."""
    dead_retention_s: Seconds = 30 * 86400.0
    """How long dead letters are kept."""
    history_url: SecretStr | None = None
    """URL of the database for what has ended, as SQLAlchemy takes it: PostgreSQL or SQLite; or `off`. Default: a file in `WOOSHQ_DATA_DIR` with the embedded Redis, otherwise `off`."""
    history_bodies: bool = True
    """Keep texts, recipients and idempotency keys in the history. `false`: recipients and keys are still found, by keyed hashes."""
    history_retention_s: Seconds = 30 * 86400.0
    """How long the history keeps what has ended."""
    audit_retention_s: Seconds = 365 * 86400.0
    """How long the history keeps acts of operators (`wooshq audit`). Without a history, the last 10,000 are kept."""
    events_max_bytes: Annotated[int, Field(ge=64 * 1024)] = 64 * 1024 * 1024
    """Maximum size of the events in Redis that the history has not taken yet, about 45 bytes each. Above it ends wait in the ledger until it is swept for them."""

    # Events for the world outside
    webhooks_allow: str | None = None
    """Networks and hosts that webhooks may call although they are private, separated by commas: `10.0.0.0/8,hooks.internal`. Plain http is allowed only to these."""
    webhooks_timeout_s: Annotated[float, Field(gt=0, le=30)] = 15.0
    """How long a receiver of a webhook may take to answer."""
    webhooks_retry_s: Annotated[float, Field(ge=60, le=30 * 86400)] = 3 * 86400.0
    """How long events are kept, and delivered again to a receiver that fails. After that they are dropped, and counted."""
    webhooks_max_bytes: Annotated[int, Field(ge=64 * 1024)] = 64 * 1024 * 1024
    """Maximum size of the events that are kept in Redis for webhooks, hooks and open streams. Above it the oldest are dropped, and counted."""

    # The console and the HTTP API (`wooshq console`)
    environment: Annotated[str | None, Field(min_length=1, max_length=32)] = None
    """Name of this installation on every page of the console, such as `production`."""
    environment_colour: Literal["red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "grey"] | None = None
    """Colour of that name: `red`, `orange`, `yellow`, `green`, `teal`, `blue`, `purple`, `pink` or `grey`. Default: red for names that begin with `prod`, otherwise blue."""
    console_token: SecretStr | None = None
    """Bearer token with all scopes, beside those of `wooshq tokens`. At least 32 characters."""
    console_body_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Maximum size of a JSON body. An intent has its own limit, `WOOSHQ_MAX_INTENT_BYTES`, if that is larger."""
    console_stream_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024 * 1024
    """Maximum size of a body of lines (NDJSON). It is never in memory as a whole."""
    console_rate_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 5000.0
    """Maximum requests per second that one token may make at one server. More of them get 429."""

    console_streams: Count = 50
    """Maximum number of streams of events that are open at the same time at one server. More of them get 503."""

    # Seeing
    target_transactional_s: Seconds = 10.0
    """For how long a message of the transactional lane may wait for a worker. If it waits for longer, the overview says so."""
    target_bulk_s: Seconds = 900.0
    """The same for the bulk lane."""
    strict: bool = False
    """Whether a worker refuses to start (exit status 78) if its Redis may evict messages or keeps nothing on disk. Without it, it only says so."""
    health_dir: Path | None = None
    """Folder in which workers write their state for `wooshq health`. Default: a private folder below the temporary folder."""
    metrics_address: str | None = None
    """Where a worker serves `/metrics`, `/healthz` and `/readyz`: `PORT` (for this machine only), `HOST:PORT`, or `9464-9471`: the first free port of these. Unset: nowhere."""
    tracing: bool = False
    """Whether there are spans of OpenTelemetry: of producers in the app's own SDK, of workers and the console over OTLP, as the `OTEL_…` variables say."""
    sentry_dsn: Annotated[SecretStr | None, Field(validation_alias=_named("SENTRY_DSN"))] = None
    """DSN of Sentry. Unset: Sentry is off."""
    sentry_per_minute: Count = 20
    """Maximum number of events per minute that one process sends to Sentry."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console` or `auto`. `auto` means console on a terminal, otherwise JSON lines."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """An empty variable is unset, because docker-compose sets `NAME: ${NAME:-}` so. In the environment, it also hides that of the file."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, EnvSettingsSource)
        hidden = {name for name, value in env_settings.env_vars.items() if _is_blank(name, value)}
        for source in (env_settings, dotenv_settings):
            source.env_vars = {n: v for n, v in source.env_vars.items() if n not in hidden and not _is_blank(n, v)}
        return init_settings, env_settings, dotenv_settings, file_secret_settings, Defaults(settings_cls)

    @field_validator(
        "api_token",
        "api_tokens",
        "sentry_dsn",
        "broker_url",
        "redis_url",
        "application",
        "spool_dir",
        "metrics_address",
        "history_url",
        "environment",
        "webhooks_allow",
        mode="before",
    )
    @classmethod
    def _blank_is_unset(cls, value: Any, info: Any) -> Any:
        """The same for settings made in Python."""
        if isinstance(value, str) and not value.strip():
            return {} if info.field_name == "api_tokens" else None
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _not_in_quotes(cls, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and is_in_quotes(text):
            raise ValueError("must not be in quotes. Remove them: `docker --env-file` keeps quotes as a part of the value")
        return value

    @field_validator("application", "base_url", "broker_url", "redis_url", "submit_queue", "sentry_dsn", "rates", "api_tokens")
    @classmethod
    def _no_space_around(cls, value: Any) -> Any:
        for text in value if isinstance(value, dict) else [value]:
            text = text.get_secret_value() if isinstance(text, SecretStr) else text
            if text is not None and text != text.strip():
                raise ValueError("must not begin or end with a space or a line break. Remove it (`echo -n` writes no line break)")
        return value

    @field_validator("metrics_address")
    @classmethod
    def _names_a_port(cls, value: str | None) -> str | None:
        if value is not None:
            listen_on(value)
        return value

    @field_validator("broker_url")
    @classmethod
    def _names_a_broker(cls, value: str | None) -> str | None:
        return value if value is None else check_broker_url(value)

    @field_validator("redis_url")
    @classmethod
    def _names_a_redis(cls, value: str | None) -> str | None:
        return value if value is None else check_redis_url(value)

    @field_validator("history_url")
    @classmethod
    def _names_a_history(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else SecretStr(check_history_url(value.get_secret_value()))

    @field_validator("webhooks_allow")
    @classmethod
    def _names_networks(cls, value: str | None) -> str | None:
        Allowed.read(value or "")
        return value

    @field_validator("api_token", "api_tokens")
    @classmethod
    def _tokens_fit_a_header(cls, value: SecretStr | dict[str, SecretStr] | None) -> SecretStr | dict[str, SecretStr] | None:
        for token in value.values() if isinstance(value, dict) else [value] if value else []:
            text = token.get_secret_value()
            if not text.isascii() or not text.isprintable() or " " in text or not text:
                raise ValueError("must be printable ASCII without spaces and line breaks. Copy the token again from the Pushwoosh panel")
            if text[0] in _QUOTES or text[-1] in _QUOTES:
                raise ValueError("must not begin or end with a quote. Remove it")
        return value

    @field_validator("console_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value is not None else ""
        if value is not None and (len(text) < 32 or not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError("must be at least 32 characters of printable ASCII without spaces. Make one: openssl rand -hex 32")
        return value

    @field_validator("base_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        if value == SANDBOX:
            return value
        parts = urlsplit(value)
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise ValueError("must not contain a user or a password. Put the token into PUSHWOOSH_API_TOKEN")
        if parts.query or parts.fragment:
            raise ValueError(f"must not have a query or a fragment. {_EXAMPLE_URL}")
        if parts.path not in ("", "/"):
            raise ValueError(f"must not have a path (wooshq adds /messaging/v2/notify). {_EXAMPLE_URL}")
        if not parts.hostname:
            raise ValueError(f"must be a URL with a host. {_EXAMPLE_URL}")
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
            return f"{parts.scheme}://{parts.netloc}"
        raise ValueError(
            "must be https, because every call contains the token. http is allowed only to this machine: 127.0.0.1, ::1, localhost"
        )

    @model_validator(mode="after")
    def _is_for_development(self) -> Self:
        """Messages in memory are lost when the process ends, so no real one may be among them."""
        if self.broker_url != MEMORY:
            if self.base_url == SANDBOX:
                raise ValueError(f"PUSHWOOSH_BASE_URL={SANDBOX} is only for WOOSHQ_BROKER_URL={MEMORY}. {_EXAMPLE_URL}")
            return self
        if self.redis_url is not None:
            raise ValueError(f"WOOSHQ_BROKER_URL={MEMORY} uses no Redis. Unset WOOSHQ_REDIS_URL, or unset WOOSHQ_BROKER_URL")
        if self.base_url != SANDBOX and not is_loopback(urlsplit(self.base_url).hostname or ""):
            raise ValueError(
                f"WOOSHQ_BROKER_URL={MEMORY} is for development, and PUSHWOOSH_BASE_URL is a real API ({self.base_url}). Set "
                f"PUSHWOOSH_BASE_URL={SANDBOX}, or the address of a sandbox on this machine; in production set WOOSHQ_BROKER_URL to a broker"
            )
        if self.application is None and self.base_url == SANDBOX:
            object.__setattr__(self, "application", SANDBOX_APPLICATION)  # the model is frozen
        return self

    @model_validator(mode="after")
    def _agree(self) -> Self:
        slowest = self.http_total_s + self.short_retry_s
        if self.http_connect_s > self.http_total_s or self.http_read_s > self.http_total_s:
            raise ValueError("WOOSHQ_HTTP_CONNECT_S and WOOSHQ_HTTP_READ_S must not be longer than WOOSHQ_HTTP_TOTAL_S")
        if self.lease_s <= slowest:
            raise ValueError(
                f"WOOSHQ_LEASE_S ({self.lease_s:g}) must be longer than WOOSHQ_HTTP_TOTAL_S + WOOSHQ_SHORT_RETRY_S ({slowest:g}): "
                "otherwise another worker could send the message again while the first worker waits for a slow answer"
            )
        if self.backoff_base_s > self.backoff_ceiling_s:
            raise ValueError("WOOSHQ_BACKOFF_BASE_S must not be longer than WOOSHQ_BACKOFF_CEILING_S")
        if self.breaker_open_s > self.breaker_ceiling_s:
            raise ValueError("WOOSHQ_BREAKER_OPEN_S must not be longer than WOOSHQ_BREAKER_CEILING_S")
        if self.retention_s < self.max_age_s:
            raise ValueError(
                "WOOSHQ_RETENTION_S must not be shorter than WOOSHQ_MAX_AGE_S: an idempotency key must be kept longer than its intent is retried"
            )
        if self.suspect_after >= self.poison_after:
            raise ValueError(
                "WOOSHQ_SUSPECT_AFTER must be less than WOOSHQ_POISON_AFTER: an intent is sent alone before it becomes `poison`"
            )
        return self

    @cached_property
    def platform_table(self) -> Platforms:
        """The table of platforms with this installation's corrections. Raises ValueError if a correction names no known platform."""
        return Platforms.corrected(self.platforms)

    def token_for(self, application: str) -> SecretStr | None:
        """The token of `application`; None if no token is set."""
        return self.api_tokens.get(application) or self.api_token

    def rate_for(self, application: str) -> float | None:
        """Calls a second that `application` may make; None for no limit."""
        return self.rates.get(application, self.rate_per_s)

    @property
    def submit_queue_name(self) -> str | None:
        """The extra queue; None for none. Only one installation has the default queue, so that two never read each other's intents from it."""
        if self.submit_queue is None:
            return "celery" if self.namespace == DEFAULT_NAMESPACE else None
        return self.submit_queue or None

    @property
    def has_token(self) -> bool:
        return self.api_token is not None or bool(self.api_tokens)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine. No name but `localhost` is looked up, because DNS may give another answer later."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_in_quotes(text: str) -> bool:
    """Whether the whole text stands in single or double quotes."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES


def _is_blank(name: str, value: str | None) -> bool:
    """Whether the variable counts as unset. Only that of `submit_queue` means something if it is empty: no queue."""
    return not (value or "").strip() and name.lower() != "wooshq_submit_queue"


@cache
def _names() -> frozenset[str]:
    """Every name that `Settings(…)` takes."""
    aliases = (info.validation_alias for info in Settings.model_fields.values())
    choices = (str(name) for alias in aliases if isinstance(alias, AliasChoices) for name in alias.choices)
    return frozenset((*Settings.model_fields, *choices))


def _unknown(name: str) -> InitErrorDetails:
    """A name that is not a setting: an environment variable's name, or a slip."""
    field = name.lower().removeprefix("wooshq_").removeprefix("pushwoosh_")
    near = field if field in Settings.model_fields else nearest(field, Settings.model_fields)
    hint = f"Use {near}" if near else "The README lists every setting"
    return InitErrorDetails(type=PydanticCustomError("unknown_setting", f"{shown(name)} is not a setting. {hint}"), input=None)


def _problem(found: ErrorDetails) -> InitErrorDetails:
    """A problem that was found, for another error."""
    words = found["msg"].removeprefix("Value error, ")
    return InitErrorDetails(type=PydanticCustomError("wrong_setting", words), loc=found["loc"], input=None)
