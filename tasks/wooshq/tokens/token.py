"""A bearer token: how it is made, what is kept of it, and how one that a stranger shows is recognised. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from wooshq.ledger.replies import Result

BEGINS: Final = "wq_"
"""How a token begins, so that people and scanners for leaked secrets recognise it."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class Scope(StrEnum):
    """What a token may do. No scope includes another one."""

    READ = "read"  #: see messages, letters, jobs, gates, the audit log
    SEND = "send"  #: have messages accepted: intents, and fan-outs
    OPERATE = "operate"  #: act: cancel, replay, discard, pause, limits, gates


@dataclass(frozen=True)
class Token(Result):
    """A token as it is kept. made_at: RFC 3339, UTC. by, why: who made it, and for what."""

    name: str
    scopes: list[str]
    made_at: str | None
    by: str
    why: str
    hash: str = field(default="", repr=False, metadata={"shown": False})


@dataclass(frozen=True)
class MadeToken(Result):
    """A token that was made just now. secret: what a client sends. It is shown this once; nobody can find it out later."""

    name: str
    scopes: list[str]
    secret: str = field(repr=False)


def new_secret() -> str:
    """256 random bits, after `BEGINS`."""
    return BEGINS + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is kept of a token. One round of SHA-256 is enough, because the token is random and long: nobody can try them all."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def recognise(secret: str, tokens: Iterable[Token]) -> Token | None:
    """The token that this is. Compares with each of them in constant time, so that the time tells neither a name nor a part of a hash."""
    mine, found = hash_of(secret), None
    for token in tokens:
        if hmac.compare_digest(mine, token.hash):
            found = token
    return found


def check_name(name: str) -> str:
    """Raises ValueError for a name that cannot be one."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("name: must be 1 to 64 letters, digits, or _ . @ -, and begin with a letter or digit. Example: shop-backend")
    return name


def check_scopes(scopes: Iterable[str]) -> list[Scope]:
    """The scopes in their order, each once. Raises ValueError."""
    given = {scopes} if isinstance(scopes, str) else set(scopes)
    if not given or not given <= {str(scope) for scope in Scope}:
        raise ValueError(f"scopes: must be one or more of {', '.join(Scope)}")
    return [scope for scope in Scope if scope in given]
