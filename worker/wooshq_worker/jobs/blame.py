"""A call for several was refused: because of whom, or because of what it says? Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from wooshq_worker.api.verdict import Dead


@dataclass(frozen=True, slots=True)
class TheseRecipients:
    """
    The API named them by their place in the list. indexes: in the call's list, ascending.

    said: of each what the API said, without the place, so that letters group by what they have in common; not scrubbed.
    """

    indexes: tuple[int, ...]
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PerhapsThese:
    """The API's words have these identifiers in them, which may be chance: each is tried alone."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EveryoneOfThem:
    """It is about a value that they have in common: each would be refused."""


@dataclass(frozen=True, slots=True)
class WhatItSays:
    """It is about nothing that differs between recipients: every call of the job would be refused."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """One of them, or more; the API does not say who."""


Blame: TypeAlias = TheseRecipients | PerhapsThese | EveryoneOfThem | WhatItSays | Somebody

_INDEX: Final = r"(?:^|\.){to}(?:\.list)?(?:\[(\d+)\]|\.(\d+))(?:\.|\[|$)"
_WORD: Final = re.compile(r"[^\s\"'`,;()\[\]{}<>]+")
_PLACEHOLDERS: Final = "dynamic_content_placeholders"


def blame(verdict: Dead, identifiers: Sequence[str], to: str, *, personal: bool) -> Blame:
    """
    Whom or what a refusal is about. identifiers: of the call, in the order of its list `to`. personal: their request has values (placeholders,
    a locale) that others' do not have.

    Where the API names a field of the message (`BadRequest`), halving would only find that each half is refused as well.
    """
    refused = verdict.refused
    if verdict.reason == "too_large" or refused is None:
        return Somebody()
    index = re.compile(_INDEX.format(to=re.escape(to)))
    fields = [field for field, _ in refused.violations if field]
    named: dict[int, str] = {}
    for field, what in refused.violations:
        if found := index.search(field):
            of = 1 if found[1] else 2
            path = f"{field[: found.start(of)]}n{field[found.end(of) :]}"
            named.setdefault(int(found[of]), f"{path}: {what}" if what else path)
    if named and max(named) < len(identifiers):
        places = sorted(named)
        return TheseRecipients(tuple(places), tuple(named[at] for at in places))
    text = " ".join((refused.message, *(what for _, what in refused.violations)))
    said = {word.strip(".:!?") for word in _WORD.findall(text[:20_000])}
    perhaps = tuple(at for at, identifier in enumerate(identifiers) if identifier in said)
    if perhaps and len(perhaps) < len(identifiers):
        return PerhapsThese(perhaps)
    about_them = [field for field in fields if _is_of(field, to)]
    about_values = [field for field in fields if _is_of(field, _PLACEHOLDERS)]
    if fields and not about_them:
        return EveryoneOfThem() if about_values or personal else WhatItSays()
    if not fields and verdict.code == "NOT_FOUND" and not personal:
        return WhatItSays()
    return Somebody()


def _is_of(field: str, name: str) -> bool:
    return name in re.split(r"[.\[\]]", field)
