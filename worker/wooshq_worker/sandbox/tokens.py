"""Which tokens are good for which applications, right now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Tokens:
    """
    The tokens that are taken. Starts with one token, or with None: then any is taken until `replace` says which.

    A revocation is kept beside, so that restoring brings back exactly what was there.
    """

    def __init__(self, token: str | None) -> None:
        self._first = token
        self.reset()

    def reset(self) -> None:
        """Back to the token of the start, nothing revoked."""
        self._valid: dict[str, frozenset[str] | None] | None = None if self._first is None else {self._first: None}
        self._revoked: set[str] = set()
        self._revoked_for: set[tuple[str, str]] = set()

    def replace(self, valid: Mapping[str, Iterable[str] | None]) -> None:
        """From now on these and no others: token → applications that it is good for, None for all. Forgets revocations."""
        self._valid = {token: None if only is None else frozenset(only) for token, only in valid.items()}
        self._revoked.clear()
        self._revoked_for.clear()

    def revoke(self, token: str, application: str | None = None) -> None:
        """For one application, or (None) for all."""
        if application is None:
            self._revoked.add(token)
        else:
            self._revoked_for.add((token, application))

    def restore(self, token: str, application: str | None = None) -> None:
        """Takes back `revoke`; without an application, each one of this token."""
        if application is None:
            self._revoked.discard(token)
            self._revoked_for = {pair for pair in self._revoked_for if pair[0] != token}
        else:
            self._revoked_for.discard((token, application))

    def good(self, token: str | None, application: str | None) -> bool:
        """Whether this token may send for this application (None: the body names none)."""
        if not token or token in self._revoked:
            return False
        if self._valid is not None:
            if token not in self._valid:
                return False
            only = self._valid[token]
            if only is not None and application not in only:
                return False
        return application is None or (token, application) not in self._revoked_for


def token_of(authorization: str | None) -> str | None:
    """What stands after `Token ` in the header; None where it has another form. Rule: the reference, "The call"."""
    if authorization is None or not authorization.startswith("Token "):
        return None
    token = authorization[len("Token ") :]
    return token if token and not any(sign.isspace() or sign == "," for sign in token) else None
