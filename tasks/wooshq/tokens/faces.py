"""The calls for bearer tokens of the HTTP API. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from wooshq.gates.faces import AsyncGateCalls, GateCalls
from wooshq.tokens.calls import list_tokens, make_token, revoke_token
from wooshq.tokens.token import MadeToken, Token


class Tokens:
    """The calls for bearer tokens of the HTTP API."""

    def __init__(self, owner: GateCalls) -> None:
        self._w = owner

    def make(self, name: str, scopes: Iterable[str], *, why: str = "", by: str | None = None) -> MadeToken:
        """
        Make a token. The answer has its text, which is not kept and cannot be shown again.

        scopes: one or more of `read`, `send`, `operate`. why, by: kept with it, and in the audit log; by: None for the user and host. Raises
        ValueError (a name that is used, or cannot be one; unknown scopes).
        """
        return self._w.do(make_token(self._w.ledger.keys, name, scopes, why, by))

    def list(self) -> builtins.list[Token]:
        """All tokens, by name. Nobody can see their texts."""
        return self._w.do(list_tokens(self._w.ledger.keys))

    def revoke(self, name: str, *, why: str = "", by: str | None = None) -> bool:
        """Revoke a token. Every server forgets it within seconds. False if no token has this name. why, by: for the audit log."""
        return self._w.do(revoke_token(self._w.ledger.keys, name, why, by))


class AsyncTokens:
    """The calls for bearer tokens of the HTTP API."""

    def __init__(self, owner: AsyncGateCalls) -> None:
        self._w = owner

    async def make(self, name: str, scopes: Iterable[str], *, why: str = "", by: str | None = None) -> MadeToken:
        """
        Make a token. The answer has its text, which is not kept and cannot be shown again.

        scopes: one or more of `read`, `send`, `operate`. why, by: kept with it, and in the audit log; by: None for the user and host. Raises
        ValueError (a name that is used, or cannot be one; unknown scopes).
        """
        return await self._w.do(make_token(self._w.ledger.keys, name, scopes, why, by))

    async def list(self) -> builtins.list[Token]:
        """All tokens, by name. Nobody can see their texts."""
        return await self._w.do(list_tokens(self._w.ledger.keys))

    async def revoke(self, name: str, *, why: str = "", by: str | None = None) -> bool:
        """Revoke a token. Every server forgets it within seconds. False if no token has this name. why, by: for the audit log."""
        return await self._w.do(revoke_token(self._w.ledger.keys, name, why, by))
