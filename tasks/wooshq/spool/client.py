"""What the spool needs of a client."""

from __future__ import annotations

from typing import Protocol, TypeVar

from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.steps import Flow
from wooshq.settings import Settings

T = TypeVar("T")


class Client(Protocol):
    """What moving needs of `wooshq.Wooshq`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def ledger(self) -> IntentLedger: ...

    def do(self, flow: Flow[T]) -> T: ...
