"""The exact form as it is checked and stored: known fields in snake_case, and nothing empty beside `silent`."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from wooshq_schemas.platforms import Platforms
from wooshq_schemas.request import BlockName, NotifyRequest
from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import Problem


@dataclass(slots=True)
class Normal:
    """
    A request body with its known fields in snake_case.

    body: the given one if nothing had to change. camel_case: paths of the fields that were given in camelCase, as they were given.
    problems: fields that were given in both spellings.
    """

    body: Any
    camel_case: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def normal(body: object, platforms: Platforms, path: str = "request") -> Normal:
    """
    The body as it is checked and stored. path: where it stands, for the paths of problems.

    A field that the models know may have its camelCase name, which protobuf's JSON and some clients write. Free objects (`custom_data` and
    the like) are not touched. Content without any locale beside `silent` means the same as no content.
    """
    out = Normal(body)
    out.body = _without_empty_content(_shape_of(NotifyRequest).walk(body, path, _Walk(platforms, out)))
    return out


# ── camelCase ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Walk:
    platforms: Platforms
    found: Normal


class _Shape:
    """Which names a value of one type may have inside it, as far as the models say so."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = _bare(annotation)

    @cached_property
    def _fields(self) -> Mapping[str, _Shape]:
        """Of an object with known fields: name → shape of its value."""
        if not _is_model(self._annotation):
            return {}
        return {info.alias or name: _shape_of(info.annotation) for name, info in self._annotation.model_fields.items()}

    @cached_property
    def _camel(self) -> Mapping[str, str]:
        return {to_camel(name): name for name in self._fields if "_" in name}

    @cached_property
    def _items(self) -> _Shape | None:
        """Of a list, or of an object whose keys are data: the shape of each value."""
        items = _items_of(self._annotation)
        return None if items is None else _shape_of(items)

    @cached_property
    def _has_blocks(self) -> bool:
        """Whether its keys are the names of blocks."""
        return typing.get_origin(self._annotation) is dict and typing.get_args(self._annotation)[0] == BlockName

    @cached_property
    def is_plain(self) -> bool:
        """Whether no name in it can have a camelCase form, on any level."""
        inner = [*self._fields.values(), *([self._items] if self._items is not None else ())]
        return not self._camel and not self._has_blocks and all(one.is_plain for one in inner)

    def walk(self, value: Any, path: str, walk: _Walk) -> Any:
        """The value with its known names in snake_case; the given one if nothing changed."""
        if isinstance(value, dict):
            return self._walk_object(value, path, walk)
        if isinstance(value, list) and self._items is not None and not self._items.is_plain:
            made = [self._items.walk(one, f"{path}.{place}", walk) for place, one in enumerate(value)]
            return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
        return value

    def _walk_object(self, value: dict[Any, Any], path: str, walk: _Walk) -> Any:
        camel = walk.platforms.camel_blocks if self._has_blocks else self._camel
        fields, items, changed = self._fields, self._items, False
        made: dict[Any, Any] = {}
        for name, inner in value.items():
            known = camel.get(name, name)
            if known is not name:
                changed = True
                if known in value:
                    problem = f"is the same field as {known}, which is given too"
                    walk.found.problems.append(Problem(f"{path}.{name}", problem, "Keep one of the two"))
                    continue
                walk.found.camel_case.append(f"{path}.{name}")
            shape = fields.get(known) or items
            if shape is not None and isinstance(inner, (dict, list)) and not shape.is_plain:
                inner = shape.walk(inner, f"{path}.{shown(known)}", walk)
                changed = changed or inner is not value[name]
            made[known] = inner
        return made if changed else value


@cache
def _shape_of(annotation: Any) -> _Shape:
    return _Shape(annotation)


def _bare(annotation: Any) -> Any:
    """Without the checks of an annotated type."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _items_of(annotation: Any) -> Any:
    return typing.get_args(annotation)[-1] if typing.get_origin(annotation) in (list, dict) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


# ── silent ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_EMPTY: Final[tuple[Any, ...]] = (None, {}, {"localized_content": None}, {"localized_content": {}})
"""Content without any locale. Clients that write every field of their classes send it beside `silent`."""


def _without_empty_content(body: Any) -> Any:
    for kind, inner in _requests_in(body):
        payload = inner.get("payload")
        if isinstance(payload, dict) and payload.get("silent") is True and "content" in payload and payload["content"] in _EMPTY:
            rest = {name: value for name, value in payload.items() if name != "content"}
            body = {**body, kind: {**inner, "payload": rest}}
    return body


def _requests_in(body: Any) -> Iterator[tuple[Any, dict[Any, Any]]]:
    for kind, inner in list(body.items()) if isinstance(body, dict) else ():
        if isinstance(inner, dict):
            yield kind, inner
