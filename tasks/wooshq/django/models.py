"""The outbox's table as Django sees it. `wooshq.outbox.table` describes it; a test holds that both say the same."""

from __future__ import annotations

from typing import Any

from django.db import models

from wooshq.outbox.table import INDEX, NAME, RowState


class OutboxRow(models.Model):
    """An intent that was enqueued in a transaction and is not in the ledger yet. Rows are written by `enqueue`, and moved by a relay."""

    id: Any = models.CharField(max_length=36, primary_key=True)
    body: Any = models.TextField()
    created_at: Any = models.BigIntegerField()
    claimed_until: Any = models.BigIntegerField(default=0)
    first_tried_at: Any = models.BigIntegerField(null=True)
    tries: Any = models.BigIntegerField(default=0)
    state: Any = models.CharField(max_length=16, default=RowState.WAITING.value)
    reason: Any = models.TextField(null=True)

    class Meta:
        """Its table is the one that every other outbox has."""

        db_table = NAME
        verbose_name = "row of the outbox"
        verbose_name_plural = "outbox"
        indexes = [models.Index(name=INDEX[0], fields=list(INDEX[1]))]

    def __str__(self) -> str:
        return str(self.id)
