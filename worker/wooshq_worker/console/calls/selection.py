"""Which dead letters a call is about: the conditions of the Python API as query parameters, and as fields of a body."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, Field

from wooshq.letters.filter import Conditions
from wooshq_worker.console.api.shapes import Asked, Paged, Said


def _moment(value: object) -> object:
    """Text as a time. A number is none: it would be read as seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-05-01T09:00:00Z")
    try:
        found = datetime.fromisoformat(value.replace(" ", "+"))  # a + in a query is read as a space
    except ValueError:
        raise ValueError("must be a time such as 2026-05-01T09:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("needs a time zone. Example: 2026-05-01T09:00:00Z")
    return found


Moment: TypeAlias = Annotated[
    datetime, BeforeValidator(_moment, json_schema_input_type=str), Field(json_schema_extra={"format": "date-time"})
]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=4000)]
Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]


class Which(BaseModel):
    """Conditions: a letter must meet all that are given."""

    where: Text | None = None
    """A query: `reason:rejected status:400 text:"INV-9981" since:2h`, with OR, NOT and brackets."""
    reason: Text | None = None
    """`invalid`, `rejected`, `exhausted`, `unknown`, `poison` or `too_large`."""
    application: Text | None = None
    """Application code."""
    lane: Text | None = None
    """`transactional` or `bulk`."""
    since: Moment | None = None
    """Filed at this time or later. Ages (`2h`) are for `where`."""
    until: Moment | None = None
    """Filed before this time."""
    campaign: Text | None = None
    """Campaign code."""
    tag: Annotated[str, Field(pattern=r"^[^=]+=", max_length=4000)] | None = None
    """Tag of the intent: `name=value`."""
    recipient: Text | None = None
    """An exact identifier."""
    bulk: Text | None = None
    """Id of a job."""
    detail: Text | None = None
    """The exact detail, as a letter or a group has it."""
    state: Text | None = None
    """`open`, `replaying`, `closed`, `discarded`, or `any`."""

    def conditions(self) -> Conditions:
        """For the Python API."""
        made: dict[str, Any] = {name: value for name in Which.model_fields if (value := getattr(self, name)) is not None}
        if self.tag is not None:
            name, _, value = self.tag.partition("=")
            made["tag"] = (name, value)
        if made.get("state") == "any":
            made["state"] = None
        return cast(Conditions, made)


class WhichGroups(Which, Asked):
    """Query parameters of the groups."""

    most: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many groups at most, the largest first."""


class WhichPage(Which, Paged):
    """Query parameters of the list of letters."""

    total: bool = False
    """Also count the letters that fit. It reads all of them."""


class Selected(Which, Said):
    """The letters that an act is about: those of `ids`, or all open ones that meet the conditions. At least one must be given."""

    ids: Annotated[list[Id], Field(max_length=10_000)] = []
    """Ids of letters, or of intents of their histories."""
    why: Annotated[str, Field(max_length=500)] = ""
    """The reason, for the audit log."""
    dry_run: bool = False
    """Only say what would be done."""
