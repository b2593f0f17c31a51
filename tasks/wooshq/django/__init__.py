"""
wooshq in a Django project: the outbox in the connection's transaction, system checks, settings, commands, and a read-only admin.

    INSTALLED_APPS = [..., "wooshq.django"]

    from wooshq.django import enqueue
    with transaction.atomic():
        order.save()
        enqueue({"to": {"users": [order.user]}, "message": {"push": {"title": "Shipped", "body": "It is on its way"}}})

It needs the extra `wooshq[django]`. See docs/django.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wooshq.django.outbox import enqueue

__all__ = ["enqueue"]


def __getattr__(name: str) -> Any:
    """Models can be imported only when Django's apps are ready, so this waits for the first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wooshq.django import outbox

    return getattr(outbox, name)
