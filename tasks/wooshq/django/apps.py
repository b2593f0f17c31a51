"""The app's configuration: at Django's start, its settings become wooshq's."""

from __future__ import annotations

from django.apps import AppConfig


class WooshqConfig(AppConfig):
    """`INSTALLED_APPS = [..., "wooshq.django"]`. Its label is `wooshq`."""

    name = "wooshq.django"
    label = "wooshq"
    verbose_name = "wooshq"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers the checks, and takes Django's settings. Opens nothing."""
        from wooshq.django import checks, conf

        conf.take_settings()
        checks.register()
