"""What would be sent for an intent, and what will probably be cut or refused. Sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wooshq.intents.entry import IntentLike, intent_of
from wooshq.settings import Settings
from wooshq_schemas import Warn, render
from wooshq_schemas import lint as warnings_of


@dataclass(frozen=True, slots=True)
class Linted:
    """request: the v2 body that would be sent now. warnings: what is worth a second look."""

    request: dict[str, Any]
    warnings: list[Warn]


def lint(intent: IntentLike, settings: Settings, *, now: datetime | None = None) -> Linted:
    """Check an intent, render it and look for what will probably be cut or refused. now: aware. Raises IntentInvalid."""
    now = now or datetime.now(UTC)
    checked = intent_of(intent, settings, now=now)
    platforms = settings.platform_table
    return Linted(render(checked, now=now, platforms=platforms), warnings_of(checked, now=now, platforms=platforms))
