"""The answers as models, to write or compare them. `read_answer` accepts more than these models do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from wooshq_schemas.validation.values import Free, absent

_OPEN = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, populate_by_name=True)
"""The API may add fields to its answers at any time."""


class _Answer(BaseModel):
    model_config = _OPEN
    __pydantic_extra__: dict[str, Free]

    def to_body(self) -> dict[str, Any]:
        """The body, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class UnknownIdentifiers(_Answer):
    """Recipients that the API does not know, by kind."""

    users: list[str] = absent()
    hwids: list[str] = absent()
    push_tokens: list[str] = absent()


class BareSuccess(_Answer):
    """A success without envelope: one client saw it (C), and `Success` wraps it (B)."""

    message_code: str
    unknown_identifiers: list[str] | UnknownIdentifiers = absent()


class Success(_Answer):
    """A success as the SDK documentation shows it (B)."""

    result: BareSuccess


class Detail(_Answer):
    """A `google.rpc` message (`BadRequest`, `RetryInfo`, `ErrorInfo`, `QuotaFailure` or another), in camelCase or snake_case."""

    type_: Annotated[str, Field(alias="@type")] = absent()


class ErrorEnvelope(_Answer):
    """An error of gRPC-Gateway."""

    code: int
    message: str = absent()
    details: list[Detail] = absent()


class LegacyError(_Answer):
    """An error of API 1.3, which came with HTTP 200."""

    status_code: int
    status_message: str = absent()
