"""Make, list and revoke bearer tokens of the HTTP API in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from wooshq.gates.who import said
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, moment
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.tokens.token import MadeToken, Token, check_name, check_scopes, hash_of, new_secret

MOST: Final = 100
"""Tokens of an installation. Each request is compared with all of them."""


def make_token(keys: Keys, name: str, scopes: Iterable[str], why: str, by: str | None) -> Steps[MadeToken]:
    """See `Tokens.make`."""
    why, who = said(why, by)
    check_name(name)
    wanted, secret = check_scopes(scopes), new_secret()
    if len((yield from list_tokens(keys))) >= MOST:
        raise ValueError(f"there are {MOST} tokens already. Revoke those that nobody uses: wooshq tokens")
    args = (name, hash_of(secret), " ".join(wanted), why, who)
    if not int((yield RunScript("tokens/make", (keys.fixed("tokens"), keys.fixed("changes")), args))):
        raise ValueError("name: another token has this name. Revoke it first, or use another name")
    return MadeToken(name, [str(scope) for scope in wanted], secret)


def list_tokens(keys: Keys) -> Steps[list[Token]]:
    """See `Tokens.list`."""
    row = as_row((yield Ask([("HGETALL", keys.fixed("tokens"))]))[0])
    return [_token(name, raw) for name, raw in sorted(row.items())]


def revoke_token(keys: Keys, name: str, why: str, by: str | None) -> Steps[bool]:
    """See `Tokens.revoke`."""
    why, who = said(why, by)
    check_name(name)
    return bool(int((yield RunScript("tokens/revoke", (keys.fixed("tokens"), keys.fixed("changes")), (name, why, who)))))


def _token(name: str, raw: str) -> Token:
    kept = json.loads(raw)
    return Token(name, kept["scopes"].split(), moment(kept["made_ms"]), kept["by"], kept["why"], kept["hash"])
