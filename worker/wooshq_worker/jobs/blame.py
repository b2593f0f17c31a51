"""Why was a call refused: because of some of its recipients, or because of the message? Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from wooshq_schemas import Refused
from wooshq_worker.api.verdict import Dead


@dataclass(frozen=True, slots=True)
class NamedRecipients:
    """
    The API named recipients by their index in the list. indexes: ascending.

    said: the API's text about each of them, without the index, so that letters with the same cause form one group; not scrubbed.
    """

    indexes: tuple[int, ...]
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PerhapsNamed:
    """These identifiers are words of the API's text. That may be chance, so each is tried alone."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AllRecipients:
    """The refusal is about a value that all recipients of the call share. Each of them would be refused."""


@dataclass(frozen=True, slots=True)
class TheMessage:
    """The refusal is about the message, which is the same for all recipients. Every call of the job would be refused."""


@dataclass(frozen=True, slots=True)
class SomeRecipients:
    """The refusal is about one or more recipients, and the API does not say which."""


Blame: TypeAlias = NamedRecipients | PerhapsNamed | AllRecipients | TheMessage | SomeRecipients

_INDEX: Final = r"(?:^|\.){to}(?:\.list)?(?:\[(\d+)\]|\.(\d+))(?:\.|\[|$)"
_WORD: Final = re.compile(r"[^\s\"'`,;()\[\]{}<>]+")
_PLACEHOLDERS: Final = "dynamic_content_placeholders"


def blame(verdict: Dead, identifiers: Sequence[str], to: str, *, personal: bool) -> Blame:
    """
    The cause of a refusal. identifiers: of the call, in the order of the list `to`. personal: the request has values (placeholders, a
    locale) that other recipients of the job do not share.

    If the API names a field of the message (`BadRequest`), halving the call would only get each half refused.
    """
    refused = verdict.refused
    if verdict.reason == "too_large" or refused is None:
        return SomeRecipients()
    if (named := _named(refused, len(identifiers), to)) is not None:
        return named
    text = " ".join((refused.message, *(said for _, said in refused.violations)))
    words = {word.strip(".:!?") for word in _WORD.findall(text[:20_000])}
    perhaps = tuple(at for at, identifier in enumerate(identifiers) if identifier in words)
    if perhaps and len(perhaps) < len(identifiers):
        return PerhapsNamed(perhaps)
    fields = [field for field, _ in refused.violations if field]
    about_recipients = any(_has_part(field, to) for field in fields)
    about_values = any(_has_part(field, _PLACEHOLDERS) for field in fields)
    if fields and not about_recipients:
        return AllRecipients() if about_values or personal else TheMessage()
    if not fields and verdict.code == "NOT_FOUND" and not personal:
        return TheMessage()
    return SomeRecipients()


def _named(refused: Refused, size: int, to: str) -> NamedRecipients | None:
    """The recipients whose index is part of a field's path. None if there are none, or if an index is outside of the list."""
    index = re.compile(_INDEX.format(to=re.escape(to)))
    named: dict[int, str] = {}
    for field, said in refused.violations:
        if found := index.search(field):
            group = 1 if found[1] else 2
            path = f"{field[: found.start(group)]}n{field[found.end(group) :]}"
            named.setdefault(int(found[group]), f"{path}: {said}" if said else path)
    if not named or max(named) >= size:
        return None
    indexes = sorted(named)
    return NamedRecipients(tuple(indexes), tuple(named[at] for at in indexes))


def _has_part(field: str, name: str) -> bool:
    return name in re.split(r"[.\[\]]", field)
