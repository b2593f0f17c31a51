"""The models of a v2 request body. Objects that the reference marks as open may have unknown fields, other objects may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field, Strict, StringConstraints, ValidationInfo

from wooshq_schemas.platforms import PLATFORMS, Platforms, number_is_not_known
from wooshq_schemas.recipient_lists import LISTS, REQUEST_KINDS
from wooshq_schemas.validation.names import did_you_mean
from wooshq_schemas.validation.one_of import OneOf
from wooshq_schemas.validation.problem import refusal
from wooshq_schemas.validation.times import Duration, Time
from wooshq_schemas.validation.values import OPEN, STRICT, ApplicationCode, Code, Free, Given, Identifier, JsonObject, Locale, Shape, absent


class MessageType(StrEnum):
    """Decides whether the API filters by control group. The API's default is marketing."""

    MARKETING = "MESSAGE_TYPE_MARKETING"
    TRANSACTIONAL = "MESSAGE_TYPE_TRANSACTIONAL"


class Operation(StrEnum):
    """What a live update does."""

    START = "OPERATION_START"
    UPDATE = "OPERATION_UPDATE"
    END = "OPERATION_END"


_BY_NAME = Strict(False)
"""Bodies contain the names of enum values. pydantic's core turns a name into the member."""


def table_of(context: object) -> Platforms:
    """The table of platforms that a validation uses: `platforms` of its context, otherwise the reference's table."""
    return getattr(context, "platforms", PLATFORMS)


def _in_table(column: Callable[[Platforms], Iterable[str]], problem: str) -> AfterValidator:
    """Checks that the table of platforms knows a name. column: the known names."""

    def check(name: str, info: ValidationInfo) -> str:
        known = column(table_of(info.context))
        if name not in known:
            raise refusal(problem, did_you_mean(name, known))
        return name

    return AfterValidator(check)


def _is_platform_number(text: str, info: ValidationInfo) -> str:
    """Checks a key of `open_actions`. A name instead of the number gets the number as its hint."""
    table = table_of(info.context)
    if text in table.by_number:
        return text
    row = table.named(text.upper()) or table.by_block.get(text)
    if row is not None and row.number is None:
        raise refusal(*number_is_not_known(row))
    if row is not None:
        raise refusal("is not a platform's number", f"Use {row.number}, the number of {row.name}")
    known = ", ".join(f"{number} ({one.name})" for number, one in sorted(table.by_number.items(), key=lambda pair: int(pair[0])))
    raise refusal("is not a platform's number", f"Use one of: {known}. WOOSHQ_PLATFORMS can set others")


PlatformName = Annotated[str, _in_table(lambda table: table.by_name, "is not a platform")]
BlockName = Annotated[str, _in_table(lambda table: table.by_block, "no such field")]
PlatformNumber = Annotated[str, AfterValidator(_is_platform_number)]
PlatformNames = Annotated[list[PlatformName], Field(min_length=1)]
MessageTypeName = Annotated[MessageType, _BY_NAME]


class Schedule(OneOf):
    """When the API sends: `at` a time, or `after` a duration."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("at", "after"), True),)
    meant = {"send_date": "at", "time": "at", "delay": "after"}
    at: Time = absent()
    after: Duration = absent()
    follow_user_timezone: bool = absent()
    past_timezones_behaviour: Code = absent()


class SendRate(BaseModel):
    """Throttling of the send by the API. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    value: Annotated[int, Field(gt=0)] = absent()


class FrequencyCapping(BaseModel):
    """Limits per user. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    days: Annotated[int, Field(ge=1, le=30)] = absent()
    count: Annotated[int, Field(ge=1)] = absent()
    avoid: bool = absent()
    exclude: bool = absent()


class Link(BaseModel):
    """Open a URL. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    url: Annotated[str, StringConstraints(min_length=1)]


class DeepLink(BaseModel):
    """Open a page of the app. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    code: Code = absent()
    params: Free = absent()


class RichMedia(BaseModel):
    """Show a rich media page. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    code: Code = absent()
    url: Annotated[str, StringConstraints(min_length=1)] = absent()


class OpenAction(OneOf):
    """What a tap does. May have other fields."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    groups: ClassVar[Any] = ((("link", "deep_link", "rich_media"), False),)
    link: Link = absent()
    deep_link: DeepLink = absent()
    rich_media: RichMedia = absent()


class Segment(BaseModel):
    """One part of the progress bar of a live update."""

    model_config = STRICT
    color: Annotated[
        str, Shape(r"^#([0-9A-Fa-f]{2})?[0-9A-Fa-f]{6}$", "is not a colour", "Example: #705289, or #80705289 with transparency")
    ] = absent()
    length: Annotated[int, Field(gt=0)] = absent()


class LiveUpdate(BaseModel):
    """A live update: a notification that changes while it is shown."""

    model_config = STRICT
    op: Annotated[Operation, _BY_NAME]
    id: Code
    progress: int | float = absent()
    progress_indeterminate: bool = absent()
    progress_bar: bool = absent()
    chronometer: bool = absent()
    chronometer_count_down: bool = absent()
    show_when: bool = absent()
    segments: list[Segment] = absent()
    when: Annotated[int, Field(ge=0)] = absent()
    extras: JsonObject = absent()


class BlockFields(BaseModel):
    """The fields of a block besides its texts. Fields that platforms share are checked, other fields pass unchanged (D)."""

    model_config = OPEN
    __pydantic_extra__: dict[str, Free]
    badges: Annotated[str, Shape(r"", "must be a string", 'Example: "3" or "+1"')] = absent()
    sound: str = absent()
    sound_enabled: bool = absent()
    ttl: Annotated[int, Field(ge=0)] = absent()
    icon: str = absent()
    image: str = absent()
    attachment: str = absent()
    banner: str = absent()
    priority: int | str = absent()
    delivery_priority: str = absent()
    category: str = absent()
    thread_id: str = absent()
    interruption_level: str = absent()
    buttons: list[JsonObject] = absent()
    root_params: JsonObject = absent()
    live_update: LiveUpdate = absent()
    template: Given = absent()


class Block(BlockFields):
    """The content for one platform."""

    title: str = absent()
    subtitle: str = absent()
    body: str = absent()


Content = Annotated[dict[BlockName, Block], Field(min_length=1)]


class LocalizedContent(BaseModel):
    """The content by locale. A device gets its own locale, otherwise `default`, otherwise `en`, otherwise any."""

    model_config = STRICT
    localized_content: Annotated[dict[Locale, Content], Field(min_length=1)]


class Payload(OneOf):
    """The content of a push, an SMS or a message of a messenger."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("content", "silent"), False),)
    meant = {
        "data": "custom_data",
        "link": "open_action.link.url",
        "voip": "voip_push",
        **{text: f"content.localized_content.LOCALE.PLATFORM.{text}" for text in ("title", "subtitle", "body")},
    }
    preset: Code = absent()
    content: LocalizedContent = absent()
    silent: bool = absent()
    custom_data: JsonObject = absent()
    open_action: OpenAction = absent()
    open_actions: dict[PlatformNumber, OpenAction] = absent()
    voip_push: bool = absent()


class Attachment(BaseModel):
    """A file attached to an email."""

    model_config = STRICT
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    content: Annotated[
        str,
        Shape(
            r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            "is not base64",
            "Encode the bytes in RFC 4648's standard alphabet, with padding and without line breaks",
        ),
    ]


class Address(BaseModel):
    """The sender of an email, or the address for answers."""

    model_config = STRICT
    name: str = absent()
    email: Annotated[str, Shape(r"^[^@\s]{1,256}@[^@\s]{1,256}$", "is not an email address", "Example: news@example.com")] = absent()


class EmailPayload(OneOf):
    """The content of an email."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("body", "email_template"), False),)
    subject: Annotated[dict[Locale, str], Field(min_length=1)] = absent()
    body: str = absent()
    email_template: Code = absent()
    attachments: list[Attachment] = absent()
    list_unsubscribe: str = absent()
    from_: Address = Field(default=None, alias="from")  # type: ignore[assignment]
    reply_to: Address = absent()


class Identifiers(BaseModel):
    """A list of recipients."""

    model_config = STRICT
    list: Annotated[list[Identifier], Field(min_length=1)]


class _Notify(OneOf):
    """The fields of both kinds of request."""

    model_config = STRICT
    meant = {
        "filter": "code (a segment's code) or filter_expression",
        "conditions": "expression",
        "devices": "hwids",
        "placeholders": "dynamic_content_placeholders",
        "send_date": "schedule.at",
        "content": "payload.content",
        "data": "payload.custom_data",
    }
    application: ApplicationCode = absent()
    platforms: PlatformNames = absent()
    payload: Payload = absent()
    email_payload: EmailPayload = absent()
    schedule: Schedule
    campaign: Code = absent()
    frequency_capping: FrequencyCapping = absent()
    send_rate: SendRate = absent()
    message_type: MessageTypeName = absent()
    dynamic_content_placeholders: dict[str, str] = absent()
    meta_data: JsonObject = absent()


class SegmentRequest(_Notify):
    """A message to all users of a segment."""

    groups: ClassVar[Any] = ((("code", "expression", "filter_expression"), True), (("payload", "email_payload"), True))
    code: Code = absent()
    expression: Annotated[str, StringConstraints(min_length=1, max_length=65536)] = absent()
    filter_expression: JsonObject = absent()


class TransactionalRequest(_Notify):
    """A message to a list of recipients."""

    groups: ClassVar[Any] = ((LISTS, True), (("payload", "email_payload"), True))
    users: Identifiers = absent()
    hwids: Identifiers = absent()
    push_tokens: Identifiers = absent()
    test_devices: Identifiers = absent()
    return_unknown_identifiers: bool = absent()
    use_latest_user_device: bool = absent()


class NotifyRequest(OneOf):
    """The body of `POST /messaging/v2/notify`: exactly one of two kinds."""

    model_config = STRICT
    groups: ClassVar[Any] = ((("segment", "transactional"), True),)
    segment: SegmentRequest = absent()
    transactional: TransactionalRequest = absent()

    def to_body(self) -> dict[str, Any]:
        """The JSON that is sent: enum values by name, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class CancelRequest(BaseModel):
    """The body of `POST /messaging/v2/cancel`: the code of a message that Pushwoosh has not sent to everyone yet."""

    model_config = STRICT
    message_code: Code


def application_in(body: object) -> Any:
    """The application that a request body names, even if the body is not valid; None if it names none."""
    if isinstance(body, dict):
        for kind in REQUEST_KINDS:
            inner = body.get(kind)
            if isinstance(inner, dict) and "application" in inner:
                return inner["application"]
    return None
