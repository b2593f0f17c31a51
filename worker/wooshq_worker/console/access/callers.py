"""Who calls: the token of a request becomes a caller, with a name and scopes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable
from wooshq.tokens.token import Scope, Token, hash_of, recognise
from wooshq_worker.console.access.rate import Bucket
from wooshq_worker.console.access.refused import Refused, forbidden, too_many, unauthorized

FRESH_S: Final = 1.0
"""Tokens are read again after this time, while requests go on."""
STALE_S: Final = 5.0
"""After this time a request waits until they were read again. So a revoked token is refused after at most this time."""
_LONGEST: Final = 512
"""Characters of a token that are looked at."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. name: of the token; it stands in the audit log."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> None:
        """Raises Refused (403) if the token does not have the scope."""
        if scope not in self.scopes:
            raise forbidden(scope)


def authorization_of(request: Request) -> str:
    """The header Authorization of a request; '' without one. Raises Refused (401) if there are several: nobody could say which one counts."""
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise unauthorized("Send one header Authorization, not several")
    return given[0] if given else ""


def fixed_token(name: str, secret: str) -> Token:
    """A token with all scopes that this server knows beside those of the ledger."""
    return Token(name, [str(scope) for scope in Scope], None, "", "", hash_of(secret))


class Callers:
    """The tokens that are known now, and how many requests each of them made. For one event loop."""

    def __init__(
        self,
        client: AsyncWooshq,
        fixed: Sequence[Token] = (),
        *,
        rate_per_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """fixed: tokens that count beside those of the ledger. rate_per_s: requests of one token; None for any number."""
        self._client = client
        self._fixed = tuple(fixed)
        self._rate = rate_per_s
        self._clock = clock
        self._kept: tuple[Token, ...] = ()
        self._looked_at: float | None = None
        self._was_read = False
        self._away: LedgerUnavailable | None = None
        self._reading: asyncio.Task[None] | None = None
        self._buckets: dict[str, Bucket] = {}

    async def caller(self, authorization: str) -> Caller:
        """
        The caller of a request, by what `authorization_of` finds. Raises Refused (401 without a known token, 429 for too many requests), and
        LedgerUnavailable if the tokens were never read.
        """
        found = await self._token(authorization)
        if self._rate is not None:
            now = self._clock()
            wait_s = self._buckets.setdefault(found.name, Bucket(max(1.0, self._rate), now)).take(self._rate, now)
            if wait_s:
                raise too_many(wait_s)
        return Caller(found.name, frozenset(found.scopes))

    async def is_still_in(self, authorization: str, scope: Scope) -> bool:
        """Whether the caller of a request that takes long still has its token. It is not a request more. Also True while Redis is away."""
        try:
            return scope in (await self._token(authorization)).scopes
        except Refused:
            return False
        except LedgerUnavailable:
            return True

    async def _token(self, authorization: str) -> Token:
        scheme, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret or len(secret) > _LONGEST:
            raise unauthorized("Send the header Authorization: Bearer TOKEN. Make a token: wooshq tokens make NAME --scope read")
        found = recognise(secret, (*self._fixed, *(await self._known())))
        if found is None:
            raise unauthorized("Nobody knows this token. It may have been revoked: wooshq tokens")
        return found

    async def _known(self) -> tuple[Token, ...]:
        """The ledger's tokens. While Redis is away, those that were read last."""
        age = None if self._looked_at is None else self._clock() - self._looked_at
        if age is not None and age < FRESH_S:
            return self._kept
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        if age is None or age >= STALE_S:
            await asyncio.shield(self._reading)
        if self._away is not None and not self._fixed and not self._was_read:
            raise self._away
        return self._kept

    async def _read(self) -> None:
        """Read the tokens. An error is kept: requests go on with those that are known."""
        try:
            self._kept = tuple(await self._client.tokens.list())
            self._was_read, self._away = True, None
            names = {token.name for token in (*self._kept, *self._fixed)}
            self._buckets = {name: bucket for name, bucket in self._buckets.items() if name in names}
        except LedgerUnavailable as error:
            self._away = error
        finally:
            self._looked_at = self._clock()
            self._reading = None
