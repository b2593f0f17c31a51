"""Does an enqueued intent have the parts that a test names? Pure: compares values, and names every difference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from wooshq.testing.enqueued import Enqueued
from wooshq_schemas import Intent
from wooshq_schemas.validation.names import nearest

_ABSENT: Final = object()
_LONGEST: Final = 200
"""Characters of a value that a failure shows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A part that differs. path: of the field. wanted, found: as a failure shows them."""

    path: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: wanted {self.wanted}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What a test asks for. fields: of the intent, nested as in the intent. recipient: one identifier of the target's list. job: id of a
    fan-out.
    """

    fields: Mapping[str, Any]
    recipient: str | None = None
    job: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], recipient: str | None = None, job: object = None) -> Parts:
        """
        given: fields by name; `message__push__title` is the title of the push in the message. job: its id, or a handle with an `id`.

        Raises TypeError for a field that no intent has: otherwise a slip would make `refute_enqueued` pass.
        """
        fields: dict[str, Any] = {}
        for name, value in given.items():
            *outer, last = name.split("__")
            at = fields
            for part in outer:
                at = at.setdefault(part, {})
            at[last] = value
        _check_names(fields, Intent, "")
        return cls(fields, recipient, None if job is None else str(getattr(job, "id", job)))

    def differences(self, enqueued: Enqueued) -> list[Difference]:
        """Every part that the intent does not have. Empty if it has all of them."""
        found = list(_compare(self.fields, enqueued.intent, ""))
        if self.recipient is not None and self.recipient not in enqueued.recipients:
            found.append(Difference("recipient", _shown(self.recipient), _shown(_as_one(enqueued.recipients))))
        if self.job is not None and self.job != enqueued.job_id:
            found.append(Difference("job", _shown(self.job), _shown(enqueued.job_id or _ABSENT)))
        return found

    def __str__(self) -> str:
        parts = [f"{path}={_shown(value)}" for path, value in _leaves(self.fields, "") if path]
        parts += [f"{name}={_shown(value)}" for name, value in (("recipient", self.recipient), ("job", self.job)) if value is not None]
        return ", ".join(parts) or "any parts"


def _compare(wanted: Any, found: Any, path: str) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            yield from _compare(value, found.get(name, _ABSENT), f"{path}.{name}" if path else str(name))
    elif not _is(wanted, found):
        yield Difference(path, _shown(wanted), _shown(found))


def _is(wanted: Any, found: Any) -> bool:
    """A pattern matches a text that it is found in. None is a field that is absent. Everything else is compared with `==`."""
    if isinstance(wanted, re.Pattern):
        return isinstance(found, str) and wanted.search(found) is not None
    if wanted is None:
        return found is None or found is _ABSENT
    return found is not _ABSENT and bool(wanted == found)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _as_one(recipients: Sequence[str]) -> object:
    return recipients[0] if len(recipients) == 1 else list(recipients) if recipients else _ABSENT


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "nothing"
    text = f"/{value.pattern}/" if isinstance(value, re.Pattern) else repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _check_names(fields: Mapping[str, Any], model: type[BaseModel], path: str) -> None:
    """Check names as far as the models know all of them: below `data`, `request` and the like, any name is possible."""
    names = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for name, value in fields.items():
        if name not in names:
            near = nearest(name, names)
            hint = f"Did you mean {path}{near}?" if near else f"Use one of: {', '.join(path + known for known in names)}"
            raise TypeError(f"{path}{name} is not a field of an intent. {hint}")
        inner = _strict_model(names[name])
        if inner is not None and isinstance(value, Mapping):
            _check_names(value, inner, f"{path}{name}.")


def _strict_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a field, if its values can have only the names of the model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if annotation.model_config.get("extra") == "forbid" else None
    origin: Any = get_origin(annotation)
    if origin is Annotated or origin is Union or str(origin) == "<class 'types.UnionType'>":
        return next((found for found in map(_strict_model, get_args(annotation)) if found is not None), None)
    return None


def nearest_of(parts: Parts, enqueued: Iterable[Enqueued]) -> tuple[int, Enqueued, list[Difference]] | None:
    """The intent that differs least, the newest of several: its index, the intent, and the differences. None if there is no intent."""
    compared = [(index, one, parts.differences(one)) for index, one in enumerate(enqueued)]
    return min(compared, key=lambda one: (len(one[2]), -one[0]), default=None)
