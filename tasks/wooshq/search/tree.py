"""What a query means: a tree of conditions, which a store translates or `fits` decides. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never


class Field(StrEnum):
    """What a condition can be about. The value is the name in a query."""

    ID = "id"  #: of an intent or a letter
    STATE = "state"
    REASON = "reason"  #: of a dead letter
    DETAIL = "detail"  #: of a dead letter: exactly as it, or its group, is shown
    CAUSE = "cause"  #: of a dead letter: the id of what it has in common with others
    STATUS = "status"  #: HTTP status of the last answer, as text: "400"
    CODE = "code"  #: the API's code of the last answer: "INVALID_ARGUMENT"
    APP = "app"
    LANE = "lane"
    JOB = "job"
    CAMPAIGN = "campaign"
    RECIPIENT = "recipient"  #: an exact identifier
    KEY = "key"  #: the idempotency key
    TAG = "tag"  #: the only field with a name: `tag.NAME:VALUE`
    TEXT = "text"  #: occurs in what was sent or in what the API said


@dataclass(frozen=True, slots=True)
class Is:
    """The field has this value; for `text`, it contains it. value: never empty. name: of the tag; "" for every other field."""

    field: Field
    value: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """It ended at this time or later. at: aware, UTC."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Until:
    """It ended before this time. at: aware, UTC."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Not:
    part: Tree


@dataclass(frozen=True, slots=True)
class And:
    """Every part. parts: two or more, none of them an And."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part. parts: two or more, none of them an Or."""

    parts: tuple[Tree, ...]


Condition: TypeAlias = Is | Since | Until
Tree: TypeAlias = Condition | Not | And | Or


def all_of(*parts: Tree) -> Tree:
    """The parts joined by AND, flat. parts: one or more."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(*parts: Tree) -> Tree:
    """The parts joined by OR, flat. parts: one or more."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def fits(tree: Tree, meets: Callable[[Condition], bool]) -> bool:
    """Whether something fits the tree. meets: whether it meets one condition; asked from left to right, and only while the answer is open."""
    match tree:
        case Is() | Since() | Until():
            return meets(tree)
        case Not(part):
            return not fits(part, meets)
        case And(parts):
            return all(fits(part, meets) for part in parts)
        case Or(parts):
            return any(fits(part, meets) for part in parts)
        case _:
            assert_never(tree)
