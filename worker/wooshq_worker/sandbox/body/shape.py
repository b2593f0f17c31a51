"""Checks a JSON value against a table of fields. Finds every violation, each with the path of its field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

VIOLATIONS_LIMIT = 1000
"""Further violations are dropped: an answer must stay bounded for every body."""


class Violation(NamedTuple):
    """One thing that is wrong. `field`: the path from the top of the body, such as `transactional.users.list[3]`."""

    field: str
    description: str


class Found(list[Violation]):
    """The violations so far."""

    def add(self, field: str, description: str) -> None:
        if len(self) < VIOLATIONS_LIMIT:
            self.append(Violation(field, description))


#: Checks a value that is present at a path, and adds what is wrong with it.
Check = Callable[[Any, str, Found], None]


def kind_of(value: object) -> str:
    """The name of a JSON value's type, for a person. Never the value itself: it may be personal."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def is_set(value: object, at: str, found: Found) -> bool:
    """False, and a violation, for null: the API wants an absent field to be left out."""
    if value is None:
        found.add(at, "null is not allowed; leave the field out")
        return False
    return True


def text(value: Any, at: str, found: Found) -> None:
    """Any string."""
    if not isinstance(value, str):
        found.add(at, f"must be a string, not {kind_of(value)}")


def filled(value: Any, at: str, found: Found) -> None:
    """A string that is not empty."""
    if not isinstance(value, str):
        found.add(at, f"must be a string, not {kind_of(value)}")
    elif not value:
        found.add(at, "must not be empty")


def flag(value: Any, at: str, found: Found) -> None:
    if value is not True and value is not False:
        found.add(at, f"must be true or false, not {kind_of(value)}")


def number(value: Any, at: str, found: Found) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        found.add(at, f"must be a number, not {kind_of(value)}")


def integer(least: int, most: int | None = None) -> Check:
    """An integer within bounds, both included. 1.0 and "1" are refused."""
    wanted = f"must be an integer of {least} or more" if most is None else f"must be an integer from {least} to {most}"

    def check(value: Any, at: str, found: Found) -> None:
        if type(value) is not int:
            found.add(at, f"{wanted}, not {kind_of(value)}")
        elif value < least or (most is not None and value > most):
            found.add(at, wanted)

    return check


def free(value: Any, at: str, found: Found) -> None:
    """A JSON object with content of the caller's own, null included."""
    if not isinstance(value, dict):
        found.add(at, f"must be an object, not {kind_of(value)}")


def name_of(names: Collection[str]) -> Check:
    """One of an enum's names."""
    listed = ", ".join(sorted(names))
    allowed = frozenset(names)

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, str):
            found.add(at, f"must be one of {listed}; it is {kind_of(value)}")
        elif value not in allowed:
            found.add(at, f"unknown name; use one of {listed}")

    return check


def matching(matches: Callable[[str], object], wanted: str) -> Check:
    """A string for which `matches` returns something true."""

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, str):
            found.add(at, f"must be {wanted}, not {kind_of(value)}")
        elif not matches(value):
            found.add(at, f"must be {wanted}")

    return check


def either(wanted: str, *types: type) -> Check:
    """A value of one of some JSON types. A boolean never counts as a number."""

    def check(value: Any, at: str, found: Found) -> None:
        if isinstance(value, bool) or not isinstance(value, types):
            found.add(at, f"must be {wanted}, not {kind_of(value)}")

    return check


def list_of(item: Check, *, least: int = 0, most: int | None = None) -> Check:
    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, list):
            found.add(at, f"must be a list, not {kind_of(value)}")
            return
        if len(value) < least:
            found.add(at, f"must have at least {least} in it, has {len(value)}")
        if most is not None and len(value) > most:
            found.add(at, f"must have at most {most} in it, has {len(value)}")
        for index, entry in enumerate(value):
            if entry is None:
                is_set(entry, f"{at}[{index}]", found)
            else:
                item(entry, f"{at}[{index}]", found)

    return check


def filled_texts(*, least: int, most: int) -> Check:
    """A list of strings that are not empty. The same as `list_of(filled)`, but much cheaper: these lists have a thousand entries."""
    slowly = list_of(filled, least=least, most=most)

    def check(value: Any, at: str, found: Found) -> None:
        if not (isinstance(value, list) and least <= len(value) <= most and all(type(entry) is str and entry for entry in value)):
            slowly(value, at, found)

    return check


def map_of(item: Check, *, key: Callable[[str], object] | None = None, key_wanted: str = "", least: int = 0) -> Check:
    """An object whose keys the caller chooses. key: returns something true for an allowed key."""

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.add(at, f"must be an object, not {kind_of(value)}")
            return
        if len(value) < least:
            found.add(at, f"must have at least {least} in it, has {len(value)}")
        for name, entry in value.items():
            path = f"{at}.{name}"
            if key is not None and not key(name):
                found.add(path, f"the key must be {key_wanted}")
            if is_set(entry, path, found):
                item(entry, path, found)

    return check


def message(
    fields: Mapping[str, Check],
    *,
    required: Collection[str] = (),
    one_of: Collection[Collection[str]] = (),
    at_most_one_of: Collection[Collection[str]] = (),
    open_to_others: bool = False,
) -> Check:
    """
    A protobuf message in JSON.

    one_of: groups; exactly one field of each must be set. at_most_one_of: groups; one field or none.
    open_to_others: also accept fields that the table does not know, but not as null.
    """
    wanted = frozenset(required)
    groups = [(tuple(group), True) for group in one_of] + [(tuple(group), False) for group in at_most_one_of]

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.add(at, f"must be an object, not {kind_of(value)}")
            return
        prefix = f"{at}." if at else ""
        for name, entry in value.items():
            path = prefix + name
            known = fields.get(name)
            if known is None and not open_to_others:
                found.add(path, "unknown field")
            elif is_set(entry, path, found) and known is not None:
                known(entry, path, found)
        if not value.keys() >= wanted:
            for name in sorted(wanted - value.keys()):
                found.add(prefix + name, "is required")
        for group, needed in groups:
            given = [name for name in group if name in value]
            if len(given) > 1:
                for name in given:
                    found.add(prefix + name, f"only one of {', '.join(group)} may be set")
            elif needed and not given:
                found.add(at, f"one of {', '.join(group)} is required")

    return check


def lone_surrogates(value: Any, at: str, found: Found) -> None:
    """Adds each string and each key that is not valid Unicode."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                found.add(at, "is not valid Unicode: it has half of a surrogate pair")
        case list():
            for index, entry in enumerate(value):
                lone_surrogates(entry, f"{at}[{index}]", found)
        case dict():
            for name, entry in value.items():
                path = f"{at}.{name}" if at else name
                lone_surrogates(name, path.encode("ascii", "backslashreplace").decode(), found)
                lone_surrogates(entry, path, found)
