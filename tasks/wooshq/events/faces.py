"""The calls for webhooks. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from wooshq.events.calls import (
    add_webhook,
    hold_webhook,
    list_deliveries,
    list_webhooks,
    remove_webhook,
    resend_event,
    rotate_webhook,
    show_webhook,
    try_webhook,
    wait_for_delivery,
)
from wooshq.events.webhook import Delivery, MadeWebhook, Webhook
from wooshq.gates.faces import AsyncGateCalls, GateCalls


class Webhooks:
    """The calls for webhooks."""

    def __init__(self, owner: GateCalls) -> None:
        self._w = owner

    def add(self, name: str, url: str, types: Iterable[str] = (), *, why: str = "", by: str | None = None) -> MadeWebhook:
        """
        Add a webhook: from now on, events are sent to the URL. The answer has the secret with which they are signed; it is not shown again.

        types: those that it wants, see `EventType`; none for all. why, by: kept with it, and in the audit log; by: None for the user and host.
        Raises ValueError (a name that is used, or cannot be one; a URL that is not allowed; unknown types).
        """
        return self._w.do(add_webhook(self._w.settings, name, url, types, why, by))

    def list(self) -> builtins.list[Webhook]:
        """All webhooks, and the hooks of apps (`kind`)."""
        return self._w.do(list_webhooks(self._w.settings))

    def show(self, name: str) -> Webhook:
        """One webhook. Raises WebhookUnknown."""
        return self._w.do(show_webhook(self._w.settings, name))

    def pause(self, name: str, *, why: str = "", by: str | None = None) -> Webhook:
        """Pause a webhook: its events wait for it, for `webhooks_retry_s` at most. Raises WebhookUnknown. why, by: for the audit log."""
        return self._w.do(hold_webhook(self._w.settings, name, "pause", why, by))

    def resume(self, name: str, *, why: str = "", by: str | None = None) -> Webhook:
        """Resume a webhook that a person paused, or wooshq. Raises WebhookUnknown. why, by: for the audit log."""
        return self._w.do(hold_webhook(self._w.settings, name, "resume", why, by))

    def remove(self, name: str, *, why: str = "", by: str | None = None) -> bool:
        """Remove a webhook, with the events that wait for it. False if no webhook has this name. why, by: for the audit log."""
        return self._w.do(remove_webhook(self._w.settings, name, why, by))

    def rotate(self, name: str, *, old_for_s: float = 86400.0, why: str = "", by: str | None = None) -> MadeWebhook:
        """
        Give a webhook a new secret. Deliveries are signed with both for `old_for_s`, so that the receiver can change over in between.

        Raises WebhookUnknown, ValueError. why, by: for the audit log.
        """
        return self._w.do(rotate_webhook(self._w.settings, name, old_for_s, why, by))

    def test(self, name: str) -> str:
        """Have a test event delivered to a webhook. Returns the id of the event, see `wait`. Raises WebhookUnknown, ValueError (it is paused)."""
        return self._w.do(try_webhook(self._w.settings, name))

    def resend(self, name: str, event: str, *, why: str = "", by: str | None = None) -> bool:
        """
        Have an event delivered once more, under the same id. False if the event is not kept any more.

        Raises WebhookUnknown, ValueError (not the id of an event). why, by: for the audit log.
        """
        return self._w.do(resend_event(self._w.settings, name, event, why, by))

    def deliveries(self, name: str, *, most: int | None = None) -> builtins.list[Delivery]:
        """The last attempts to deliver something to a webhook, the newest first; the last 200 are kept. Raises WebhookUnknown."""
        return self._w.do(list_deliveries(self._w.settings, name, most))

    def wait(self, name: str, event: str, *, within_s: float = 30.0) -> Delivery | None:
        """The last attempt to deliver this event, once there is one; None if there is none within `within_s`. Raises WebhookUnknown."""
        return self._w.do(wait_for_delivery(self._w.settings, name, event, within_s))


class AsyncWebhooks:
    """The calls for webhooks."""

    def __init__(self, owner: AsyncGateCalls) -> None:
        self._w = owner

    async def add(self, name: str, url: str, types: Iterable[str] = (), *, why: str = "", by: str | None = None) -> MadeWebhook:
        """
        Add a webhook: from now on, events are sent to the URL. The answer has the secret with which they are signed; it is not shown again.

        types: those that it wants, see `EventType`; none for all. why, by: kept with it, and in the audit log; by: None for the user and host.
        Raises ValueError (a name that is used, or cannot be one; a URL that is not allowed; unknown types).
        """
        return await self._w.do(add_webhook(self._w.settings, name, url, types, why, by))

    async def list(self) -> builtins.list[Webhook]:
        """All webhooks, and the hooks of apps (`kind`)."""
        return await self._w.do(list_webhooks(self._w.settings))

    async def show(self, name: str) -> Webhook:
        """One webhook. Raises WebhookUnknown."""
        return await self._w.do(show_webhook(self._w.settings, name))

    async def pause(self, name: str, *, why: str = "", by: str | None = None) -> Webhook:
        """Pause a webhook: its events wait for it, for `webhooks_retry_s` at most. Raises WebhookUnknown. why, by: for the audit log."""
        return await self._w.do(hold_webhook(self._w.settings, name, "pause", why, by))

    async def resume(self, name: str, *, why: str = "", by: str | None = None) -> Webhook:
        """Resume a webhook that a person paused, or wooshq. Raises WebhookUnknown. why, by: for the audit log."""
        return await self._w.do(hold_webhook(self._w.settings, name, "resume", why, by))

    async def remove(self, name: str, *, why: str = "", by: str | None = None) -> bool:
        """Remove a webhook, with the events that wait for it. False if no webhook has this name. why, by: for the audit log."""
        return await self._w.do(remove_webhook(self._w.settings, name, why, by))

    async def rotate(self, name: str, *, old_for_s: float = 86400.0, why: str = "", by: str | None = None) -> MadeWebhook:
        """
        Give a webhook a new secret. Deliveries are signed with both for `old_for_s`, so that the receiver can change over in between.

        Raises WebhookUnknown, ValueError. why, by: for the audit log.
        """
        return await self._w.do(rotate_webhook(self._w.settings, name, old_for_s, why, by))

    async def test(self, name: str) -> str:
        """Have a test event delivered to a webhook. Returns the id of the event, see `wait`. Raises WebhookUnknown, ValueError (it is paused)."""
        return await self._w.do(try_webhook(self._w.settings, name))

    async def resend(self, name: str, event: str, *, why: str = "", by: str | None = None) -> bool:
        """
        Have an event delivered once more, under the same id. False if the event is not kept any more.

        Raises WebhookUnknown, ValueError (not the id of an event). why, by: for the audit log.
        """
        return await self._w.do(resend_event(self._w.settings, name, event, why, by))

    async def deliveries(self, name: str, *, most: int | None = None) -> builtins.list[Delivery]:
        """The last attempts to deliver something to a webhook, the newest first; the last 200 are kept. Raises WebhookUnknown."""
        return await self._w.do(list_deliveries(self._w.settings, name, most))

    async def wait(self, name: str, event: str, *, within_s: float = 30.0) -> Delivery | None:
        """The last attempt to deliver this event, once there is one; None if there is none within `within_s`. Raises WebhookUnknown."""
        return await self._w.do(wait_for_delivery(self._w.settings, name, event, within_s))
