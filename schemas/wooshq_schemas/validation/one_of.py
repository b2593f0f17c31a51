"""A model with rules between its fields, such as "exactly one of these"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeAlias, get_args

from pydantic import BaseModel, GetJsonSchemaHandler, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from wooshq_schemas.validation.problem import RULE, refusal

Location: TypeAlias = tuple[int | str, ...]
"""Where in a model's data something is: names of fields and indexes."""

_MADE_BY_TYPE: Final = frozenset(get_args(core_schema.ErrorType))
"""Types of errors that a ValidationError can be made of."""


class OneOf(BaseModel):
    """
    Base of models with rules between fields. A group allows at most one of its fields (or exactly one), like a protobuf `oneof`.

    The rules read the data as it was written, even if single fields are wrong: the author sees all problems at once.
    """

    groups: ClassVar[Sequence[tuple[tuple[str, ...], bool]]] = ()
    """For each group: (names of its fields as written, whether one is needed)."""
    meant: ClassVar[Mapping[str, str]] = {}
    """Names that people write, from API 1.3 or from the other form → the field that they mean."""

    _sets: ClassVar[tuple[tuple[frozenset[str], bool], ...]] = ()
    _has_rules: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls._sets = tuple((frozenset(names), needed) for names, needed in cls.groups)
        cls._has_rules = cls.rules.__func__ is not OneOf.rules.__func__  # type: ignore[attr-defined]

    @classmethod
    def rules(cls, data: Mapping[str, Any], context: Any) -> Iterable[tuple[Location, str, str]]:
        """Rules beside the groups: yields (where, problem, hint). data: as it was written; any part may have any type."""
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
        # Every message passes here: this only counts. Words are composed only if something is wrong.
        given = data.keys()
        for names, needed in cls._sets:
            n = len(names & given)
            if n != 1 and (needed or n):
                wrong = cls._broken(data, info.context)
                break
        else:
            if not cls._has_rules:
                return model
            wrong = [_line(*rule) for rule in cls.rules(data, info.context)]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong, hide_input=True)
        return model

    @classmethod
    def _broken(cls, data: dict[Any, Any], context: Any) -> list[InitErrorDetails]:
        """The errors of all rules that the data breaks."""
        wrong: list[InitErrorDetails] = []
        for names, needed in cls.groups:
            here = [name for name in names if name in data]
            if len(here) > 1:
                text = f"only one of {', '.join(names)} is allowed, but these were given: {', '.join(here)}"
                wrong.append(_line((), text, "Keep one and remove the others"))
            elif needed and not here:
                wrong.append(_line((), f"one of {', '.join(names)} is required", "Give exactly one"))
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
    """One of pydantic's errors in the form that a new ValidationError takes."""
    kind: Any = line["type"]
    if kind == RULE:
        kind = PydanticCustomError(RULE, "{problem}", line["ctx"])
    elif kind not in _MADE_BY_TYPE:  # pydantic's own code makes some as a custom error: `invalid-json-value`
        kind = PydanticCustomError(kind, line["msg"])
    return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=line.get("ctx", {}))


def _line(loc: Location, problem: str, hint: str) -> InitErrorDetails:
    return InitErrorDetails(type=refusal(problem, hint), loc=loc, input="")
