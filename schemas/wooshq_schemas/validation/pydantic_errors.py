"""pydantic's errors as problems, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from wooshq_schemas.validation.names import nearest, shown_path
from wooshq_schemas.validation.paths import field_names, path_of, paths_by_name
from wooshq_schemas.validation.problem import MOST_PROBLEMS, RULE, Problem


def from_validation_error(error: ValidationError, model: type[BaseModel], data: object = None) -> tuple[Problem, ...]:
    """
    pydantic's errors as problems. No problem contains a value.

    model: where the nearest name is looked up for a field that does not exist. data: what was validated; without it, paths may contain
    pydantic's own names for the members of a union.
    """
    errors = error.errors(include_url=False, include_input=True)
    found = [_found(line, model, data) for line in errors[: MOST_PROBLEMS * 4]]
    problems = _merged(found)
    if len(problems) > MOST_PROBLEMS or len(errors) > len(found):
        rest = len(problems) - MOST_PROBLEMS + len(errors) - len(found)
        problems = [*problems[:MOST_PROBLEMS], Problem("", f"there are about {max(rest, 1)} more problems")]
    return tuple(problems)


_WRONG_TYPE: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "string_sub_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "invalid-json-value": "a JSON value",
}
"""pydantic's type of an error → what the value must be."""

_SAYS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is required", ""),
    "string_unicode": ("is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "finite_number": ("must be a finite number", "JSON has no NaN and no Infinity"),
    "int_parsing_size": ("has too many digits", "Write it as a string"),
    "recursion_loop": ("contains itself", "Remove the reference to itself"),
    "recursion_depth_exceeded": ("is nested too deeply", "Flatten it"),
    "invalid_key": ("has a key that is not a string", "Keys of JSON objects must be strings"),
}
"""pydantic's type of an error → (problem, hint)."""

_BOUNDS: Final = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than", "less_than_equal": "at most"}


@dataclass(frozen=True, slots=True)
class _Found:
    """One of pydantic's errors. wanted_type: what the value must be, if only its type is wrong."""

    problem: Problem
    path: tuple[str, ...]
    wanted_type: str = ""


def _found(line: Any, model: type[BaseModel], data: object) -> _Found:
    kind, ctx = line["type"], line.get("ctx") or {}
    path, parent = path_of(model, line["loc"], data, ends_in_name=kind in ("missing", "extra_forbidden"))
    field = shown_path(path)
    if kind == "extra_forbidden" and parent is not None:
        return _Found(Problem(field, "no such field", _which_field(path, parent, model)), path)
    if line.get("input") is None and (kind in _WRONG_TYPE or kind == RULE) and path:
        return _Found(Problem(field, "must not be null", "Leave it out"), path)
    if kind in _WRONG_TYPE:
        hint = "Values are not rounded or converted" if kind.startswith("int_") else ""
        return _Found(Problem(field, f"must be {_WRONG_TYPE[kind]}", hint), path, _WRONG_TYPE[kind])
    return _Found(Problem(field, *_words(kind, line["msg"], ctx)), path)


def _words(kind: str, message: str, ctx: Mapping[str, Any]) -> tuple[str, str]:
    if kind == RULE:
        return ctx["problem"], ctx["hint"]
    if kind in _SAYS:
        return _SAYS[kind]
    if kind in ("literal_error", "enum"):
        return "is not a valid value", f"Use {ctx['expected']}"
    if kind == "string_too_short" or kind == "too_short":
        return "must not be empty", ""
    if kind == "string_too_long":
        return f"is longer than {ctx['max_length']} characters", ""
    if kind == "too_long":
        return f"has more than {ctx['max_length']} entries", ""
    if kind in _BOUNDS:
        return f"must be {_BOUNDS[kind]} {next(iter(ctx.values()))}", ""
    return message[:1].lower() + message[1:], ""


def _which_field(path: Sequence[str], parent: type[BaseModel], root: type[BaseModel]) -> str:
    """A hint for a field that does not exist: the name that is meant, the nearest name, or where else a field with this name is."""
    name, prefix = path[-1], "".join(f"{p}." for p in path[:-1])
    meant: Mapping[str, str] = getattr(parent, "meant", {})
    if name in meant:
        return f"Did you mean {prefix}{meant[name]}?"
    near = nearest(name, field_names(parent))
    if near is not None:
        return f"Did you mean {prefix}{near}?"
    elsewhere = paths_by_name(root).get(name.casefold())
    if elsewhere is not None and elsewhere != ".".join(path):
        return f"Did you mean {elsewhere}?"
    return f"Use one of: {', '.join(field_names(parent))}"


def _merged(found: Sequence[_Found]) -> list[Problem]:
    """The problems that a person needs. pydantic reports each member of a union: of several errors about one field most are noise."""
    by_path: dict[tuple[str, ...], list[_Found]] = {}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    with_deeper = {path[:length] for path in by_path for length in range(len(path))}
    out: dict[tuple[str, str], Problem] = {}
    for path, here in by_path.items():
        types = list(dict.fromkeys(one.wanted_type for one in here if one.wanted_type))
        others = [one for one in here if not one.wanted_type]
        # If the value has the type of one member, only the errors of that member count.
        if types and (path in with_deeper or others):
            here = others
        elif len(types) > 1:
            here = [_Found(Problem(here[0].problem.field, f"must be {' or '.join(types)}", here[0].problem.hint), path)]
        for one in here:
            out.setdefault((one.problem.field, one.problem.problem), one.problem)
    return list(out.values())
