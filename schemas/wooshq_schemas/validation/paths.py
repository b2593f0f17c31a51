"""Paths in a model's data, as a person writes them: `message.push.title`."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, Union

from pydantic import BaseModel

from wooshq_schemas.validation.names import shown


def path_of(
    model: type[BaseModel], loc: Sequence[int | str], data: object, *, ends_in_name: bool
) -> tuple[tuple[str, ...], type[BaseModel] | None]:
    """
    The path that a person sees for one of pydantic's locations, and the model that holds its last part, if a model does.

    pydantic puts its own marks between the parts (the member of a union, "this is a key"). They stand neither in the data nor in the
    models, and are left out. ends_in_name: the last part is the name of a field, even if neither data nor models have it.
    """
    path: list[str] = []
    here: list[Any] = [model]
    parent: type[BaseModel] | None = model
    for place, part in enumerate(loc):
        models = [one for one in here if _is_model(one)]
        in_data = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data))
        owner = next((one for one in models if _type_of(one, part) is not None), None)
        if not in_data and owner is None and not (ends_in_name and place == len(loc) - 1):
            continue
        path.append(shown(part))
        parent = owner or (models[0] if models else None)
        here = list(_inside(here, parent, part))
        data = data[part] if in_data else None  # type: ignore[index]
    return tuple(path), parent


@lru_cache(maxsize=8)
def paths_by_name(root: type[BaseModel]) -> Mapping[str, str]:
    """Name of a field in lower case → its path. If several fields have a name, the outermost counts."""
    found: dict[str, str] = {}
    level: list[tuple[str, type[BaseModel]]] = [("", root)]
    seen = {root}
    while level:
        inner: list[tuple[str, type[BaseModel]]] = []
        for prefix, model in level:
            for name in field_names(model):
                path = prefix + name
                found.setdefault(name.casefold(), path)
                for one in _members(_type_of(model, name)):
                    if _is_model(one) and one not in seen:
                        seen.add(one)
                        inner.append((f"{path}.", one))
        level = inner
    return found


def field_names(model: type[BaseModel]) -> list[str]:
    """A model's fields, as data writes them."""
    return [info.alias or name for name, info in model.model_fields.items()]


def _inside(here: Iterable[Any], owner: type[BaseModel] | None, part: int | str) -> Iterator[Any]:
    """The types that a part may have."""
    if owner is not None and (found := _type_of(owner, part)) is not None:
        yield from _members(found)
        return
    for one in here:
        origin, args = typing.get_origin(one), typing.get_args(one)
        if origin in (dict, list) and args:
            yield from _members(args[-1])


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a union or an annotated type stands for."""
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


def _type_of(model: type[BaseModel], part: int | str) -> Any:
    """The type of a field; None if the model has no such field. A mark `stands_for` names the model that checked a plain value."""
    for name, info in model.model_fields.items():
        if part == (info.alias or name):
            return next((mark.stands_for for mark in info.metadata if hasattr(mark, "stands_for")), info.annotation)
    return None
