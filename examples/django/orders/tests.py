"""What the shop tells its users. `manage.py test` needs no Redis, no worker and no relay."""

from collections.abc import Callable
from unittest import mock

from django.test import TestCase

from orders.models import Order
from wooshq.django import enqueue
from wooshq.django.models import OutboxRow
from wooshq.testing import assert_enqueued, refute_enqueued
from wooshq.testing.django import DjangoOutboxMixin


def fails_after(call: Callable[..., object]) -> Callable[..., object]:
    """The call is made, and then the transaction fails."""

    def wrapped(*args: object) -> object:
        call(*args)
        raise RuntimeError

    return wrapped


class ShippingTests(DjangoOutboxMixin, TestCase):
    def ship(self, user: str = "ann") -> int:
        number = self.client.post("/orders", {"user": user}, content_type="application/json").json()["id"]
        return self.client.post(f"/orders/{number}/shipped").status_code

    def test_the_user_is_told_that_the_order_is_shipped(self) -> None:
        self.assertEqual(self.ship(), 202)
        assert_enqueued(recipient="ann", message__push__title="Shipped", count=1)
        self.assertFalse(OutboxRow.objects.exists())

    def test_an_order_that_could_not_be_shipped_tells_nobody(self) -> None:
        with mock.patch("orders.views.enqueue", fails_after(enqueue)), self.assertRaises(RuntimeError):
            self.ship()
        self.assertFalse(Order.objects.filter(shipped=True).exists())
        self.assertFalse(OutboxRow.objects.exists())
        refute_enqueued()

    def test_the_message_arrives_although_the_api_is_away_for_a_while(self) -> None:
        self.wooshq_outbox.sandbox.set_faults({"effect": "status", "status": 503, "until_s": 60})
        self.ship()
        self.wooshq_outbox.drain(for_s=3600)
        self.assertEqual([call.recipients for call in self.wooshq_outbox.sandbox.accepted], [("ann",)])
