"""
wooshq accepts message intents and sends them through Pushwoosh's Messaging API v2. Nothing that was accepted is lost.

    from wooshq import enqueue
    intent_id = enqueue({"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}})

The functions read their settings from the environment at the first call, and keep them until `reset()`. `Wooshq(settings)` has the
same calls for your own configuration, and `wooshq.aio` has them for asyncio.
"""

from wooshq.client import Wooshq
from wooshq.errors import (
    CauseUnknown,
    Conflict,
    FeedInterrupted,
    FolderUnusable,
    IntentInvalid,
    JobRefused,
    JobUnknown,
    LedgerUnavailable,
    LetterUnknown,
    NotAccepted,
    Problem,
    QueryInvalid,
    RecipientsChanged,
    RecipientsUnreadable,
    ReplayUnknown,
    SettingsInvalid,
    WooshqError,
)
from wooshq.intents.status import Status
from wooshq.recipients.file import RecipientsFile
from wooshq.settings import Settings
from wooshq_schemas.recipients.rules import RowRules

_default = Wooshq()
bulk = _default.bulk
cancel = _default.cancel
dead_letters = _default.dead_letters
enqueue = _default.enqueue
enqueue_many = _default.enqueue_many
fan_out = _default.fan_out
find = _default.find
gates = _default.gates
limits = _default.limits
pause = _default.pause
replays = _default.replays
reset = _default.reset
resume = _default.resume
status = _default.status

__all__ = [
    "CauseUnknown",
    "Conflict",
    "FeedInterrupted",
    "FolderUnusable",
    "IntentInvalid",
    "JobRefused",
    "JobUnknown",
    "LedgerUnavailable",
    "LetterUnknown",
    "NotAccepted",
    "Problem",
    "QueryInvalid",
    "RecipientsChanged",
    "RecipientsFile",
    "RecipientsUnreadable",
    "ReplayUnknown",
    "RowRules",
    "Settings",
    "SettingsInvalid",
    "Status",
    "Wooshq",
    "WooshqError",
    "bulk",
    "cancel",
    "dead_letters",
    "enqueue",
    "enqueue_many",
    "fan_out",
    "find",
    "gates",
    "limits",
    "pause",
    "replays",
    "reset",
    "resume",
    "status",
]
