"""How a JSON value is held against a table of fields: every violation at once, each with its field's path."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

DEPTH_LIMIT = 100
"""Objects and lists within each other; protobuf's own readers stop here too."""
VIOLATIONS_LIMIT = 1000
"""More than these are not told: an answer must stay bounded, whatever a body holds."""


class Violation(NamedTuple):
    """One thing that is wrong. `field`: path from the body's top, such as `transactional.users.list[3]`."""

    field: str
    description: str


class Found(list[Violation]):
    """The violations so far."""

    def add(self, field: str, description: str) -> None:
        if len(self) < VIOLATIONS_LIMIT:
            self.append(Violation(field, description))


#: Looks at a value that is present at a path, and adds what is wrong with it.
Check = Callable[[Any, str, Found], None]


def kind_of(value: object) -> str:
    """What a person calls a JSON value's type. Never the value itself, which may be personal."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def is_set(value: object, at: str, found: Found) -> bool:
    """False, and a violation, for null: a field that is absent must be absent."""
    if value is None:
        found.add(at, "null is not a value; leave the field out")
        return False
    return True


def text(value: Any, at: str, found: Found) -> None:
    """Any string."""
    if not isinstance(value, str):
        found.add(at, f"must be a string, is {kind_of(value)}")


def filled(value: Any, at: str, found: Found) -> None:
    """A string that is not empty."""
    if not isinstance(value, str):
        found.add(at, f"must be a string, is {kind_of(value)}")
    elif not value:
        found.add(at, "must not be empty")


def flag(value: Any, at: str, found: Found) -> None:
    if value is not True and value is not False:
        found.add(at, f"must be true or false, is {kind_of(value)}")


def number(value: Any, at: str, found: Found) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        found.add(at, f"must be a number, is {kind_of(value)}")


def integer(least: int, most: int | None = None) -> Check:
    """An integer within bounds, both included; 1.0 and "1" are none."""
    wanted = f"must be an integer of {least} or more" if most is None else f"must be an integer from {least} to {most}"

    def check(value: Any, at: str, found: Found) -> None:
        if type(value) is not int:
            found.add(at, f"{wanted}, is {kind_of(value)}")
        elif value < least or (most is not None and value > most):
            found.add(at, wanted)

    return check


def free(value: Any, at: str, found: Found) -> None:
    """A JSON object whose inside belongs to the caller; null is a value like any other there."""
    if not isinstance(value, dict):
        found.add(at, f"must be an object, is {kind_of(value)}")


def name_of(names: Collection[str]) -> Check:
    """One of an enum's names."""
    listed = ", ".join(sorted(names))
    allowed = frozenset(names)

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, str):
            found.add(at, f"must be one of {listed}; is {kind_of(value)}")
        elif value not in allowed:
            found.add(at, f"unknown name; must be one of {listed}")

    return check


def matching(matches: Callable[[str], object], wanted: str) -> Check:
    """A string for which `matches` answers something true."""

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, str):
            found.add(at, f"must be {wanted}, is {kind_of(value)}")
        elif not matches(value):
            found.add(at, f"must be {wanted}")

    return check


def either(wanted: str, *types: type) -> Check:
    """A value of one of some JSON types; a boolean never counts as a number."""

    def check(value: Any, at: str, found: Found) -> None:
        if isinstance(value, bool) or not isinstance(value, types):
            found.add(at, f"must be {wanted}, is {kind_of(value)}")

    return check


def list_of(item: Check, *, least: int = 0, most: int | None = None) -> Check:
    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, list):
            found.add(at, f"must be a list, is {kind_of(value)}")
            return
        if len(value) < least:
            found.add(at, f"must hold at least {least}, holds {len(value)}")
        if most is not None and len(value) > most:
            found.add(at, f"must hold at most {most}, holds {len(value)}")
        for index, entry in enumerate(value):
            if entry is None:
                is_set(entry, f"{at}[{index}]", found)
            else:
                item(entry, f"{at}[{index}]", found)

    return check


def filled_texts(*, least: int, most: int) -> Check:
    """A list of strings that are not empty. As `list_of(filled)`, at a fraction of its cost: these lists hold a thousand."""
    slowly = list_of(filled, least=least, most=most)

    def check(value: Any, at: str, found: Found) -> None:
        if not (isinstance(value, list) and least <= len(value) <= most and all(type(entry) is str and entry for entry in value)):
            slowly(value, at, found)

    return check


def map_of(item: Check, *, key: Callable[[str], object] | None = None, key_wanted: str = "", least: int = 0) -> Check:
    """An object whose keys are the caller's. key: answers something true for a key that may stand there."""

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.add(at, f"must be an object, is {kind_of(value)}")
            return
        if len(value) < least:
            found.add(at, f"must hold at least {least}, holds {len(value)}")
        for name, entry in value.items():
            path = f"{at}.{name}"
            if key is not None and not key(name):
                found.add(path, f"key must be {key_wanted}")
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
    A protobuf message in JSON. one_of: groups of which exactly one field must be set; at_most_one_of: one or none.
    open_to_others: a field that the table does not know is passed, but not as null.
    """
    wanted = frozenset(required)
    groups = [(tuple(group), True) for group in one_of] + [(tuple(group), False) for group in at_most_one_of]

    def check(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.add(at, f"must be an object, is {kind_of(value)}")
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


class NotJson(ValueError):
    """The body is no JSON document that a strict reader takes; the text says why, never what was in it."""


def read_json(raw: bytes) -> Any:
    """The document. Raises NotJson for bad UTF-8, doubled keys, NaN and Infinity, numbers too long, nesting too deep."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_doubled_keys, parse_constant=_no_constant)
        # Only a body with that many openings can be that deep: for all others the count is the whole cost.
        if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT and _is_deeper(value, DEPTH_LIMIT):
            raise NotJson("the body is nested too deep")
        return value
    except NotJson:
        raise
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise NotJson("the body is nested too deep") from None
    except ValueError:
        raise NotJson("the body holds a number that is too long") from None


def _is_deeper(value: Any, limit: int) -> bool:
    """Level by level, not by recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            entry
            for holder in level
            for entry in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(entry, (dict, list))
        ]
        if not level:
            return False
    return True


def _no_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("the body holds an object with the same key twice")
    return made


def _no_constant(_: str) -> Any:
    raise NotJson("the body holds NaN or Infinity, which are not JSON")


def lone_surrogates(value: Any, at: str, found: Found) -> None:
    """Adds each string (and key) that is no valid Unicode. Called only where the body has an escape that could make one."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                found.add(at, "is not valid Unicode: half of a surrogate pair")
        case list():
            for index, entry in enumerate(value):
                lone_surrogates(entry, f"{at}[{index}]", found)
        case dict():
            for name, entry in value.items():
                path = f"{at}.{name}" if at else name
                lone_surrogates(name, path.encode("ascii", "backslashreplace").decode(), found)
                lone_surrogates(entry, path, found)
