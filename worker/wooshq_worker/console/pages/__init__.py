"""The web console: each page is a module with its view, a template, and a line here. `shell` is what all pages share, and says how a page is declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wooshq_worker.console.pages import (
    audit,
    doubles,
    life,
    messages,
    outbox,
    overview,
    settings,
    webhooks,
)
from wooshq_worker.console.pages.jobs import job, listing
from wooshq_worker.console.pages.letters import causes, letter, lists, planning, recipe, replay, replays
from wooshq_worker.console.pages.shell.registry import Page

PAGES: Final[Sequence[Page]] = (
    # In the order of the navigation: overview, messages, life, causes, replays, jobs, doubles, outbox, webhooks, audit, settings.
    overview.page,
    messages.page,
    life.page,
    causes.page,
    lists.letters,
    lists.cause,
    letter.page,
    replays.page,
    recipe.page,
    planning.page,
    replay.page,
    replay.outcomes,
    listing.page,
    job.page,
    doubles.page,
    outbox.page,
    webhooks.page,
    webhooks.webhook,
    audit.page,
    settings.page,
)
