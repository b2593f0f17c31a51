"""The outbox in Django's admin, to look at: rows are written by `enqueue`, moved by a relay, and mended with `manage.py wooshq_outbox`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from wooshq.django.models import OutboxRow
from wooshq.outbox.row import parts_of


@admin.register(OutboxRow)
class OutboxRowAdmin(admin.ModelAdmin):
    """
    Read-only. The list has no personal data; one row shows its intent, recipients included, so give the permission "view" to people who may
    see them.
    """

    list_display = ("id", "state", "enqueued", "age", "tries", "reason")
    list_filter = ("state",)
    search_fields = ("id",)
    search_help_text = "The intent's id"
    ordering = ("created_at",)
    fields = ("id", "state", "enqueued", "age", "first_tried", "tries", "reason", "intent")
    readonly_fields = fields
    show_full_result_count = False

    @admin.display(description="enqueued (UTC)", ordering="created_at")
    def enqueued(self, row: Any) -> datetime | None:
        """When the app enqueued it."""
        return _moment(row.created_at)

    @admin.display(description="first tried (UTC)")
    def first_tried(self, row: Any) -> datetime | None:
        """When a relay first tried to move it."""
        return None if row.first_tried_at is None else _moment(row.first_tried_at)

    @admin.display(description="age")
    def age(self, row: Any) -> str:
        """For how long it has been here."""
        seconds = max(0, round(datetime.now(UTC).timestamp() - row.created_at / 1000))
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"

    @admin.display(description="intent")
    def intent(self, row: Any) -> str:
        """What will be enqueued."""
        try:
            return json.dumps(json.loads(parts_of(row.body)[0]), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return "It is not JSON."

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows here: a deleted row is a lost message."""
        return False


def _moment(ms: int) -> datetime | None:
    """None for a number that somebody has written and that is no moment."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=0)
    except (ValueError, OverflowError, OSError):
        return None
