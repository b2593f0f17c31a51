"""What is wrong with someone's data, for a person: where, what, and what would be right. Never the value itself."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, ClassVar, Final, Self, TypeAlias, Union

from pydantic import BaseModel, GetJsonSchemaHandler, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. field: path from the top, "" for the whole. hint: what would be right, "" where there is nothing to say."""

    field: str
    problem: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """The object that `--json` prints."""
        return {"field": self.field, "problem": self.problem, "hint": self.hint}

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.problem}." + (f" {self.hint}" if self.hint else "")


class IntentInvalid(ValueError):
    """An intent that is not one, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


RULE: Final = "rule"
"""pydantic's name for the errors that our own rules raise."""


def refusal(problem: str, hint: str = "") -> PydanticCustomError:
    """The error that a validator raises; `from_validation_error` makes a Problem of these words out of it."""
    return PydanticCustomError(RULE, "{problem}", {"problem": problem, "hint": hint})


Location: TypeAlias = tuple[int | str, ...]


class OneOf(BaseModel):
    """
    A model with rules between its fields: groups of which at most (or exactly) one may be given, a protobuf `oneof`, and others.

    They look at what was written, also where fields are wrong in themselves: whoever wrote it sees all that is wrong at once.
    """

    groups: ClassVar[Sequence[tuple[tuple[str, ...], bool]]] = ()
    """(names as written, whether one is needed), a group each."""

    _sets: ClassVar[tuple[tuple[frozenset[str], bool], ...]] = ()
    _has_rules: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls._sets = tuple((frozenset(names), needed) for names, needed in cls.groups)
        cls._has_rules = cls.rules.__func__ is not OneOf.rules.__func__  # type: ignore[attr-defined]

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterable[tuple[Location, str, str]]:
        """(where, problem, hint) of what no group says. data: as it was written, so that any part may be of any kind."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        try:
            model = handler(data)
        except ValidationError as error:
            wrong = cls._broken(data, info.context)
            if not wrong:
                raise
            lines = [_again(line) for line in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, [*lines, *wrong], hide_input=True) from None
        # Every message comes this way: count first, compose words only where something is wrong.
        for names, needed in cls._sets:
            count = 0
            for name in data:
                if name in names:
                    count += 1
            if count > 1 or (needed and count == 0):
                break
        else:
            if not cls._has_rules:
                return model
        wrong = cls._broken(data, info.context)
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong, hide_input=True)
        return model

    @classmethod
    def _broken(cls, data: dict[Any, Any], context: Any) -> list[InitErrorDetails]:
        wrong: list[InitErrorDetails] = []
        for names, needed in cls.groups:
            here = [name for name in names if name in data]
            if len(here) > 1:
                text = f"only one of {', '.join(names)} may be given, and these were: {', '.join(here)}"
                wrong.append(_line((), text, "Leave all but one out"))
            elif needed and not here:
                wrong.append(_line((), f"one of {', '.join(names)} is needed, and none was given", "Give exactly one"))
        if cls._has_rules:
            wrong.extend(_line(*rule) for rule in cls.rules(data, context))
        return wrong

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(schema)
        conditions = []
        for names, needed in cls.groups:
            one: list[dict[str, Any]] = [{"required": [name]} for name in names]
            conditions.append({"oneOf": one if needed else [*one, {"not": {"anyOf": one}}]})
        if conditions:
            handler.resolve_ref_schema(made).setdefault("allOf", []).extend(conditions)
        return made


def _again(line: Any) -> InitErrorDetails:
    """pydantic's line as what a new ValidationError is made of."""
    kind: Any = PydanticCustomError(RULE, "{problem}", line["ctx"]) if line["type"] == RULE else line["type"]
    return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=line.get("ctx", {}))


def _line(loc: Location, problem: str, hint: str) -> InitErrorDetails:
    return InitErrorDetails(type=refusal(problem, hint), loc=loc, input="")


MOST_PROBLEMS: Final = 100
"""More than so many are counted, not told: nobody reads them, and a stranger decides how many there are."""
_LONGEST_NAME: Final = 64
"""Characters of a name that a stranger wrote, as far as it is told."""


def from_validation_error(error: ValidationError, model: type[BaseModel], data: object = None) -> tuple[Problem, ...]:
    """
    pydantic's errors as problems, none of which tells a value.

    model: asked for the nearest name of a field that does not exist. data: what was validated; with it, pydantic's names for the
    members of a union stay out of the paths.
    """
    lines = error.errors(include_url=False, include_input=True)
    told = [_tell(line, model, data) for line in lines[: MOST_PROBLEMS * 4]]
    problems = _without_echoes(told)
    if len(problems) > MOST_PROBLEMS or len(lines) > len(told):
        rest = len(problems) - MOST_PROBLEMS + len(lines) - len(told)
        problems = [*problems[:MOST_PROBLEMS], Problem("", f"there are about {max(rest, 1)} more problems")]
    return tuple(problems)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant, whatever its case; None where none is near."""
    by_folded = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(name[:_LONGEST_NAME].casefold(), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """A hint: the nearest name, or, where none is near, which there are."""
    names = list(names)
    near = nearest(name, names)
    return f"Did you mean {prefix}{near}?" if near is not None else f"There are: {', '.join(names)}"


def shown(part: object) -> str:
    """A name or an index as a path shows it: one line, cut where it is long."""
    text = "".join(char if char.isprintable() else "�" for char in str(part)[: _LONGEST_NAME + 1])
    return text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "…"


# ── From one of pydantic's lines to one problem ─────────────────────────────────────────────────────────────────────────────────────

_WRONG_TYPE: Final[Mapping[str, str]] = {
    "string_type": "a text",
    "string_sub_type": "a text",
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

_SAYS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is needed", ""),
    "string_unicode": ("is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "finite_number": ("must be a finite number", "NaN and Infinity are no JSON"),
    "int_parsing_size": ("is a number of too many digits", "Give it as a text"),
    "recursion_loop": ("contains itself", "Give a value that ends"),
    "recursion_depth_exceeded": ("is nested too deeply", "Flatten it"),
    "invalid_key": ("has a key that is not a text", "Keys of JSON objects are texts"),
}


_NUMBERS: Final = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than", "less_than_equal": "at most"}


@dataclass(frozen=True, slots=True)
class _Told:
    problem: Problem
    path: tuple[str, ...]
    wrong_type: str = ""  #: what it must be instead, where only its type is wrong


def _tell(line: Any, model: type[BaseModel], data: object) -> _Told:
    kind, ctx = line["type"], line.get("ctx") or {}
    path, parent = _walk(model, line["loc"], data, is_name=kind in ("missing", "extra_forbidden"))
    field = ".".join(path if len(path) <= 20 else (*path[:20], "…"))
    if kind == "extra_forbidden" and parent is not None:
        return _Told(Problem(field, "no such field", _which_field(path, parent, model)), path)
    if line.get("input") is None and (kind in _WRONG_TYPE or kind == RULE) and path:
        return _Told(Problem(field, "must not be null", "Leave it out"), path)
    if kind in _WRONG_TYPE:
        hint = "Numbers are not rounded, and true is not 1" if kind.startswith("int_") else ""
        return _Told(Problem(field, f"must be {_WRONG_TYPE[kind]}", hint), path, _WRONG_TYPE[kind])
    return _Told(Problem(field, *_words(kind, line["msg"], ctx)), path)


def _words(kind: str, message: str, ctx: Mapping[str, Any]) -> tuple[str, str]:
    if kind == RULE:
        return ctx["problem"], ctx["hint"]
    if kind in _SAYS:
        return _SAYS[kind]
    if kind in ("literal_error", "enum"):
        return "is no value of this field", f"Right would be {ctx['expected']}"
    if kind == "string_too_short" or kind == "too_short":
        return "must not be empty", ""
    if kind == "string_too_long":
        return f"is longer than {ctx['max_length']} characters", ""
    if kind == "too_long":
        return f"has more than {ctx['max_length']} entries", ""
    if kind in _NUMBERS:
        return f"must be {_NUMBERS[kind]} {next(iter(ctx.values()))}", ""
    return message[:1].lower() + message[1:], ""


def _which_field(path: Sequence[str], parent: type[BaseModel], root: type[BaseModel]) -> str:
    name, prefix = path[-1], "".join(f"{p}." for p in path[:-1])
    near = nearest(name, _names(parent))
    if near is not None:
        return f"Did you mean {prefix}{near}?"
    elsewhere = _places(root).get(name.casefold())
    if elsewhere is not None and elsewhere != ".".join(path):
        return f"Did you mean {elsewhere}?"
    return f"There are: {', '.join(_names(parent))}"


@lru_cache(maxsize=8)
def _places(root: type[BaseModel]) -> Mapping[str, str]:
    """Name in small letters → the first path at which a field is called so, the outermost first: for fields put on the wrong level."""
    found: dict[str, str] = {}
    level: list[tuple[str, type[BaseModel]]] = [("", root)]
    seen = {root}
    while level:
        inner: list[tuple[str, type[BaseModel]]] = []
        for prefix, model in level:
            for name, info in model.model_fields.items():
                path = prefix + (info.alias or name)
                found.setdefault((info.alias or name).casefold(), path)
                for one in _members(_field(model, info.alias or name)):
                    if _is_model(one) and one not in seen:
                        seen.add(one)
                        inner.append((f"{path}.", one))
        level = inner
    return found


def _without_echoes(told: Sequence[_Told]) -> list[Problem]:
    """A union reports each of its members; of several lines about one field, only what a person needs stays."""
    by_path: dict[tuple[str, ...], list[_Told]] = {}
    for one in told:
        by_path.setdefault(one.path, []).append(one)
    deeper = {path[:length] for path in by_path for length in range(len(path))}
    out: dict[tuple[str, str], Problem] = {}
    for path, lines in by_path.items():
        types = list(dict.fromkeys(line.wrong_type for line in lines if line.wrong_type))
        others = [line for line in lines if not line.wrong_type]
        # One member of the union fitted by its type, and what it found counts.
        if types and (path in deeper or others):
            lines = others
        elif len(types) > 1:
            lines = [_Told(Problem(lines[0].problem.field, f"must be {' or '.join(types)}", lines[0].problem.hint), path)]
        for line in lines:
            out.setdefault((line.problem.field, line.problem.problem), line.problem)
    return list(out.values())


# ── Paths ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _walk(
    model: type[BaseModel], loc: Sequence[int | str], data: object, *, is_name: bool
) -> tuple[tuple[str, ...], type[BaseModel] | None]:
    """The path that a person sees, and the model that holds its last part, if a model does."""
    path: list[str] = []
    here: list[Any] = [model]
    parent: type[BaseModel] | None = model
    for place, part in enumerate(loc):
        models = [one for one in here if _is_model(one)]
        in_data = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data))
        is_field = any(_field(one, part) is not None for one in models)
        if not in_data and not is_field and not (is_name and place == len(loc) - 1):
            continue  # pydantic's name for a member of a union, or its mark for a key
        owner = next((one for one in models if _field(one, part) is not None), models[0] if models else None)
        path.append(shown(part))
        parent = owner
        here = list(_inside(here, owner, part))
        data = data[part] if in_data else None  # type: ignore[index]
    return tuple(path), parent


def _inside(here: Iterable[Any], owner: type[BaseModel] | None, part: int | str) -> Iterator[Any]:
    if owner is not None and (found := _field(owner, part)) is not None:
        yield from _members(found)
        return
    for one in here:
        origin, args = typing.get_origin(one), typing.get_args(one)
        if origin in (dict, list) and args:
            yield from _members(args[-1])


def _members(annotation: Any) -> Iterator[Any]:
    """What a union, or an annotated type, may be."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for one in typing.get_args(annotation):
            yield from _members(one)
    elif annotation is not None and annotation is not type(None):
        yield annotation


def _is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)


def _field(model: type[BaseModel], part: int | str) -> Any:
    """A field's type; of a plain value that was checked by a model (marked with `stands_for`), that model."""
    for name, info in model.model_fields.items():
        if part == (info.alias or name):
            return next((mark.stands_for for mark in info.metadata if hasattr(mark, "stands_for")), info.annotation)
    return None


def _names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]
