"""The table `wooshq_outbox`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the table and its index."""

    initial = True
    dependencies: ClassVar[list[Any]] = []
    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("body", models.TextField()),
                ("created_at", models.BigIntegerField()),
                ("claimed_until", models.BigIntegerField(default=0)),
                ("first_tried_at", models.BigIntegerField(null=True)),
                ("tries", models.BigIntegerField(default=0)),
                ("state", models.CharField(default="waiting", max_length=16)),
                ("reason", models.TextField(null=True)),
            ],
            options={
                "verbose_name": "row of the outbox",
                "verbose_name_plural": "outbox",
                "db_table": "wooshq_outbox",
                "indexes": [models.Index(fields=["state", "created_at"], name="wooshq_outbox_waiting")],
            },
        ),
    ]
