"""What a producer wants said to whom: the intent, its two forms, and the door through which strangers' data comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, from_json, to_json

from wooshq_schemas.json_text import loads, read
from wooshq_schemas.platforms import PLATFORMS, Platform, Platforms
from wooshq_schemas.problems import (
    MOST_PROBLEMS,
    IntentInvalid,
    Location,
    OneOf,
    Problem,
    did_you_mean,
    from_validation_error,
    refusal,
    shown,
)
from wooshq_schemas.request import (
    LISTS,
    Address,
    Attachment,
    BlockFields,
    FrequencyCapping,
    LiveUpdate,
    MessageTypeName,
    MessengerTemplate,
    NotifyRequest,
    Schedule,
    SendRate,
    table_of,
)
from wooshq_schemas.values import OPEN, STRICT, ApplicationCode, Code, Free, Identifier, JsonObject, Locale, Shape, Time, absent, moment_of

__all__ = [
    "MODEL_VERSION",
    "Against",
    "Email",
    "Intent",
    "Lane",
    "Line",
    "Message",
    "NewerModel",
    "Push",
    "Templated",
    "To",
    "load_stored",
    "loads",
    "parse_intent",
    "parse_intent_json",
    "rows_of",
    "utc_text",
]

MODEL_VERSION = 1
"""Version of what is stored: an intent's JSON as these models write it."""


MAX_TTL_S: Final = 315_360_000
"""Ten years, in seconds."""


class Lane(StrEnum):
    """A Celery queue: one-time codes never stand behind a newsletter."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


Uuid = Annotated[
    str,
    Shape(
        r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        "is not a UUID",
        "Right would be 018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f; leave it out and one is made",
        to_lower=True,
    ),
]
_NIL: Final = "00000000-0000-0000-0000-000000000000"

IdempotencyKey = Annotated[
    str, Shape(r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,255}$", "is not a key", "Right would be 1 to 255 printable characters on one line")
]

Text = Annotated[str | Annotated[dict[Locale, str], Field(min_length=1)], Field(union_mode="left_to_right")]
"""A text for everyone, or an object locale → text."""

Url = Annotated[str, StringConstraints(min_length=1, max_length=8192)]

Targets = Annotated[list[Identifier], Field(min_length=1)]


def _plain_name(name: str, info: ValidationInfo) -> str:
    table = table_of(info.context)
    if table.named(name) is None:
        raise refusal("is no platform", did_you_mean(name, table.by_name))
    return name


PlainPlatform = Annotated[str, AfterValidator(_plain_name)]
"""A platform as the API calls it, or as the reference does: rendering writes the API's name."""


class To(OneOf):
    """Whom: exactly one."""

    model_config = STRICT
    groups: ClassVar[Any] = (((*LISTS, "segment", "expression", "filter"), True),)
    users: Targets = absent()
    hwids: Targets = absent()
    push_tokens: Targets = absent()
    test_devices: Targets = absent()
    segment: Code = absent()
    expression: Annotated[str, StringConstraints(min_length=1, max_length=65536)] = absent()
    filter: JsonObject = absent()

    @property
    def listed(self) -> tuple[str, list[str]] | None:
        """(kind, identifiers) where the target is a list."""
        for kind in LISTS:
            identifiers = getattr(self, kind)
            if identifiers is not None:
                return kind, identifiers
        return None


_EVERYWHERE: Final = {"data": "data", "custom_data": "data", "silent": "silent", "voip": "voip", "voip_push": "voip"}


class PushOverride(BlockFields, OneOf):
    """Fields of a push that replace the others on one platform: those of its block, whose form is open, and `link`."""

    groups: ClassVar[Any] = ((("ttl", "ttl_s"), False),)
    title: Text = absent()
    subtitle: Text = absent()
    body: Text = absent()
    ttl_s: Annotated[int, Field(ge=0)] = absent()
    link: Url = absent()

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterator[tuple[Location, str, str]]:
        for name, right in _EVERYWHERE.items():
            if name in data:
                yield (name,), "is the same on every platform", f"Give it as message.push.{right}"


class TextOverride(BaseModel):
    """Fields of a text message that replace the others on its platform; the block's form is open."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    body: Text = absent()
    template: MessengerTemplate = absent()


#: `silent` makes a payload without content: whatever else was given would be lost.
_WITH_SILENT: Final = frozenset({"silent", "voip", "data", "link"})


class Push(OneOf):
    """A push message, written once for every platform."""

    model_config = STRICT
    title: Text = absent()
    subtitle: Text = absent()
    body: Text = absent()
    image: str = absent()
    icon: str = absent()
    sound: str = absent()
    badge: int | str = absent()
    ttl_s: Annotated[int, Field(ge=0)] = absent()
    priority: int | str = absent()
    category: str = absent()
    thread_id: str = absent()
    buttons: list[JsonObject] = absent()
    root_params: JsonObject = absent()
    link: Url = absent()
    data: JsonObject = absent()
    silent: bool = absent()
    voip: bool = absent()
    live_update: LiveUpdate = absent()
    overrides: dict[PlainPlatform, PushOverride] = absent()

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterable[tuple[Location, str, str]]:
        if data.get("silent") is True:
            lost = [name for name in cls.model_fields if name in data and name not in _WITH_SILENT]
            if lost:
                return [((), f"silent shows nothing, and cannot go with what was given: {', '.join(lost)}", "Leave silent out, or these")]
        return ()


class Line(BaseModel):
    """An SMS, or a message of a messenger that has only text."""

    model_config = STRICT
    body: Text
    overrides: dict[PlainPlatform, TextOverride] = absent()


class Templated(OneOf):
    """A message of a messenger that may use a template."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("body", "template"), True),)
    body: Text = absent()
    template: MessengerTemplate = absent()
    overrides: dict[PlainPlatform, TextOverride] = absent()


class Email(OneOf):
    """An email. body: HTML. template: code."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("body", "template"), True),)
    subject: Text = absent()
    body: str = absent()
    template: Code = absent()
    attachments: list[Attachment] = absent()
    from_: Address = Field(default=None, alias="from")  # type: ignore[assignment]
    reply_to: Address = absent()
    list_unsubscribe: str = absent()


KINDS = ("push", "sms", "telegram", "kakao", "line", "whatsapp", "email", "preset")


class Message(OneOf):
    """What: exactly one kind."""

    model_config = STRICT
    groups: ClassVar[Any] = ((KINDS, True),)
    push: Push = absent()
    sms: Line = absent()
    telegram: Line = absent()
    kakao: Templated = absent()
    line: Line = absent()
    whatsapp: Templated = absent()
    email: Email = absent()
    preset: Code = absent()

    @property
    def kind(self) -> str:
        return next(k for k in KINDS if getattr(self, k) is not None)


PLAIN_ONLY = (
    "to",
    "message",
    "platforms",
    "schedule",
    "send_rate",
    "frequency_capping",
    "campaign",
    "placeholders",
    "meta_data",
    "message_type",
    "return_unknown_identifiers",
    "use_latest_user_device",
)
"""Fields that the exact form says inside `request`."""


class _Exact:
    """Checked as a NotifyRequest, and kept as it was written: the same values, the keys in the same order."""

    stands_for: ClassVar[type[BaseModel]] = NotifyRequest

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, request: core_schema.ValidatorFunctionWrapHandler) -> Any:
            request(value)
            return value

        checked = core_schema.no_info_wrap_validator_function(check, handler.generate_schema(NotifyRequest))
        return core_schema.chain_schema([checked, handler(source)])


@dataclass(frozen=True, slots=True)
class Against:
    """What an intent is held against beside its own fields. now: aware; None: times are not looked at. list_limit: None: none."""

    platforms: Platforms = PLATFORMS
    now: datetime | None = None
    list_limit: int | None = None


class Intent(OneOf):
    """
    One message to one target, in the plain form (`to` and `message`) or the exact one (`request`: a v2 body).

    Made by `parse_intent`, which fills in `application` and `lane`; treated as a value from then on.
    """

    __slots__ = ("_json",)
    if TYPE_CHECKING:
        _json: str  # written once, by parse_intent or load_stored; no part of the value
    model_config = STRICT
    groups: ClassVar[Any] = ((("expires_at", "ttl_s"), False),)

    id: Uuid = absent()
    idempotency_key: IdempotencyKey = absent()
    application: ApplicationCode = absent()
    to: To = absent()
    platforms: Annotated[list[PlainPlatform], Field(min_length=1)] = absent()
    message: Message = absent()
    request: Annotated[dict[str, JsonValue], _Exact()] = absent()
    schedule: Schedule = absent()
    send_rate: SendRate = absent()
    frequency_capping: FrequencyCapping = absent()
    campaign: Code = absent()
    placeholders: dict[str, str] = absent()
    meta_data: JsonObject = absent()
    message_type: MessageTypeName = absent()
    return_unknown_identifiers: bool = absent()
    use_latest_user_device: bool = absent()
    lane: Annotated[Lane, Strict(False)] = absent()
    expires_at: Time = absent()
    ttl_s: Annotated[int, Field(gt=0, le=MAX_TTL_S)] = absent()
    on_unknown: Literal["resend", "dead_letter"] = absent()
    tags: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], Annotated[str, StringConstraints(max_length=256)]],
        Field(max_length=32),
    ] = absent()

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterable[tuple[Location, str, str]]:
        against = context if isinstance(context, Against) else Against()
        return _exact_rules(data, against) if "request" in data else _plain_rules(data, against)

    def to_json(self) -> str:
        """Compact JSON that `load_stored` reads again; absent fields are absent."""
        try:
            return self._json
        except AttributeError:  # made without parse_intent
            return _written(self).decode()

    @property
    def expires_at_dt(self) -> datetime | None:
        """`expires_at` as an aware datetime."""
        return None if self.expires_at is None else moment_of(self.expires_at)

    @property
    def recipients(self) -> list[str]:
        """Every identifier that this intent names: personal data, for scrubbing and searching."""
        if self.to is not None:
            listed = self.to.listed
            return listed[1] if listed is not None else []
        return [one for _, identifiers in _lists({"request": self.request}) for one in identifiers]


def _written(intent: Intent) -> bytes:
    return intent.__pydantic_serializer__.to_json(intent, by_alias=True, exclude_unset=True)


class NewerModel(ValueError):
    """A stored intent was written by a newer wooshq: leave it to a newer worker."""


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version → how its JSON becomes the next version's. Empty while there is one version."""


def parse_intent(
    data: object,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """
    Check an intent.

    now: aware; what a plain schedule is held against, None for not at all. application: used where the intent names none.
    list_limit: identifiers that one call may carry. Raises IntentInvalid with every problem there is, values left out.
    """
    given = _filled(data, application)
    cut, too_long = _cut(given, list_limit)
    try:
        intent: Intent = _validate(cut, context=Against(platforms, now, list_limit))
    except ValidationError as error:
        told = from_validation_error(error, Intent, given)
        raise IntentInvalid([*told, *too_long, *_unfit(given, {problem.field for problem in told})]) from None
    if too_long:
        raise IntentInvalid(too_long)
    if intent.id is not None:
        given["id"] = intent.id  # in small letters
    try:
        # What was checked is what was given: writing that costs a quarter of writing the model.
        written = to_json(given)
    except ValueError:  # PydanticSerializationError is one: a lone surrogate, or a number of more digits than Python writes
        raise IntentInvalid(_unfit(given) or [Problem("", "cannot be written as JSON")]) from None
    # U+FFFD is what the serializer writes for a lone surrogate in a key; where it stands in the data itself, nothing is found.
    doubtful = b"\\u0000" in written or b"\xef\xbf\xbd" in written or (len(written) > 1200 and _LONG_NUMBER.search(written) is not None)
    if doubtful and (unfit := _unfit(given)):
        raise IntentInvalid(unfit)
    object.__setattr__(intent, "_json", written.decode())
    return intent


def parse_intent_json(
    raw: str | bytes,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """`parse_intent` for JSON text; what JSON parsers disagree about (RFC 8259, sections 4 and 6) is refused too."""
    data, doubts = read(raw)
    try:
        intent = parse_intent(data, now=now, application=application, list_limit=list_limit, platforms=platforms)
    except IntentInvalid as error:
        told = {problem.field for problem in doubts}
        raise IntentInvalid([*doubts, *(problem for problem in error.problems if problem.field not in told)]) from None
    if doubts:
        raise IntentInvalid(doubts)
    return intent


def migrated(data: Any, version: int) -> Any:
    """What models of `version` wrote, as today's would have written it. Raises NewerModel."""
    if version > MODEL_VERSION:
        raise NewerModel(f"written by models of version {version}, and this is version {MODEL_VERSION}")
    for step in range(version, MODEL_VERSION):
        data = MIGRATIONS[step](data)
    return data


def load_stored(raw: str | bytes, version: int, *, platforms: Platforms = PLATFORMS) -> Intent:
    """
    An intent as the ledger has it, written by models of `version`. Its schedule may lie in the past by now, its list may be longer
    than a limit that was lowered: neither is looked at again.

    An older one is migrated. Raises NewerModel for a newer one, IntentInvalid where it does not pass today's models.
    """
    try:
        data = migrated(from_json(raw), version)
    except NewerModel:
        raise
    except ValueError:
        raise IntentInvalid([Problem("", "what is stored is not JSON")]) from None
    try:
        intent: Intent = _validate(data, context=Against(platforms))
    except ValidationError as error:
        raise IntentInvalid(from_validation_error(error, Intent, data)) from None
    if version == MODEL_VERSION:
        object.__setattr__(intent, "_json", raw if isinstance(raw, str) else raw.decode())
    return intent


_validate: Final = Intent.__pydantic_validator__.validate_python
_LONG_NUMBER: Final = re.compile(rb"[0-9]{1200}")
_APPLICATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


# ── Before the models: what the intent does not name, and lists that no model should walk through ──────────────────────────────────


def _filled(data: object, application: str | None) -> Any:
    """The data with the application and the lane that it does not name."""
    if isinstance(data, Intent):
        data = loads(data.to_json())
    elif isinstance(data, Mapping):
        data = dict(data)
    if not isinstance(data, dict):
        return data
    if "application" not in data:
        inside = _application_inside(data["request"]) if "request" in data else None
        if inside is None:
            inside = application
        elif not (isinstance(inside, str) and _APPLICATION.fullmatch(inside)):
            inside = None  # the models tell of it where it stands
        if inside is not None:
            data["application"] = inside
    if "lane" not in data:
        data["lane"] = _lane_of(data)
    return data


def _lane_of(data: Mapping[str, Any]) -> str:
    if "request" in data:
        request = data["request"]
        return "transactional" if isinstance(request, dict) and "transactional" in request else "bulk"
    to = data.get("to")
    return "transactional" if isinstance(to, dict) and any(name in to for name in LISTS) else "bulk"


def _application_inside(request: object) -> Any:
    """The application inside a v2 body, whatever it is; None where there is none."""
    if isinstance(request, dict):
        for kind in ("transactional", "segment"):
            inner = request.get(kind)
            if isinstance(inner, dict) and "application" in inner:
                return inner["application"]
    return None


def _lists(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Every list of recipients in either form, with its path; an ill-formed one is the business of the models."""
    to = data.get("to")
    if isinstance(to, dict):
        for name in LISTS:
            if name in to and isinstance(to[name], list):
                yield ("to", name), to[name]
    request = data.get("request")
    inner = request.get("transactional") if isinstance(request, dict) else None
    if isinstance(inner, dict):
        for name in LISTS:
            inside = inner.get(name)
            if isinstance(inside, dict) and isinstance(inside.get("list"), list):
                yield ("request", "transactional", name, "list"), inside["list"]


def _cut(data: Any, limit: int | None) -> tuple[Any, list[Problem]]:
    """The data with lists above the limit cut to it: a million bad identifiers would be a million problems, each with its own path."""
    problems = []
    if limit is not None and isinstance(data, dict):
        for path, identifiers in list(_lists(data)):
            if len(identifiers) > limit:
                data = _with(data, path, identifiers[:limit])
                problems.append(Problem(".".join(path), f"has {len(identifiers)} identifiers, and one call takes {limit}", _FAN_OUT))
    return data, problems


_FAN_OUT: Final = "Use the fan-out: wooshq fanout --template FILE --recipients FILE, or fan_out(template, recipients)"


def _with(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {**data, first: _with(data[first], tuple(rest), value) if rest else value}


# ── Rules between fields: of data of any kind ───────────────────────────────────────────────────────────────────────────────────────

_NO_APPLICATION: Final = (("application",), "is needed", 'Set PUSHWOOSH_APPLICATION, or give "application": "XXXXX-XXXXX"')


def _own_rules(data: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    if data.get("id") == _NIL:
        yield ("id",), "is the nil UUID, which names nothing", "Leave it out and one is made"


def _exact_rules(data: Mapping[str, Any], against: Against) -> Iterator[tuple[Location, str, str]]:
    yield from _own_rules(data)
    for name in PLAIN_ONLY:
        if name in data:
            yield (name,), "cannot be given together with request", "Say it inside request, or use the plain form"
    inside = _application_inside(data["request"])
    if "application" not in data:
        if inside is None:
            yield _NO_APPLICATION
    elif inside is not None and inside != data["application"]:
        yield ("application",), "is not the application inside request", "Leave one of the two out"


_OF_LISTS: Final = frozenset({"return_unknown_identifiers", "use_latest_user_device"})


def _plain_rules(data: Mapping[str, Any], against: Against) -> Iterator[tuple[Location, str, str]]:
    to, message = data.get("to"), data.get("message")
    if "id" in data:
        yield from _own_rules(data)
    if "to" not in data and "message" not in data:
        yield (), "says neither what nor to whom", 'Give "to" and "message", or "request"'
    elif "to" not in data or "message" not in data:
        yield ("message" if "to" in data else "to",), "is needed", 'The plain form takes "to" and "message"'
    if "application" not in data:
        yield _NO_APPLICATION
    for name in _OF_LISTS & data.keys():
        if isinstance(to, dict) and to and not any(kind in to for kind in LISTS):
            yield (name,), "goes with a list of recipients only", f"Leave it out, or address one of {', '.join(LISTS)}"
    if isinstance(message, dict) and len(message) == 1:
        yield from _platform_rules(data, message, against.platforms)
    if "schedule" in data and against.now is not None:
        yield from _schedule_rules(data, against.now)


#: Kind of message → keys of the table's rows that it reaches where the intent names no platforms.
_DEFAULT_ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "push": ("IOS", "ANDROID"),
    "sms": ("SMS",),
    "telegram": ("TELEGRAM",),
    "kakao": ("KAKAO",),
    "line": ("LINE",),
    "whatsapp": ("WHATSAPP",),
    "email": ("EMAIL",),
    "preset": (),
}


def rows_of(kind: str, names: Iterable[Any] | None, table: Platforms) -> list[Platform]:
    """The platforms that a plain message is for, each once. names: the intent's `platforms`; those that are none are left out."""
    if names is None:
        return [table.rows[key] for key in _DEFAULT_ROWS[kind]]
    return list(dict.fromkeys(row for name in names if isinstance(name, str) and (row := table.named(name)) is not None))


def _platform_rules(data: Mapping[str, Any], message: Mapping[str, Any], table: Platforms) -> Iterator[tuple[Location, str, str]]:
    ((kind, said),) = message.items()
    if kind not in _DEFAULT_ROWS:
        return
    given = data.get("platforms")
    names = given if isinstance(given, list) else None
    for place, name in enumerate(names or ()):
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row.channel != kind and kind != "preset":
            right = ", ".join(one.name for one in table if one.channel == kind)
            yield ("platforms", place), f"is no platform for message.{kind}", f"Right would be {right}"
    if not isinstance(said, dict) or not ("live_update" in said or "overrides" in said):
        return
    rows = rows_of(kind, names, table)
    reached = ", ".join(row.name for row in rows)
    if kind == "push" and "live_update" in said and table.rows["ANDROID"] not in rows:
        yield (
            ("message", kind, "live_update"),
            "reaches none of the platforms of this message",
            "Name Android in platforms",
        )
    overrides = said.get("overrides")
    for name in overrides if isinstance(overrides, dict) else ():
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row not in rows:
            yield ("message", kind, "overrides", name), "is none of the platforms of this message", f"There are: {reached}"


def _schedule_rules(data: Mapping[str, Any], now: datetime) -> Iterator[tuple[Location, str, str]]:
    schedule = data["schedule"]
    if not isinstance(schedule, dict):
        return
    name, at = "at", _moment(schedule.get("at"))
    after = schedule.get("after")
    if at is None and isinstance(after, str) and _AFTER.fullmatch(after):
        name, at = "after", now + timedelta(seconds=min(float(after[:-1]), MAX_TTL_S))
    if at is None:
        return
    if at - now < timedelta(seconds=-60):
        yield ("schedule", name), "lies in the past", "Leave schedule out to send now"
    expires, ttl_s = _moment(data.get("expires_at")), data.get("ttl_s")
    left = expires - now if expires is not None else None
    if left is None and type(ttl_s) is int and 0 < ttl_s <= MAX_TTL_S:
        left = timedelta(seconds=ttl_s)
    if left is not None and at - now > left:
        yield ("schedule", name), "lies after the intent's expiry", "After expires_at or ttl_s nothing is sent: make it longer"


_AFTER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    try:
        return moment_of(value) if isinstance(value, str) else None
    except PydanticCustomError:  # the field's own check tells of it
        return None


# ── After the models: texts that cannot be stored ───────────────────────────────────────────────────────────────────────────────────


def _unfit(data: Any, told: Iterable[str] = ()) -> list[Problem]:
    """NUL and lone surrogates in texts and keys, and numbers of more digits than Python writes; what stands in `told` is not told twice."""
    out: dict[str, Problem] = {}
    inside: list[tuple[tuple[str, ...], Any]] = [((), data)]
    walked = 0
    while inside and len(out) < MOST_PROBLEMS:
        path, value = inside.pop()
        walked += 1
        found = ""
        if isinstance(value, str):
            found = "\0" if "\0" in value else "surrogate" if not _encodes(value) else ""
        elif isinstance(value, int) and value.bit_length() > 4096:
            found = "digits"
        elif isinstance(value, dict) and len(path) < 200:
            for name, inner in value.items():
                if isinstance(name, str) and ("\0" in name or not _encodes(name)):
                    found = found or ("key NUL" if "\0" in name else "key surrogate")
                inside.append(((*path, shown(name)), inner))
        elif isinstance(value, list) and len(path) < 200:
            inside.extend(((*path, str(place)), inner) for place, inner in enumerate(value))
        if found:
            field = ".".join(path if len(path) <= 20 else (*path[:20], "…"))
            if field not in told:
                out.setdefault(field, Problem(field, *_UNFIT[found]))
        if walked > 1_000_000:  # a value that contains itself; the models have told of it
            break
    return sorted(out.values(), key=lambda problem: problem.field)


_UNFIT: Final = {
    "\0": ("has a NUL character (U+0000)", "Remove it"),
    "surrogate": ("is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "key NUL": ("has a key with a NUL character (U+0000)", "Remove it"),
    "key surrogate": ("has a key that is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "digits": ("is a whole number of too many digits", "Give it as a text"),
}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def utc_text(moment: datetime) -> str:
    """An aware datetime as the reference writes times: UTC, whole seconds, `Z`. Raises ValueError for a naive one: a bug in the caller."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone: datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat("T", "seconds")[:19] + "Z"
