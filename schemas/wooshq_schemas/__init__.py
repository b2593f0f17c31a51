"""The contract: intents, v2 requests, answers, platforms, and how an intent becomes a request. Needs only pydantic."""

from wooshq_schemas.answer.cancel import CancelAnswer, Cancelled, read_cancel_answer
from wooshq_schemas.answer.read import Accepted, NotUnderstood, Refused, read_answer
from wooshq_schemas.intent.door import NewerModel, load_stored, parse_intent, parse_intent_json
from wooshq_schemas.intent.model import MODEL_VERSION, Intent, Lane
from wooshq_schemas.lint import Warn, lint
from wooshq_schemas.platforms import PLATFORMS, Platform, Platforms
from wooshq_schemas.recipients.columns import Columns
from wooshq_schemas.recipients.mapping import recipient_of
from wooshq_schemas.recipients.recipient import Recipient, RecipientLike
from wooshq_schemas.render import render
from wooshq_schemas.request import CancelRequest, NotifyRequest
from wooshq_schemas.template.door import parse_template
from wooshq_schemas.template.model import Template
from wooshq_schemas.validation.problem import IntentInvalid, Problem

__all__ = [
    "MODEL_VERSION",
    "PLATFORMS",
    "Accepted",
    "CancelAnswer",
    "CancelRequest",
    "Cancelled",
    "Columns",
    "Intent",
    "IntentInvalid",
    "Lane",
    "NewerModel",
    "NotUnderstood",
    "NotifyRequest",
    "Platform",
    "Platforms",
    "Problem",
    "Recipient",
    "RecipientLike",
    "Refused",
    "Template",
    "Warn",
    "lint",
    "load_stored",
    "parse_intent",
    "parse_intent_json",
    "parse_template",
    "read_answer",
    "read_cancel_answer",
    "recipient_of",
    "render",
]
