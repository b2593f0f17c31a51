"""
The outbox: an app enqueues in the transaction of its own database, and a relay moves what was committed into the ledger.

    from wooshq.outbox import enqueue_in
    with Session(engine) as session, session.begin():
        session.add(order)
        enqueue_in(session, {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}})

It needs the extra `wooshq[sqlalchemy]`; with Django use `wooshq.django`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wooshq.outbox.sessions import enqueue_in, outbox_table

__all__ = ["enqueue_in", "outbox_table"]


def __getattr__(name: str) -> Any:
    """Imports SQLAlchemy at the first use: Django's outbox does not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wooshq.outbox import sessions

    return getattr(sessions, name)
