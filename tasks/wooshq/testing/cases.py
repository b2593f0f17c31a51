"""The outbox for classes of unittest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wooshq.testing.outboxes import Outbox, outbox

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object


class OutboxMixin(_Case):
    """
    Opens an outbox for each test of a class: `class OrderTests(OutboxMixin, unittest.TestCase)`. It comes before the TestCase.

    wooshq_outbox: the outbox of the test. IsolatedAsyncioTestCase and Django's TestCase work as well.
    """

    wooshq_outbox: Outbox

    def setUp(self) -> None:
        """Subclasses with a `setUp` of their own call this one first."""
        super().setUp()
        self.wooshq_outbox = self.enterContext(outbox())
