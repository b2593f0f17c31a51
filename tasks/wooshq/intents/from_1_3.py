"""A `createMessage` body of API 1.3 as intents, for people who move from it. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterator

from wooshq.settings import Settings
from wooshq_schemas.api_1_3.body import Converted, from_1_3
from wooshq_schemas.validation.json_text import loads


def intents_from_1_3(body: str | bytes, settings: Settings) -> Iterator[Converted]:
    """The body as JSON text, converted with the list limit and the platforms of an installation. Raises IntentInvalid."""
    yield from from_1_3(loads(body), application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table)
