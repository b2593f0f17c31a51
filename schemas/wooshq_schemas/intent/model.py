"""The models of an intent: the plain form and the exact form, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
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
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from wooshq_schemas.intent.rules import MAX_TTL_S, Against, exact_rules, plain_rules
from wooshq_schemas.platforms import KINDS
from wooshq_schemas.recipient_lists import LISTS
from wooshq_schemas.request import (
    Address,
    Attachment,
    BlockFields,
    FrequencyCapping,
    LiveUpdate,
    MessageTypeName,
    NotifyRequest,
    Schedule,
    SendRate,
    table_of,
)
from wooshq_schemas.validation.names import did_you_mean
from wooshq_schemas.validation.one_of import Location, OneOf
from wooshq_schemas.validation.problem import refusal
from wooshq_schemas.validation.times import Time, moment_of
from wooshq_schemas.validation.values import OPEN, STRICT, ApplicationCode, Code, Free, Given, Identifier, JsonObject, Locale, Shape, absent

MODEL_VERSION = 2
"""
Version of the stored JSON of an intent, as these models write it.

2: a template in any form, the platform WEB, colours with transparency. A worker that knows only version 1 leaves such an intent to others.
"""


class Lane(StrEnum):
    """A Celery queue. There are two, so that a one-time code never waits behind a newsletter."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


Uuid = Annotated[
    str,
    Shape(
        r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        "is not a UUID",
        "Use a UUID such as 018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f, or leave it out: wooshq makes one",
        to_lower=True,
    ),
]

IdempotencyKey = Annotated[
    str, Shape(r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,255}$", "is not a valid key", "Use 1 to 255 printable characters on one line")
]

Text = Annotated[str | Annotated[dict[Locale, str], Field(min_length=1)], Field(union_mode="left_to_right")]
"""One text for all locales, or an object locale → text."""

Url = Annotated[str, StringConstraints(min_length=1, max_length=8192)]

Targets = Annotated[list[Identifier], Field(min_length=1)]


def _plain_name(name: str, info: ValidationInfo) -> str:
    table = table_of(info.context)
    if table.named(name) is None:
        raise refusal("is not a platform", did_you_mean(name, table.by_name))
    return name


PlainPlatform = Annotated[str, AfterValidator(_plain_name)]
"""A platform's name in the API or in the reference. Rendering writes the API's."""


class To(OneOf):
    """The target: exactly one field."""

    model_config = STRICT
    groups: ClassVar[Any] = (((*LISTS, "segment", "expression", "filter"), True),)
    meant = {
        "devices": "hwids",
        "conditions": "expression",
        "code": "segment",
        "filter_expression": "filter",
        **dict.fromkeys(("email", "emails", "phone", "phones", "phone_numbers"), "hwids"),  # in Pushwoosh an address is a device
    }
    users: Targets = absent()
    hwids: Targets = absent()
    push_tokens: Targets = absent()
    test_devices: Targets = absent()
    segment: Code = absent()
    expression: Annotated[str, StringConstraints(min_length=1, max_length=65536)] = absent()
    filter: JsonObject = absent()

    @property
    def listed(self) -> tuple[str, list[str]] | None:
        """(kind, identifiers) if the target is a list of recipients."""
        for kind in LISTS:
            identifiers = getattr(self, kind)
            if identifiers is not None:
                return kind, identifiers
        return None


#: Field → its name in `message.push`.
_SAME_EVERYWHERE: Final = {"data": "data", "custom_data": "data", "silent": "silent", "voip": "voip", "voip_push": "voip"}


class PushOverride(BlockFields, OneOf):
    """Fields that replace those of the push on one platform: any field of its block, and `link`."""

    groups: ClassVar[Any] = ((("ttl", "ttl_s"), False), (("badge", "badges"), False))
    title: Text = absent()
    subtitle: Text = absent()
    body: Text = absent()
    badge: int | str = absent()
    ttl_s: Annotated[int, Field(ge=0)] = absent()
    link: Url = absent()

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterator[tuple[Location, str, str]]:
        for name, right in _SAME_EVERYWHERE.items():
            if name in data:
                yield (name,), "cannot differ between platforms", f"Set it as message.push.{right}"


class TextOverride(BaseModel):
    """Fields that replace those of a text message on its platform: any field of its block, and `link`."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    body: Text = absent()
    template: Given = absent()
    link: Url = absent()


#: Fields that a silent push may have. Its payload has no content, so other fields would be lost.
_WITH_SILENT: Final = frozenset({"silent", "voip", "data", "link"})


class Push(OneOf):
    """A push message, written once for all platforms."""

    model_config = STRICT
    meant = {"custom_data": "data", "content": "body", "text": "body", "message": "body", "header": "title", "url": "link", "ttl": "ttl_s"}
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
                return [
                    (
                        (),
                        f"silent cannot be combined with fields that are shown: {', '.join(lost)}",
                        "Remove silent, or remove these fields",
                    )
                ]
        return ()


class TextMessage(OneOf):
    """An SMS, or a message of a messenger that takes only text."""

    model_config = STRICT
    meant = {"content": "body", "text": "body", "message": "body"}
    body: Text
    overrides: dict[PlainPlatform, TextOverride] = absent()


class TemplatedMessage(OneOf):
    """A message of a messenger that takes text or a template."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("body", "template"), True),)
    meant = TextMessage.meant
    body: Text = absent()
    template: Given = absent()
    overrides: dict[PlainPlatform, TextOverride] = absent()


class Email(OneOf):
    """An email. body: HTML. template: a code."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("body", "template"), True),)
    subject: Text = absent()
    body: str = absent()
    template: Code = absent()
    attachments: list[Attachment] = absent()
    from_: Address = Field(default=None, alias="from")  # type: ignore[assignment]
    reply_to: Address = absent()
    list_unsubscribe: str = absent()


class Message(OneOf):
    """The message: exactly one kind."""

    model_config = STRICT
    groups: ClassVar[Any] = ((KINDS, True),)
    push: Push = absent()
    sms: TextMessage = absent()
    telegram: TextMessage = absent()
    kakao: TemplatedMessage = absent()
    line: TextMessage = absent()
    whatsapp: TemplatedMessage = absent()
    email: Email = absent()
    preset: Code = absent()

    @property
    def kind(self) -> str:
        return next(k for k in KINDS if getattr(self, k) is not None)


class _Exact:
    """
    Marks a value that is checked as a NotifyRequest and kept as it was written, with its keys in the same order.

    An intent from the ledger is not checked again: it was checked when it was accepted, and is sent as it was accepted.
    """

    stands_for: ClassVar[type[BaseModel]] = NotifyRequest

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, request: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo) -> Any:
            if not (isinstance(info.context, Against) and info.context.is_stored):
                request(value)
            return value

        checked = core_schema.with_info_wrap_validator_function(check, handler.generate_schema(NotifyRequest))
        return core_schema.chain_schema([checked, handler(source)])


class Intent(OneOf):
    """
    One message to one target, in the plain form (`to` and `message`) or the exact form (`request`: a v2 body).

    Make it with `parse_intent`, which also fills in `application` and `lane`. Do not change it afterwards.
    """

    __slots__ = ("camel_case", "written_json")
    if TYPE_CHECKING:  # set once by `parse_intent` or `load_stored`; they do not count when intents are compared
        written_json: str
        camel_case: tuple[str, ...]  # paths of fields of the exact form that were given in camelCase
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
        return exact_rules(data) if "request" in data else plain_rules(data, against)

    def to_json(self) -> str:
        """Compact JSON for `load_stored`, without absent fields."""
        try:
            return self.written_json
        except AttributeError:  # made without `parse_intent`
            return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_unset=True).decode()

    @property
    def expires_at_dt(self) -> datetime | None:
        """`expires_at` as an aware datetime."""
        return None if self.expires_at is None else moment_of(self.expires_at)
