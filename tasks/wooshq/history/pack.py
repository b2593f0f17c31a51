"""
A record as few bytes and back: what its columns say is not said again, times count from its end, and long ones are compressed.

A packed record is its kind of packing (one byte) and a JSON object, in UTF-8 or compressed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pydantic_core import to_json

from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq.ledger.replies import moment
from wooshq.ledger.states import State

_PLAIN: Final = b"\x01"
_DEFLATED: Final = b"\x02"
_WORTH_IT: Final = 96
"""Shorter JSON is not compressed: it would take CPU and save nearly nothing."""
_LONGEST: Final = 256 * 1024 * 1024
_as_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

_ATTEMPT: Final = ("at", "outcome", "http_status", "code", "latency_ms", "error", "probe")
_SHORT: Final = {
    "accepted_at": "t", "message_codes": "m", "unknown_identifiers": "u", "detail": "d", "attempts": "a", "replay_of": "o", "replays": "p",
    "cancel": "c", "note": "n", "message_code": "e", "intent_id": "i", "filed_at": "f",
}  # fmt: skip
_LONG: Final = {short: name for name, short in _SHORT.items()}

#: What packed records have in common, the commonest last. A part of the format: a new one needs a new kind of packing.
_DICTIONARY: Final = (
    b'","request":{"transactional":{"users":{"list":["u","hwids":{"list":["push_tokens":["segment":{"schedule":{"at":"now"'
    b',"platforms":["IOS","ANDROID","WEB"],"payload":{"preset":"localized_content":{"ios":{"aps":{"android":{"content":{"localized":{"en":{"body":"'
    b'","title":"message_type":"MESSAGE_TYPE_TRANSACTIONAL","campaign":"application":"lane":"bulk","lane":"transactional","sms":{"email":{"subject":"'
    b'"expires_at":"2026-"on_unknown":"dead_letter","ttl_s":3600,"placeholders":{"tags":{"order":"idempotency_key":"link":"https://www."data":{'
    b'"to":{"users":["message":{"push":{"title":{"default":"body":{"default":"}}}}'
    b"the API could not be reached: the server is overloaded, the gate, connection timed out, no answer came. it was sent again, still failed after "
    b"its expires_at came while it waited for a worker of the lane, its last replay ended as expired, not valid, invalid value, must not be empty, "
    b'RESOURCE_EXHAUSTED","UNAVAILABLE","INTERNAL","UNAUTHENTICATED","PERMISSION_DENIED","NOT_FOUND","INVALID_ARGUMENT",'
    b'"retry",429,"unknown",null,"retry",503,"hold",401,"dead",400,"g":{"c":"k":"j":"l":"r":["d":["unknown"],"b":"{\\"'
    b'"s":{"m":["","a":[[-,"dead",400,"INVALID_ARGUMENT",[-,"sent",200,"OK",]]},"t":'
)


def pack(record: Record, *, bare: bool = False, recipients: int | None = None) -> bytes:
    """
    The bytes of a record: everything that `unpack` is not given. bare: without body, payload, recipients and key. recipients: how many there
    are, if the record does not name them.
    """
    parts: dict[str, Any] = {"j": record.job, "c": record.campaign, "g": record.tags, "d": record.doubts}
    if bare:
        parts["r"] = len(record.recipients) if recipients is None else recipients
    else:
        parts |= {"k": record.key, "r": record.recipients, "b": record.body, "p": record.payload}
    parts["t"] = record.ended_ms - record.accepted_ms if record.accepted_ms else None
    parts["s"] = _shown_packed(record)
    kept = {name: value for name, value in parts.items() if value or value == 0}
    if record.letter != _own_letter(record):
        kept["l"] = record.letter
    return _packed(kept)


def pack_sent(sent: SentIntent, *, bare: bool) -> bytes:
    """`pack` of its record, without making it."""
    content = sent.content
    kept: dict[str, Any] = {}
    if sent.campaign:
        kept["c"] = sent.campaign
    if tags := content.tags:
        kept["g"] = tags
    recipients = content.recipients
    if bare:
        kept["r"] = len(recipients)
    else:
        if content.key:
            kept["k"] = content.key
        if recipients:
            kept["r"] = recipients
        if sent.body:
            kept["b"] = sent.body
    if sent.accepted_ms:
        kept["t"] = sent.ended_ms - sent.accepted_ms
    shown: dict[str, Any] = {}
    if sent.code:
        shown["m"] = [sent.code]
    if sent.attempts:
        shown["a"] = [_kept_attempt_packed(one, sent.ended_ms) for one in sent.attempts]
    if shown:
        kept["s"] = shown
    return _packed(kept)


def _packed(kept: dict[str, Any]) -> bytes:
    try:
        raw = to_json(kept, inf_nan_mode="constants")
    except (ValueError, TypeError):  # what only Python writes: lone surrogates
        raw = _as_json(kept).encode("utf-8", "surrogatepass")
    if len(raw) < _WORTH_IT:
        return _PLAIN + raw
    deflate = zlib.compressobj(6, zlib.DEFLATED, -12 if len(raw) < 4096 else -15, 5, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return _DEFLATED + deflate.compress(raw) + deflate.flush()


def unpack(packed: bytes, columns: Mapping[str, Any]) -> Record:
    """The record again. columns: the record's own fields that are kept beside: kind to lane, status and times."""
    parts = _parts(packed)
    ended_ms = columns["ended_ms"]
    bare = Record(
        **columns,
        accepted_ms=ended_ms - parts["t"] if "t" in parts else 0,
        job=parts.get("j", ""),
        campaign=parts.get("c", ""),
        key=parts.get("k", ""),
        recipients=() if isinstance(parts.get("r"), int) else tuple(parts.get("r", ())),
        tags=tuple((name, value) for name, value in parts.get("g", ())),
        doubts=tuple(parts.get("d", ())),
        body=parts.get("b", ""),
        payload=parts.get("p", ""),
        shown={},
    )
    letter = parts["l"] if "l" in parts else _own_letter(bare)
    return replace(bare, letter=letter, shown=_shown_unpacked(parts.get("s", {}), bare))


def count_recipients(packed: bytes) -> int:
    """How many recipients a packed record has, also if they are not kept."""
    found = _parts(packed).get("r", 0)
    return found if isinstance(found, int) else len(found)


def _parts(packed: bytes) -> dict[str, Any]:
    return json.loads(_raw(packed).decode("utf-8", "surrogatepass"))  # type: ignore[no-any-return]


def _raw(packed: bytes) -> bytes:
    kind, rest = packed[:1], packed[1:]
    if kind == _PLAIN:
        return rest
    if kind == _DEFLATED:
        return zlib.decompressobj(-15, _DICTIONARY).decompress(rest, _LONGEST)
    raise ValueError("a newer version of wooshq has written this record")


def _own_letter(record: Record) -> str:
    """The letter that it nearly always has."""
    return record.id if record.kind == "letter" or (record.kind == "intent" and record.state == State.DEAD) else ""


# What is shown. Only what differs from `_implied` is packed.


def _implied(record: Record) -> dict[str, Any]:
    """What the object would be if nothing but the record's columns were known, in the order in which it is shown."""
    application = record.app or None
    accepted_at, ended_at = moment(record.accepted_ms or None), moment(record.ended_ms)
    if record.kind == "intent":
        return {
            "id": record.id, "state": record.state, "lane": record.lane, "application": application, "accepted_at": accepted_at,
            "ended_at": ended_at, "message_codes": [], "unknown_identifiers": [], "reason": record.reason or None, "detail": None,
            "waiting_for": None, "next_attempt_at": None, "attempts": [], "replay_of": None, "replays": [], "cancel": None,
        }  # fmt: skip
    if record.kind == "letter":
        return {
            "id": record.id, "intent_id": record.id, "reason": record.reason, "detail": "", "filed_at": accepted_at, "attempts": [],
            "lane": record.lane, "application": application, "bulk_id": record.job or None, "replays": [], "state": record.state,
            "note": None, "message_code": None,
        }  # fmt: skip
    return {
        "id": record.id, "state": record.state, "total": 0, "sent": 0, "dead": 0, "retrying": 0, "unknown": 0, "unknown_identifiers": 0,
        "expired": 0, "calls": 0, "rate": 0.0, "accepted_at": accepted_at, "ended_at": ended_at, "cancelled": 0, "refused": 0,
        "duplicates": 0, "calls_needed": 0, "workers_lost": 0, "application": record.app, "campaign": record.campaign, "source": "",
    }  # fmt: skip


_NOTHING: Final = object()


def _shown_packed(record: Record) -> dict[str, Any]:
    implied = _implied(record)
    kept: dict[str, Any] = {}
    for name, value in record.shown.items():
        if implied.pop(name, _NOTHING) == value:
            continue
        if name == "attempts":
            value = [_attempt_packed(one, record.ended_ms) for one in value]
        kept[_SHORT.get(name) or (f"-{name}" if name in _LONG or name.startswith("-") else name)] = value
    if implied:  # names that it does not have, although others of its kind do
        kept["-"] = list(implied)
    return kept


def _shown_unpacked(kept: Mapping[str, Any], record: Record) -> dict[str, Any]:
    shown = _implied(record)
    for name in kept.get("-", ()):
        del shown[name]
    for short, value in kept.items():
        if short != "-":
            name = short[1:] if short.startswith("-") else _LONG.get(short, short)
            shown[name] = [_attempt_unpacked(one, record.ended_ms) for one in value] if name == "attempts" else value
    return shown


def _attempt_packed(attempt: Mapping[str, Any], ended_ms: int) -> Any:
    """Its values in the order of their names, without what is at the end because nothing is there; its time in ms before the end."""
    if tuple(attempt) != _ATTEMPT or not isinstance(attempt["probe"], bool):
        return attempt
    values = list(attempt.values())
    values[0] = _before(values[0], ended_ms)
    while values and (values[-1] is None or values[-1] is False):
        values.pop()
    return values


def _kept_attempt_packed(kept: Sequence[Any], ended_ms: int) -> list[Any]:
    """`_attempt_packed` of an attempt as the ledger keeps it, see `as_kept`."""
    values = [_before(kept[0], ended_ms), *kept[1:]]
    while values and (values[-1] is None or values[-1] is False):
        values.pop()
    return values


def _attempt_unpacked(kept: Any, ended_ms: int) -> dict[str, Any]:
    if not isinstance(kept, list):
        return dict(kept)
    attempt: dict[str, Any] = dict.fromkeys(_ATTEMPT)
    attempt.update(zip(_ATTEMPT, kept, strict=False))
    if isinstance(attempt["at"], int):
        attempt["at"] = moment(ended_ms - attempt["at"])
    attempt["probe"] = bool(attempt["probe"])
    return attempt


def _before(at: Any, ended_ms: int) -> Any:
    """A moment as ms before the end; as it is if it would not come back the same."""
    if not isinstance(at, str) or len(at) != 24 or at[10] != "T" or at[19] != "." or at[23] != "Z":  # as `moment` writes it
        return at
    digits = at[17:19] + at[20:23]
    if not digits.isascii() or not digits.isdecimal() or digits >= "6":
        return at
    try:
        return ended_ms - _minute_ms(at[:17]) - int(digits)
    except ValueError:
        return at


@lru_cache(64)
def _minute_ms(minute: str) -> int:
    """The ms since the epoch of a minute, as the beginning of a moment. Raises ValueError."""
    return round(datetime.fromisoformat(f"{minute}00.000Z").timestamp() * 1000)
